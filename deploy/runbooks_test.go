package deploy

import (
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"atlas-restore-exporter/collector"
	"atlas-restore-exporter/internal/testutil"
)

// readRunbooks returns the text of the runbook of each alert.
func readRunbooks(t *testing.T) map[string]string {
	t.Helper()
	runbooks := map[string]string{}
	for _, section := range strings.Split(testutil.ReadFile(t, "runbooks/README.md"), "\n## ")[1:] {
		alert, text, _ := strings.Cut(section, "\n")
		runbooks[alert] = text
	}
	return runbooks
}

func TestRunbooks_HaveAllSections(t *testing.T) {
	want := []string{"Meaning", "If ignored", "Check", "Act", "Inform", "Escalate"}
	runbooks := readRunbooks(t)
	for _, alert := range readAlerts(t) {
		if runbooks[alert.Alert] == "" {
			t.Errorf("%s has no runbook", alert.Alert)
		}
	}
	for alert, text := range runbooks {
		var titles []string
		for _, section := range strings.Split(text, "\n### ")[1:] {
			title, body, _ := strings.Cut(section, "\n")
			titles = append(titles, title)
			if strings.TrimSpace(body) == "" {
				t.Errorf("%s: section %s is empty", alert, title)
			}
		}
		if !slices.Equal(titles, want) {
			t.Errorf("%s has sections %q, want %q", alert, titles, want)
		}
		if !strings.Contains(text, "```promql\n") || !strings.Contains(text, "\n1. ") {
			t.Errorf("%s has no query or no steps", alert)
		}
	}
}

// TestRunbooks_QueriesAreValid checks the queries as recording rules, because promtool does not parse queries alone.
func TestRunbooks_QueriesAreValid(t *testing.T) {
	exported := map[string]bool{}
	for _, family := range collector.Families() {
		exported[family.Name] = true
	}
	metric := regexp.MustCompile(`\bmongodbatlas_restore_\w+`)
	block := regexp.MustCompile("(?s)```promql\n(.*?)```")
	rules := "groups:\n  - name: runbooks\n    rules:\n"
	for alert, text := range readRunbooks(t) {
		for i, query := range block.FindAllStringSubmatch(text, -1) {
			rules += fmt.Sprintf("      - {record: %q, expr: %q}\n", fmt.Sprintf("%s:%d", alert, i), query[1])
			for _, name := range metric.FindAllString(query[1], -1) {
				if !exported[name] {
					t.Errorf("%s uses %s, which is not exported", alert, name)
				}
			}
		}
	}
	file := filepath.Join(t.TempDir(), "rules.yaml")
	testutil.WriteFile(t, file, rules)
	run(t, testutil.NeedTool(t, "promtool", "prometheus"), "check", "rules", "--lint=none", file)
}
