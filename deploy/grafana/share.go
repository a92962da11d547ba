package main

import (
	"slices"

	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
)

// shared is a dashboard for grafana.com: its inputs are chosen at the import.
type shared struct {
	Inputs   []input       `json:"__inputs"`
	Requires []requirement `json:"__requires"`
	*dashboard.Dashboard
}

type input struct {
	Name        string `json:"name"`
	Label       string `json:"label"`
	Description string `json:"description"`
	Type        string `json:"type"`
	PluginID    string `json:"pluginId"`
	PluginName  string `json:"pluginName"`
}

type requirement struct {
	Type    string `json:"type"`
	ID      string `json:"id"`
	Name    string `json:"name"`
	Version string `json:"version"`
}

var panelNames = map[string]string{"stat": "Stat", "table": "Table", "timeseries": "Time series", "state-timeline": "State timeline"}

// share returns a dashboard whose data source is an input.
func share(d dashboard.Dashboard) shared {
	const name = "DS_PROMETHEUS"
	s := shared{
		Inputs: []input{{name, "Prometheus", "Prometheus with the rules of atlas-restore-exporter", "datasource", "prometheus", "Prometheus"}},
		Requires: []requirement{
			{"grafana", "grafana", "Grafana", "10.0.0"},
			{"datasource", "prometheus", "Prometheus", "1.0.0"},
		},
		Dashboard: &d,
	}
	var types []string
	for _, p := range d.Panels {
		if p.Panel != nil {
			types = append(types, p.Panel.Type)
		}
	}
	slices.Sort(types)
	for _, id := range slices.Compact(types) {
		s.Requires = append(s.Requires, requirement{"panel", id, panelNames[id], ""})
	}
	d.Templating.List = slices.Clone(d.Templating.List)
	value := dashboard.StringOrArrayOfString{String: new("${" + name + "}")}
	for i := range d.Templating.List {
		if d.Templating.List[i].Name == "datasource" {
			d.Templating.List[i].Current = &dashboard.VariableOption{Text: value, Value: value}
		}
	}
	return s
}
