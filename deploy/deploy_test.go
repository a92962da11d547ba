// Package deploy contains only tests. They check the files for operators with the programs that read these files, and
// against the code and the documentation.
package deploy

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	yaml "go.yaml.in/yaml/v4"

	"atlas-restore-exporter/internal/testutil"
)

// run runs a program, which must succeed, and returns its output.
func run(t *testing.T, path string, args ...string) string {
	t.Helper()
	output, err := exec.CommandContext(t.Context(), path, args...).CombinedOutput()
	if err != nil {
		t.Errorf("%s %s: %v\n%s", filepath.Base(path), strings.Join(args, " "), err, output)
	}
	return string(output)
}

// TestCompose_NamesExistingFiles checks the paths only: running the file requires a Docker engine.
func TestCompose_NamesExistingFiles(t *testing.T) {
	var compose struct {
		Services map[string]struct {
			Build   struct{ Context, Dockerfile string }
			Volumes []string
		}
	}
	if err := yaml.Load([]byte(testutil.ReadFile(t, "docker/compose.yaml")), &compose); err != nil {
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
