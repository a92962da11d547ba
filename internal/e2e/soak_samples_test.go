package e2e

import (
	"cmp"
	"fmt"
	"maps"
	"math"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"
)

// sample is a measurement of everything that must not grow.
type sample struct {
	after      time.Duration
	heap       uint64 // bytes after a garbage collection
	goroutines int
	files      int // open file descriptors; 0 if the system doesn't report them
	series     int
	known      int // known jobs of the target with the most
}

// takeSamples takes samples until the duration is over, and checks that no poll is stuck.
func (s *soak) takeSamples(duration time.Duration) []sample {
	s.Helper()
	var samples []sample
	for start := time.Now(); time.Since(start) < duration; {
		time.Sleep(duration / 100)
		_, metrics := fetch(s.T, s.url+"/metrics")
		next := sample{after: time.Since(start), heap: liveHeap(), goroutines: runtime.NumGoroutine(), files: openFiles()}
		next.series, next.known = s.checkTargets(metrics)
		samples = append(samples, next)
	}
	return samples
}

// liveHeap returns the size of the heap with as few temporary objects as possible.
func liveHeap() uint64 {
	size := uint64(math.MaxUint64)
	for range 3 {
		runtime.GC()
		var memory runtime.MemStats
		runtime.ReadMemStats(&memory)
		size = min(size, memory.HeapAlloc)
		time.Sleep(10 * time.Millisecond)
	}
	return size
}

func openFiles() int {
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return 0
	}
	return len(entries)
}

// checkTargets checks that every target was polled recently and respects the limit of known jobs. It returns the number
// of series, and the maximum number of known jobs of a target.
func (s *soak) checkTargets(metrics string) (series, mostKnown int) {
	s.Helper()
	known, unfinished := map[string]int{}, map[string]int{}
	for line := range strings.Lines(metrics) {
		if strings.HasPrefix(line, "#") {
			continue
		}
		series++
		name, rest, _ := strings.Cut(line, "{")
		labels, text, _ := strings.Cut(rest, "} ")
		value, _ := strconv.ParseFloat(strings.TrimSpace(text), 64)
		switch target := targetOf(labels); name {
		case "mongodbatlas_restore_last_poll_timestamp_seconds":
			if ago := time.Since(time.UnixMilli(int64(value * 1000))); ago > soakStuckAfter {
				s.Errorf("the last poll of %s was %v ago", target, ago)
			}
		case "mongodbatlas_restore_jobs":
			known[target] += int(value)
			for _, status := range []string{"pending", "in_progress", "ready"} {
				if strings.Contains(labels, `status="`+status+`"`) {
					unfinished[target] += int(value)
				}
			}
		}
	}
	for target, jobs := range known {
		if finished := jobs - unfinished[target]; finished > soakMaxJobs {
			s.Errorf("%s has %d known finished jobs, want at most %d", target, finished, soakMaxJobs)
		}
		mostKnown = max(mostKnown, jobs)
	}
	return series, mostKnown
}

// targetOf returns the values of the labels that identify a target.
func targetOf(labels string) string {
	var values []string
	for label := range strings.SplitSeq(labels, ",") {
		switch key, value, _ := strings.Cut(label, "="); key {
		case "project_id", "cluster_name", "backup_type":
			values = append(values, value)
		}
	}
	return strings.Join(values, " ")
}

// windows returns the samples to compare: those after all limits are reached, and the last ones.
func windows(samples []sample) (early, last []sample) {
	n := len(samples)
	return samples[n/4 : n*45/100], samples[n*80/100:]
}

// least returns the minimum of a value in a window. Temporary objects are only in some samples, a leak is in all.
func least[T int | uint64](window []sample, value func(sample) T) T {
	return value(slices.MinFunc(window, func(a, b sample) int { return cmp.Compare(value(a), value(b)) }))
}

// expectNoGrowth checks that the last samples are about as small as the early ones.
func (s *soak) expectNoGrowth(samples []sample) {
	s.Helper()
	const heapAllowance, goroutineAllowance, fileAllowance = 1 << 20, 10, 10
	early, last := windows(samples)
	heap := func(s sample) uint64 { return s.heap }
	if before, after := least(early, heap), least(last, heap); after > before+before/10+heapAllowance {
		s.Errorf("the heap grew from %d to %d KiB", before>>10, after>>10)
	}
	goroutines := func(s sample) int { return s.goroutines }
	if before, after := least(early, goroutines), least(last, goroutines); after > before+goroutineAllowance {
		s.Errorf("goroutines grew from %d to %d", before, after)
	}
	files := func(s sample) int { return s.files }
	if before, after := least(early, files), least(last, files); after > before+fileAllowance {
		s.Errorf("file descriptors grew from %d to %d", before, after)
	}
}

// expectLimitsReached checks that the limit of known jobs has an effect already in the early samples.
func (s *soak) expectLimitsReached(samples []sample) {
	s.Helper()
	early, _ := windows(samples)
	if known := least(early, func(s sample) int { return s.known }); known < soakMaxJobs/2 {
		s.Errorf("only %d jobs were known early: the limits are not reached", known)
	}
}

// expectEvents checks that every kind of event has happened.
func (s *soak) expectEvents() {
	s.Helper()
	counts := s.counts()
	for _, event := range []string{
		"log: poll succeeded", "log: poll failed", "log: poll succeeded again", "log: configuration reloaded",
		"log: targets changed", "jobs removed",
	} {
		if counts[event] == 0 {
			s.Errorf("this has never happened: %s", event)
		}
	}
}

// logSummary logs the measurements of both windows, and the number of events.
func (s *soak) logSummary(duration time.Duration, samples []sample) {
	s.Helper()
	early, last := windows(samples)
	var text strings.Builder
	table := tabwriter.NewWriter(&text, 0, 0, 2, ' ', 0)
	writeRow := func(name string, value func(sample) int) {
		most := func(window []sample) int { return -least(window, func(s sample) int { return -value(s) }) }
		_, _ = fmt.Fprintf(table, "%s\t%d to %d\t%d to %d\n",
			name, least(early, value), most(early), least(last, value), most(last))
	}
	_, _ = fmt.Fprintf(table, "\tfrom %v to %v\tfrom %v to %v\n",
		early[0].after.Round(time.Second), early[len(early)-1].after.Round(time.Second),
		last[0].after.Round(time.Second), last[len(last)-1].after.Round(time.Second))
	writeRow("heap, KiB", func(s sample) int { return int(s.heap >> 10) })
	writeRow("goroutines", func(s sample) int { return s.goroutines })
	writeRow("file descriptors", func(s sample) int { return s.files })
	writeRow("series", func(s sample) int { return s.series })
	writeRow("known jobs of a target, at most", func(s sample) int { return s.known })
	_, _ = fmt.Fprintln(table)
	polls, counts := 0, s.counts()
	for _, event := range slices.Sorted(maps.Keys(counts)) {
		_, _ = fmt.Fprintf(table, "%s\t%d\n", event, counts[event])
		if strings.HasPrefix(event, "log: poll ") {
			polls += counts[event]
		}
	}
	_ = table.Flush()
	days := float64(polls) / float64(len(soakLists())) / (24 * 60)
	s.Logf("%v, %d polls of %d lists: at one a minute, %.1f days\n%s",
		duration, polls, len(soakLists()), days, text.String())
}
