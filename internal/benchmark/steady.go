package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"iter"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"atlas-restore-exporter/atlas"
	"atlas-restore-exporter/collector"
	"atlas-restore-exporter/collector/poll"
)

const steadyTargets, steadyConcurrency = 500, 8

// The ways to poll a list that doesn't change.
const (
	fetched = "fetching the same bytes"      // with net/http, into a buffer that is reused
	skipped = "polls without news"           // as the exporter does
	decoded = "polls that decode every page" // without the marks of unchanged pages
	apart   = 12 * time.Hour                 // between the jobs of a target
	bearer  = "Bearer not checked"           // of the floor
	version = "application/vnd.atlas.2023-01-01+json"
)

// steady compares polls of lists that don't change with the cost of fetching the same bytes, over TLS and HTTP/2. The
// simulated Atlas API is another process, so that its cost doesn't count.
func steady(ctx context.Context, rounds int) error {
	table("jobs of a target", "variant", "CPU of a request in µs", "relative to fetching", "KiB allocated",
		"2,000 clusters every minute, % of a core")
	for _, jobs := range []int{5, 50, 500} {
		if err := steadyFor(ctx, jobs, rounds); err != nil {
			return err
		}
	}
	return nil
}

// cost is the cost of a request.
type cost struct {
	cpu       time.Duration
	allocated uint64
}

// measure returns the cost of a request, of which round sends one for each target. The first round fills pools.
func measure(round func() error) (cost, error) {
	const rounds = 3
	runtime.GC()
	if err := round(); err != nil {
		return cost{}, err
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	start := cpuTime()
	for range rounds {
		if err := round(); err != nil {
			return cost{}, err
		}
	}
	used := cpuTime() - start
	runtime.ReadMemStats(&after)
	const requests = rounds * steadyTargets
	return cost{used / requests, (after.TotalAlloc - before.TotalAlloc) / requests}, nil
}

func steadyFor(ctx context.Context, jobs, rounds int) error {
	base, stop, err := startPages(ctx, jobs)
	if err != nil {
		return err
	}
	defer stop()
	round, err := steadyRounds(ctx, base, jobs)
	if err != nil {
		return err
	}
	names := []string{skipped, decoded, fetched} // a page can be fetched once it was polled
	best := map[string]cost{}
	for range rounds {
		for _, name := range names {
			used, err := measure(round[name])
			if err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
			if fastest, measured := best[name]; !measured || used.cpu < fastest.cpu {
				best[name] = used
			}
		}
	}
	for _, name := range names {
		used := best[name]
		row(jobs, name, used.cpu.Microseconds(), fmt.Sprintf("%.2f", float64(used.cpu)/float64(best[fetched].cpu)),
			fmt.Sprintf("%.1f", float64(used.allocated)/1024), fmt.Sprintf("%.1f", used.cpu.Seconds()*2000/60*100))
	}
	return nil
}

// steadyRounds returns, for each variant, a function that reads the list of each target once.
func steadyRounds(ctx context.Context, base string, jobs int) (map[string]func() error, error) {
	authorities := x509.NewCertPool()
	server := httptest.NewTLSServer(http.NotFoundHandler()) // all of them have the same certificate
	authorities.AddCert(server.Certificate())
	server.Close()
	_, targets := newAtlas(steadyTargets, 0, apart)
	rounds := map[string]func() error{}
	for _, name := range []string{skipped, decoded} {
		exporter := collector.NewExporter(collector.BuildInfo{})
		client, err := atlas.NewClient(atlas.Options{
			BaseURL: base, Credential: serviceAccount, RootCAs: authorities, Concurrency: steadyConcurrency, Observer: exporter,
		})
		if err != nil {
			return nil, err
		}
		var polled poll.Client = client
		if name == decoded {
			polled = decodingClient{client}
		}
		manager, err := newManager(targets, polled, exporter)
		if err != nil {
			return nil, err
		}
		rounds[name] = func() error { return pollAll(ctx, manager, jobs) }
	}
	transport := &http.Transport{
		TLSClientConfig: &tls.Config{RootCAs: authorities, MinVersion: tls.VersionTLS12}, ForceAttemptHTTP2: true,
	}
	rounds[fetched] = func() error { return fetchAll(ctx, &http.Client{Transport: transport}, base, targets) }
	return rounds, nil
}

// decodingClient decodes pages that have not changed.
type decodingClient struct{ poll.Client }

// RestoreJobs ignores the marks of unchanged pages.
func (c decodingClient) RestoreJobs(
	ctx context.Context, list atlas.List, _ ...atlas.PageMark,
) iter.Seq2[atlas.Page, error] {
	return c.Client.RestoreJobs(ctx, list)
}

// pollAll polls all targets once.
func pollAll(ctx context.Context, manager *poll.Manager, jobs int) error {
	var failure error
	manager.PollOnce(ctx, func(s *poll.Snapshot) {
		if s.Err != nil || s.Summary.Known != jobs {
			failure = fmt.Errorf("unexpected result of a poll: %w", s.Err)
		}
	})
	return failure
}

// fetchAll reads the page of each target, in as many goroutines as a manager uses.
func fetchAll(ctx context.Context, client *http.Client, base string, targets []poll.Target) error {
	var fetches errgroup.Group
	slots := make(chan struct{}, steadyConcurrency)
	for i := range targets {
		fetches.Go(func() error {
			slots <- struct{}{}
			defer func() { <-slots }()
			return fetch(ctx, client, base+"/api/atlas/v2/groups/"+targets[i].ProjectID+"/clusters/"+
				targets[i].ClusterName+"/backup/restoreJobs?includeCount=true&itemsPerPage=500&pageNum=1")
		})
	}
	return fetches.Wait()
}

var buffers = sync.Pool{New: func() any { return &bytes.Buffer{} }}

// fetch reads a page.
func fetch(ctx context.Context, client *http.Client, url string) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		return err
	}
	request.Header.Set("Accept", version)
	request.Header.Set("Authorization", bearer)
	response, err := client.Do(request)
	if err != nil {
		return err
	}
	defer func() { _ = response.Body.Close() }()
	if response.StatusCode != http.StatusOK || response.ProtoMajor != 2 {
		return fmt.Errorf("response %s with %s", response.Status, response.Proto)
	}
	buffer, _ := buffers.Get().(*bytes.Buffer)
	defer buffers.Put(buffer)
	buffer.Reset()
	_, err = buffer.ReadFrom(response.Body)
	return err
}

// startPages starts this program as a server of pages. It returns its URL.
func startPages(ctx context.Context, jobs int) (base string, stop func(), err error) {
	self, err := os.Executable()
	if err != nil {
		return "", nil, err
	}
	server := exec.CommandContext(ctx, self, "-jobs", strconv.Itoa(jobs), "pages") //nolint:gosec // this program
	server.Stderr = os.Stderr
	input, err := server.StdinPipe()
	if err != nil {
		return "", nil, err
	}
	output, err := server.StdoutPipe()
	if err != nil {
		return "", nil, err
	}
	if err := server.Start(); err != nil {
		return "", nil, err
	}
	base, err = bufio.NewReader(output).ReadString('\n')
	return strings.TrimSpace(base), func() { _ = input.Close(); _ = server.Wait() }, err
}

// pages serves the pages of targets with a number of jobs over TLS and HTTP/2, until the standard input ends. It prints
// its URL. Each response is rendered once.
func pages(jobs int) error {
	sim, _ := newAtlas(steadyTargets, jobs, apart)
	sim.Capacity = -1
	var mu sync.Mutex
	rendered := map[string]*httptest.ResponseRecorder{}
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet {
			sim.ServeHTTP(w, r)
			return
		}
		mu.Lock()
		response := rendered[r.URL.String()]
		if response == nil && r.Header.Get("Authorization") != bearer {
			response = httptest.NewRecorder()
			sim.ServeHTTP(response, r)
			rendered[r.URL.String()] = response
		}
		mu.Unlock()
		if response == nil {
			http.Error(w, "not rendered yet", http.StatusServiceUnavailable)
			return
		}
		maps.Copy(w.Header(), response.Header())
		_, _ = w.Write(response.Body.Bytes())
	}))
	server.EnableHTTP2 = true
	server.StartTLS()
	fmt.Println(server.URL)
	_, err := io.Copy(io.Discard, os.Stdin)
	return err
}
