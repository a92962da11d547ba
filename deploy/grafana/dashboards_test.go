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

	"atlas-restore-exporter/internal/tool"
)

// written is a dashboard as it is read.
type written struct {
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

func load(t *testing.T, name string) written {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("dashboards", name+".json"))
	if err != nil {
		t.Fatal(err)
	}
	var d written
	var raw struct {
		Templating struct {
			List []struct {
				Name, Type string
				Query      any
			}
		}
	}
	_ = json.Unmarshal(text, &d) // a query is a text in one kind of variable, an object in the other
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

// TestDashboardsAreWritten holds the files to the generator.
func TestDashboardsAreWritten(t *testing.T) {
	for name, d := range dashboards() {
		want, err := json.MarshalIndent(d, "", " ")
		if err != nil {
			t.Fatal(err)
		}
		got, err := os.ReadFile(filepath.Join("dashboards", name+".json"))
		if err != nil || string(got) != string(want)+"\n" {
			t.Errorf("%s.json is not what the generator writes: run `go run ./deploy/grafana` (%v)", name, err)
		}
	}
}

// TestDashboardsAreComplete wants what dashboards that are shared are expected to have.
func TestDashboardsAreComplete(t *testing.T) {
	for name := range dashboards() {
		d := load(t, name)
		if d.UID == "" || d.Title == "" || d.Description == "" || d.Editable {
			t.Errorf("%s: want uid, title, description, and not to be edited: %+v", name, d)
		}
		variables := map[string]string{}
		for _, v := range d.Templating.List {
			variables[v.Name] = v.Type
		}
		if variables["datasource"] != "datasource" || variables["job"] == "" || variables["instance"] == "" {
			t.Errorf("%s: variables %v", name, variables)
		}
		for _, p := range d.Panels {
			if p.Title == "" || p.Description == "" || p.FieldConfig.Defaults.Unit == "" || p.Datasource.UID != "${datasource}" || p.GridPos.X+p.GridPos.W > 24 {
				t.Errorf("%s: panel %+v", name, p)
			}
			for _, query := range p.Targets {
				if query.Datasource.UID != "${datasource}" || strings.Count(query.Expr, "job=~") != strings.Count(query.Expr, "{") {
					t.Errorf("%s, %s: not every selector heeds the variables: %s", name, p.Title, query.Expr)
				}
			}
		}
	}
}

// TestQueries runs every query of every panel and variable against a Prometheus that scrapes the demo: it must be valid,
// and return data.
func TestQueries(t *testing.T) {
	prometheus := startPrometheus(t, tool.Need(t, "prometheus", "prometheus"))
	ask := func(path string, parameters url.Values) (string, int) {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+prometheus+path+"?"+parameters.Encode(), http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			return err.Error(), 0
		}
		defer func() { _ = response.Body.Close() }()
		var answer struct {
			Error string
			Data  struct{ Result []any }
		}
		if err := json.NewDecoder(response.Body).Decode(&answer); err != nil {
			return err.Error(), 0
		}
		return answer.Error, len(answer.Data.Result)
	}
	type query struct{ where, expr string }
	var queries []query
	labelValues := regexp.MustCompile(`^label_values\((.*), \w+\)$`)
	for name := range dashboards() {
		d := load(t, name)
		for _, p := range d.Panels {
			for _, target := range p.Targets {
				queries = append(queries, query{name + ", " + p.Title, target.Expr})
			}
		}
		for _, v := range d.Templating.List {
			if match := labelValues.FindStringSubmatch(v.Query); match != nil {
				queries = append(queries, query{name + ", variable " + v.Name, match[1]})
			}
		}
	}
	variables := strings.NewReplacer("$__rate_interval", "10s", "$job", ".+", "$instance", ".+", "$project", ".+", "$cluster", ".+")
	deadline := time.Now().Add(time.Minute)
	for _, q := range queries {
		for {
			failure, results := ask("/api/v1/query", url.Values{"query": {variables.Replace(q.expr)}})
			if results > 0 {
				break
			}
			if time.Now().After(deadline) || (failure != "" && !strings.Contains(failure, "refused")) {
				t.Errorf("%s: no data, %s: %s", q.where, failure, q.expr)
				break
			}
			time.Sleep(200 * time.Millisecond)
		}
	}
}

// startPrometheus runs the demo and a Prometheus that scrapes it, and returns the latter's address.
func startPrometheus(t *testing.T, path string) string {
	t.Helper()
	dir := t.TempDir()
	exporter, prometheus := tool.FreeAddress(t), tool.FreeAddress(t)
	binary := filepath.Join(dir, "atlas-restore-exporter")
	build := exec.CommandContext(t.Context(), "go", "build", "-o", binary, "../..")
	if said, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, said)
	}
	config := filepath.Join(dir, "prometheus.yaml")
	text := fmt.Sprintf("global: {scrape_interval: 1s, scrape_timeout: 1s}\nscrape_configs: [{job_name: atlas-restore, static_configs: [{targets: [%q], labels: {env: test}}]}]\n", exporter)
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, command := range []*exec.Cmd{
		exec.CommandContext(t.Context(), binary, "demo", "--web.listen-address="+exporter),
		exec.CommandContext(t.Context(), path, "--config.file="+config, "--storage.tsdb.path="+filepath.Join(dir, "tsdb"), "--web.listen-address="+prometheus),
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
