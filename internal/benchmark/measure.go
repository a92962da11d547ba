package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"runtime"
	"slices"
	"strings"
	"time"
)

// figures are measured values, by name.
type figures map[string]float64

// measurement measures one subject.
type measurement struct {
	name string
	run  func(context.Context) (figures, error)
}

// results are the content of the file from which the page is written.
type results struct {
	Machine string             `json:"machine"`
	Figures map[string]figures `json:"figures"` // by measurement
}

const resultsFile = "figures.json"

func readResults() (results, error) {
	read := results{Machine: machine(), Figures: map[string]figures{}}
	text, err := os.ReadFile(resultsFile)
	if errors.Is(err, os.ErrNotExist) {
		return read, nil
	}
	if err != nil {
		return read, err
	}
	return read, json.Unmarshal(text, &read)
}

// measureAll runs measurements in their order and prints their figures. If write is set, it writes the page: figures of
// other measurements are kept, unless they were measured on another machine.
func measureAll(ctx context.Context, selected []measurement, write bool) error {
	all, err := readResults()
	if err != nil {
		return err
	}
	if current := machine(); all.Machine != current {
		all = results{Machine: current, Figures: map[string]figures{}}
	}
	for _, m := range selected {
		fmt.Printf("== %s\n", m.name)
		start := time.Now()
		measured, err := m.run(ctx)
		if err != nil {
			return fmt.Errorf("%s: %w", m.name, err)
		}
		for _, name := range slices.Sorted(maps.Keys(measured)) {
			fmt.Printf("%s: %.5g\n", name, measured[name])
		}
		fmt.Printf("measured in %.0f s\n", time.Since(start).Seconds())
		all.Figures[m.name] = measured
		if write {
			if err := writeResults(all); err != nil {
				return err
			}
		}
	}
	if write {
		return writePage(all)
	}
	return nil
}

func writeResults(all results) error {
	text, err := json.MarshalIndent(all, "", "  ")
	if err != nil {
		return err
	}
	const readable = 0o644
	return os.WriteFile(resultsFile, append(text, '\n'), readable)
}

// selectMeasurements returns the measurements with the given names, or all.
func selectMeasurements(all []measurement, names []string) ([]measurement, error) {
	if len(names) == 0 {
		return all, nil
	}
	var selected []measurement
	for _, name := range names {
		i := slices.IndexFunc(all, func(m measurement) bool { return m.name == name })
		if i < 0 {
			var known []string
			for _, m := range all {
				known = append(known, m.name)
			}
			return nil, fmt.Errorf("measurement %q: must be one of %s", name, strings.Join(known, ", "))
		}
		selected = append(selected, all[i])
	}
	return selected, nil
}

// machine describes this machine: its processor, and the version of Go.
func machine() string {
	model := "an unknown processor"
	if text, err := os.ReadFile("/proc/cpuinfo"); err == nil {
		for line := range strings.Lines(string(text)) {
			if key, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(key) == "model name" {
				model = strings.TrimSpace(value)
				break
			}
		}
	}
	return fmt.Sprintf("%d cores of %s, %s/%s, %s", runtime.NumCPU(), model, runtime.GOOS, runtime.GOARCH,
		runtime.Version())
}
