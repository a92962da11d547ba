package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"iter"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
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

// steadyJobs are the numbers of jobs of a target.
var steadyJobs = []int{5, 50, 500}

// steadyRatio returns the name of the CPU time of polls without news relative to fetching the same bytes.
func steadyRatio(jobs int) string { return fmt.Sprintf("%d jobs: CPU time relative to fetching", jobs) }

// steadyOf returns the name of a figure of a variant.
func steadyOf(jobs int, variant, unit string) string {
	return fmt.Sprintf("%d jobs: %s of %s", jobs, unit, variant)
}

const microseconds, kibibytes = "µs", "KiB"

// steady compares polls of lists that don't change with the cost of fetching the same bytes, over TLS and HTTP/2. The
// simulated Atlas API is another process, so that its cost doesn't count.
func steady(ctx context.Context) (figures, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer children.Wait()
	defer cancel()
	measured := figures{}
	for _, jobs := range steadyJobs {
		best, err := steadyFor(ctx, jobs)
		if err != nil {
			return nil, err
		}
		for variant, used := range best {
			measured[steadyOf(jobs, variant, microseconds)] = float64(used.cpu) / float64(time.Microsecond)
			measured[steadyOf(jobs, variant, kibibytes)] = float64(used.allocated) / 1024
		}
		measured[steadyRatio(jobs)] = float64(best[skipped].cpu) / float64(best[fetched].cpu)
	}
	return measured, nil
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

// cpuTime returns the CPU time that the process has used.
func cpuTime() time.Duration {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		panic(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

// steadyFor returns the lowest cost of each variant.
func steadyFor(ctx context.Context, jobs int) (map[string]cost, error) {
	const rounds = 3
	base, err := startPages(ctx, jobs)
	if err != nil {
		return nil, err
	}
	round, err := steadyRounds(ctx, base, jobs)
	if err != nil {
		return nil, err
	}
	best := map[string]cost{}
	for range rounds {
		for _, name := range []string{skipped, decoded, fetched} { // a page can be fetched once it was polled
			used, err := measure(round[name])
			if err != nil {
				return nil, fmt.Errorf("%s: %w", name, err)
			}
			if fastest, measured := best[name]; !measured || used.cpu < fastest.cpu {
				best[name] = used
			}
		}
	}
	return best, nil
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
	queue := make(chan *poll.Target, len(targets))
	for i := range targets {
		queue <- &targets[i]
	}
	close(queue)
	var fetches errgroup.Group
	for range steadyConcurrency {
		fetches.Go(func() error {
			for target := range queue {
				if err := fetch(ctx, client, base+"/api/atlas/v2/groups/"+target.ProjectID+"/clusters/"+
					target.ClusterName+"/backup/restoreJobs?includeCount=true&itemsPerPage=500&pageNum=1"); err != nil {
					return err
				}
			}
			return nil
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
func startPages(ctx context.Context, jobs int) (base string, err error) {
	self, err := os.Executable()
	if err != nil {
		return "", err
	}
	server := child(ctx, self, "-jobs", strconv.Itoa(jobs), "pages")
	output, err := server.StdoutPipe()
	if err != nil {
		return "", err
	}
	defer func() { _ = output.Close() }()
	if err := server.Start(); err != nil {
		return "", err
	}
	base, err = bufio.NewReader(output).ReadString('\n')
	children.Go(func() { _ = server.Wait() })
	return strings.TrimSpace(base), err
}

// pages serves the pages of targets with a number of jobs over TLS and HTTP/2, until ctx is canceled. It prints its
// URL. Each response is rendered once.
func pages(ctx context.Context, jobs int) error {
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
	<-ctx.Done()
	return nil
}
