package deploy

import (
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	yaml "go.yaml.in/yaml/v4"

	"atlas-restore-exporter/internal/testutil"
)

const (
	chart   = "kubernetes/chart"
	example = "--values=" + chart + "/example-values.yaml"
	demo    = "--values=" + chart + "/ci/demo-values.yaml"
)

// needHelm returns the path of Helm, or skips the test.
func needHelm(t *testing.T) string {
	t.Helper()
	return testutil.NeedTool(t, "helm", "helm, of the repository of Helm")
}

// template renders the chart with the example values.
func template(t *testing.T, helm string, args ...string) (string, error) {
	t.Helper()
	args = append([]string{"template", "atlas-restore-exporter", chart, "--namespace=monitoring", example}, args...)
	rendered, err := exec.CommandContext(t.Context(), helm, args...).Output()
	return string(rendered), err
}

// everything enables every optional object of the chart.
var everything = []string{
	"--set=serviceMonitor.enabled=true,prometheusRule.enabled=true,dashboards.enabled=true,networkPolicy.enabled=true",
	"--set=podDisruptionBudget.enabled=true,webConfigSecret=web,prometheusRule.urls.runbooks=https://example.net/",
	"--set=report.enabled=true,report.existingClaim=reports,report.signoffConfigMap=reviews",
}

// TestChart_RendersValidObjects lints the chart and validates the rendered objects against the schemas of Kubernetes.
func TestChart_RendersValidObjects(t *testing.T) {
	helm := needHelm(t)
	validate := testutil.NeedTool(t, "kubectl-validate", "none")
	run(t, helm, append([]string{"lint", "--strict", chart, example}, everything...)...)
	run(t, helm, append([]string{"lint", "--strict", chart, demo}, everything...)...)
	for name, args := range map[string][]string{
		"defaults":                nil,
		"everything":              everything,
		"demo":                    {demo},
		"demo with everything":    append(everything, demo),
		"shards":                  append(everything, "--set=shards=3"),
		"shards without a secret": {"--set=shards=3,existingSecret="},
		"without a secret":        {"--set=existingSecret="},
		"proxy":                   {"--set=env[0].name=HTTPS_PROXY,env[0].value=x"},
	} {
		rendered, err := template(t, helm, args...)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		file := filepath.Join(t.TempDir(), "rendered.yaml")
		if err := os.WriteFile(file, []byte(withoutOperator(rendered)), 0o600); err != nil {
			t.Fatal(err)
		}
		t.Setenv("KUBECONFIG", os.DevNull)
		run(t, validate, file, "--version=1.30")
	}
}

// withoutOperator removes the objects of the Prometheus operator, whose schemas are not part of Kubernetes.
func withoutOperator(rendered string) string {
	documents := strings.Split(rendered, "\n---\n")
	return strings.Join(slices.DeleteFunc(documents, func(document string) bool {
		return strings.Contains(document, "\napiVersion: monitoring.coreos.com/v1\n")
	}), "\n---\n")
}

func TestChart_RejectsInvalidValues(t *testing.T) {
	helm := needHelm(t)
	for _, values := range []string{
		"replicaCout=2", "replicaCount=-1", "shards=0", "shards=2,replicaCount=2", "shards=2,demo=true",
		"config.projects=null", "prometheusRule.urls.runbooks=runbooks", "prometheusRule.urls.statusPage=https://x/",
		"prometheusRule.urls.dashboards=https://x/", "prometheusRule.alerts.AtlasRestoreFailed.severity=page",
		"prometheusRule.alerts.AtlasRestoreFailed.for=5", "prometheusRule.alerts.AtlasRestoreFailed.after=5m",
		"prometheusRule.enabled=true,prometheusRule.alerts.AtlasRestoreLost.severity=info", "service.port=0",
	} {
		if _, err := template(t, helm, "--set-json="+values); err == nil {
			if _, err := template(t, helm, "--set="+values); err == nil {
				t.Errorf("%s is accepted", values)
			}
		}
	}
}

// TestChart_FailsWithOneClearLine renders the chart without required values.
func TestChart_FailsWithOneClearLine(t *testing.T) {
	helm := needHelm(t)
	const image = "--set=image.repository=registry.example.net/exporter"
	for want, args := range map[string][]string{
		"image.repository is required: set it to the address of the image in your registry": {"--set=demo=true"},
		"missing properties 'credentials', 'projects'":                                      {image},
		"": {demo},
	} {
		output, err := exec.CommandContext(t.Context(), helm, append([]string{"template", "x", chart}, args...)...).
			CombinedOutput()
		if (err == nil) != (want == "") || !strings.Contains(string(output), want) {
			t.Errorf("%v: %v, want %q\n%s", args, err, want, output)
		}
	}
}

func TestChart_PassesEachPodItsShard(t *testing.T) {
	helm := needHelm(t)
	rendered, err := template(t, helm, "--set=shards=3", "--show-only=templates/workload.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for _, wanted := range []string{
		"kind: StatefulSet", "replicas: 3", "--shard=$(POD_NAME)/3", "fieldPath: metadata.name",
	} {
		if !strings.Contains(rendered, wanted) {
			t.Errorf("%q is not in\n%s", wanted, rendered)
		}
	}
}

// ruleSettings are settings of the rules that the chart and the command for plain Prometheus read.
var ruleSettings = map[string]string{
	"defaults": `{enabled: true}`,
	"all": `
  enabled: true
  alertLabels: {receiver: databases, category: platform}
  alerts:
    AtlasRestoreNeverDrilled: {enabled: false}
    AtlasRestoreFailed: {severity: warning, for: 5m, labels: {receiver: payments}}
    AtlasRestoreExporterDown: {for: 1h30m}
    AtlasRestoreDrillOverdue: {enabled: true}
  urls:
    runbooks: "https://example.net/runbooks#"
    statusPage: "https://s.example.net"
    dashboards: "https://g.example.net"`,
	"a label with characters that YAML quotes": `{enabled: true, alertLabels: {note: "{{ $value }}: # 'yes'"}}`,
}

// TestRules_HaveTheSameSettingsWithAndWithoutTheChart compares the rules of the chart with those of the command, and
// checks them with promtool.
func TestRules_HaveTheSameSettingsWithAndWithoutTheChart(t *testing.T) {
	helm := needHelm(t)
	promtool := testutil.NeedTool(t, "promtool", "prometheus")
	for name, settings := range ruleSettings {
		t.Run(name, func(t *testing.T) {
			values := filepath.Join(t.TempDir(), "values.yaml")
			testutil.WriteFile(t, values, "prometheusRule: "+settings)
			rendered, err := template(t, helm, "--values="+values, "--show-only=templates/prometheusrule.yaml")
			if err != nil {
				t.Fatal(err)
			}
			var object struct{ Spec any }
			if err := yaml.Load([]byte(rendered), &object); err != nil {
				t.Fatal(err)
			}
			customized := customizeRules(t, values)
			run(t, promtool, "check", "rules", "--lint=all", "--lint-fatal", customized)
			var plain any
			if err := yaml.Load([]byte(testutil.ReadFile(t, customized)), &plain); err != nil {
				t.Fatal(err)
			}
			if !reflect.DeepEqual(object.Spec, plain) {
				t.Errorf("the chart renders %v, the command writes %v", object.Spec, plain)
			}
		})
	}
}

// customizeRules writes rules with settings, and returns their path.
func customizeRules(t *testing.T, values string) string {
	t.Helper()
	command := exec.CommandContext(t.Context(), "go", "run", "./prometheus", "-rules", rulesFile, "-values", values)
	text, err := command.Output()
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "rules.yaml")
	testutil.WriteFile(t, path, string(text))
	return path
}

func TestManifests_EqualTheRenderedChart(t *testing.T) {
	rendered, err := template(t, needHelm(t))
	if err != nil {
		t.Fatal(err)
	}
	const header = "# Set your image, project, and clusters, and create the secret that the Deployment uses, with the\n" +
		"# keys client-id and client-secret. Rendered from the chart in this directory by `make golden`.\n"
	testutil.EqualGolden(t, "kubernetes/manifests.yaml", header+rendered)
}
