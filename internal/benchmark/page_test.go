package main

import (
	"os"
	"strings"
	"testing"
)

// TestPage_HasTheMeasuredFigures compares the page and the README with the measured figures. With UPDATE_GOLDEN set, it
// replaces them.
func TestPage_HasTheMeasuredFigures(t *testing.T) {
	all, err := readResults()
	if err != nil {
		t.Fatal(err)
	}
	if os.Getenv("UPDATE_GOLDEN") != "" {
		if err := writePage(all); err != nil {
			t.Fatal(err)
		}
	}
	page, err := renderPage(all)
	if err != nil {
		t.Fatal(err)
	}
	if text := read(t, pageFile); text != page {
		t.Errorf("%s differs from the figures in %s; run UPDATE_GOLDEN=1 go test, and review the difference",
			pageFile, resultsFile)
	}
	readme := read(t, readmeFile)
	if !sizing.MatchString(readme) || withSizing(readme, all) != readme {
		t.Errorf("%s has other figures of 2,000 clusters than %s", readmeFile, resultsFile)
	}
}

func read(t *testing.T, file string) string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestRenderPage_RejectsMissingFigures(t *testing.T) {
	page, err := renderPage(results{})
	if err != nil || !strings.Contains(page, "| CPU | not measured% of a core |") {
		t.Errorf("error %v\n%s", err, page)
	}
	_, err = renderPage(results{Figures: map[string]figures{"fleet": {}}})
	if err == nil || !strings.Contains(err.Error(), `measurement fleet has no figure "percent of a core"`) {
		t.Errorf("error %v", err)
	}
}

func TestGoalTable_MarksMissedGoals(t *testing.T) {
	table, err := results{Figures: map[string]figures{
		"decoding": {
			"DecodePage/flex/ratio times-faster": 2, "DecodePage/dedicated/ratio times-faster": 1.99,
			"DecodePage/flex/decodePage allocs/op": 1500, "DecodePage/dedicated/decodePage allocs/op": 1501,
		},
		"fleet":  {fleetCPU: 4, fleetResident: 110.1},
		"memory": {memoryRatio: 0.08, memoryHeap: 85},
	}}.goalTable()
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"SDK | 2.00 × | met | `decoding` |", "as fast | 1.99 × | **missed** | `decoding` |",
		"core | 4.0% | met | `fleet` |", "110 MiB | 110.1 MiB | **missed** | `fleet` |",
		"jobs | 1/12.5 | met | `memory` |", "alerts | not measured | – | `rules` |",
	} {
		if !strings.Contains(table, want) {
			t.Errorf("%q is not in\n%s", want, table)
		}
	}
}

func TestSignificant_HasTwoDigits(t *testing.T) {
	for value, want := range map[float64]string{
		0: "0", 0.042: "0.042", 0.96: "0.96", 0.996: "1.0", 1.25: "1.2", 9.94: "9.9", 9.96: "10", 42.4: "42", 124: "120",
		1234: "1,200", 1_250_000: "1,200,000",
	} {
		if got := significant(value); got != want {
			t.Errorf("%g is %s, want %s", value, got, want)
		}
	}
}

func TestParseBenchmarks_ReadsEachUnit(t *testing.T) {
	parsed, err := parseBenchmarks("goos: linux\nBenchmarkX/a-2 \t 100\t 12.5 ns/op\t 3 allocs/op\n" +
		"BenchmarkX/b\t1\t2 times-faster\nPASS\n")
	want := figures{"X/a ns/op": 12.5, "X/a allocs/op": 3, "X/b times-faster": 2}
	if err != nil || len(parsed) != len(want) {
		t.Fatalf("%v, error %v", parsed, err)
	}
	for name, value := range want {
		if parsed[name] != value {
			t.Errorf("%s is %g, want %g", name, parsed[name], value)
		}
	}
	if _, err := parseBenchmarks("PASS"); err == nil {
		t.Error("no benchmark is accepted")
	}
}

func TestSelectMeasurements_RejectsUnknownNames(t *testing.T) {
	all := []measurement{{name: "fleet"}, {name: "rules"}}
	_, err := selectMeasurements(all, []string{"flee"})
	if err == nil || err.Error() != `measurement "flee": must be one of fleet, rules` {
		t.Errorf("error %v", err)
	}
	if selected, err := selectMeasurements(all, nil); err != nil || len(selected) != 2 {
		t.Errorf("%d measurements, error %v", len(selected), err)
	}
}
