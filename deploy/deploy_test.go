// Package deploy holds what operators take to the programs that will read it, and to each other. Nothing here is built
// into the exporter.
package deploy

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	yaml "go.yaml.in/yaml/v4"

	"atlas-restore-exporter/collector"
	"atlas-restore-exporter/internal/tool"
)

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// runs runs a program and wants it to succeed.
func runs(t *testing.T, path string, args ...string) string {
	t.Helper()
	said, err := exec.CommandContext(t.Context(), path, args...).CombinedOutput()
	if err != nil {
		t.Errorf("%s %s: %v\n%s", filepath.Base(path), strings.Join(args, " "), err, said)
	}
	return string(said)
}

// TestRules has promtool check and test the rules.
func TestRules(t *testing.T) {
	promtool := tool.Need(t, "promtool", "prometheus")
	runs(t, promtool, "check", "rules", "--lint=all", "--lint-fatal", "prometheus/rules.yaml")
	runs(t, promtool, "test", "rules", "prometheus/rules_test.yaml", "prometheus/rules_gaps_test.yaml", "prometheus/rules_days_test.yaml")
	runs(t, promtool, "check", "config", "--syntax-only", "prometheus/prometheus.yaml")
	runs(t, promtool, "check", "config", "docker/prometheus.yaml")
}

// TestAlertmanager has amtool check the configuration, and route alerts of every kind.
func TestAlertmanager(t *testing.T) {
	amtool := tool.Need(t, "amtool", "prometheus-alertmanager")
	const config = "alertmanager/alertmanager.yaml"
	runs(t, amtool, "check-config", config)
	for labels, receiver := range map[string]string{
		"severity=critical category=operations": "on-call",
		"severity=warning category=operations":  "operations",
		"severity=info category=operations":     "nobody",
		"severity=critical category=security":   "security",
		"severity=info category=security":       "security",
	} {
		args := append([]string{"config", "routes", "test", "--config.file=" + config, "--verify.receivers=" + receiver}, strings.Fields(labels)...)
		runs(t, amtool, args...)
	}
}

// TestCompose wants every file that compose.yaml names to be there. Whether it runs takes a Docker engine.
func TestCompose(t *testing.T) {
	var compose struct {
		Services map[string]struct {
			Build   struct{ Context, Dockerfile string }
			Volumes []string
		}
	}
	if err := yaml.Load([]byte(read(t, "docker/compose.yaml")), &compose); err != nil {
		t.Fatal(err)
	}
	var files []string
	for _, service := range compose.Services {
		if service.Build.Context != "" {
			files = append(files, filepath.Join(service.Build.Context, service.Build.Dockerfile))
		}
		for _, volume := range service.Volumes {
			host, _, _ := strings.Cut(volume, ":")
			files = append(files, host)
		}
	}
	if len(files) < 4 {
		t.Errorf("only %v", files)
	}
	for _, file := range files {
		if _, err := os.Stat(filepath.Join("docker", file)); err != nil {
			t.Error(err)
		}
	}
}

// TestAlertsAreComplete wants of every alert what a person needs, a runbook, and tests.
func TestAlertsAreComplete(t *testing.T) {
	var rules struct {
		Groups []struct {
			Rules []struct {
				Alert, Record, Expr string
				Labels, Annotations map[string]string
			}
		}
	}
	if err := yaml.Load([]byte(read(t, "prometheus/rules.yaml")), &rules); err != nil {
		t.Fatal(err)
	}
	tests := read(t, "prometheus/rules_test.yaml") + read(t, "prometheus/rules_gaps_test.yaml") + read(t, "prometheus/rules_days_test.yaml")
	runbooks := read(t, "runbooks/README.md")
	readme := read(t, "../README.md")
	known := map[string]bool{"up": true}
	for _, family := range collector.Families() {
		known[family.Name] = true
	}
	metric := regexp.MustCompile(`\bmongodbatlas_restore_\w+`)
	seen := map[string]bool{}
	for _, rule := range rules.Groups[0].Rules {
		for _, name := range metric.FindAllString(regexp.MustCompile(`\w+:\w+:\w+`).ReplaceAllString(rule.Expr, ""), -1) {
			if !known[name] {
				t.Errorf("%s%s asks for %s, which is not served", rule.Alert, rule.Record, name)
			}
		}
		if rule.Alert == "" {
			continue
		}
		seen[rule.Alert] = true
		if !regexp.MustCompile(`^AtlasRestore[A-Z][A-Za-z]+$`).MatchString(rule.Alert) {
			t.Errorf("%s is no name for an alert of ours", rule.Alert)
		}
		if s := rule.Labels["severity"]; s != "critical" && s != "warning" && s != "info" {
			t.Errorf("%s has severity %q", rule.Alert, s)
		}
		if c := rule.Labels["category"]; c != "operations" && c != "security" {
			t.Errorf("%s has category %q", rule.Alert, c)
		}
		if strings.Contains(rule.Annotations["summary"], "{{") || rule.Annotations["summary"] == "" || rule.Annotations["description"] == "" {
			t.Errorf("%s: want a static summary, and a description", rule.Alert)
		}
		if want := "deploy/runbooks/README.md#" + strings.ToLower(rule.Alert); rule.Annotations["runbook_url"] != want {
			t.Errorf("%s has runbook %s", rule.Alert, rule.Annotations["runbook_url"])
		}
		if !strings.Contains(runbooks, "\n## "+rule.Alert+"\n") {
			t.Errorf("%s has no runbook", rule.Alert)
		}
		if !strings.Contains(readme, "| "+rule.Alert+" | "+rule.Labels["severity"]) {
			t.Errorf("the README does not have %s with severity %s", rule.Alert, rule.Labels["severity"])
		}
		if !strings.Contains(tests, fmt.Sprintf("alertname=%q", rule.Alert)) {
			t.Errorf("%s has no test", rule.Alert)
		}
	}
	if headings := strings.Count(runbooks, "\n## AtlasRestore"); headings != len(seen) {
		t.Errorf("%d runbooks for %d alerts", headings, len(seen))
	}
}
