package main

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

const fleetJobs = 50 // jobs of each cluster, one per week

// simulate serves a simulated Atlas API with a number of clusters until the process is killed.
func simulate(clusters int, address string) error {
	sim, _ := newAtlas(clusters, fleetJobs, week)
	server := &http.Server{Addr: address, Handler: slow(sim), ReadHeaderTimeout: 10 * time.Second}
	return server.ListenAndServe()
}

// fleet builds the exporter and lets it discover and poll the clusters of a simulated Atlas API in another process,
// with a latency of 20 ms. It scrapes the exporter once per second for the given time.
func fleet(ctx context.Context, clusters int, duration time.Duration) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	dir, err := os.MkdirTemp("", "fleet")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	atlasAddress, err := startAtlas(ctx, clusters)
	if err != nil {
		return err
	}
	base, err := startExporter(ctx, dir, atlasAddress, "")
	if err != nil {
		return err
	}
	return watch(ctx, base, clusters, duration)
}

// startExporter builds the exporter, and starts it with more settings. It returns its URL when it is ready.
func startExporter(ctx context.Context, dir, atlasAddress, settings string) (base string, err error) {
	binary, err := goBuild(ctx, dir, "build", ".")
	if err != nil {
		return "", err
	}
	address, err := freeAddress(ctx)
	if err != nil {
		return "", err
	}
	config := filepath.Join(dir, "config.yaml")
	text := fmt.Sprintf(`atlas: {base_url: "http://%s"}
credentials:
  default:
    service_account: {client_id: %s, client_secret: %s}
projects:
  - discovery: {}
%s`, atlasAddress, clientID, clientSecret, settings)
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		return "", err
	}
	exporter := child(ctx, binary, "--config.file", config, "--web.listen-address", address, "--log.level", "warn")
	started := time.Now()
	if err := start(exporter); err != nil {
		return "", err
	}
	base = "http://" + address
	return base, waitUntilReady(ctx, base, started)
}

// startAtlas starts this program as a simulated Atlas API. It returns its address when it listens.
func startAtlas(ctx context.Context, clusters int) (address string, err error) {
	if address, err = freeAddress(ctx); err != nil {
		return "", err
	}
	self, err := os.Executable()
	if err != nil {
		return "", err
	}
	if err := start(child(ctx, self, "-clusters", strconv.Itoa(clusters), "-listen", address, "simulate")); err != nil {
		return "", err
	}
	return address, waitUntil(ctx, func() bool {
		connection, err := (&net.Dialer{}).DialContext(ctx, "tcp", address)
		return err == nil && connection.Close() == nil
	})
}

// waitUntilReady waits until all targets have been polled, and prints how long that took.
func waitUntilReady(ctx context.Context, base string, start time.Time) error {
	var slowest time.Duration
	err := waitUntil(ctx, func() bool {
		if took, _, err := scrape(ctx, base+"/metrics", true); err == nil {
			slowest = max(slowest, took)
		}
		return ready(ctx, base)
	})
	if err != nil {
		return err
	}
	fmt.Printf("all targets polled after %.1f s, slowest scrape until then %.0f ms\n",
		time.Since(start).Seconds(), slowest.Seconds()*1e3)
	return nil
}

// watch scrapes an exporter that is ready for the given time, and prints its cost.
func watch(ctx context.Context, base string, clusters int, duration time.Duration) error {
	before, err := resources(ctx, base)
	if err != nil {
		return err
	}
	var slowest time.Duration
	scrapes, start := 0, time.Now()
	for time.Since(start) < duration {
		took, _, err := scrape(ctx, base+"/metrics", true)
		if err != nil {
			return err
		}
		slowest, scrapes = max(slowest, took), scrapes+1
		time.Sleep(time.Second)
	}
	after, err := resources(ctx, base)
	if err != nil {
		return err
	}
	span := time.Since(start).Seconds()
	_, compressed, err := scrape(ctx, base+"/metrics", true)
	if err != nil {
		return err
	}
	_, plain, err := scrape(ctx, base+"/metrics", false)
	if err != nil {
		return err
	}
	const mebibyte = 1 << 20
	fmt.Printf("in %.0f s: %.1f %% of a CPU, %.0f MiB resident, %.0f requests per minute, slowest of %d scrapes %.0f ms\n",
		span, (after[cpuSeconds]-before[cpuSeconds])/span*100, after[residentBytes]/mebibyte,
		(after[requestsTotal]-before[requestsTotal])/span*60, scrapes, slowest.Seconds()*1e3)
	fmt.Printf("%d clusters with %d jobs each, one per week: %.1f MiB uncompressed, %.1f MiB compressed\n",
		clusters, fleetJobs, float64(plain)/mebibyte, float64(compressed)/mebibyte)
	return nil
}

func ready(ctx context.Context, base string) bool {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, base+"/-/ready", http.NoBody)
	if err != nil {
		return false
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return false
	}
	defer func() { _ = response.Body.Close() }()
	return response.StatusCode == http.StatusOK
}

// The metrics of an exporter's resources.
const (
	cpuSeconds    = "process_cpu_seconds_total"
	residentBytes = "process_resident_memory_bytes"
	requestsTotal = "mongodbatlas_restore_exporter_api_requests_total"
)

// resources returns the metrics of an exporter's resources, each summed over all its series.
func resources(ctx context.Context, base string) (map[string]float64, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, base+"/metrics", http.NoBody)
	if err != nil {
		return nil, err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, err
	}
	defer func() { _ = response.Body.Close() }()
	values := map[string]float64{}
	lines := bufio.NewScanner(response.Body)
	for lines.Scan() {
		series, text, _ := strings.Cut(lines.Text(), " ")
		name, _, _ := strings.Cut(series, "{")
		if name != cpuSeconds && name != residentBytes && name != requestsTotal {
			continue
		}
		value, err := strconv.ParseFloat(text, 64)
		if err != nil {
			return nil, err
		}
		values[name] += value
	}
	return values, lines.Err()
}

func freeAddress(ctx context.Context) (string, error) {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer func() { _ = listener.Close() }()
	return listener.Addr().String(), nil
}
