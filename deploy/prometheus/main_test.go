package main

import (
	"bytes"
	"path/filepath"
	"strings"
	"testing"

	yaml "go.yaml.in/yaml/v4"

	"atlas-restore-exporter/internal/testutil"
)

func customize(t *testing.T, settings string) (string, error) {
	t.Helper()
	values := filepath.Join(t.TempDir(), "values.yaml")
	testutil.WriteFile(t, values, settings)
	var out bytes.Buffer
	err := run(&out, "rules.yaml", values)
	return out.String(), err
}

// TestRun_WithoutSettings checks that the program reads every field of the rules.
func TestRun_WithoutSettings(t *testing.T) {
	got, err := customize(t, "replicaCount: 1\nprometheusRule: {}\n")
	if err != nil {
		t.Fatal(err)
	}
	var rules, customized any
	for text, to := range map[string]*any{testutil.ReadFile(t, "rules.yaml"): &rules, got: &customized} {
		if err := yaml.Load([]byte(text), to); err != nil {
			t.Fatal(err)
		}
	}
	if a, b := dump(t, rules), dump(t, customized); a != b {
		t.Errorf("rules without settings differ from the shipped rules: %s", b)
	}
}

func dump(t *testing.T, v any) string {
	t.Helper()
	text, err := yaml.Dump(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestRun_ChangesAlerts(t *testing.T) {
	got, err := customize(t, `
prometheusRule:
  alertLabels: {receiver: databases, owner: x}
  alerts:
    AtlasRestoreNeverDrilled: {enabled: false}
    AtlasRestoreFailed: {severity: warning, for: 5m, labels: {owner: y}}
  urls: {runbooks: "https://r", statusPage: "https://s/", dashboards: "https://g/"}
`)
	if err != nil {
		t.Fatal(err)
	}
	var file ruleFile
	if err := yaml.Load([]byte(got), &file); err != nil {
		t.Fatal(err)
	}
	alerts := map[string]rule{}
	for _, group := range file.Groups {
		for _, r := range group.Rules {
			alerts[r.Alert] = r
		}
	}
	if _, ok := alerts["AtlasRestoreNeverDrilled"]; ok {
		t.Error("a disabled alert remains")
	}
	failed, down := alerts["AtlasRestoreFailed"], alerts["AtlasRestoreExporterDown"]
	for _, check := range []struct{ setting, got, want string }{
		{"for", failed.For, "5m"},
		{"severity", failed.Labels["severity"], "warning"},
		{"label of all alerts", failed.Labels["receiver"], "databases"},
		{"label of the alert", failed.Labels["owner"], "y"},
		{"runbook", failed.Annotations["runbook_url"], "https://r/atlasrestorefailed"},
		{
			"status page", failed.Annotations["status_url"],
			"https://s/?project={{ $labels.project_id }}&cluster={{ $labels.cluster_name | urlquery }}",
		},
		{
			"dashboard", failed.Annotations["dashboard_url"],
			"https://g/d/atlas-restore-cluster?var-project={{ $labels.project_id }}" +
				"&var-cluster={{ $labels.cluster_name | urlquery }}",
		},
		{"for of another alert", down.For, "5m"},
		{"label of another alert", down.Labels["owner"], "x"},
		{"status page of an alert about an exporter that is down", down.Annotations["status_url"], ""},
		{
			"status page of an alert about the exporter",
			alerts["AtlasRestorePollsDelayed"].Annotations["status_url"], "https://s/",
		},
		{"status page of a removed cluster", alerts["AtlasRestoreTargetVanished"].Annotations["status_url"], "https://s/"},
	} {
		if check.got != check.want {
			t.Errorf("%s: got %q, want %q", check.setting, check.got, check.want)
		}
	}
}

func TestRun_RejectsInvalidSettings(t *testing.T) {
	for settings, want := range map[string]string{
		"prometheusRule: {alerts: {AtlasRestoreLost: {}, A: {}}}": "unknown alerts: A, AtlasRestoreLost",
		"prometheusRule: {alerts: {AtlasRestoreFailed: {severity: page}}}": `AtlasRestoreFailed: invalid severity "page": ` +
			"use critical, warning, or info",
		"prometheusRule: {alerts: {AtlasRestoreFailed: {for: 5min}}}": `AtlasRestoreFailed: for: invalid duration "5min": ` +
			"use a number and a unit, such as 5m",
		"prometheusRule: {alerts: {AtlasRestoreFailed: {for: 5}}}": `AtlasRestoreFailed: for: invalid duration "5": ` +
			"use a number and a unit, such as 5m",
		"prometheusRule: {alerts: {AtlasRestoreFailed: {labels: {severity: page}}}}": "AtlasRestoreFailed: labels: " +
			"label severity can't be set here: use the key severity of the alert, or another label",
		`prometheusRule: {alertLabels: {"cost center": a}}`: `alertLabels: invalid name "cost center": ` +
			"use letters, digits, and underscores",
		"prometheusRule: {urls: {runbooks: wiki.example.net}}": `urls.runbooks: invalid URL "wiki.example.net": ` +
			"use an absolute URL, such as https://example.net",
	} {
		_, err := customize(t, settings)
		if err == nil || !bytes.HasSuffix([]byte(err.Error()), []byte("prometheusRule: "+want)) {
			t.Errorf("%s: %v, want %s", settings, err, want)
		}
	}
	if _, err := customize(t, "prometheusrule: {}"); err == nil || !strings.HasSuffix(err.Error(),
		"values.yaml: missing key prometheusRule: add the settings of the alerts below it") {
		t.Errorf("error %v", err)
	}
	for _, settings := range []string{"prometheusRule: {alert: {}}", "prometheusRule: {urls: {grafana: x}}", "]"} {
		if _, err := customize(t, settings); err == nil {
			t.Errorf("%s is accepted", settings)
		}
	}
	if err := run(&bytes.Buffer{}, "rules.yaml", ""); err == nil {
		t.Error("the flag -values is not required")
	}
}
