package deploy

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"atlas-restore-exporter/internal/testutil"
)

// checkConditions checks that both tables agree about the number of open problems of a condition. The demo does not
// drill clusters that were never drilled.
func checkConditions(t *testing.T, prometheus runningPrometheus) {
	t.Helper()
	now := readDashboards(t)["now"]
	const neverDrilled = "11"
	if text := now.panel(t, "Open problems").mappedTo(t, neverDrilled, "Condition"); text != "Never drilled" {
		t.Fatalf("condition %s is %s", neverDrilled, text)
	}
	expr := strings.ReplaceAll(now.panel(t, "Open problems").Targets[0].Expr, "$condition", neverDrilled)
	rows, failure := prometheus.query(t, expr)
	number := fmt.Sprint(len(rows))
	if len(rows) < 2 || rows[0] != neverDrilled || len(slices.Compact(rows)) != 1 {
		t.Errorf("rows of one condition: %q, %s", rows, failure)
	}
	numbers, failure := prometheus.query(t, fmt.Sprintf(`(%s) and on (rank) label_replace(vector(1), "rank", %q, "", "")`,
		now.panel(t, "Conditions").Targets[0].Expr, neverDrilled))
	if len(numbers) != 1 || numbers[0] != number {
		t.Errorf("%q clusters were never drilled, %s; the table of open problems has %s", numbers, failure, number)
	}
}

// checkTooSlow checks the states of running restores: that of prod-us exceeds its objective, that of billing does not.
func checkTooSlow(t *testing.T, prometheus runningPrometheus) {
	t.Helper()
	running := readDashboards(t)["now"].panel(t, "Running restores")
	var states map[string]bool
	testutil.Eventually(t, func() bool {
		states = map[string]bool{}
		samples, _ := prometheus.samples(t, running.Targets[2].Expr)
		for i := range samples {
			states[samples[i].Metric["cluster_name"]+": "+running.mappedTo(t, samples[i].value(), "State")] = true
		}
		return states["prod-us: Too slow"] && states["billing: Running"] && !states["billing: Too slow"]
	}, func() string { return fmt.Sprintf("states of running restores: %v", states) })
}

// checkDrillCounts checks that the number of clusters with an objective is the sum of the other counts.
func checkDrillCounts(t *testing.T, prometheus runningPrometheus) {
	t.Helper()
	var counts []int
	testutil.Eventually(t, func() bool {
		counts = nil
		for _, target := range readDashboards(t)["drills"].panel(t, "Clusters by age of the last success").Targets {
			values, _ := prometheus.query(t, target.Expr)
			count, err := strconv.Atoi(strings.Join(values, " "))
			if err != nil {
				return false
			}
			counts = append(counts, count)
		}
		return len(counts) == 5 && counts[4] == 2 && counts[0] == counts[1]+counts[2]+counts[3]+counts[4]
	}, func() string { return fmt.Sprintf("counts of clusters: %v", counts) })
}

// checkSum checks that each row of the table of open problems is in one count.
func checkSum(t *testing.T, prometheus runningPrometheus) {
	t.Helper()
	now := readDashboards(t)["now"]
	var sum, rows int
	testutil.Eventually(t, func() bool {
		sum = 0
		for _, target := range now.panel(t, "Counts of open problems").Targets {
			values, _ := prometheus.query(t, target.Expr)
			number, err := strconv.Atoi(strings.Join(values, " "))
			if err == nil && !strings.Contains(target.LegendFormat, "Next expiry") {
				sum += number
			}
		}
		open, _ := prometheus.query(t, now.panel(t, "Open problems").Targets[0].Expr)
		rows = len(open)
		return rows > 10 && sum == rows
	}, func() string { return fmt.Sprintf("the sum of the counts is %d, and %d rows are open", sum, rows) })
}

// checkLinks checks that the number of links that expire is the number of rows with a time left, and that the next
// expiry is the first of all links.
func checkLinks(t *testing.T, prometheus runningPrometheus) {
	t.Helper()
	now := readDashboards(t)["now"]
	counts, left := now.panel(t, "Counts of open problems"), now.panel(t, "Open problems").Targets[3].Expr
	const next = "floor(min(mongodbatlas_restore_next_expiry_timestamp_seconds > time()) - time())"
	var got, want []string
	testutil.Eventually(t, func() bool {
		at := prometheus.at(time.Now())
		rows, _ := at.query(t, left)
		first, _ := at.query(t, next)
		want = append([]string{fmt.Sprint(len(rows))}, first...)
		number, _ := at.query(t, counts.expr("{{was}}Links expiring"))
		expiry, _ := at.query(t, counts.expr("{{was}}Next expiry"))
		got = slices.Concat(number, expiry)
		return len(rows) > 1 && len(got) == 2 && slices.Equal(got, want)
	}, func() string { return fmt.Sprintf("links and next expiry: %q, want %q", got, want) })
}

// checkNewestDrill checks that a failed drill is shown next to an earlier success.
func checkNewestDrill(t *testing.T, prometheus runningPrometheus) {
	t.Helper()
	p := readDashboards(t)["now"].panel(t, "Drills")
	var results map[string]string
	testutil.Eventually(t, func() bool {
		results = map[string]string{}
		samples, _ := prometheus.samples(t, p.Targets[3].Expr)
		for i := range samples {
			results[samples[i].Metric["cluster_name"]] = p.mappedTo(t, samples[i].value(), "Newest drill")
		}
		return results["orders"] == "Failed" && results["billing"] == "Completed" && results["never-drilled"] == ""
	}, func() string { return fmt.Sprintf("results of the newest drills: %v", results) })
	due, _ := prometheus.samples(t, p.Targets[0].Expr)
	for i := range due {
		cluster, text := due[i].Metric["cluster_name"], p.mappedTo(t, due[i].value(), "Due in")
		if (text == "Repeat") != (cluster == "orders") {
			t.Errorf("the next drill of %s is due: %q", cluster, text)
		}
	}
	expr := readDashboards(t)["cluster"].panel(t, "Restores and drills").expr("Newest drill")
	for cluster, want := range map[string]string{"orders": "0", "billing": "1"} {
		values, failure := prometheus.query(t, strings.ReplaceAll(expr, "$cluster", cluster))
		if len(values) != 1 || values[0] != want {
			t.Errorf("cluster, %s: the newest drill is %q, %s, want %s", cluster, values, failure, want)
		}
	}
}

// checkSoonestFirst checks that the open downloads are sorted by the time when they expire.
func checkSoonestFirst(t *testing.T, prometheus runningPrometheus) {
	t.Helper()
	p := readDashboards(t)["now"].panel(t, "Copies of data")
	perJob := func(expr string) map[string]float64 {
		samples, failure := prometheus.samples(t, expr)
		if failure != "" {
			t.Fatal(failure)
		}
		values := map[string]float64{}
		for i := range samples {
			value, err := strconv.ParseFloat(samples[i].value(), 64)
			if err != nil {
				t.Fatal(err)
			}
			values[samples[i].Metric["job_id"]] = value
		}
		return values
	}
	ranks, byKey := perJob(p.Targets[0].Expr), map[string]float64{}
	samples, _ := prometheus.samples(t, p.Targets[2].Expr)
	for i := range samples {
		value, err := strconv.ParseFloat(samples[i].value(), 64)
		if err != nil {
			t.Fatal(err)
		}
		byKey[samples[i].Metric["key"]] = value
	}
	expiries := map[string]float64{}
	for job := range ranks {
		for key, value := range byKey {
			if strings.Contains(key, "/"+job+"/") {
				expiries[job] = value
			}
		}
	}
	var jobs []string
	for job, rank := range ranks {
		if p.mappedTo(t, fmt.Sprint(rank), "Copy") == "Open download" {
			jobs = append(jobs, job)
		}
	}
	slices.SortFunc(jobs, func(a, b string) int { return cmp.Compare(ranks[a], ranks[b]) })
	if len(jobs) < 2 || ranks[jobs[0]] == ranks[jobs[1]] ||
		!slices.IsSortedFunc(jobs, func(a, b string) int { return cmp.Compare(expiries[a], expiries[b]) }) {
		t.Errorf("open downloads %q are sorted by %v, and expire at %v", jobs, ranks, expiries)
	}
}

// checkRetiredTarget checks that a target whose backup type ended is no failure, but is shown, as in the alerts.
func checkRetiredTarget(t *testing.T, prometheus runningPrometheus) {
	t.Helper()
	dashboards := readDashboards(t)
	for _, test := range []struct{ expr, value, detail string }{
		{dashboards["now"].panel(t, "Monitoring").Targets[0].Expr, "0", "Targets: 12, ended: 1"},
		{dashboards["exporter"].panel(t, "Failures of the exporter").Targets[1].Expr, "0", ""},
		{dashboards["exporter"].panel(t, "Failures of the exporter").Targets[2].Expr, "1", ""},
		{dashboards["exporter"].panel(t, "Failures of the exporter").Targets[4].Expr, "1", ""}, // a credential expires
	} {
		var samples []sample
		testutil.Eventually(t, func() bool {
			samples, _ = prometheus.samples(t, test.expr)
			return len(samples) == 1 && samples[0].value() == test.value && samples[0].Metric["detail"] == test.detail
		}, func() string { return fmt.Sprintf("%v, want %s (%s): %s", samples, test.value, test.detail, test.expr) })
	}
}
