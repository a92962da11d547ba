package deploy

import (
	"encoding/json"
	"fmt"
	"maps"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"atlas-restore-exporter/collector"
	"atlas-restore-exporter/internal/testutil"
)

func TestDashboards_HaveTheSameFrame(t *testing.T) {
	dashboards := readDashboards(t)
	names := slices.Sorted(maps.Keys(dashboards))
	if !slices.Equal(names, []string{"cluster", "drills", "exporter", "now"}) {
		t.Errorf("dashboards %v", names)
	}
	for name, d := range dashboards {
		if d.UID != "atlas-restore-"+name || d.Title != "Atlas restores: "+name || d.Description == "" || d.Editable {
			t.Errorf("%s: UID %q, title %q, description %q, editable %v", name, d.UID, d.Title, d.Description, d.Editable)
		}
		if d.SchemaVersion > 39 {
			t.Errorf("%s: Grafana 10 does not support schema version %d", name, d.SchemaVersion)
		}
		if !slices.Contains(d.Tags, "atlas-restore") || len(d.Links) == 0 || d.Links[0].Type != "dashboards" {
			t.Errorf("%s is not linked with the other dashboards: tags %q, links %v", name, d.Tags, d.Links)
		}
		if len(d.Annotations.List) != 2 || !d.Annotations.List[0].Enable {
			t.Errorf("%s: annotations %v", name, d.Annotations.List)
		}
		// The first panel shows whether the others can be relied on.
		if d.Panels[0].Type != "row" || d.Panels[1].Title != "Monitoring" {
			t.Errorf("%s starts with %q, %q", name, d.Panels[0].Title, d.Panels[1].Title)
		}
	}
}

func TestDashboards_HaveTheSameVariables(t *testing.T) {
	for name, d := range readDashboards(t) {
		var names, hidden []string
		for _, v := range d.Templating.List {
			names = append(names, v.Name)
			if v.Hide == 2 {
				hidden = append(hidden, v.Name)
			}
			if v.Type == "query" && v.Multi && v.AllValue != ".*" { // clusters without a team or an environment are part of all
				t.Errorf("%s, %s: all is %q", name, v.Name, v.AllValue)
			}
			if v.Name == "project" && !strings.Contains(v.Regex, "<text>") {
				t.Errorf("%s: the variable project shows IDs", name)
			}
		}
		want := "datasource job instance team environment project cluster"
		if name == "now" {
			want += " condition"
		}
		if strings.Join(names, " ") != want {
			t.Errorf("%s: variables %q", name, names)
		}
		if !slices.Equal(hidden, []string{"job", "instance"}) {
			t.Errorf("%s: hidden variables %q", name, hidden)
		}
	}
}

func TestDashboards_HaveCompletePanels(t *testing.T) {
	for name, d := range readDashboards(t) {
		titles := map[string]bool{}
		for _, p := range d.Panels {
			if titles[p.Title] && p.Type != "row" {
				t.Errorf("%s: two panels %s", name, p.Title)
			}
			titles[p.Title] = p.Type != "row"
			if p.Type == "row" {
				continue
			}
			if p.Title == "" || !strings.HasSuffix(p.Description, ".") || p.FieldConfig.Defaults.Unit == "" {
				t.Errorf("%s, %s: description %q, unit %q", name, p.Title, p.Description, p.FieldConfig.Defaults.Unit)
			}
			if p.Datasource.UID != datasource || len(p.Targets) == 0 || p.GridPos.X+p.GridPos.W > 24 {
				t.Errorf("%s, %s: data source %q, position %v", name, p.Title, p.Datasource.UID, p.GridPos)
			}
			checkPanelType(t, name, &p)
		}
	}
}

func checkPanelType(t *testing.T, name string, p *panel) {
	t.Helper()
	switch p.Type {
	case "stat":
		// The first color applies if there are no data.
		steps := p.FieldConfig.Defaults.Thresholds.Steps
		if len(steps) == 0 || steps[0].Color == "green" || p.FieldConfig.Defaults.NoValue == "" {
			t.Errorf("%s, %s: without data, the panel shows %q in %v", name, p.Title, p.FieldConfig.Defaults.NoValue, steps)
		}
	case "table":
		checkTable(t, name, p)
	case "timeseries":
		// With 200 clusters, a list below the graph would cover it.
		series := regexp.MustCompile(`\{\{(cluster_name|project|operation)}}`)
		for _, target := range p.Targets {
			if p.Options.Legend.DisplayMode == "list" && series.MatchString(target.Expr) {
				t.Errorf("%s, %s: the legend is a list", name, p.Title)
			}
		}
	case "state-timeline":
		if p.Options.PerPage == 0 {
			t.Errorf("%s, %s shows all series on one page", name, p.Title)
		}
	default:
		t.Errorf("%s, %s: type %s", name, p.Title, p.Type)
	}
}

// checkTable checks that a table shows names and no IDs, except those of jobs in the last column.
func checkTable(t *testing.T, name string, p *panel) {
	t.Helper()
	if p.FieldConfig.Defaults.NoValue == "" || strings.Contains(p.FieldConfig.Defaults.NoValue, "Nothing is wrong") {
		t.Errorf("%s, %s: an empty table shows %q", name, p.Title, p.FieldConfig.Defaults.NoValue)
	}
	last := p.Transformations[len(p.Transformations)-1]
	var organize struct {
		IndexByName  map[string]int
		RenameByName map[string]string
	}
	for _, transformation := range p.Transformations {
		if transformation.ID == "organize" {
			if err := json.Unmarshal(transformation.Options, &organize); err != nil {
				t.Fatal(err)
			}
		}
	}
	if join := p.Transformations[0]; join.ID == "joinByField" && !strings.Contains(string(join.Options), `"byField"`) {
		t.Errorf("%s, %s: rows are joined by %s", name, p.Title, join.Options)
	}
	if last.ID != "sortBy" || len(organize.RenameByName) == 0 {
		t.Errorf("%s, %s: transformations %v", name, p.Title, p.Transformations)
	}
	for field, title := range organize.RenameByName {
		hidden := p.override(title, "custom.hidden") == "true" && p.override(title, "custom.hideFrom") != ""
		switch {
		case strings.HasSuffix(field, "_id") && field != "job_id" && !hidden:
			t.Errorf("%s, %s shows %s", name, p.Title, field)
		case field == "job_id" && organize.IndexByName[field] != len(organize.IndexByName)-1-valueAlias(organize.IndexByName):
			t.Errorf("%s, %s: the job ID is not the last column", name, p.Title)
		case title == "Cluster" && !strings.Contains(p.override(title, "links"), "/d/atlas-restore-cluster?"):
			t.Errorf("%s, %s: clusters are not linked", name, p.Title)
		case title == "Atlas" || title == "Status page":
			// The whole URL is the value: Grafana shows no link if it is empty.
			if !strings.Contains(p.override(title, "links"), `"${__value.raw}"`) {
				t.Errorf("%s, %s: links of %s are %s", name, p.Title, title, p.override(title, "links"))
			}
		}
	}
}

// valueAlias returns 1 if a column has two names, because Grafana names the values of a single query differently.
func valueAlias(index map[string]int) int {
	if _, ok := index["Value"]; ok {
		return 1
	}
	return 0
}

func TestDashboards_LinkConditionsAndCopies(t *testing.T) {
	now := readDashboards(t)["now"]
	for _, title := range []string{"Open problems", "Copies of data"} {
		p := now.panel(t, title)
		for _, column := range []string{"Cluster", "Status page", "Atlas"} {
			if p.override(column, "links") == "" {
				t.Errorf("%s: no links in the column %s", title, column)
			}
		}
	}
}

// TestDashboards_CoverEveryCondition checks that the table of open problems contains each condition of the alerts.
func TestDashboards_CoverEveryCondition(t *testing.T) {
	inOtherTables := map[string]string{"AtlasRestoreBackupDownload": "Copies of data"}
	const perJob = "AtlasRestoreDownloadExpiresSoon" // the alert is about the first link of a target
	now := readDashboards(t)["now"]
	expr := now.panel(t, "Open problems").Targets[0].Expr
	for _, rule := range readRules(t) {
		condition := rule.Labels["condition"]
		if rule.Record == "" || condition == "" || inOtherTables[condition] != "" {
			continue
		}
		if condition == perJob && strings.Contains(expr, `"condition", "`+perJob+`"`) {
			continue
		}
		series := strings.TrimSuffix(rule.Record, ":condition") + ":labeled"
		if !strings.Contains(expr, series+`{condition=~"`+condition+`"`) {
			t.Errorf("the table of open problems does not contain %s of %s", condition, series)
		}
	}
}

// statusColors are the colors of statuses in every panel.
var statusColors = map[string]string{
	"Failed": "red", "Too slow": "red", "Pending": "blue", "In progress": "blue", "Running": "blue",
	"Ready": "orange", "Completed": "green",
	"Expired": "#8e8e8e", "Cancelled": "#8e8e8e", "Unknown": "purple", "Restore failed": "red", "Drill failed": "yellow",
	"Unknown status": "purple",
}

func TestDashboards_UseTheSameColorsForStatuses(t *testing.T) {
	found := map[string]bool{}
	check := func(name string, mappings []mapping) {
		for _, m := range mappings {
			for _, option := range m.Options {
				result, _ := option.(map[string]any)
				text, _ := result["text"].(string)
				if want := statusColors[text]; want != "" && result["color"] != want {
					t.Errorf("%s: %s is %v", name, text, result["color"])
				}
				found[text] = true
			}
		}
	}
	for name, d := range readDashboards(t) {
		for _, p := range d.Panels {
			check(name, p.FieldConfig.Defaults.Mappings)
			for _, o := range p.FieldConfig.Overrides {
				for _, property := range o.Properties {
					var mappings []mapping
					if property.ID == "mappings" && json.Unmarshal(property.Value, &mappings) == nil {
						check(name, mappings)
					}
				}
			}
		}
	}
	if !found["In progress"] || !found["Restore failed"] || !found["Completed"] {
		t.Errorf("found only %v", found)
	}
}

// TestDashboards_UseRecordedSeriesAndExportedMetrics also checks that selectors of metrics use the variables.
func TestDashboards_UseRecordedSeriesAndExportedMetrics(t *testing.T) {
	names := map[string]bool{}
	for _, family := range collector.Families() {
		names[family.Name] = true
		names[family.Name+"_bucket"] = true
	}
	for _, rule := range readRules(t) {
		names[rule.Record] = true
	}
	series := regexp.MustCompile(`((?:\w+:)?mongodbatlas_restore_\w+(?::\w+)?|\w+:mongodbatlas_restore:\w+)(\{[^}]*\})?`)
	rate := regexp.MustCompile(`\brate\([^\[]*\[([^\]]*)\]`)
	for _, q := range allQueries(t) {
		if strings.Contains(q.expr, "vector(0)") {
			t.Errorf("%s shows 0 if there are no data: %s", q.name, q.expr)
		}
		for _, match := range series.FindAllStringSubmatch(q.expr, -1) {
			name, matchers := match[1], match[2]
			if !names[name] {
				t.Errorf("%s uses %s, which does not exist", q.name, name)
			}
			isRaw := !strings.Contains(name, ":") && !strings.Contains(q.name, "variable")
			if isRaw && !strings.Contains(matchers, `job=~"$job",instance=~"$instance"`) {
				t.Errorf("%s: the selector of %s does not use the variables", q.name, name)
			}
		}
		for _, match := range rate.FindAllStringSubmatch(q.expr, -1) {
			if match[1] != "$__rate_interval" {
				t.Errorf("%s: rate over %s", q.name, match[1])
			}
		}
	}
}

// TestDashboards_CanBeShared compares the variants for grafana.com.
func TestDashboards_CanBeShared(t *testing.T) {
	for name := range readDashboards(t) {
		var original, shared map[string]any
		for path, d := range map[string]*map[string]any{"dashboards": &original, "grafana.com": &shared} {
			if err := json.Unmarshal([]byte(testutil.ReadFile(t, filepath.Join("grafana", path, name+".json"))), d); err != nil {
				t.Fatal(err)
			}
		}
		required := fmt.Sprint(shared["__requires"])
		panels, _ := original["panels"].([]any)
		for _, p := range panels {
			if kind := p.(map[string]any)["type"]; kind != "row" && !strings.Contains(required, fmt.Sprintf("id:%s ", kind)) {
				t.Errorf("%s does not require %s: %s", name, kind, required)
			}
		}
		if inputs := fmt.Sprint(shared["__inputs"]); !strings.Contains(inputs, "name:DS_PROMETHEUS") {
			t.Errorf("%s: inputs %s", name, inputs)
		}
		delete(shared, "__inputs")
		delete(shared, "__requires")
		text, err := json.Marshal(shared)
		if err != nil {
			t.Fatal(err)
		}
		const current = `"current":{"text":"${DS_PROMETHEUS}","value":"${DS_PROMETHEUS}"},`
		if strings.Count(string(text), current) != 1 {
			t.Errorf("%s: the data source is not an input", name)
		}
		want, err := json.Marshal(original)
		if err != nil || strings.Replace(string(text), current, "", 1) != string(want) {
			t.Errorf("%s: the variant for grafana.com differs in more than its inputs (%v)", name, err)
		}
	}
}
