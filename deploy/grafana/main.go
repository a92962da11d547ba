// Command grafana writes the dashboards. Run `go run ./deploy/grafana` in the root of the project after each change.
package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strings"
)

func main() {
	for name, d := range dashboards() {
		text, err := json.MarshalIndent(d, "", " ")
		if err == nil {
			file := filepath.Join("deploy", "grafana", "dashboards", name+".json")
			err = os.WriteFile(file, append(text, '\n'), 0o644) //nolint:gosec // a public file
		}
		if err != nil {
			_, _ = fmt.Fprintln(os.Stderr, "grafana:", err)
			os.Exit(1)
		}
	}
}

// object is a JSON object.
type object = map[string]any

// target is a query of a panel with the legend of its series.
type target struct{ expr, legend string }

// panel is a panel of a dashboard: 24 units are a whole row.
type panel struct {
	kind, title, description, unit string
	width, height                  int
	targets                        []target
	options, defaults              object
	overrides, transformations     []object
}

// row is a row of panels.
type row []panel

// dashboard returns a dashboard with rows of panels. Each variable depends on the variables before it.
func dashboard(uid, title, description string, variables []object, rows ...row) object {
	panels, y, id := []object{}, 0, 0
	for _, r := range rows {
		x, height := 0, 0
		for _, p := range r {
			id++
			panels = append(panels, p.object(id, x, y))
			x, height = x+p.width, max(height, p.height)
		}
		y += height
	}
	return object{
		"uid": uid, "title": title, "description": description, "tags": []string{"atlas-restore"}, "editable": false,
		"schemaVersion": 39, "version": 1, "timezone": "browser", "refresh": "1m", "graphTooltip": 1,
		"time": object{"from": "now-24h", "to": "now"}, "templating": object{"list": variables}, "panels": panels,
		"links": []object{{
			"type": "dashboards", "tags": []string{"atlas-restore"}, "title": "Atlas restores", "asDropdown": false,
			"includeVars": true, "keepTime": true,
		}},
	}
}

func (p panel) object(id, x, y int) object {
	datasource := object{"type": "prometheus", "uid": "${datasource}"}
	targets := []object{}
	for i, t := range p.targets {
		query := object{"refId": string(rune('A' + i)), "datasource": datasource, "expr": t.expr, "legendFormat": t.legend}
		if p.kind != "timeseries" {
			query["instant"] = true
		}
		if p.kind == "table" {
			query["format"] = "table"
		}
		targets = append(targets, query)
	}
	defaults := object{"unit": p.unit}
	maps.Copy(defaults, p.defaults)
	return object{
		"id": id, "type": p.kind, "title": p.title, "description": p.description, "datasource": datasource,
		"gridPos": object{"x": x, "y": y, "w": p.width, "h": p.height}, "targets": targets, "options": p.options,
		"fieldConfig":     object{"defaults": defaults, "overrides": list(p.overrides)},
		"transformations": list(p.transformations),
	}
}

// list makes an empty list of none: Grafana takes no null.
func list(objects []object) []object { return append([]object{}, objects...) }

// stat is one number, which is good at 0 and bad from a threshold on.
func stat(title, description, unit string, width int, expr, color string) panel {
	return panel{
		kind: "stat", title: title, description: description, unit: unit, width: width, height: 4,
		targets: []target{{expr, ""}},
		options: object{
			"colorMode": "value", "graphMode": "none", "reduceOptions": object{"calcs": []string{"lastNotNull"}},
		},
		defaults: object{
			"color": object{"mode": "thresholds"}, "thresholds": thresholds("green", 1, color), "noValue": "none",
		},
	}
}

func thresholds(below string, from float64, above string) object {
	return object{"mode": "absolute", "steps": []object{{"color": below, "value": nil}, {"color": above, "value": from}}}
}

// series is a graph over time.
func series(title, description, unit string, width int, targets ...target) panel {
	return panel{
		kind: "timeseries", title: title, description: description, unit: unit, width: width, height: 8, targets: targets,
		options: object{
			"legend":  object{"displayMode": "list", "placement": "bottom", "showLegend": true},
			"tooltip": object{"mode": "multi"},
		},
		defaults: object{"min": 0, "custom": object{"fillOpacity": 10, "lineWidth": 1, "showPoints": "never"}},
	}
}

// table is the result of one query as a table: the first label, the value, which is called by the title of its column,
// and the other labels, in this order.
func table(title, description, unit, value string, width int, expr string, columns ...string) panel {
	rename, index := object{"Value": value}, object{"Value": 1}
	for i, column := range columns {
		rename[column] = strings.ReplaceAll(strings.TrimSuffix(column, "_name"), "_", " ")
		index[column] = 2 * i
	}
	return panel{
		kind: "table", title: title, description: description, unit: "string", width: width, height: 8,
		targets: []target{{expr, ""}}, options: object{"showHeader": true, "cellHeight": "sm"},
		transformations: []object{{"id": "organize", "options": object{
			"excludeByName": object{"Time": true}, "renameByName": rename, "indexByName": index,
		}}},
		overrides: []object{
			override(value, "unit", unit),
			override("project id", "custom.width", 230),
			override("job id", "custom.width", 230),
			override("cluster", "links", []object{{
				"title": "Show this cluster",
				"url": `/d/atlas-restore-cluster?var-datasource=${datasource}&var-project=${__data.fields["project id"]}` +
					"&var-cluster=${__value.raw}",
			}}),
		},
	}
}

// override sets a property of the column of a name.
func override(column, property string, value any) object {
	return object{
		"matcher":    object{"id": "byName", "options": column},
		"properties": []object{{"id": property, "value": value}},
	}
}

// variable is a variable whose values a query finds.
func variable(name, label, query string, multi bool) object {
	v := object{
		"name": name, "label": label, "type": "query", "datasource": object{"type": "prometheus", "uid": "${datasource}"},
		"query":      object{"query": query, "refId": "StandardVariableQuery"},
		"definition": query, "refresh": 2, "sort": 1, "multi": multi, "includeAll": multi, "current": object{},
	}
	if multi {
		v["allValue"] = ".+"
		v["current"] = object{"selected": true, "text": "All", "value": "$__all"}
	}
	return v
}

// variables returns the variables of all dashboards (data source and exporters), and more.
func variables(more ...object) []object {
	const buildInfo = "mongodbatlas_restore_exporter_build_info"
	return append([]object{
		{"name": "datasource", "label": "Data source", "type": "datasource", "query": "prometheus", "current": object{}},
		variable("job", "Job", "label_values("+buildInfo+", job)", true),
		variable("instance", "Instance", `label_values(`+buildInfo+`{job=~"$job"}, instance)`, true),
	}, more...)
}
