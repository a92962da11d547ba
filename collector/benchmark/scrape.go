package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"time"
)

const acceptOpenMetrics = "application/openmetrics-text;version=1.0.0"

// scrape reads an endpoint as Prometheus does, and returns how long that took and how many bytes came.
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
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return 0, 0, err
	}
	defer func() { _ = answer.Body.Close() }()
	n, err := io.Copy(io.Discard, answer.Body)
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

// scrapes has all variants serve fleets of several sizes, in turns.
func scrapes(ctx context.Context, sizes []int, rounds int) error {
	table("jobs", "series", "what", "ms", "against const metrics", "against the exposition, idle", "KiB sent")
	for _, jobs := range sizes {
		if err := scrapesOf(ctx, jobs, rounds); err != nil {
			return err
		}
	}
	return nil
}

func scrapesOf(ctx context.Context, jobs, rounds int) error {
	k, err := poll(ctx, jobs)
	if err != nil {
		return err
	}
	urls := map[string]string{}
	for _, variant := range variants() {
		server := httptest.NewServer(newHandler(variant, k))
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
		runtime.GC() // of what others left
		return measured[name].scrape(ctx, urls[variant], compressed)
	}
	steps := []func() error{
		func() error { _, _, err := scrape(ctx, urls[fast], true); return err },
		func() error { return measure("exposition, idle", fast, true) },
		func() error { return measure("exposition, idle, uncompressed", fast, false) },
		func() error {
			k.change(max(len(k.snapshots)/100, 1))
			return measure("exposition, 1 % of the targets changed", fast, true)
		},
		func() error {
			k.change(len(k.snapshots))
			return measure("exposition, every target changed", fast, true)
		},
		func() error {
			k.polled()
			return measure("exposition, every target was polled, nothing new", fast, true)
		},
		func() error { return measure("floor", floor, true) },
		func() error { return measure("floor, uncompressed", floor, false) },
		func() error { return measure("const metrics through promhttp", constant, true) },
		func() error { return measure("GaugeVec through promhttp", gauges, true) },
		func() error { return measure("kube-state-metrics' way", stateText, true) },
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
		row(jobs, seriesOf(k), name, fmt.Sprintf("%.2f", took.Seconds()*1e3), fmt.Sprintf("%.1f", standard.Seconds()/took.Seconds()),
			fmt.Sprintf("%.2f", took.Seconds()/idle.Seconds()), measured[name].bytes>>10)
	}
	return nil
}

func seriesOf(k *known) int {
	families, err := targets(k).Gather()
	if err != nil {
		panic(err)
	}
	n := 0
	for _, family := range families {
		n += len(family.Metric)
	}
	return n
}

// memory has a process of its own for each variant and size scrape itself, and say what it holds.
func memory(ctx context.Context, sizes []int, variant string) error {
	if variant != "" {
		return memoryOf(ctx, sizes[0], variant)
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	table("jobs", "variant", "resident MiB after scrapes", "before the first")
	for _, jobs := range sizes {
		for _, variant := range []string{fast, constant, gauges, stateText, victoria} {
			out, err := exec.CommandContext(ctx, self, "-jobs", strconv.Itoa(jobs), "-variant", variant, "memory").Output() //nolint:gosec // ourselves
			if err != nil {
				return err
			}
			row(jobs, variant, strings.TrimSpace(string(out)))
		}
	}
	return nil
}

func memoryOf(ctx context.Context, jobs int, variant string) error {
	k, err := poll(ctx, jobs)
	if err != nil {
		return err
	}
	debug.FreeOSMemory()
	before := resident()
	server := httptest.NewServer(newHandler(variant, k))
	defer server.Close()
	debug.FreeOSMemory() // of what it took to set the variant up
	for range 5 {
		if _, _, err := scrape(ctx, server.URL, true); err != nil {
			return err
		}
	}
	fmt.Printf("%d | %d\n", resident()>>20, before>>20)
	return nil
}

// resident returns how many bytes of the process are in memory.
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
