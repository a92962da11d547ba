// Command prometheus writes the rules with the settings of a file to its output, for a Prometheus without the
// Prometheus Operator. The file has the settings of the chart below prometheusRule:
//
//	go run ./deploy/prometheus -values values.yaml > rules.yaml
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/prometheus/common/model"
	yaml "go.yaml.in/yaml/v4"
)

func main() {
	rules := flag.String("rules", filepath.Join("deploy", "prometheus", "rules.yaml"), "file with the rules")
	values := flag.String("values", "", "file with the settings, as for the chart")
	flag.Parse()
	if err := run(os.Stdout, *rules, *values); err != nil {
		_, _ = fmt.Fprintln(os.Stderr, "prometheus:", err)
		os.Exit(1)
	}
}

// settings are the settings of the chart below prometheusRule. Those of Kubernetes objects have no effect here.
type settings struct {
	Enabled     any                      `yaml:"enabled"`
	Labels      any                      `yaml:"labels"`
	AlertLabels map[string]string        `yaml:"alertLabels"`
	Alerts      map[string]alertSettings `yaml:"alerts"`
	URLs        struct {
		Runbooks   string `yaml:"runbooks"`
		StatusPage string `yaml:"statusPage"`
		Dashboards string `yaml:"dashboards"`
	} `yaml:"urls"`
}

// alertSettings are the settings of one alert. Empty settings keep the default.
type alertSettings struct {
	Enabled  *bool             `yaml:"enabled"`
	For      string            `yaml:"for"`
	Severity string            `yaml:"severity"`
	Labels   map[string]string `yaml:"labels"`
}

// rule is a recording or alerting rule.
type rule struct {
	Record        string            `yaml:"record,omitempty"`
	Alert         string            `yaml:"alert,omitempty"`
	Expr          string            `yaml:"expr"`
	For           string            `yaml:"for,omitempty"`
	KeepFiringFor string            `yaml:"keep_firing_for,omitempty"`
	Labels        map[string]string `yaml:"labels,omitempty"`
	Annotations   map[string]string `yaml:"annotations,omitempty"`
}

type ruleFile struct {
	Groups []struct {
		Name     string `yaml:"name"`
		Interval string `yaml:"interval,omitempty"`
		Rules    []rule `yaml:"rules"`
	} `yaml:"groups"`
}

// run writes the rules with the settings of a file.
func run(w io.Writer, rulesPath, valuesPath string) error {
	if valuesPath == "" {
		return errors.New("missing flag -values")
	}
	var file ruleFile
	if err := read(rulesPath, &file, yaml.WithKnownFields()); err != nil {
		return err
	}
	var chart map[string]any
	if err := read(valuesPath, &chart); err != nil {
		return err
	}
	rule, ok := chart["prometheusRule"]
	if !ok {
		return fmt.Errorf("%s: missing key prometheusRule: add the settings of the alerts below it", valuesPath)
	}
	text, err := yaml.Dump(rule)
	if err != nil {
		return err
	}
	var s settings
	if err := yaml.Load(text, &s, yaml.WithKnownFields()); err != nil {
		return fmt.Errorf("%s: prometheusRule: %w", valuesPath, err)
	}
	if err := s.apply(&file); err != nil {
		return fmt.Errorf("%s: prometheusRule: %w", valuesPath, err)
	}
	if text, err = yaml.Dump(file); err != nil {
		return err
	}
	_, err = fmt.Fprintf(w, "# Written by go run ./deploy/prometheus -values %s\n%s", filepath.Base(valuesPath), text)
	return err
}

func read(path string, to any, options ...yaml.Option) error {
	text, err := os.ReadFile(path) //nolint:gosec // named by the user
	if err != nil {
		return err
	}
	if err := yaml.Load(text, to, options...); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return nil
}

// validate returns an error for a value that the schema of the chart would reject.
func (s *settings) validate() error {
	if err := validateLabels(s.AlertLabels); err != nil {
		return fmt.Errorf("alertLabels: %w", err)
	}
	for name, a := range s.Alerts {
		if !slices.Contains([]string{"", "critical", "warning", "info"}, a.Severity) {
			return fmt.Errorf("%s: invalid severity %q: use critical, warning, or info", name, a.Severity)
		}
		if _, err := model.ParseDuration(a.For); err != nil && a.For != "" {
			return fmt.Errorf("%s: for: invalid duration %q: use a number and a unit, such as 5m", name, a.For)
		}
		if err := validateLabels(a.Labels); err != nil {
			return fmt.Errorf("%s: labels: %w", name, err)
		}
	}
	for name, value := range map[string]string{
		"runbooks": s.URLs.Runbooks, "statusPage": s.URLs.StatusPage, "dashboards": s.URLs.Dashboards,
	} {
		if value != "" && !absoluteURL.MatchString(value) {
			return fmt.Errorf("urls.%s: invalid URL %q: use an absolute URL, such as https://example.net", name, value)
		}
	}
	return nil
}

// The same patterns as in the schema of the chart.
var (
	labelName   = regexp.MustCompile(`^[a-zA-Z_][a-zA-Z0-9_]*$`)
	absoluteURL = regexp.MustCompile(`^https?://.+$`)
)

func validateLabels(labels map[string]string) error {
	for name := range labels {
		if name == "severity" || name == "alertname" {
			return fmt.Errorf("label %s can't be set here: use the key severity of the alert, or another label", name)
		}
		if !labelName.MatchString(name) {
			return fmt.Errorf("invalid name %q: use letters, digits, and underscores", name)
		}
	}
	return nil
}

// apply changes the rules. An unknown alert is an error, because it is probably misspelled.
func (s *settings) apply(file *ruleFile) error {
	if err := s.validate(); err != nil {
		return err
	}
	unknown := maps.Clone(s.Alerts)
	for i := range file.Groups {
		group := &file.Groups[i]
		group.Rules = slices.DeleteFunc(group.Rules, func(r rule) bool {
			enabled := s.Alerts[r.Alert].Enabled
			delete(unknown, r.Alert)
			return enabled != nil && !*enabled
		})
		for j := range group.Rules {
			if r := &group.Rules[j]; r.Alert != "" {
				s.applyTo(r)
			}
		}
	}
	if len(unknown) > 0 {
		return fmt.Errorf("unknown alerts: %s", strings.Join(slices.Sorted(maps.Keys(unknown)), ", "))
	}
	return nil
}

func (s *settings) applyTo(r *rule) {
	a := s.Alerts[r.Alert]
	if a.For != "" {
		r.For = a.For
	}
	maps.Copy(r.Labels, s.AlertLabels)
	maps.Copy(r.Labels, a.Labels)
	if a.Severity != "" {
		r.Labels["severity"] = a.Severity
	}
	if s.URLs.Runbooks != "" {
		r.Annotations["runbook_url"] = strings.TrimSuffix(s.URLs.Runbooks, "/") + "/" + strings.ToLower(r.Alert)
	}
	ofCluster := strings.Contains(r.Expr, ":labeled{")
	if s.URLs.StatusPage != "" && r.Alert != "AtlasRestoreExporterDown" {
		status := strings.TrimSuffix(s.URLs.StatusPage, "/") + "/"
		if ofCluster && r.Alert != "AtlasRestoreTargetVanished" { // the status page does not contain a removed cluster
			status += "?project={{ $labels.project_id }}&cluster={{ $labels.cluster_name | urlquery }}"
		}
		r.Annotations["status_url"] = status
	}
	if ofCluster && s.URLs.Dashboards != "" {
		r.Annotations["dashboard_url"] = strings.TrimSuffix(s.URLs.Dashboards, "/") + "/d/atlas-restore-cluster" +
			"?var-project={{ $labels.project_id }}&var-cluster={{ $labels.cluster_name | urlquery }}"
	}
}
