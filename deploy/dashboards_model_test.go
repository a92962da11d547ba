package deploy

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"atlas-restore-exporter/internal/testutil"
)

// dashboard is the content of the file of a dashboard.
type dashboard struct {
	UID, Title, Description string
	Timezone                string
	Editable                bool
	SchemaVersion           int
	Tags                    []string
	Panels                  []panel
	Templating              struct{ List []variable }
	Annotations             struct{ List []annotation }
	Links                   []struct{ Type string }
}

type variable struct {
	Name, Type, AllValue, Regex string
	Hide                        int
	Multi                       bool
	Query                       any
}

// expr returns the query of the variable without the function of Grafana around it.
func (v *variable) expr() string {
	query, ok := v.Query.(map[string]any)
	if !ok {
		return ""
	}
	expr := fmt.Sprint(query["query"])
	function := regexp.MustCompile(`^label_values\((.*), \w+\)$|^query_result\((.*)\)$`)
	if match := function.FindStringSubmatch(expr); match != nil {
		return match[1] + match[2]
	}
	return expr
}

type annotation struct {
	Name, Expr string
	Enable     bool
}

type panel struct {
	Type, Title, Description string
	Datasource               struct{ UID string }
	GridPos                  struct{ X, Y, W, H int }
	Targets                  []target
	Options                  struct {
		PerPage          int
		EnablePagination bool
		Footer           struct{ EnablePagination bool }
		Legend           struct{ DisplayMode, Placement string }
	}
	FieldConfig struct {
		Defaults  fieldConfig
		Overrides []struct {
			Matcher    struct{ ID, Options string }
			Properties []property
		}
	}
	Transformations []struct {
		ID      string
		Options json.RawMessage
	}
}

type target struct {
	Expr, Format string
	LegendFormat string
	Datasource   struct{ UID string }
}

type fieldConfig struct {
	Unit, NoValue string
	Thresholds    struct{ Steps []threshold }
	Mappings      []mapping
}

type threshold struct {
	Value *float64
	Color string
}

type mapping struct {
	Type    string
	Options map[string]any
}

type property struct {
	ID    string
	Value json.RawMessage
}

const datasource = "${datasource}"

// readDashboards returns the dashboards by name.
func readDashboards(t *testing.T) map[string]*dashboard {
	t.Helper()
	files, err := filepath.Glob("grafana/dashboards/*.json")
	if err != nil || len(files) == 0 {
		t.Fatalf("no dashboards: %v", err)
	}
	dashboards := map[string]*dashboard{}
	for _, file := range files {
		var d dashboard
		if err := json.Unmarshal([]byte(testutil.ReadFile(t, file)), &d); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		dashboards[strings.TrimSuffix(filepath.Base(file), ".json")] = &d
	}
	return dashboards
}

// panel returns the panel whose title is, or starts with, a title.
func (d *dashboard) panel(t *testing.T, title string) *panel {
	t.Helper()
	for i := range d.Panels {
		if strings.HasPrefix(d.Panels[i].Title, title) && d.Panels[i].Type != "row" {
			return &d.Panels[i]
		}
	}
	t.Fatalf("%s has no panel %s", d.Title, title)
	return nil
}

// override returns a property of the column of a title.
func (p *panel) override(title, id string) string {
	for _, o := range p.FieldConfig.Overrides {
		for _, property := range o.Properties {
			if o.Matcher.Options == title && property.ID == id {
				return string(property.Value)
			}
		}
	}
	return ""
}

// expr returns the query of a legend.
func (p *panel) expr(legend string) string {
	for _, target := range p.Targets {
		if target.LegendFormat == legend {
			return target.Expr
		}
	}
	return ""
}

// sortedBy returns whether the rows of a table are sorted by the column of a title.
func (p *panel) sortedBy(title string) bool {
	last := p.Transformations[len(p.Transformations)-1]
	return last.ID == "sortBy" && strings.Contains(string(last.Options), fmt.Sprintf("%q", title))
}

// columns returns the titles of the columns of a table in their order.
func (p *panel) columns(t *testing.T) []string {
	t.Helper()
	for _, transformation := range p.Transformations {
		if transformation.ID != "organize" {
			continue
		}
		var organize struct {
			IndexByName  map[string]int
			RenameByName map[string]string
		}
		if err := json.Unmarshal(transformation.Options, &organize); err != nil {
			t.Fatal(err)
		}
		titles := make([]string, len(organize.IndexByName))
		for name, index := range organize.IndexByName {
			titles[index] = organize.RenameByName[name]
		}
		return slices.DeleteFunc(titles, func(title string) bool { return title == "" })
	}
	t.Fatalf("%s has no columns", p.Title)
	return nil
}

// width returns the width of a column on a phone.
func (p *panel) width(title string) int {
	for _, id := range []string{"custom.width", "custom.minWidth"} {
		if width, err := strconv.Atoi(p.override(title, id)); err == nil {
			return width
		}
	}
	return 0
}

// mappedTo returns the text of a value in a column.
func (p *panel) mappedTo(t *testing.T, value, title string) string {
	t.Helper()
	number, err := strconv.ParseFloat(value, 64)
	if err != nil {
		t.Fatal(err)
	}
	var mappings []mapping
	if err := json.Unmarshal([]byte(p.override(title, "mappings")), &mappings); err != nil {
		t.Fatalf("%s, %s: %v", p.Title, title, err)
	}
	for _, m := range mappings {
		result, ok := m.Options[value].(map[string]any)
		if m.Type == "range" && number >= m.Options["from"].(float64) && number <= m.Options["to"].(float64) {
			result, ok = m.Options["result"].(map[string]any)
		}
		if ok {
			return fmt.Sprint(result["text"])
		}
	}
	return ""
}

// namedQuery is a query of a panel, a variable, or an annotation.
type namedQuery struct{ name, expr string }

func allQueries(t *testing.T) []namedQuery {
	t.Helper()
	var queries []namedQuery
	for name, d := range readDashboards(t) {
		for _, p := range d.Panels {
			for i, target := range p.Targets {
				if target.Datasource.UID != datasource {
					t.Errorf("%s, %s: data source %q", name, p.Title, target.Datasource.UID)
				}
				queries = append(queries, namedQuery{fmt.Sprintf("%s, %s, %c", name, p.Title, 'A'+i), target.Expr})
			}
		}
		for _, v := range d.Templating.List {
			if expr := v.expr(); expr != "" {
				queries = append(queries, namedQuery{name + ", variable " + v.Name, expr})
			}
		}
		for _, a := range d.Annotations.List {
			queries = append(queries, namedQuery{name + ", annotation " + a.Name, a.Expr})
		}
	}
	return queries
}
