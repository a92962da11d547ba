package deploy

import (
	"cmp"
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	yaml "go.yaml.in/yaml/v4"

	"atlas-restore-exporter/collector"
	"atlas-restore-exporter/internal/testutil"
)

const rulesFile = "prometheus/rules.yaml"

// ruleTests returns the files of promtool's tests of the rules.
func ruleTests(t *testing.T) []string {
	t.Helper()
	files, err := filepath.Glob("prometheus/rules_*_test.yaml")
	if err != nil || len(files) == 0 {
		t.Fatalf("no tests of the rules: %v", err)
	}
	return files
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
	alerts := slices.DeleteFunc(readRules(t), func(r *rule) bool { return r.Alert == "" })
	for _, alert := range alerts {
		if alert.Labels["severity"] == "" && strings.Contains(alert.Expr, labelsByPurpose) {
			alert.Labels["severity"], alert.Labels["category"] = severityByPurpose, "operations"
		}
	}
	return alerts
}

func TestRules_PassPromtool(t *testing.T) {
	promtool := testutil.NeedTool(t, "promtool", "prometheus")
	run(t, promtool, "check", "rules", "--lint=all", "--lint-fatal", rulesFile)
	for _, file := range ruleTests(t) {
		t.Run(filepath.Base(file), func(t *testing.T) {
			t.Parallel()
			run(t, promtool, "test", "rules", file)
		})
	}
	run(t, promtool, "check", "config", "--syntax-only", "prometheus/prometheus.yaml")
	run(t, promtool, "check", "config", "docker/prometheus.yaml")
}

// TestPrometheusExamples_ScrapePrometheus checks the condition for AtlasRestoreEvaluationMissed.
func TestPrometheusExamples_ScrapePrometheus(t *testing.T) {
	for _, file := range []string{"prometheus/prometheus.yaml", "docker/prometheus.yaml"} {
		var config struct {
			ScrapeConfigs []struct {
				StaticConfigs []struct{ Targets []string } `yaml:"static_configs"`
			} `yaml:"scrape_configs"`
		}
		if err := yaml.Unmarshal([]byte(testutil.ReadFile(t, file)), &config); err != nil {
			t.Fatal(err)
		}
		var targets []string
		for _, job := range config.ScrapeConfigs {
			for _, group := range job.StaticConfigs {
				targets = append(targets, group.Targets...)
			}
		}
		if !slices.Contains(targets, "localhost:9090") {
			t.Errorf("%s scrapes only %q: AtlasRestoreEvaluationMissed can't fire", file, targets)
		}
	}
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

// severityByPurpose is the severity of alerts about restores that can be drills.
const severityByPurpose = `{{ if eq $labels.purpose "drill" }}warning{{ else }}critical{{ end }}`

// labelsByPurpose are the labels of such an alert in its expression.
const labelsByPurpose = `"category", "operations", "", ""),
"severity", "critical", "", ""), "severity", "warning", "purpose", "drill")`

func TestAlerts_HaveValidNamesAndLabels(t *testing.T) {
	name := regexp.MustCompile(`^AtlasRestore[A-Z][A-Za-z]+$`)
	for _, alert := range readAlerts(t) {
		if !name.MatchString(alert.Alert) {
			t.Errorf("invalid name %s", alert.Alert)
		}
		if s := alert.Labels["severity"]; !slices.Contains([]string{"critical", "warning", "info", severityByPurpose}, s) {
			t.Errorf("%s has severity %q", alert.Alert, s)
		}
		if c := alert.Labels["category"]; c != "operations" && c != "security" {
			t.Errorf("%s has category %q", alert.Alert, c)
		}
	}
}

// TestRules_AreShort keeps rules readable: a longer expression is split into recorded steps.
func TestRules_AreShort(t *testing.T) {
	const lines, width = 5, 120 - len("          ")
	step := regexp.MustCompile(`^[a-z]+:mongodbatlas_restore\w*:[a-z0-9_]+$`)
	for _, rule := range readRules(t) {
		got := strings.Split(rule.Expr, "\n")
		if len(got) > lines || slices.ContainsFunc(got, func(line string) bool { return len(line) > width }) {
			t.Errorf("%s has more than %d lines, or lines of more than %d characters:\n%s", rule.name(), lines, width, rule.Expr)
		}
		if rule.Record != "" && !step.MatchString(rule.Record) {
			t.Errorf("%s is not named level:metric:operation", rule.Record)
		}
	}
}

func TestAlerts_DescribeTheFirstStep(t *testing.T) {
	for _, alert := range readAlerts(t) {
		summary, description := alert.Annotations["summary"], alert.Annotations["description"]
		if summary == "" || !strings.Contains(description, "First step:") && !strings.Contains(description, " 2. ") {
			t.Errorf("%s has summary %q and description %q", alert.Alert, summary, description)
		}
	}
}

// TestWarnings_StateWhetherTheyCanWait checks the sentence before the first step of each warning, and that the steps
// agree with it. A warning is usually read in the morning.
func TestWarnings_StateWhetherTheyCanWait(t *testing.T) {
	warning := regexp.MustCompile(`Can wait until the morning(?:, unless [^.]+|: [^.]+)?\. ((?:First step: |1\. ).*)$`)
	drill := regexp.MustCompile(`if eq \$labels\.purpose "drill" \}\}[^{]* Can wait until the morning\.(.*)$`)
	hurry := regexp.MustCompile(`\b(now|at once|immediately)\b`)
	for _, alert := range readAlerts(t) {
		sentence := warning
		switch alert.Labels["severity"] {
		case "warning":
		case severityByPurpose:
			sentence = drill
		default:
			continue
		}
		description := strings.Join(strings.Fields(alert.Annotations["description"]), " ")
		if match := sentence.FindStringSubmatch(description); match == nil || hurry.MatchString(match[1]) {
			t.Errorf("%s does not state before its steps whether they can wait: %s", alert.Alert, description)
		}
	}
}

// TestAlerts_EndNoSentenceWithAValue checks that no value is taken for the number of a step: the templates of
// Alertmanager put a number from 1 to 3, a period, and a capital letter on a line of its own.
func TestAlerts_EndNoSentenceWithAValue(t *testing.T) {
	end := regexp.MustCompile(`\{\{-? *(\$value|\.Value|\$labels\.\w+) *-?\}\}\. *(\{\{|[A-Z])`)
	for _, alert := range readAlerts(t) {
		if found := end.FindString(alert.Annotations["description"]); found != "" {
			t.Errorf("%s: a sentence ends with a value: %s", alert.Alert, found)
		}
	}
}

// TestAlerts_QueryAtMostOncePerEvaluation protects Prometheus: a template is evaluated for each alert each time.
func TestAlerts_QueryAtMostOncePerEvaluation(t *testing.T) {
	for _, alert := range readAlerts(t) {
		queries := 0
		for _, text := range alert.Annotations {
			queries += strings.Count(text, "| query") + strings.Count(text, "(query ")
		}
		if queries > 1 {
			t.Errorf("%s has %d queries", alert.Alert, queries)
		}
	}
}

// TestAlerts_FireWithoutLabelsOfTheCluster checks that the join with the labels of clusters never drops an alert, and
// that the condition is not a label of the alert.
func TestAlerts_FireWithoutLabelsOfTheCluster(t *testing.T) {
	for _, rule := range readRules(t) {
		expr := strings.Join(strings.Fields(rule.Expr), " ")
		if strings.HasSuffix(rule.Record, ":labeled") && !strings.Contains(expr, " or on (project_id, cluster_name) ") {
			t.Errorf("%s drops conditions of clusters without labels: %s", rule.Record, rule.Expr)
		}
		if rule.Alert == "" || !strings.Contains(rule.Expr, ":labeled{") {
			continue
		}
		if !strings.Contains(expr, "max without (condition") {
			t.Errorf("%s has the label condition", rule.Alert)
		}
	}
}

func TestAlerts_HaveARunbook(t *testing.T) {
	runbooks := testutil.ReadFile(t, "runbooks/README.md")
	names := map[string]bool{} // several rules can have the same name
	for _, alert := range readAlerts(t) {
		names[alert.Alert] = true
		want := "{{ $labels.external_url }}/runbooks/" + strings.ToLower(alert.Alert)
		if strings.Contains(alert.Expr, ":labeled{") {
			want += "?project={{ $labels.project_id }}&cluster={{ $labels.cluster_name | urlquery }}"
		}
		url := strings.TrimSuffix(alert.Annotations["runbook_url"], "&target_project={{ $labels.target_project_id }}"+
			"&target_cluster={{ $labels.target_cluster_name | urlquery }}")
		url = strings.TrimSuffix(url, "&job={{ $labels.job_id }}")
		if url != want {
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
	readme, specification := testutil.ReadFile(t, "../README.md"), testutil.ReadFile(t, "../docs/alerts.md")
	var tests strings.Builder
	for _, file := range ruleTests(t) {
		tests.WriteString(testutil.ReadFile(t, file))
	}
	for _, alert := range readAlerts(t) {
		severity := strings.ReplaceAll(alert.Labels["severity"], severityByPurpose, "by purpose")
		row := regexp.MustCompile(`(?m)^\| \[` + alert.Alert + `\]\(../deploy/runbooks/README.md#` +
			strings.ToLower(alert.Alert) + `\) \|.*\| ` + severity + ` \| ` + alert.Labels["category"] + ` \|$`)
		if !row.MatchString(specification) {
			t.Errorf("docs/alerts.md has no %s with severity %s", alert.Alert, severity)
		}
		if strings.Contains(readme, "| "+alert.Alert+" |") && !strings.Contains(readme, "| "+alert.Alert+" | "+severity) {
			t.Errorf("the README lists %s without its severity %s", alert.Alert, severity)
		}
		if !strings.Contains(tests.String(), fmt.Sprintf("alertname=%q", alert.Alert)) {
			t.Errorf("%s has no test", alert.Alert)
		}
	}
}

func TestServiceLevels_AreDocumented(t *testing.T) {
	specification := testutil.ReadFile(t, "../docs/alerts.md")
	for _, rule := range readRules(t) {
		if strings.HasPrefix(rule.Record, "fleet:") && !strings.Contains(specification, "| `"+rule.Record+"` |") {
			t.Errorf("docs/alerts.md has no %s", rule.Record)
		}
	}
}

func TestRuleGroups_AreDocumented(t *testing.T) {
	var file struct {
		Groups []struct{ Name, Interval string }
	}
	if err := yaml.Load([]byte(testutil.ReadFile(t, rulesFile)), &file); err != nil {
		t.Fatal(err)
	}
	specification := testutil.ReadFile(t, "../docs/alerts.md")
	for _, group := range file.Groups {
		row := fmt.Sprintf("\n| `%s` | %s |", group.Name, cmp.Or(group.Interval, "default"))
		if !strings.Contains(specification, row) {
			t.Errorf("docs/alerts.md has no row%s", row)
		}
	}
	if rows := strings.Count(specification, "\n| `atlas-restore-"); rows != len(file.Groups) {
		t.Errorf("docs/alerts.md has %d groups, want %d", rows, len(file.Groups))
	}
}
