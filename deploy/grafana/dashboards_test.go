package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"atlas-restore-exporter/internal/testutil"
)

// dashboardFile is the content of a dashboard file.
type dashboardFile struct {
	UID, Title, Description string
	Editable                bool
	Templating              struct {
		List []struct{ Name, Type, Query string }
	}
	Panels []struct {
		Type, Title, Description string
		Datasource               struct{ UID string }
		Targets                  []struct {
			Expr       string
			Datasource struct{ UID string }
		}
		FieldConfig struct {
			Defaults struct{ Unit string }
		}
		GridPos struct{ X, W int }
	}
}

const datasource = "${datasource}"

func load(t *testing.T, name string) dashboardFile {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("dashboards", name+".json"))
	if err != nil {
		t.Fatal(err)
	}
	var d dashboardFile
	var raw struct {
		Templating struct {
			List []struct {
				Name, Type string
				Query      any
			}
		}
	}
	_ = json.Unmarshal(text, &d) // the query of a variable is a string or an object
	if err := json.Unmarshal(text, &raw); err != nil {
		t.Fatal(err)
	}
	for i, v := range raw.Templating.List {
		if query, ok := v.Query.(map[string]any); ok {
			d.Templating.List[i].Query, _ = query["query"].(string)
		}
	}
	return d
}

func TestDashboards_AreUpToDate(t *testing.T) {
	for name, d := range dashboards() {
		want, err := json.MarshalIndent(d, "", " ")
		if err != nil {
			t.Fatal(err)
		}
		got, err := os.ReadFile(filepath.Join("dashboards", name+".json"))
		if err != nil || string(got) != string(want)+"\n" {
			t.Errorf("%s.json differs from the output of the generator: run `make golden` (%v)", name, err)
		}
	}
}

func TestDashboards_AreComplete(t *testing.T) {
	for name := range dashboards() {
		d := load(t, name)
		if d.UID == "" || d.Title == "" || d.Description == "" || d.Editable {
			t.Errorf("%s: uid, title, or description is missing, or the dashboard is editable: %+v", name, d)
		}
		variables := map[string]string{}
		for _, v := range d.Templating.List {
			variables[v.Name] = v.Type
		}
		if variables["datasource"] != "datasource" || variables["job"] == "" || variables["instance"] == "" {
			t.Errorf("%s: variables %v", name, variables)
		}
		for _, p := range d.Panels {
			complete := p.Title != "" && p.Description != "" && p.FieldConfig.Defaults.Unit != ""
			if !complete || p.Datasource.UID != datasource || p.GridPos.X+p.GridPos.W > 24 {
				t.Errorf("%s: panel %+v", name, p)
			}
			for _, query := range p.Targets {
				selectors := strings.Count(query.Expr, "{")
				if query.Datasource.UID != datasource || strings.Count(query.Expr, "job=~") != selectors {
					t.Errorf("%s, %s: a selector doesn't use the variables: %s", name, p.Title, query.Expr)
				}
			}
		}
	}
}

// namedQuery is a query of a panel or of a variable.
type namedQuery struct{ name, expr string }

// allQueries returns the queries of every panel and variable.
func allQueries(t *testing.T) []namedQuery {
	t.Helper()
	labelValues := regexp.MustCompile(`^label_values\((.*), \w+\)$`)
	var queries []namedQuery
	for name := range dashboards() {
		d := load(t, name)
		for _, p := range d.Panels {
			for _, target := range p.Targets {
				queries = append(queries, namedQuery{name + ", " + p.Title, target.Expr})
			}
		}
		for _, v := range d.Templating.List {
			if match := labelValues.FindStringSubmatch(v.Query); match != nil {
				queries = append(queries, namedQuery{name + ", variable " + v.Name, match[1]})
			}
		}
	}
	return queries
}

// TestQueries_ReturnData runs every query with a Prometheus that scrapes the demo.
func TestQueries_ReturnData(t *testing.T) {
	prometheus := startPrometheus(t, testutil.NeedTool(t, "prometheus", "prometheus"))
	variables := strings.NewReplacer("$__rate_interval", "10s",
		"$job", ".+", "$instance", ".+", "$project", ".+", "$cluster", ".+")
	deadline := time.Now().Add(time.Minute)
	for _, q := range allQueries(t) {
		for {
			failure, results := query(t, prometheus, variables.Replace(q.expr))
			if results > 0 {
				break
			}
			isStarting := failure == "" || strings.Contains(failure, "connection refused")
			if time.Now().After(deadline) || !isStarting {
				t.Errorf("%s: no data, %s: %s", q.name, failure, q.expr)
				break
			}
			time.Sleep(200 * time.Millisecond)
		}
	}
}

// query runs a query and returns the number of results, and the error as a text.
func query(t *testing.T, prometheus, expr string) (failure string, results int) {
	t.Helper()
	target := "http://" + prometheus + "/api/v1/query?" + url.Values{"query": {expr}}.Encode()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, target, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err.Error(), 0
	}
	defer func() { _ = response.Body.Close() }()
	var body struct {
		Error string
		Data  struct{ Result []any }
	}
	if err := json.NewDecoder(response.Body).Decode(&body); err != nil {
		return err.Error(), 0
	}
	return body.Error, len(body.Data.Result)
}

// startPrometheus runs the demo and a Prometheus that scrapes it. It returns the address of Prometheus.
func startPrometheus(t *testing.T, path string) string {
	t.Helper()
	dir := t.TempDir()
	exporter, prometheus := testutil.FreeAddress(t), testutil.FreeAddress(t)
	binary := filepath.Join(dir, "atlas-restore-exporter")
	build := exec.CommandContext(t.Context(), "go", "build", "-o", binary, "../..")
	if output, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, output)
	}
	config := filepath.Join(dir, "prometheus.yaml")
	text := fmt.Sprintf(`
global: {scrape_interval: 1s, scrape_timeout: 1s}
scrape_configs: [{job_name: atlas-restore, static_configs: [{targets: [%q], labels: {env: test}}]}]
`, exporter)
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, command := range []*exec.Cmd{
		exec.CommandContext(t.Context(), binary, "demo", "--web.listen-address="+exporter),
		exec.CommandContext(t.Context(), path, "--config.file="+config,
			"--storage.tsdb.path="+filepath.Join(dir, "tsdb"), "--web.listen-address="+prometheus),
	} {
		if err := command.Start(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			_ = command.Process.Kill()
			_ = command.Wait()
		})
	}
	return prometheus
}
