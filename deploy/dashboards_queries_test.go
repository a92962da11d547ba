package deploy

import (
	"cmp"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"atlas-restore-exporter/internal/testutil"
)

// withoutData are the queries that return nothing with the demo, and the reason.
var withoutData = map[string]string{
	"now, Monitoring, C":      reasonUp,
	"cluster, Monitoring, C":  reasonUp,
	"drills, Monitoring, C":   reasonUp,
	"exporter, Monitoring, C": reasonUp,

	"cluster, Restores and drills, D":       "each target with a running restore is polled",
	"drills, Last drill of each cluster, J": "no drill of the demo exceeds its objective",
}

const reasonUp = "an exporter is scraped"

var grafanaVariables = strings.NewReplacer("$__rate_interval", "10s", "$__range_s", "60", "$__range", "60s",
	"$__interval_ms", "1000", "$job", ".*", "$instance", ".*", "$project", ".*", "$cluster", ".*", "$team", ".*",
	"$environment", ".*", "$condition", "0")

// TestDashboardQueries_ReturnData runs every query with a Prometheus that scrapes the demo and evaluates the rules, and
// then stops the demo.
func TestDashboardQueries_ReturnData(t *testing.T) {
	prometheus, stopDemo := startPrometheus(t, withDemo, withRules)
	deadline := time.Now().Add(5 * time.Minute)
	for _, q := range allQueries(t) {
		for withoutData[q.name] == "" {
			values, failure := prometheus.query(t, q.expr)
			if len(values) > 0 {
				break
			}
			if time.Now().After(deadline) || failure != "" && !strings.Contains(failure, "connection refused") {
				t.Errorf("%s: no data, %s: %s", q.name, failure, q.expr)
				break
			}
			time.Sleep(200 * time.Millisecond)
		}
	}
	for name := range withoutData {
		if !hasQuery(t, name) {
			t.Errorf("no dashboard has the query %s", name)
		}
	}
	t.Run("of one condition", func(t *testing.T) { checkConditions(t, prometheus) })
	t.Run("too slow", func(t *testing.T) { checkTooSlow(t, prometheus) })
	t.Run("disjoint", func(t *testing.T) { checkDrillCounts(t, prometheus) })
	t.Run("soonest first", func(t *testing.T) { checkSoonestFirst(t, prometheus) })
	t.Run("retired", func(t *testing.T) { checkRetiredTarget(t, prometheus) })
	stopDemo()
	t.Run("stopped", func(t *testing.T) { checkStopped(t, prometheus) })
}

// checkConditions checks that both tables agree about the number of open problems of a condition. The demo does not
// drill clusters that were never drilled.
func checkConditions(t *testing.T, prometheus runningPrometheus) {
	t.Helper()
	now := readDashboards(t)["now"]
	const neverDrilled = "12"
	if text := now.panel(t, "Conditions").mappedTo(t, neverDrilled, "Condition"); text != "Never drilled" {
		t.Fatalf("condition %s is %s", neverDrilled, text)
	}
	expr := strings.ReplaceAll(now.panel(t, "Open problems").Targets[0].Expr, "$condition", neverDrilled)
	rows, failure := prometheus.query(t, expr)
	number := fmt.Sprint(len(rows))
	if len(rows) < 2 || rows[0] != neverDrilled || len(slices.Compact(rows)) != 1 {
		t.Errorf("rows of one condition: %q, %s", rows, failure)
	}
	numbers, failure := prometheus.query(t, fmt.Sprintf(`(%s) and on (rank) label_replace(vector(1), "rank", %q, "", "")`,
		now.panel(t, "Conditions").Targets[1].Expr, neverDrilled))
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
		for _, target := range readDashboards(t)["drills"].panel(t, "Clusters by drill age").Targets {
			values, _ := prometheus.query(t, target.Expr)
			count, err := strconv.Atoi(strings.Join(values, " "))
			if err != nil {
				return false
			}
			counts = append(counts, count)
		}
		return len(counts) == 4 && counts[0] > 0 && counts[0] == counts[1]+counts[2]+counts[3]
	}, func() string { return fmt.Sprintf("counts of clusters: %v", counts) })
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
	ranks, expiries := perJob(p.Targets[0].Expr), perJob(p.Targets[2].Expr)
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
	var states []string
	testutil.Eventually(t, func() bool {
		states, _ = prometheus.query(t, running[2].Expr)
		return len(states) > 0 && !slices.ContainsFunc(states, func(state string) bool { return state != wasRunning })
	}, func() string { return fmt.Sprintf("states of running restores: %q", states) })
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

func hasQuery(t *testing.T, name string) bool {
	t.Helper()
	for _, q := range allQueries(t) {
		if q.name == name {
			return true
		}
	}
	return false
}

// TestDashboardQueries_NeverShowZeroWithoutData checks the first panels. Nothing is known without an exporter or rules.
func TestDashboardQueries_NeverShowZeroWithoutData(t *testing.T) {
	const noExporter, noRules, unknown = "2", "3", "-1"
	for name, test := range map[string]struct {
		options []prometheusOption
		want    string
	}{
		"no exporter": {[]prometheusOption{withRules}, noExporter},
		"no rules":    {[]prometheusOption{withDemo}, noRules},
	} {
		t.Run(name, func(t *testing.T) {
			prometheus, _ := startPrometheus(t, test.options...)
			now := readDashboards(t)["now"]
			expr := now.panel(t, "Monitoring").Targets[0].Expr
			var values []string
			testutil.Eventually(t, func() bool {
				values, _ = prometheus.query(t, expr)
				return len(values) == 1 && values[0] == test.want
			}, func() string { return fmt.Sprintf("Monitoring is %q, want %s", values, test.want) })
			for _, target := range now.panel(t, "Restores and drills").Targets {
				values, _ := prometheus.query(t, target.Expr)
				isCount := strings.HasPrefix(target.Expr, "count(") // otherwise a time, which is absent
				if isCount && (len(values) != 1 || values[0] != unknown) || !isCount && len(values) > 0 {
					t.Errorf("%q, want %s: %s", values, unknown, target.Expr)
				}
			}
		})
	}
}

// prometheusOption is a part of the world of a Prometheus.
type prometheusOption int

const (
	withDemo prometheusOption = iota
	withRules
)

// runningPrometheus is the address of a Prometheus.
type runningPrometheus string

// sample is a result of a query.
type sample struct {
	Metric map[string]string
	Value  [2]any
}

func (s *sample) value() string { return fmt.Sprint(s.Value[1]) }

// query returns the values of the results of a query, or the error as a text.
func (p runningPrometheus) query(t *testing.T, expr string) (values []string, failure string) {
	t.Helper()
	samples, failure := p.samples(t, expr)
	for i := range samples {
		values = append(values, samples[i].value())
	}
	return values, failure
}

// samples returns the results of a query, or the error as a text.
func (p runningPrometheus) samples(t *testing.T, expr string) (results []sample, failure string) {
	t.Helper()
	form := url.Values{"query": {grafanaVariables.Replace(expr)}}
	if strings.Contains(expr, "offset -1d") { // counts events of the day that follows; the demo starts with some
		form.Set("time", fmt.Sprint(time.Now().Add(-6*time.Hour).Unix()))
	}
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+string(p)+"/api/v1/query",
		strings.NewReader(form.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, err.Error()
	}
	defer func() { _ = response.Body.Close() }()
	if response.StatusCode == http.StatusServiceUnavailable { // Prometheus is starting
		return nil, ""
	}
	var body struct {
		Error string
		Data  struct{ Result []sample }
	}
	if err := json.NewDecoder(response.Body).Decode(&body); err != nil {
		return nil, err.Error()
	}
	return body.Data.Result, body.Error
}

// startPrometheus starts a Prometheus that scrapes itself and, with the options, the demo, and evaluates the rules.
// stopDemo stops the demo.
func startPrometheus(t *testing.T, options ...prometheusOption) (prometheus runningPrometheus, stopDemo func()) {
	t.Helper()
	program := testutil.NeedTool(t, "prometheus", "prometheus")
	dir := t.TempDir()
	address := testutil.FreeAddress(t)
	config := fmt.Sprintf("global: {scrape_interval: 1s, scrape_timeout: 1s, evaluation_interval: 1s}\n"+
		"scrape_configs:\n- {job_name: prometheus, static_configs: [{targets: [%q]}]}\n", address)
	for _, option := range options {
		switch option {
		case withDemo:
			exporter := testutil.FreeAddress(t)
			binary := filepath.Join(dir, "atlas-restore-exporter")
			run(t, "go", "build", "-o", binary, "..")
			stopDemo = start(t, binary, "demo", "--web.listen-address="+exporter, "--web.external-url=http://localhost")
			config += fmt.Sprintf("- {job_name: atlas-restore, static_configs: [{targets: [%q]}]}\n", exporter)
		case withRules:
			rules, err := filepath.Abs(rulesFile)
			if err != nil {
				t.Fatal(err)
			}
			config += fmt.Sprintf("rule_files: [%q]\n", rules)
		}
	}
	file := filepath.Join(dir, "prometheus.yaml")
	testutil.WriteFile(t, file, config)
	start(t, program, "--config.file="+file, "--storage.tsdb.path="+filepath.Join(dir, "tsdb"),
		"--web.listen-address="+address)
	return runningPrometheus(address), stopDemo
}

// start runs a program until the test ends, or until the function that it returns is called.
func start(t *testing.T, path string, args ...string) (stop func()) {
	t.Helper()
	command := exec.CommandContext(t.Context(), path, args...)
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	stop = sync.OnceFunc(func() {
		_ = command.Process.Kill()
		_ = command.Wait()
	})
	t.Cleanup(stop)
	return stop
}
