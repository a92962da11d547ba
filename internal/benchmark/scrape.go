package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"time"
)

const acceptOpenMetrics = "application/openmetrics-text;version=1.0.0"

// scrape sends the request of a Prometheus server. It returns the duration and the number of bytes received.
func scrape(ctx context.Context, url string, compressed bool) (time.Duration, int64, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		return 0, 0, err
	}
	request.Header.Set("Accept", acceptOpenMetrics)
	request.Header.Set("Accept-Encoding", "identity")
	if compressed {
		request.Header.Set("Accept-Encoding", "gzip")
	}
	start := time.Now()
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return 0, 0, err
	}
	defer func() { _ = response.Body.Close() }()
	n, err := io.Copy(io.Discard, response.Body)
	return time.Since(start), n, err
}

// The names of measured scrapes that goals and other rows refer to.
const (
	unchanged      = "nothing changed"
	unchangedPlain = "nothing changed, uncompressed"
	floorPlain     = "floor, uncompressed"
)

// scrapeOf returns the name of the duration of a scrape, in milliseconds.
func scrapeOf(jobs int, name string) string { return fmt.Sprintf("%d jobs: %s", jobs, name) }

// plainToFloor returns the name of the duration of an uncompressed scrape relative to sending the same bytes.
func plainToFloor(jobs int) string { return scrapeOf(jobs, "uncompressed relative to the floor") }

// scrapes measures scrapes of fleets of several sizes, by all variants in turns.
func scrapes(ctx context.Context, sizes []int, rounds int) (figures, error) {
	measured := figures{}
	for _, jobs := range sizes {
		took, err := scrapesOf(ctx, jobs, rounds)
		if err != nil {
			return nil, err
		}
		for name, took := range took {
			measured[scrapeOf(jobs, name)] = milliseconds(took)
		}
		measured[plainToFloor(jobs)] = took[unchangedPlain].Seconds() / took[floorPlain].Seconds()
	}
	return measured, nil
}

// scrapesOf returns the duration of the fastest scrape of each kind.
func scrapesOf(ctx context.Context, jobs, rounds int) (map[string]time.Duration, error) {
	fleet, err := newPolledFleet(ctx, jobs)
	if err != nil {
		return nil, err
	}
	urls := map[string]string{}
	for _, variant := range variants() {
		server := httptest.NewServer(newHandler(variant, fleet))
		defer server.Close()
		urls[variant] = server.URL
	}
	fastest := map[string]time.Duration{}
	const most = 20
	for range min(most, rounds*100_000/jobs) {
		for _, step := range scrapeSteps(fleet) {
			runtime.GC() // removes the garbage of other variants
			if step.change != nil {
				step.change()
			}
			took, _, err := scrape(ctx, urls[step.variant], !step.plain)
			if err != nil {
				return nil, err
			}
			if before, ok := fastest[step.name]; step.name != "" && (!ok || took < before) {
				fastest[step.name] = took
			}
		}
	}
	return fastest, nil
}

// scrapeStep is a scrape after a change.
type scrapeStep struct {
	name, variant string
	plain         bool
	change        func()
}

func scrapeSteps(fleet *polledFleet) []scrapeStep {
	return []scrapeStep{
		{variant: cached}, {variant: cached, plain: true}, // after changes and other variants: not measured
		{name: unchanged, variant: cached},
		{name: unchangedPlain, variant: cached, plain: true},
		{name: floorPlain, variant: floor, plain: true},
		{name: "1 % of the targets changed", variant: cached, change: func() {
			fleet.publishSummaries(max(len(fleet.states)/100, 1))
		}},
		{name: "each target changed", variant: cached, change: func() { fleet.publishSummaries(len(fleet.states)) }},
		{name: "each target polled", variant: cached, change: fleet.publishTimes},
		{name: "floor", variant: floor},
		{name: constMetrics, variant: constMetrics},
		{name: gaugeVecs, variant: gaugeVecs},
		{name: cachedTexts, variant: cachedTexts},
		{name: victoria, variant: victoria, plain: true},
	}
}

// The figures of the memory.
const (
	memoryRatio       = "resident relative to const metrics"
	memoryHeap        = "MiB live heap"
	memoryResident    = "MiB resident"
	memoryHistory     = "MiB resident before the first scrape"
	memoryAlternative = "MiB resident with const metrics"
)

// memory measures the memory of a process with the exporter's exposition, and of one with const metrics. Each process
// has polled all jobs, keeps their history, and scrapes itself. Both use Go's defaults, except that the exporter sets
// GOGC.
func memory(ctx context.Context, jobs int) (figures, error) {
	if jobs == 0 {
		jobs = 100_000
	}
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	processes := map[string]figures{cached: {}, constMetrics: {}}
	for variant, measured := range processes {
		out, err := child(ctx, self, "-jobs", strconv.Itoa(jobs), "-variant", variant, "measure-memory").Output()
		if err != nil {
			return nil, err
		}
		if err := json.Unmarshal(out, &measured); err != nil {
			return nil, err
		}
	}
	measured := processes[cached]
	measured[memoryAlternative] = processes[constMetrics][memoryResident]
	measured[memoryRatio] = measured[memoryResident] / measured[memoryAlternative]
	return measured, nil
}

// memoryOf prints the figures of this process as JSON.
func memoryOf(ctx context.Context, jobs int, variant string) error {
	if variant == cached && os.Getenv("GOGC") == "" {
		const percent = 50 // as in the exporter
		debug.SetGCPercent(percent)
	}
	fleet, err := newPolledFleet(ctx, jobs)
	if err != nil {
		return err
	}
	debug.FreeOSMemory()
	before := resident()
	server := httptest.NewServer(newHandler(variant, fleet))
	defer server.Close()
	debug.FreeOSMemory() // removes the garbage of the setup
	for range 5 {
		if _, _, err := scrape(ctx, server.URL, true); err != nil {
			return err
		}
	}
	after := resident()
	runtime.GC()
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	runtime.KeepAlive(fleet.manager)
	return json.NewEncoder(os.Stdout).Encode(figures{
		memoryResident: float64(after) / mebibyte, memoryHistory: float64(before) / mebibyte,
		memoryHeap: float64(stats.HeapAlloc) / mebibyte,
	})
}

// resident returns the resident memory of the process in bytes.
func resident() int64 {
	text, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		panic(err)
	}
	pages, err := strconv.ParseInt(strings.Fields(string(text))[1], 10, 64)
	if err != nil {
		panic(err)
	}
	return pages * int64(os.Getpagesize())
}
