package main

import (
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"atlas-restore-exporter/internal/testutil"
)

const project = "../../.."

// TestMove_ChangesEveryAddress moves a copy of the project twice. The result compiles, and nothing contains the module
// path before.
func TestMove_ChangesEveryAddress(t *testing.T) {
	dir := testutil.Checkout(t, project, t.TempDir())
	for _, home := range []string{"github.com/first/place", "github.com/Example/atlas-restore-exporter"} {
		if err := move(dir, home); err != nil {
			t.Fatal(err)
		}
	}
	for _, module := range []string{".", "atlas/atlastest/contract", "internal/benchmark"} {
		command := exec.CommandContext(t.Context(), "go", "list", "-test", "-deps", "./...")
		command.Dir = filepath.Join(dir, module)
		if output, err := command.CombinedOutput(); err != nil {
			t.Errorf("%s: %v: %s", module, err, output)
		}
	}
	for file, want := range map[string]string{
		"go.mod":                    "module github.com/Example/atlas-restore-exporter\n",
		".golangci.yml":             "- pkg: github.com/Example/atlas-restore-exporter\n",
		"deploy/docker/Dockerfile":  `SOURCE="https://github.com/Example/atlas-restore-exporter"`,
		".goreleaser.yaml":          "    homepage: https://github.com/Example/atlas-restore-exporter\n",
		"internal/benchmark/go.mod": "replace github.com/Example/atlas-restore-exporter => ../..",
		"deploy/kubernetes/chart/Chart.yaml": "home: https://github.com/Example/atlas-restore-exporter\n" +
			"sources: [https://github.com/Example/atlas-restore-exporter]\n",
		"deploy/kubernetes/chart/values.yaml": "  repository: ghcr.io/example/atlas-restore-exporter\n",
	} {
		if text := testutil.ReadFile(t, filepath.Join(dir, file)); strings.Count(text, want) != 1 {
			t.Errorf("%s doesn't contain %q once:\n%s", file, want, text)
		}
	}
	left := exec.CommandContext(t.Context(), "git", "grep", "-nE",
		`first/place|"atlas-restore-exporter/(atlas|collector|deploy|internal)`, "--", ":!deploy/release/home")
	left.Dir = dir
	if output, err := left.Output(); err == nil {
		t.Errorf("addresses before the move:\n%s", output)
	}
}

// TestPrintAddresses_PrintsNothingWithoutAHome checks the addresses that the workflow publishes a release to.
func TestPrintAddresses_PrintsNothingWithoutAHome(t *testing.T) {
	for module, want := range map[string]string{
		"atlas-restore-exporter": "",
		"example.net/exporter":   "",
		"github.com/Example/Restores": "repository=Example/Restores\nimage=ghcr.io/example/restores\n" +
			"chart=ghcr.io/example/charts/atlas-restore-exporter\n",
	} {
		dir := t.TempDir()
		testutil.WriteFile(t, filepath.Join(dir, "go.mod"), "module "+module+"\n\ngo 1.26\n")
		var printed strings.Builder
		if err := printAddresses(dir, &printed); err != nil || printed.String() != want {
			t.Errorf("%s: printed %q, error %v, want %q", module, printed.String(), err, want)
		}
	}
	if text := testutil.ReadFile(t, project+"/deploy/kubernetes/chart/Chart.yaml"); !strings.Contains(text,
		"\nname: "+chartName+"\n") {
		t.Errorf("the chart isn't named %s", chartName)
	}
}

func TestMove_RejectsOtherAddresses(t *testing.T) {
	for _, bad := range []string{"", "github.com/x", "https://github.com/x/y", "example.net/x/y", "github.com/x/y/z"} {
		want := `address "` + bad + `": must have the form github.com/OWNER/NAME`
		if err := move(t.TempDir(), bad); err == nil || err.Error() != want {
			t.Errorf("error %v, want %s", err, want)
		}
	}
}

// TestProject_ContainsNoAddressThatDoesNotExist holds until the project has a home: links lead to other projects only.
func TestProject_ContainsNoAddressThatDoesNotExist(t *testing.T) {
	if !regexp.MustCompile(`(?m)^module atlas-restore-exporter$`).MatchString(testutil.ReadFile(t, project+"/go.mod")) {
		t.Skip("the project has a home")
	}
	links := exec.CommandContext(t.Context(), "git", "grep", "-nE",
		`(github\.com|ghcr\.io|github\.io)/[a-z0-9-]+/atlas-restore-exporter`, "--",
		":!deploy/release/home", ":!*_test.go")
	links.Dir = project
	if output, err := links.Output(); err == nil {
		t.Errorf("links to a home that doesn't exist:\n%s", output)
	}
}
