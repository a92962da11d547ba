package deploy

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestVulncheck_IsSkippedOnlyIfTheDatabaseIsUnreachable runs the script with a program that imitates govulncheck.
func TestVulncheck_IsSkippedOnlyIfTheDatabaseIsUnreachable(t *testing.T) {
	const unreachable = `govulncheck: fetching vulnerabilities: Get "https://vuln.go.dev/index": no such host`
	for _, test := range []struct {
		name, output string
		status       int
		required     string
		want         int
	}{
		{"no vulnerability", "No vulnerabilities found.", 0, "", 0},
		{"a vulnerability", "Vulnerability #1: GO-2026-0001", 3, "", 3},
		{"unreachable database", unreachable, 1, "", 0},
		{"unreachable database that is required", unreachable, 1, "1", 1},
		{"invalid code", "govulncheck: loading packages: ", 1, "", 1},
	} {
		t.Run(test.name, func(t *testing.T) {
			dir := t.TempDir()
			program := fmt.Sprintf("#!/bin/sh\necho '%s' >&2\nexit %d\n", test.output, test.status)
			if err := os.WriteFile(filepath.Join(dir, "govulncheck"), []byte(program), 0o700); err != nil {
				t.Fatal(err)
			}
			command := exec.CommandContext(t.Context(), "../.ci/vulncheck")
			command.Env = append(os.Environ(), "PATH="+dir+":"+os.Getenv("PATH"), "VULNCHECK_REQUIRED="+test.required)
			output, err := command.CombinedOutput()
			if status := command.ProcessState.ExitCode(); status != test.want {
				t.Errorf("status %d, want %d: %v\n%s", status, test.want, err, output)
			}
			if skipped := strings.Contains(string(output), "SKIPPED"); skipped != (test.output == unreachable) {
				t.Errorf("skipped: %t\n%s", skipped, output)
			}
			if !strings.Contains(string(output), test.output) {
				t.Errorf("the output of govulncheck is missing: %s", output)
			}
		})
	}
}
