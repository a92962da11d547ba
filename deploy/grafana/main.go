// Command grafana writes the dashboards. Run `go -C deploy/grafana run .` in the root of the project after each change.
package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"

	"github.com/grafana/grafana-foundation-sdk/go/cog"
	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
)

func main() {
	for file, content := range files() {
		if err := os.WriteFile(file, content, 0o644); err != nil { //nolint:gosec // a public file
			_, _ = fmt.Fprintln(os.Stderr, "grafana:", err)
			os.Exit(1)
		}
	}
}

// files returns the content of all files by their path: each dashboard for provisioning, and for grafana.com.
func files() map[string][]byte {
	all := map[string][]byte{}
	for name, builder := range map[string]*dashboard.DashboardBuilder{
		"now": now(), "cluster": cluster(), "drills": drills(), "exporter": exporter(),
	} {
		d, err := builder.Build()
		if err != nil {
			panic(err)
		}
		d.SchemaVersion = schemaVersion
		number(d.Panels)
		all[filepath.Join("dashboards", name+".json")] = encode(d)
		all[filepath.Join("grafana.com", name+".json")] = encode(share(d))
	}
	return all
}

// schemaVersion is the version of the dashboard model of Grafana 10. Newer versions of Grafana migrate it.
const schemaVersion = 39

// number sets the IDs of panels and rows.
func number(panels []dashboard.PanelOrRowPanel) {
	for i := range panels {
		id := uint32(i + 1)
		if panels[i].Panel != nil {
			panels[i].Panel.Id = &id
		} else {
			panels[i].RowPanel.Id = id
		}
	}
}

func encode(d any) []byte {
	var content bytes.Buffer
	encoder := json.NewEncoder(&content)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", " ")
	if err := encoder.Encode(d); err != nil {
		panic(err)
	}
	return content.Bytes()
}

// newDashboard returns a dashboard with the variables, annotations, and links of all dashboards.
func newDashboard(uid, title, description, from string, multi bool, more ...cog.Builder[dashboard.DashboardLink]) *dashboard.DashboardBuilder {
	b := dashboard.NewDashboardBuilder("Atlas restores: "+title).
		Uid(uid).Description(description).Tags([]string{"atlas-restore"}).Readonly().
		Time(from, "now").Timezone("utc").Refresh("1m").Tooltip(dashboard.DashboardCursorSyncCrosshair).Version(1)
	for _, v := range variables(multi) {
		b.WithVariable(v)
	}
	b.Annotation(annotation("Alerts", red, "ALERTS{alertname=~\"AtlasRestore.+\",alertstate=\"firing\","+clusters+"}", false))
	b.Annotation(annotation("Failed restores", orange, "1000 * "+selector(failures, clusters), true))
	b.Link(dashboard.NewDashboardLinkBuilder("Atlas restores").Type(dashboard.DashboardLinkTypeDashboards).
		Tags([]string{"atlas-restore"}).IncludeVars(true).KeepTime(true))
	for _, link := range more {
		b.Link(link)
	}
	return b
}

// annotation marks the times at which a query has data, or, with valueIsTime, the times that are its values.
func annotation(name, color, expr string, valueIsTime bool) cog.Builder[dashboard.AnnotationQuery] {
	title := "{{alertname}}"
	if valueIsTime {
		title = name
	}
	return builtAnnotation{
		Name: name, Datasource: &datasource, Enable: true, IconColor: color, Expr: &expr, Step: new("60s"),
		TitleFormat: &title, TextFormat: new("{{cluster_name}} ({{backup_type}}, job {{job_id}})"),
		UseValueForTime: &valueIsTime,
	}
}

type builtAnnotation dashboard.AnnotationQuery

// Build implements cog.Builder.
func (a builtAnnotation) Build() (dashboard.AnnotationQuery, error) {
	return dashboard.AnnotationQuery(a), nil
}

// variables returns the variables of all dashboards. Each depends on the variables before it.
func variables(multi bool) []cog.Builder[dashboard.VariableModel] {
	const projects = `query_result(` +
		`group by (project_id, project_name) (` + labels + `{team=~"$team",environment=~"$environment",project_name!=""}) or ` +
		`label_replace(group by (project_id) (` + labels + `{team=~"$team",environment=~"$environment",project_name=""}), ` +
		`"project_name", "$1", "project_id", "(.*)"))`
	project := variable("project", "Project", projects, multi).
		Regex(`/project_id="(?<value>[^"]+)".*project_name="(?<text>[^"]*)"/`)
	return []cog.Builder[dashboard.VariableModel]{
		dashboard.NewDatasourceVariableBuilder("datasource").Label("Data source").Type("prometheus"),
		variable("job", "Job", "label_values(mongodbatlas_restore_exporter_build_info, job)", true).
			Hide(dashboard.VariableHideHideVariable),
		variable("instance", "Instance", `label_values(mongodbatlas_restore_exporter_build_info{job=~"$job"}, instance)`, true).
			Hide(dashboard.VariableHideHideVariable),
		variable("team", "Team", "label_values("+labels+", team)", true),
		variable("environment", "Environment", "label_values("+labels+", environment)", true),
		project,
		variable("cluster", "Cluster",
			"label_values("+labels+`{team=~"$team",environment=~"$environment",project_id=~"$project"}, cluster_name)`, multi),
	}
}

// variable returns a variable with the values of a query.
func variable(name, label, expr string, multi bool) *dashboard.QueryVariableBuilder {
	v := dashboard.NewQueryVariableBuilder(name).Label(label).Datasource(datasource).
		Query(dashboard.StringOrMap{Map: map[string]any{"query": expr, "refId": "StandardVariableQuery"}}).
		Definition(expr).Refresh(dashboard.VariableRefreshOnTimeRangeChanged).Sort(dashboard.VariableSortAlphabeticalAsc).
		Multi(multi).IncludeAll(multi)
	if multi {
		v.AllValue(".*").Current(allSelected())
	}
	return v
}

// allSelected is the selection of all values of a variable.
func allSelected() dashboard.VariableOption {
	return dashboard.VariableOption{
		Selected: new(true), Text: dashboard.StringOrArrayOfString{String: new("All")},
		Value: dashboard.StringOrArrayOfString{String: new("$__all")},
	}
}
