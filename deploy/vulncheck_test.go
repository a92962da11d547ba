package deploy

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestVulncheck has a govulncheck that ends in each way: what it finds fails, and only that its data base can't be
// reached is skipped.
func TestVulncheck(t *testing.T) {
	const unreachable = `govulncheck: fetching vulnerabilities: Get "https://vuln.go.dev/index/modules.json.gz": no such host`
	for _, test := range []struct {
		what, says string
		status     int
		required   string
		want       int
	}{
		{"nothing found", "No vulnerabilities found.", 0, "", 0},
		{"something found", "Vulnerability #1: GO-2026-0001", 3, "", 3},
		{"no data base", unreachable, 1, "", 0},
		{"no data base, but it is required", unreachable, 1, "1", 1},
		{"the code can't be loaded", "govulncheck: loading packages: ", 1, "", 1},
	} {
		dir := t.TempDir()
		program := fmt.Sprintf("#!/bin/sh\necho '%s' >&2\nexit %d\n", test.says, test.status)
		if err := os.WriteFile(filepath.Join(dir, "govulncheck"), []byte(program), 0o700); err != nil {
			t.Fatal(err)
		}
		command := exec.CommandContext(t.Context(), "../.ci/vulncheck")
		command.Env = append(os.Environ(), "PATH="+dir+":"+os.Getenv("PATH"), "VULNCHECK_REQUIRED="+test.required)
		said, err := command.CombinedOutput()
		if status := command.ProcessState.ExitCode(); status != test.want {
			t.Errorf("%s: status %d, want %d: %v\n%s", test.what, status, test.want, err, said)
		}
		if skipped := strings.Contains(string(said), "SKIPPED"); skipped != (test.says == unreachable) {
			t.Errorf("%s: skipped is %t\n%s", test.what, skipped, said)
		}
		if !strings.Contains(string(said), test.says) {
			t.Errorf("%s: what it says is lost: %s", test.what, said)
		}
	}
}
