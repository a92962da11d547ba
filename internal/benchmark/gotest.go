package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// runTests runs tests or benchmarks of a package, and returns their output.
func runTests(ctx context.Context, dir string, env []string, args ...string) (string, error) {
	temporary, err := os.MkdirTemp("", "tests")
	if err != nil {
		return "", err
	}
	defer func() { _ = os.RemoveAll(temporary) }()
	program, err := goBuild(ctx, temporary, "test", "-c", "./"+dir)
	if err != nil {
		return "", err
	}
	tests := child(ctx, program, args...)
	tests.Dir, tests.Env = filepath.Join("..", "..", dir), append(os.Environ(), env...)
	output, err := tests.Output()
	if err != nil {
		return "", fmt.Errorf("%s %v: %w: %s", dir, args, err, bytes.TrimSpace(output))
	}
	return string(output), nil
}

// benchmarks returns a measurement that runs the benchmarks of a package.
func benchmarks(dir, pattern string) func(context.Context) (figures, error) {
	return func(ctx context.Context) (figures, error) {
		output, err := runTests(ctx, dir, nil, "-test.run=^$", "-test.benchmem", "-test.benchtime=2s", "-test.bench="+pattern)
		if err != nil {
			return nil, err
		}
		return parseBenchmarks(output)
	}
}

// benchmarkLine is the result of a benchmark: its name without the number of processors, and pairs of values and units.
var benchmarkLine = regexp.MustCompile(`(?m)^Benchmark(\S+?)(?:-\d+)?\s+\d+\s+(\S.*)$`)

// parseBenchmarks returns the figures of all benchmarks, such as "DecodePage/flex/ratio times-faster".
func parseBenchmarks(output string) (figures, error) {
	found := figures{}
	for _, line := range benchmarkLine.FindAllStringSubmatch(output, -1) {
		fields := strings.Fields(line[2])
		for i := 0; i+1 < len(fields); i += 2 {
			value, err := strconv.ParseFloat(fields[i], 64)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", line[0], err)
			}
			found[line[1]+" "+fields[i+1]] = value
		}
	}
	if len(found) == 0 {
		return nil, fmt.Errorf("no benchmark in %q", output)
	}
	return found, nil
}

// organization simulates an organization of 2,000 clusters in virtual time.
func organization(ctx context.Context) (figures, error) {
	output, err := runTests(ctx, "collector/poll", []string{"SIMULATED_CLUSTERS=2000"},
		"-test.v", "-test.run=^TestRun_PollsAnOrganization")
	if err != nil {
		return nil, err
	}
	return parseOrganization(output)
}

// parseOrganization returns the traffic and the delays that the test of an organization reports.
func parseOrganization(output string) (figures, error) {
	found := figures{}
	number := func(name, pattern string) error {
		match := regexp.MustCompile(pattern).FindStringSubmatch(output)
		if match == nil {
			return fmt.Errorf("no %q in %q", pattern, output)
		}
		if took, err := time.ParseDuration(match[1]); err == nil && took > 0 {
			found[name] = took.Seconds()
			return nil
		}
		value, err := strconv.ParseFloat(match[1], 64)
		found[name] = value
		return err
	}
	for name, pattern := range map[string]string{
		"requests per minute":                `no restores in progress: (\d+) requests`,
		"requests per minute with restores":  `5 % with a restore in progress: (\d+) requests`,
		"requests per minute of one limit":   `5 % with a restore in progress: .* at most (\d+) of`,
		"rate limit per minute":              `at most \d+ of (\d+) for one bucket`,
		"seconds until a start is published": `\d+ starts, published after (\S+) at most`,
		"seconds until an end is published":  `\d+ ends, published after (\S+) at most`,
	} {
		if err := number(name, pattern); err != nil {
			return nil, err
		}
	}
	return found, nil
}
