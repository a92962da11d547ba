package deploy

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"atlas-restore-exporter/internal/testutil"
)

// withoutData are the queries that return nothing with the demo, and the reason.
var withoutData = map[string]string{
	"exporter, Waiting polls, A": "the demo has more slots than targets",
	"exporter, Failed polls, A":  "the only poll that fails is repeated at the full poll interval",
}

var grafanaVariables = strings.NewReplacer("$__rate_interval", "10s", "$__range_s", "60", "$__range", "60s",
	"$__interval_ms", "1000", "$job", ".*", "$instance", ".*", "$project", ".*", "$cluster", ".*", "$team", ".*",
	"$environment", ".*")

// TestDashboardQueries_ReturnData runs every query with a Prometheus that scrapes the demo and evaluates the rules.
func TestDashboardQueries_ReturnData(t *testing.T) {
	prometheus := startPrometheus(t, withDemo, withRules)
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
			prometheus := startPrometheus(t, test.options...)
			now := readDashboards(t)["now"]
			expr := now.panel(t, "Monitoring").Targets[0].Expr
			var values []string
			testutil.Eventually(t, func() bool {
				values, _ = prometheus.query(t, expr)
				return len(values) == 1 && values[0] == test.want
			}, func() string { return fmt.Sprintf("Monitoring is %q, want %s", values, test.want) })
			for _, target := range now.panel(t, "Open problems by kind").Targets {
				if values, _ := prometheus.query(t, target.Expr); len(values) != 1 || values[0] != unknown {
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

// query returns the values of the results of a query, or the error as a text.
func (p runningPrometheus) query(t *testing.T, expr string) (values []string, failure string) {
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
		Data  struct{ Result []struct{ Value [2]any } }
	}
	if err := json.NewDecoder(response.Body).Decode(&body); err != nil {
		return nil, err.Error()
	}
	for _, result := range body.Data.Result {
		values = append(values, fmt.Sprint(result.Value[1]))
	}
	return values, body.Error
}

// startPrometheus starts a Prometheus that scrapes itself and, with the options, the demo, and evaluates the rules.
func startPrometheus(t *testing.T, options ...prometheusOption) runningPrometheus {
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
			start(t, binary, "demo", "--web.listen-address="+exporter, "--web.external-url=http://localhost")
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
	return runningPrometheus(address)
}

// start runs a program until the test ends.
func start(t *testing.T, path string, args ...string) {
	t.Helper()
	command := exec.CommandContext(t.Context(), path, args...)
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = command.Process.Kill()
		_ = command.Wait()
	})
}
