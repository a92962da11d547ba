// Command benchmark measures what the exporter costs, beside other ways to do the same. It is a module of its own
// because these other ways are libraries that nothing else needs.
//
//	go run . scrape   how long scrapes take
//	go run . memory   what a process holds after scrapes
//	go run . polls    how long a round of polls takes, and how many connections it opens
//	go run . fleet    a whole exporter that polls 2,000 clusters
package main

import (
	"context"
	"flag"
	"fmt"
	"log"
	"os"
	"strings"
)

func main() {
	log.SetFlags(0)
	flag.Usage = func() { log.Print("usage: benchmark [flags] scrape|memory|polls|fleet"); flag.PrintDefaults() }
	rounds := flag.Int("rounds", 5, "rounds in which all variants take turns; the fastest of each counts")
	only := flag.String("variant", "", "memory: measure this one in this process")
	jobs := flag.Int("jobs", 0, "jobs that have series of their own; all sizes for 0")
	address := flag.String("listen", "", "simulate: address to listen on")
	flag.Parse()
	commands := map[string]func(context.Context) error{
		"scrape":   func(ctx context.Context) error { return scrapes(ctx, sizes(*jobs), *rounds) },
		"memory":   func(ctx context.Context) error { return memory(ctx, sizes(*jobs), *only) },
		"polls":    polls,
		"fleet":    fleet,
		"simulate": func(ctx context.Context) error { return simulate(ctx, *address) },
	}
	run := commands[flag.Arg(0)]
	if run == nil {
		flag.Usage()
		os.Exit(2)
	}
	if err := run(context.Background()); err != nil {
		log.Fatal(err)
	}
}

// sizes returns numbers of jobs: one, or all.
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
