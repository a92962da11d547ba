package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

const (
	fleetClusters = 2000
	fleetJobs     = 50
	fleetFor      = 3 * time.Minute
)

// simulate serves a simulated Atlas of the fleet until it is killed.
func simulate(_ context.Context, address string) error {
	sim, _ := newAtlas(fleetClusters, fleetJobs, week)
	server := &http.Server{Addr: address, Handler: slow(sim), ReadHeaderTimeout: 10 * time.Second}
	return server.ListenAndServe()
}

// fleet runs an exporter, built from these sources, that finds and polls 2,000 clusters of a simulated Atlas in another
// process, 20 ms away, and scrapes it every second.
func fleet(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	dir, err := os.MkdirTemp("", "fleet")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	atlasAddress, err := freeAddress(ctx)
	if err != nil {
		return err
	}
	exporterAddress, err := freeAddress(ctx)
	if err != nil {
		return err
	}
	config := filepath.Join(dir, "config.yaml")
	text := fmt.Sprintf("atlas: {base_url: \"http://%s\"}\ncredentials:\n  default:\n    service_account: {client_id: %s, client_secret: %s}\nprojects:\n  - discovery: {}\n",
		atlasAddress, clientID, clientSecret)
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		return err
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	binary := filepath.Join(dir, "exporter")
	build := exec.CommandContext(ctx, "go", "build", "-o", binary, ".") //nolint:gosec // our own
	build.Dir, build.Stderr = filepath.Join("..", ".."), os.Stderr
	if err := build.Run(); err != nil {
		return err
	}
	atlas := exec.CommandContext(ctx, self, "-listen", atlasAddress, "simulate") //nolint:gosec // ourselves
	if err := atlas.Start(); err != nil {
		return err
	}
	for {
		connection, err := (&net.Dialer{}).DialContext(ctx, "tcp", atlasAddress)
		if err == nil {
			_ = connection.Close()
			break
		}
		time.Sleep(100 * time.Millisecond)
	}
	exporter := exec.CommandContext(ctx, binary, "--config.file", config, "--web.listen-address", exporterAddress, "--log.level", "warn") //nolint:gosec // our own
	exporter.Stderr = os.Stderr
	start := time.Now()
	if err := exporter.Start(); err != nil {
		return err
	}
	return watch(ctx, "http://"+exporterAddress, start)
}

// watch reports when everything was polled, and what the exporter costs from then on.
func watch(ctx context.Context, base string, start time.Time) error {
	var slowest time.Duration
	for !ready(ctx, base) {
		if time.Since(start) > time.Minute {
			return errors.New("not everything was polled within a minute")
		}
		if took, _, err := scrape(ctx, base+"/metrics", true); err == nil {
			slowest = max(slowest, took)
		}
		time.Sleep(50 * time.Millisecond)
	}
	fmt.Printf("first full picture after %.1f s, slowest scrape until then %.0f ms\n", time.Since(start).Seconds(), slowest.Seconds()*1e3)
	before, err := own(ctx, base)
	if err != nil {
		return err
	}
	slowest = 0
	since := time.Now()
	for time.Since(since) < fleetFor {
		took, _, err := scrape(ctx, base+"/metrics", true)
		if err != nil {
			return err
		}
		slowest = max(slowest, took)
		time.Sleep(time.Second)
	}
	after, err := own(ctx, base)
	if err != nil {
		return err
	}
	span := time.Since(since).Seconds()
	_, compressed, err := scrape(ctx, base+"/metrics", true)
	if err != nil {
		return err
	}
	_, plain, err := scrape(ctx, base+"/metrics", false)
	if err != nil {
		return err
	}
	fmt.Printf("in %.0f s: %.1f %% of a CPU, %.0f MiB resident, %.0f requests a minute, slowest of %.0f scrapes %.0f ms\n",
		span, (after["process_cpu_seconds_total"]-before["process_cpu_seconds_total"])/span*100, after["process_resident_memory_bytes"]/(1<<20),
		(after["requests"]-before["requests"])/span*60, span, slowest.Seconds()*1e3)
	fmt.Printf("%d clusters of %d jobs, one a week: %.1f MiB plain, %.1f MiB compressed\n", fleetClusters, fleetJobs, float64(plain)/(1<<20), float64(compressed)/(1<<20))
	return nil
}

func ready(ctx context.Context, base string) bool {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, base+"/-/ready", http.NoBody)
	if err != nil {
		return false
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return false
	}
	defer func() { _ = answer.Body.Close() }()
	return answer.StatusCode == http.StatusOK
}

// own returns the exporter's metrics of its own process, and all its requests to Atlas together.
func own(ctx context.Context, base string) (map[string]float64, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, base+"/metrics", http.NoBody)
	if err != nil {
		return nil, err
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, err
	}
	defer func() { _ = answer.Body.Close() }()
	values := map[string]float64{}
	lines := bufio.NewScanner(answer.Body)
	for lines.Scan() {
		name, value, _ := strings.Cut(lines.Text(), " ")
		number, err := strconv.ParseFloat(value, 64)
		switch {
		case err != nil:
		case strings.HasPrefix(name, "mongodbatlas_restore_exporter_api_requests_total"):
			values["requests"] += number
		case strings.HasPrefix(name, "process_"):
			values[name] = number
		}
	}
	return values, errors.Join(lines.Err(), drain(answer.Body))
}

func drain(r io.Reader) error {
	_, err := io.Copy(io.Discard, r)
	return err
}

func freeAddress(ctx context.Context) (string, error) {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer func() { _ = listener.Close() }()
	return listener.Addr().String(), nil
}
