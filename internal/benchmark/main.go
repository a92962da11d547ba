// Command benchmark measures the exporter and compares it with alternative implementations. It is a module of its own
// because the alternatives need libraries that the exporter doesn't.
//
//	go run . -write          measure everything, and write figures.json and docs/performance.md
//	go run . -write fleet    the same for one measurement; the figures of the others are kept
//	go run . fleet           measure, and print the figures
//
// The measurements, in their order:
//
//	rules          evaluation of the rules for 2,000 clusters by the executable prometheus3 in PATH
//	rules-oldest   the same by prometheus in PATH: the oldest supported version
//	decoding       pages of jobs, compared with the structs of the official SDK
//	history        merging a poll, and the memory of known jobs
//	scrapes        duration of scrapes, compared with alternatives
//	memory         memory of a process after scrapes, compared with an alternative
//	polls          rounds of polls of 1,000 clusters
//	steady         polls without news, compared with fetching the same bytes
//	organization   traffic and delays of 2,000 clusters, in virtual time
//	fleet          an exporter that polls 2,000 clusters
package main

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"log"
	"time"
)

func main() {
	log.SetFlags(0)
	flag.Usage = func() {
		log.Print("usage: benchmark [flags] [measurement...]")
		flag.PrintDefaults()
	}
	write := flag.Bool("write", false, "write "+resultsFile+" and docs/performance.md")
	rounds := flag.Int("rounds", 3,
		"scrapes: rounds in which all variants take turns, up to 20 for less than 100,000 jobs; the fastest counts")
	jobs := flag.Int("jobs", 0, "scrapes, memory: number of jobs with per-job series; 0 for the sizes of the page")
	clusters := flag.Int("clusters", 2000, "fleet, rules: number of clusters")
	duration := flag.Duration("duration", 0, "fleet, rules: time to measure; 0 for 120 s and 150 s")
	interval := flag.Duration("interval", 30*time.Second, "rules: scrape and evaluation interval")
	variant := flag.String("variant", "", "measure-memory: variant to measure in this process")
	address := flag.String("listen", "", "simulate: address to listen on")
	flag.Parse()
	all := []measurement{
		{"rules", func(ctx context.Context) (figures, error) {
			return rules(ctx, "prometheus3", *clusters, *interval, cmp.Or(*duration, 150*time.Second))
		}},
		{"rules-oldest", func(ctx context.Context) (figures, error) {
			return rules(ctx, "prometheus", *clusters, *interval, cmp.Or(*duration, 150*time.Second))
		}},
		{"decoding", benchmarks("atlas", "^BenchmarkDecodePage$")},
		{"history", benchmarks("collector/history", "^Benchmark(Merge|KnownJob)$")},
		{"scrapes", func(ctx context.Context) (figures, error) { return scrapes(ctx, sizes(*jobs), *rounds) }},
		{"memory", func(ctx context.Context) (figures, error) { return memory(ctx, *jobs) }},
		{"polls", polls},
		{"steady", steady},
		{"organization", organization},
		{"fleet", func(ctx context.Context) (figures, error) {
			return fleet(ctx, *clusters, cmp.Or(*duration, 120*time.Second))
		}},
	}
	err := supervise(func(ctx context.Context) error {
		switch flag.Arg(0) {
		case "simulate":
			return simulate(ctx, *clusters, *address)
		case "pages":
			return pages(ctx, *jobs)
		case "measure-memory":
			return memoryOf(ctx, *jobs, *variant)
		}
		selected, err := selectMeasurements(all, flag.Args())
		if err != nil {
			return err
		}
		if *write && flag.NFlag() > 1 {
			return errors.New("flag -write: the page has only figures that were measured without other flags")
		}
		return measureAll(ctx, selected, *write)
	})
	if err != nil {
		log.Fatal(err)
	}
}

// sizes returns the numbers of jobs to measure: the given number, or all sizes if it is 0.
func sizes(jobs int) []int {
	if jobs > 0 {
		return []int{jobs}
	}
	return []int{1000, 10_000, 100_000}
}
