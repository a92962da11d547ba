package deploy

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"atlas-restore-exporter/internal/testutil"
)

// checkStopped checks that the first panels and the running restores show a state that is no longer current.
func checkStopped(t *testing.T, prometheus runningPrometheus) {
	t.Helper()
	const noExporter, wasRunning = "2", "1"
	dashboards := readDashboards(t)
	now := dashboards["now"]
	monitoring, running := now.panel(t, "Monitoring").Targets, now.panel(t, "Running restores").Targets
	var samples []sample
	testutil.Eventually(t, func() bool {
		samples, _ = prometheus.samples(t, monitoring[0].Expr)
		return len(samples) == 1 && samples[0].value() == noExporter && samples[0].Metric["detail"] == "Not polled: 12"
	}, func() string {
		targets, _ := prometheus.query(t, "count(target:mongodbatlas_restore:known)")
		return fmt.Sprintf("Monitoring is %v, and %q targets are known", samples, targets)
	})
	if values, failure := prometheus.query(t, monitoring[1].Expr); len(values) > 0 || failure != "" {
		t.Errorf("the data have the age %q, %s, as if they were current", values, failure)
	}
	if values, failure := prometheus.query(t, monitoring[2].Expr); len(values) != 1 {
		t.Errorf("the time of the last poll is %q, %s", values, failure)
	}
	for _, target := range dashboards["exporter"].panel(t, "Failures of the exporter").Targets {
		if values, failure := prometheus.query(t, target.Expr); len(values) != 1 || values[0] == "0" {
			t.Errorf("%q, %s, as if it were known: %s", values, failure, target.Expr)
		}
	}
	checkStale(t, prometheus)
	checkTimesEnd(t, prometheus)
	var states []string
	testutil.Eventually(t, func() bool {
		states, _ = prometheus.query(t, running[2].Expr)
		return len(states) > 0 && !slices.ContainsFunc(states, func(state string) bool { return state != wasRunning })
	}, func() string { return fmt.Sprintf("states of running restores: %q", states) })
}

// checkTimesEnd checks that no time grows after the last poll, and that counts and conditions are marked.
func checkTimesEnd(t *testing.T, prometheus runningPrometheus) {
	t.Helper()
	now := readDashboards(t)["now"]
	const later = 2 * time.Minute // less than Prometheus looks back
	for _, expr := range []string{
		now.panel(t, "Open problems").Targets[2].Expr, now.panel(t, "Running restores").Targets[0].Expr,
		now.panel(t, "Running restores").Targets[1].Expr, now.panel(t, "Drills").Targets[0].Expr,
	} {
		var before, after []string
		testutil.Eventually(t, func() bool {
			moment := time.Now()
			before, _ = prometheus.at(moment).query(t, expr)
			after, _ = prometheus.at(moment.Add(later)).query(t, expr)
			slices.Sort(before)
			slices.Sort(after)
			return len(before) > 0 && slices.Equal(before, after)
		}, func() string { return fmt.Sprintf("%q, and %v later %q: %s", before, later, after, expr) })
	}
	open := now.panel(t, "Open problems")
	samples, failure := prometheus.samples(t, open.Targets[0].Expr)
	for i := range samples {
		text := open.mappedTo(t, samples[i].value(), "Condition")
		if !strings.HasPrefix(text, "Was: ") && text != "Backup type ended" {
			t.Errorf("%s of %s is shown like a current row", text, samples[i].Metric["cluster_name"])
		}
	}
	if len(samples) == 0 {
		t.Errorf("no row: %s", failure)
	}
	for _, target := range now.panel(t, "Counts of open problems").Targets {
		counts, _ := prometheus.samples(t, target.Expr)
		if len(counts) != 1 || counts[0].Metric["was"] != "Was: " {
			t.Errorf("%s: %v is shown like a current count", target.LegendFormat, counts)
		}
	}
}

// checkStale checks that jobs, downloads, and the states of clusters of a stopped exporter remain, and are marked.
func checkStale(t *testing.T, prometheus runningPrometheus) {
	t.Helper()
	const unknown = "8"
	dashboards := readDashboards(t)
	now := dashboards["now"]
	copies, timeline := now.panel(t, "Copies of data"), now.panel(t, "Restores by cluster").Targets[0].Expr
	var kinds map[string]int
	var statuses map[string]int
	var clusters []string
	testutil.Eventually(t, func() bool {
		kinds, statuses = map[string]int{}, map[string]int{}
		samples, _ := prometheus.samples(t, copies.Targets[0].Expr)
		for i := range samples {
			kinds[copies.mappedTo(t, samples[i].value(), "Copy")]++
		}
		samples, _ = prometheus.samples(t, dashboards["cluster"].panel(t, "Jobs").Targets[0].Expr)
		for i := range samples {
			statuses[samples[i].Metric["status"]]++
		}
		clusters, _ = prometheus.query(t, timeline)
		return kinds["Was open"] > 1 && kinds["Open download"] == 0 &&
			statuses["completed"] > 0 && statuses["was_in_progress"] > 0 && statuses["in_progress"]+statuses["ready"] == 0 &&
			len(clusters) > 1 && len(slices.Compact(clusters)) == 1 && clusters[0] == unknown
	}, func() string {
		return fmt.Sprintf("copies %v, jobs %v, states of clusters %q", kinds, statuses, clusters)
	})
}
