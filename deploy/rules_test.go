package deploy

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	yaml "go.yaml.in/yaml/v4"

	"atlas-restore-exporter/collector"
	"atlas-restore-exporter/internal/testutil"
)

const rulesFile = "prometheus/rules.yaml"

// ruleTests are the files of promtool's tests of the rules.
var ruleTests = []string{
	"prometheus/rules_test.yaml", "prometheus/rules_gaps_test.yaml", "prometheus/rules_days_test.yaml",
}

// rule is an alerting or recording rule.
type rule struct {
	Alert, Record, Expr string
	Labels, Annotations map[string]string
}

func (r *rule) name() string { return r.Alert + r.Record }

// readRules returns all rules.
func readRules(t *testing.T) []*rule {
	t.Helper()
	var file struct {
		Groups []struct{ Rules []*rule }
	}
	if err := yaml.Load([]byte(testutil.ReadFile(t, rulesFile)), &file); err != nil {
		t.Fatal(err)
	}
	var rules []*rule
	for _, group := range file.Groups {
		rules = append(rules, group.Rules...)
	}
	return rules
}

// readAlerts returns all alerting rules.
func readAlerts(t *testing.T) []*rule {
	t.Helper()
	return slices.DeleteFunc(readRules(t), func(r *rule) bool { return r.Alert == "" })
}

func TestRules_PassPromtool(t *testing.T) {
	promtool := testutil.NeedTool(t, "promtool", "prometheus")
	run(t, promtool, "check", "rules", "--lint=all", "--lint-fatal", rulesFile)
	run(t, promtool, append([]string{"test", "rules"}, ruleTests...)...)
	run(t, promtool, "check", "config", "--syntax-only", "prometheus/prometheus.yaml")
	run(t, promtool, "check", "config", "docker/prometheus.yaml")
}

func TestRules_UseExportedMetrics(t *testing.T) {
	exported := map[string]bool{}
	for _, family := range collector.Families() {
		exported[family.Name] = true
	}
	metric := regexp.MustCompile(`\bmongodbatlas_restore_\w+`)
	recorded := regexp.MustCompile(`\w+:\w+:\w+`)
	for _, rule := range readRules(t) {
		for _, name := range metric.FindAllString(recorded.ReplaceAllString(rule.Expr, ""), -1) {
			if !exported[name] {
				t.Errorf("%s uses %s, which is not exported", rule.name(), name)
			}
		}
	}
}

func TestAlerts_HaveValidNamesAndLabels(t *testing.T) {
	name := regexp.MustCompile(`^AtlasRestore[A-Z][A-Za-z]+$`)
	for _, alert := range readAlerts(t) {
		if !name.MatchString(alert.Alert) {
			t.Errorf("invalid name %s", alert.Alert)
		}
		if s := alert.Labels["severity"]; s != "critical" && s != "warning" && s != "info" {
			t.Errorf("%s has severity %q", alert.Alert, s)
		}
		if c := alert.Labels["category"]; c != "operations" && c != "security" {
			t.Errorf("%s has category %q", alert.Alert, c)
		}
	}
}

func TestAlerts_HaveAStaticSummaryAndADescription(t *testing.T) {
	for _, alert := range readAlerts(t) {
		summary, description := alert.Annotations["summary"], alert.Annotations["description"]
		if summary == "" || description == "" || strings.Contains(summary, "{{") {
			t.Errorf("%s has summary %q and description %q", alert.Alert, summary, description)
		}
	}
}

func TestAlerts_HaveARunbook(t *testing.T) {
	runbooks := testutil.ReadFile(t, "runbooks/README.md")
	names := map[string]bool{} // several rules can have the same name
	for _, alert := range readAlerts(t) {
		names[alert.Alert] = true
		want := "deploy/runbooks/README.md#" + strings.ToLower(alert.Alert)
		if url := alert.Annotations["runbook_url"]; url != want {
			t.Errorf("%s has runbook_url %s, want %s", alert.Alert, url, want)
		}
		if !strings.Contains(runbooks, "\n## "+alert.Alert+"\n") {
			t.Errorf("%s has no runbook", alert.Alert)
		}
	}
	if headings := strings.Count(runbooks, "\n## AtlasRestore"); headings != len(names) {
		t.Errorf("%d runbooks for %d alerts", headings, len(names))
	}
}

func TestAlerts_AreDocumentedAndTested(t *testing.T) {
	readme := testutil.ReadFile(t, "../README.md")
	var tests strings.Builder
	for _, file := range ruleTests {
		tests.WriteString(testutil.ReadFile(t, file))
	}
	for _, alert := range readAlerts(t) {
		if !strings.Contains(readme, "| "+alert.Alert+" | "+alert.Labels["severity"]) {
			t.Errorf("the README has no %s with severity %s", alert.Alert, alert.Labels["severity"])
		}
		if !strings.Contains(tests.String(), fmt.Sprintf("alertname=%q", alert.Alert)) {
			t.Errorf("%s has no test", alert.Alert)
		}
	}
}
