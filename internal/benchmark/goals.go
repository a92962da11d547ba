package main

import (
	"fmt"
	"strings"
)

// goal is a limit of a figure.
type goal struct {
	text                string
	measurement, figure string
	limit               float64
	atLeast             bool // instead of at most
	format              func(float64) string
}

// goals are the goals of the project, in the order of the page.
var goals = []goal{
	{
		"Decode a page of Flex jobs at least 2 times as fast as `encoding/json` with the structs of the official SDK",
		"decoding", "DecodePage/flex/ratio times-faster", 2, true, as("%.2f ×"),
	},
	{
		"Decode a page of jobs of dedicated clusters at least 2 times as fast",
		"decoding", "DecodePage/dedicated/ratio times-faster", 2, true, as("%.2f ×"),
	},
	{
		"Decode a page of Flex jobs with at most 3 allocations per job",
		"decoding", "DecodePage/flex/decodePage allocs/op", 3 * jobsPerPage, false, allocations,
	},
	{
		"Decode a page of jobs of dedicated clusters with at most 3 allocations per job",
		"decoding", "DecodePage/dedicated/decodePage allocs/op", 3 * jobsPerPage, false, allocations,
	},
	{
		"Poll a list of 50 jobs without news with at most 1.2 times the CPU time of fetching the same bytes",
		"steady", steadyRatio(50), 1.2, false, as("%.2f ×"),
	},
	{
		"Poll a list of 500 jobs without news with at most 1.2 times the CPU time of fetching the same bytes",
		"steady", steadyRatio(500), 1.2, false, as("%.2f ×"),
	},
	{
		"Allocate at most 20 KiB for a request of such a poll of 50 jobs",
		"steady", steadyOf(50, skipped, kibibytes), 20, false, as("%.1f KiB"),
	},
	{
		"Allocate at most 20 KiB for a request of such a poll of 500 jobs",
		"steady", steadyOf(500, skipped, kibibytes), 20, false, as("%.1f KiB"),
	},
	{"Poll 2,000 clusters every minute with at most 4% of a core", "fleet", fleetCPU, 4, false, as("%.1f%%")},
	{"Poll 2,000 clusters with at most 110 MiB", "fleet", fleetResident, 110, false, as("%.1f MiB")},
	{
		"Scrape 1,000 jobs uncompressed in at most 1.5 times the duration of sending bytes from memory",
		"scrapes", plainToFloor(1000), 1.5, false, as("%.2f ×"),
	},
	{
		"Scrape 10,000 jobs uncompressed in at most 1.5 times that duration",
		"scrapes", plainToFloor(10_000), 1.5, false, as("%.2f ×"),
	},
	{
		"Use at most 1/10 of the memory of const metrics for 100,000 jobs",
		"memory", memoryRatio, 0.1, false, func(v float64) string { return fmt.Sprintf("1/%.1f", 1/v) },
	},
	{"Use at most 85 MiB of live heap for 100,000 jobs", "memory", memoryHeap, 85, false, as("%.1f MiB")},
	{
		"Evaluate all rules for 2,000 clusters with 100,000 per-job series in less than 1 s per 30 s, without alerts",
		"rules", withAlerts(rulesDuration, 0), 1000, false, as("%.0f ms"),
	},
	{
		"Evaluate all rules for such clusters in less than 1 s per 30 s, with 500 alerts",
		"rules", withAlerts(rulesDuration, 500), 1000, false, as("%.0f ms"),
	},
	{
		"The same with the oldest supported Prometheus, without alerts",
		"rules-oldest", withAlerts(rulesDuration, 0), 1000, false, as("%.0f ms"),
	},
	{
		"The same with the oldest supported Prometheus, with 500 alerts",
		"rules-oldest", withAlerts(rulesDuration, 500), 1000, false, as("%.0f ms"),
	},
}

const jobsPerPage = 500 // of BenchmarkDecodePage

func as(format string) func(float64) string {
	return func(v float64) string { return fmt.Sprintf(format, v) }
}

func allocations(perPage float64) string { return fmt.Sprintf("%.2f", perPage/jobsPerPage) }

// goalTable returns the rows of a table: each goal, its figure, and whether it was met.
func (r results) goalTable() (string, error) {
	var rows strings.Builder
	for _, g := range goals {
		value, measured, err := r.get(g.measurement, g.figure)
		if err != nil {
			return "", err
		}
		figure, result := notMeasured, "–"
		if measured {
			figure, result = g.format(value), "met"
			if (g.atLeast && value < g.limit) || (!g.atLeast && value > g.limit) {
				result = "**missed**"
			}
		}
		fmt.Fprintf(&rows, "| %s | %s | %s | `%s` |\n", g.text, figure, result, g.measurement)
	}
	return rows.String(), nil
}
