package main

import (
	"bufio"
	"context"
	"errors"
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

// simulate serves a simulated Atlas API with a number of clusters until ctx is canceled.
func simulate(ctx context.Context, clusters int, address string) error {
	sim, _ := newAtlas(clusters, fleetJobs, week)
	server := &http.Server{Addr: address, Handler: slow(sim), ReadHeaderTimeout: 10 * time.Second}
	context.AfterFunc(ctx, func() { _ = server.Close() })
	if err := server.ListenAndServe(); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// The figures of a fleet.
const (
	fleetCPU            = "percent of a core"
	fleetResident       = "MiB resident"
	fleetReady          = "seconds until ready"
	fleetRequests       = "requests per minute"
	fleetPlain          = "MiB of a scrape"
	fleetCompressed     = "MiB of a compressed scrape"
	fleetSlowest        = "milliseconds of the slowest scrape"
	fleetSlowestAtStart = "milliseconds of the slowest scrape before it is ready"
)

// fleet builds the exporter and lets it discover and poll the clusters of a simulated Atlas API in another process,
// with a latency of 20 ms. When it has polled all clusters three times, most polls have no news; then it scrapes the
// exporter every 15 seconds for the given time.
func fleet(ctx context.Context, clusters int, duration time.Duration) (figures, error) {
	dir, err := os.MkdirTemp("", "fleet")
	if err != nil {
		return nil, err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	ctx, cancel := context.WithCancel(ctx)
	defer children.Wait()
	defer cancel()
	atlasAddress, err := startAtlas(ctx, clusters)
	if err != nil {
		return nil, err
	}
	base, measured, err := startExporter(ctx, dir, atlasAddress, "")
	if err != nil {
		return nil, err
	}
	return measured, watch(ctx, base, duration, measured)
}

// startExporter builds the exporter, and starts it with more settings. When it is ready, it returns its URL and the
// figures of the start.
func startExporter(ctx context.Context, dir, atlasAddress, settings string) (base string, _ figures, err error) {
	binary, err := goBuild(ctx, dir, "build", ".")
	if err != nil {
		return "", nil, err
	}
	address, err := freeAddress(ctx)
	if err != nil {
		return "", nil, err
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
		return "", nil, err
	}
	exporter := child(ctx, binary, "--config.file", config, "--web.listen-address", address, "--log.level", "warn")
	started := time.Now()
	if err := start(exporter); err != nil {
		return "", nil, err
	}
	base = "http://" + address
	var slowest time.Duration
	err = waitUntil(ctx, func() bool {
		if took, _, err := scrape(ctx, base+"/metrics", true); err == nil {
			slowest = max(slowest, took)
		}
		return ready(ctx, base)
	})
	return base, figures{fleetReady: time.Since(started).Seconds(), fleetSlowestAtStart: milliseconds(slowest)}, err
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

// watch scrapes an exporter that is ready for the given time, and adds its figures.
func watch(ctx context.Context, base string, duration time.Duration, measured figures) error {
	const rounds, round = 2, time.Minute // after the first poll of each cluster
	time.Sleep(rounds * round)
	before, err := resources(ctx, base)
	if err != nil {
		return err
	}
	var slowest time.Duration
	start := time.Now()
	for time.Since(start) < duration {
		took, _, err := scrape(ctx, base+"/metrics", true)
		if err != nil {
			return err
		}
		slowest = max(slowest, took)
		time.Sleep(15 * time.Second)
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
	measured[fleetCPU] = (after[cpuSeconds] - before[cpuSeconds]) / span * 100
	measured[fleetResident] = after[residentBytes] / mebibyte
	measured[fleetRequests] = (after[requestsTotal] - before[requestsTotal]) / span * 60
	measured[fleetSlowest] = milliseconds(slowest)
	measured[fleetPlain] = float64(plain) / mebibyte
	measured[fleetCompressed] = float64(compressed) / mebibyte
	return err
}

const mebibyte = 1 << 20

func milliseconds(d time.Duration) float64 { return d.Seconds() * 1e3 }

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
