package deploy

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	yaml "go.yaml.in/yaml/v4"

	"atlas-restore-exporter/internal/golden"
	"atlas-restore-exporter/internal/tool"
)

const (
	chart   = "kubernetes/chart"
	example = "--values=" + chart + "/example-values.yaml"
)

// template renders the chart. What Helm says beside it is left out.
func template(t *testing.T, helm string, args ...string) (string, error) {
	t.Helper()
	command := exec.CommandContext(t.Context(), helm, append([]string{"template", "atlas-restore-exporter", chart, "--namespace=monitoring", example}, args...)...)
	rendered, err := command.Output()
	return string(rendered), err
}

// everything switches on whatever the chart has.
var everything = []string{
	"--set=serviceMonitor.enabled=true,prometheusRule.enabled=true,dashboards.enabled=true,networkPolicy.enabled=true",
	"--set=podDisruptionBudget.enabled=true,webConfigSecret=web,prometheusRule.runbookBaseURL=https://example.net/",
}

// TestChart has Helm lint the chart, and what it renders validated against Kubernetes' schemas.
func TestChart(t *testing.T) {
	helm := tool.Need(t, "helm", "helm, of Helm's own repository")
	validate := tool.Need(t, "kubectl-validate", "none")
	runs(t, helm, append([]string{"lint", "--strict", chart, example}, everything...)...)
	for name, args := range map[string][]string{
		"defaults": nil, "everything": everything, "demo": {"--set=demo=true"}, "demo with TLS": {"--set=demo=true,webConfigSecret=web"},
		"shards": append(everything, "--set=shards=3"), "shards without a secret": {"--set=shards=3,existingSecret="},
		"without a secret": {"--set=existingSecret="}, "proxy": {"--set=env[0].name=HTTPS_PROXY,env[0].value=x"},
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
		runs(t, validate, file, "--version=1.30")
	}
}

// withoutOperator leaves out what the Prometheus operator defines: its schemas are not Kubernetes' own.
func withoutOperator(rendered string) string {
	documents := strings.Split(rendered, "\n---\n")
	return strings.Join(slices.DeleteFunc(documents, func(document string) bool {
		return strings.Contains(document, "\napiVersion: monitoring.coreos.com/v1\n")
	}), "\n---\n")
}

// TestChartRefuses has values that can't be meant.
func TestChartRefuses(t *testing.T) {
	helm := tool.Need(t, "helm", "helm, of Helm's own repository")
	for _, values := range []string{"replicaCout=2", "replicaCount=-1", "shards=0", "shards=2,replicaCount=2", "shards=2,demo=true", "config.projects=null", "prometheusRule.runbookBaseURL=runbooks", "service.port=0"} {
		if _, err := template(t, helm, "--set-json="+values); err == nil {
			if _, err := template(t, helm, "--set="+values); err == nil {
				t.Errorf("%s is accepted", values)
			}
		}
	}
}

// TestChartWantsConfiguration wants an install without a configuration to fail at once, and a demo not to need one.
func TestChartWantsConfiguration(t *testing.T) {
	helm := tool.Need(t, "helm", "helm, of Helm's own repository")
	for args, works := range map[string]bool{"--set=demo=false": false, "--set=demo=true": true} {
		said, err := exec.CommandContext(t.Context(), helm, "template", "x", chart, args).CombinedOutput()
		if (err == nil) != works {
			t.Errorf("%s: %v\n%s", args, err, said)
		}
	}
}

// TestChartShards wants each pod of a StatefulSet told which part is its own.
func TestChartShards(t *testing.T) {
	helm := tool.Need(t, "helm", "helm, of Helm's own repository")
	rendered, err := template(t, helm, "--set=shards=3", "--show-only=templates/workload.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for _, wanted := range []string{"kind: StatefulSet", "replicas: 3", "--shard=$(POD_NAME)/3", "fieldPath: metadata.name"} {
		if !strings.Contains(rendered, wanted) {
			t.Errorf("%q is not in\n%s", wanted, rendered)
		}
	}
}

// TestChartRules has promtool check the rules as the chart renders them.
func TestChartRules(t *testing.T) {
	helm := tool.Need(t, "helm", "helm, of Helm's own repository")
	promtool := tool.Need(t, "promtool", "prometheus")
	rendered, err := template(t, helm, append(everything, "--show-only=templates/prometheusrule.yaml")...)
	if err != nil {
		t.Fatal(err)
	}
	var rule struct {
		Spec any `yaml:"spec"`
	}
	if err := yaml.Load([]byte(rendered), &rule); err != nil {
		t.Fatal(err)
	}
	spec, err := yaml.Dump(rule.Spec)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "rules.yaml")
	if err := os.WriteFile(file, spec, 0o600); err != nil {
		t.Fatal(err)
	}
	runs(t, promtool, "check", "rules", file)
	if !strings.Contains(string(spec), "https://example.net/deploy/runbooks/README.md#atlasrestorefailed") {
		t.Error("the runbooks' address is not as configured")
	}
}

// TestManifests holds the plain manifests to the chart.
func TestManifests(t *testing.T) {
	helm := tool.Need(t, "helm", "helm, of Helm's own repository")
	rendered, err := template(t, helm)
	if err != nil {
		t.Fatal(err)
	}
	golden.Equal(t, "kubernetes/manifests.yaml", "# Put your image, project and clusters in, and make the secret that the Deployment names, with the keys client-id and\n"+
		"# client-secret. Rendered from the chart beside this file: UPDATE_GOLDEN=1 go test -run TestManifests ./deploy\n"+rendered)
}
