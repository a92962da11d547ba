package main

import (
	_ "embed"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"text/template"
)

//go:embed performance.md.tmpl
var pageTemplate string

// notMeasured replaces the figures of a measurement that has not run on this machine.
const notMeasured = "not measured"

// get returns a figure. Its measurement may be missing, but a measurement has all its figures.
func (r results) get(measurement, figure string) (value float64, measured bool, err error) {
	all, measured := r.Figures[measurement]
	value, ok := all[figure]
	if measured && !ok {
		return 0, false, fmt.Errorf("measurement %s has no figure %q", measurement, figure)
	}
	return value, measured, nil
}

// formatted returns a function that formats a figure.
func (r results) formatted(format func(float64) string) func(measurement, figure string) (string, error) {
	return func(measurement, figure string) (string, error) {
		value, measured, err := r.get(measurement, figure)
		if err != nil || !measured {
			return notMeasured, err
		}
		return format(value), nil
	}
}

// ratio formats a figure relative to another one.
func (r results) ratio(measurement, figure, base string) (string, error) {
	divisor, _, err := r.get(measurement, base)
	if err != nil {
		return "", err
	}
	return r.formatted(func(v float64) string { return significant(v / divisor) })(measurement, figure)
}

// renderPage returns the page with the figures of all measurements.
func renderPage(all results) (string, error) {
	functions := template.FuncMap{
		"machine": func() string { return all.Machine },
		"goals":   all.goalTable,
		"ratio":   all.ratio,
		"round":   all.formatted(significant),
		"whole":   all.formatted(thousands),
		"perJob":  all.formatted(allocations),
		"steady":  all.steadyCells,
		"scrapes": all.scrapeCells,
	}
	page, err := template.New("page").Funcs(functions).Parse(pageTemplate)
	if err != nil {
		return "", err
	}
	var text strings.Builder
	err = page.Execute(&text, nil)
	return text.String(), err
}

// scrapeCells returns the cells of a row of the table of scrapes: the duration if nothing changed, and that of all
// other rows relative to it.
func (r results) scrapeCells(name string) (string, error) {
	var cells []string
	for _, jobs := range sizes(0) {
		cell, err := r.ratio("scrapes", scrapeOf(jobs, name), scrapeOf(jobs, unchanged))
		cell += " ×"
		if name == unchanged {
			cell, err = r.formatted(significant)("scrapes", scrapeOf(jobs, name))
			cell += " ms"
		}
		if err != nil {
			return "", err
		}
		cells = append(cells, cell)
	}
	return strings.Join(cells, " | "), nil
}

// steadyCells returns the cells of a row of the table of polls without news: the CPU time and the allocated memory for
// each number of jobs.
func (r results) steadyCells(variant string) (string, error) {
	var cells []string
	for _, jobs := range steadyJobs {
		cpu, err := r.formatted(thousands)("steady", steadyOf(jobs, variant, microseconds))
		if err != nil {
			return "", err
		}
		allocated, err := r.formatted(significant)("steady", steadyOf(jobs, variant, kibibytes))
		if err != nil {
			return "", err
		}
		cells = append(cells, fmt.Sprintf("%s %s, %s %s", cpu, microseconds, allocated, kibibytes))
	}
	return strings.Join(cells, " | "), nil
}

// significant formats a value with two significant digits.
func significant(v float64) string {
	digits := strconv.FormatFloat(v, 'g', 2, 64)
	rounded, err := strconv.ParseFloat(digits, 64)
	switch {
	case err != nil || rounded < 1:
		return digits
	case rounded < 10:
		return strconv.FormatFloat(rounded, 'f', 1, 64)
	}
	return thousands(rounded)
}

// thousands formats a whole number with commas.
func thousands(v float64) string {
	text := strconv.FormatFloat(v, 'f', 0, 64)
	for i := len(text) - 3; i > 0; i -= 3 {
		text = text[:i] + "," + text[i:]
	}
	return text
}

// pageFile and readmeFile are the files that contain figures.
var (
	pageFile   = filepath.Join("..", "..", "docs", "performance.md")
	readmeFile = filepath.Join("..", "..", "README.md")
)

var sizing = regexp.MustCompile(`\S+% of a core and \d+ MiB for 2,000 clusters`)

// withSizing returns the README with current figures of 2,000 clusters.
func withSizing(readme string, all results) string {
	measured, ok := all.Figures["fleet"]
	if !ok {
		return readme
	}
	return sizing.ReplaceAllString(readme, fmt.Sprintf("%s%% of a core and %.0f MiB for 2,000 clusters",
		significant(measured[fleetCPU]), measured[fleetResident]))
}

// writePage writes the page, and the figures in the README.
func writePage(all results) error {
	page, err := renderPage(all)
	if err != nil {
		return err
	}
	readme, err := os.ReadFile(readmeFile) //nolint:gosec // a constant
	if err != nil {
		return err
	}
	const readable = 0o644
	err = os.WriteFile(readmeFile, []byte(withSizing(string(readme), all)), readable) //nolint:gosec // a constant
	if err != nil {
		return err
	}
	return os.WriteFile(pageFile, []byte(page), readable)
}
