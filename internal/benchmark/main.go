// Command benchmark measures the cost of the exporter and compares it with alternative implementations. It is a module
// of its own because the alternatives need libraries that the exporter doesn't.
//
//	go run . scrape   duration of scrapes
//	go run . memory   memory of a process after scrapes
//	go run . polls    duration and connections of a round of polls
//	go run . steady   cost of polls without news, compared with fetching the same bytes
//	go run . fleet    an exporter that polls 2,000 clusters
//	go run . rules    evaluation of the rules for 2,000 clusters by the Prometheus in PATH
package main

import (
	"context"
	"flag"
	"fmt"
	"log"
	"os"
	"strings"
	"time"
)

func main() {
	log.SetFlags(0)
	flag.Usage = func() {
		log.Print("usage: benchmark [flags] scrape|memory|polls|steady|fleet|rules")
		flag.PrintDefaults()
	}
	rounds := flag.Int("rounds", 5, "number of rounds in which all variants take turns; the fastest round of each counts")
	only := flag.String("variant", "", "memory: measure this variant in this process")
	jobs := flag.Int("jobs", 0, "number of jobs with per-job series; 0 for all sizes")
	clusters := flag.Int("clusters", 2000, "fleet, rules: number of clusters")
	duration := flag.Duration("duration", 3*time.Minute,
		"fleet: time to scrape the exporter after it is ready; rules: time to measure")
	interval := flag.Duration("interval", 30*time.Second, "rules: scrape and evaluation interval")
	address := flag.String("listen", "", "simulate: address to listen on")
	flag.Parse()
	commands := map[string]func(context.Context) error{
		"scrape":   func(ctx context.Context) error { return scrapes(ctx, sizes(*jobs), *rounds) },
		"memory":   func(ctx context.Context) error { return memory(ctx, sizes(*jobs), *only) },
		"polls":    polls,
		"steady":   func(ctx context.Context) error { return steady(ctx, *rounds) },
		"fleet":    func(ctx context.Context) error { return fleet(ctx, *clusters, *duration) },
		"rules":    func(ctx context.Context) error { return rules(ctx, *clusters, *interval, *duration) },
		"pages":    func(context.Context) error { return pages(*jobs) },
		"simulate": func(context.Context) error { return simulate(*clusters, *address) },
	}
	run := commands[flag.Arg(0)]
	if run == nil {
		flag.Usage()
		os.Exit(2)
	}
	if err := supervise(run); err != nil {
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

// row prints a row of a Markdown table.
func row(cells ...any) {
	texts := make([]string, len(cells))
	for i, cell := range cells {
		texts[i] = fmt.Sprint(cell)
	}
	fmt.Println("| " + strings.Join(texts, " | ") + " |")
}

func table(heads ...any) {
	row(heads...)
	rule := make([]any, len(heads))
	for i := range rule {
		rule[i] = "---"
	}
	row(rule...)
}
