package main

import (
	"context"
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

// best is the fastest of several scrapes.
type best struct {
	took  time.Duration
	bytes int64
}

func (b *best) scrape(ctx context.Context, url string, compressed bool) error {
	took, n, err := scrape(ctx, url, compressed)
	if err == nil && (b.took == 0 || took < b.took) {
		b.took, b.bytes = took, n
	}
	return err
}

// scrapes measures scrapes of fleets of several sizes, by all variants in turns.
func scrapes(ctx context.Context, sizes []int, rounds int) error {
	table("jobs", "series", "variant", "ms", "speedup over const metrics", "relative to the idle exposition", "KiB sent")
	for _, jobs := range sizes {
		if err := scrapesOf(ctx, jobs, rounds); err != nil {
			return err
		}
	}
	return nil
}

func scrapesOf(ctx context.Context, jobs, rounds int) error {
	fleet, err := newPolledFleet(ctx, jobs)
	if err != nil {
		return err
	}
	urls := map[string]string{}
	for _, variant := range variants() {
		server := httptest.NewServer(newHandler(variant, fleet))
		defer server.Close()
		urls[variant] = server.URL
	}
	measured := map[string]*best{}
	var order []string
	measure := func(name, variant string, compressed bool) error {
		if measured[name] == nil {
			measured[name] = &best{}
			order = append(order, name)
		}
		runtime.GC() // removes the garbage of other variants
		return measured[name].scrape(ctx, urls[variant], compressed)
	}
	steps := []func() error{
		func() error { _, _, err := scrape(ctx, urls[cached], true); return err },
		func() error { _, _, err := scrape(ctx, urls[cached], false); return err },
		func() error { return measure("exposition, idle", cached, true) },
		func() error { return measure("exposition, idle, uncompressed", cached, false) },
		func() error {
			fleet.publishSummaries(max(len(fleet.states)/100, 1))
			return measure("exposition, 1 % of the targets changed", cached, true)
		},
		func() error {
			fleet.publishSummaries(len(fleet.states))
			return measure("exposition, every target changed", cached, true)
		},
		func() error {
			fleet.publishTimes()
			return measure("exposition, every target polled, nothing new", cached, true)
		},
		func() error { return measure("floor", floor, true) },
		func() error { return measure("floor, uncompressed", floor, false) },
		func() error { return measure("const metrics through promhttp", constMetrics, true) },
		func() error { return measure("GaugeVec through promhttp", gaugeVecs, true) },
		func() error { return measure("kube-state-metrics", cachedTexts, true) },
		func() error { return measure("VictoriaMetrics/metrics, uncompressed", victoria, true) },
	}
	for range rounds {
		for _, step := range steps {
			if err := step(); err != nil {
				return err
			}
		}
	}
	idle, standard := measured["exposition, idle"].took, measured["const metrics through promhttp"].took
	for _, name := range order {
		took := measured[name].took
		row(jobs, seriesOf(fleet), name, fmt.Sprintf("%.2f", took.Seconds()*1e3),
			fmt.Sprintf("%.1f", standard.Seconds()/took.Seconds()),
			fmt.Sprintf("%.2f", took.Seconds()/idle.Seconds()), measured[name].bytes>>10)
	}
	return nil
}

func seriesOf(fleet *polledFleet) int {
	families, err := targets(fleet).Gather()
	if err != nil {
		panic(err)
	}
	n := 0
	for _, family := range families {
		n += len(family.Metric)
	}
	return n
}

// memory measures the memory of a process for each variant and size. Each process has polled all jobs, keeps their
// history, and scrapes itself. All variants use Go's defaults, except that the exporter sets GOGC.
func memory(ctx context.Context, sizes []int, variant string) error {
	if variant != "" {
		return memoryOf(ctx, sizes[0], variant)
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	table("jobs", "variant", "resident MiB after scrapes", "before the first", "live heap MiB")
	for _, jobs := range sizes {
		for _, variant := range []string{cached, constMetrics, gaugeVecs, cachedTexts, victoria} {
			out, err := child(ctx, self, "-jobs", strconv.Itoa(jobs), "-variant", variant, "memory").Output()
			if err != nil {
				return err
			}
			row(jobs, variant, strings.TrimSpace(string(out)))
		}
	}
	return nil
}

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
	fmt.Printf("%d | %d | %d\n", after>>20, before>>20, stats.HeapAlloc>>20)
	runtime.KeepAlive(fleet.manager)
	return nil
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
