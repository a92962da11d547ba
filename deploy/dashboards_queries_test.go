package deploy

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os/exec"
	"path/filepath"
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

	"exporter, Targets that can't be polled, B":                      "the only such target was never polled successfully",
	"now, Restores by cluster, B":                                    "orders has failed restores as well",
	"now, Failed and successful jobs per day, C":                     "the demo was scraped on this day",
	"drills, Last successful drill of each cluster" + period + ", L": "no drill of the demo exceeds its objective",
}

const (
	reasonUp = "an exporter is scraped"
	period   = ", and failed drills from ${__from:date:iso} to ${__to:date:iso}"
)

var grafanaVariables = strings.NewReplacer("$__rate_interval", "10s", "$__range_s", "60", "$__range", "60s",
	"$__interval_ms", "10000", "$__interval", "10s",
	"$job", ".*", "$instance", ".*", "$project", ".*", "$cluster", ".*", "$team", ".*",
	"$environment", ".*", "$condition", "0")

// TestDashboardQueries_ReturnData runs every query with a Prometheus that scrapes the demo and evaluates the rules, and
// then stops the demo.
func TestDashboardQueries_ReturnData(t *testing.T) {
	prometheus, stopDemo := startPrometheus(t, withDemo, withRules)
	deadline := time.Now().Add(7 * time.Minute)
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
	t.Run("sum of counts", func(t *testing.T) { checkSum(t, prometheus) })
	t.Run("links", func(t *testing.T) { checkLinks(t, prometheus) })
	t.Run("newest drill", func(t *testing.T) { checkNewestDrill(t, prometheus) })
	t.Run("too slow", func(t *testing.T) { checkTooSlow(t, prometheus) })
	t.Run("disjoint", func(t *testing.T) { checkDrillCounts(t, prometheus) })
	t.Run("soonest first", func(t *testing.T) { checkSoonestFirst(t, prometheus) })
	t.Run("retired", func(t *testing.T) { checkRetiredTarget(t, prometheus) })
	stopDemo()
	t.Run("stopped", func(t *testing.T) { checkStopped(t, prometheus) })
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
			for _, target := range now.panel(t, "Counts of open problems").Targets {
				values, _ := prometheus.query(t, target.Expr)
				isCount := strings.HasPrefix(target.Expr, "(count(") // otherwise a time, which is absent
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

// runningPrometheus is the address of a Prometheus, and the time of its queries, if it is not now.
type runningPrometheus struct {
	address string
	time    time.Time
}

// at returns the Prometheus at another time.
func (p runningPrometheus) at(moment time.Time) runningPrometheus {
	p.time = moment
	return p
}

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
	if !p.time.IsZero() {
		form.Set("time", strconv.FormatFloat(float64(p.time.UnixMilli())/1000, 'f', 3, 64))
	}
	if strings.Contains(expr, "offset -1d") { // counts events of the day that follows; the demo starts with some
		form.Set("time", fmt.Sprint(time.Now().Add(-6*time.Hour).Unix()))
	}
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+p.address+"/api/v1/query",
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
	return runningPrometheus{address: address}, stopDemo
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
