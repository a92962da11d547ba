// Package tool finds the programs beyond Go that some tests need.
package tool

import (
	"os"
	"os/exec"
	"testing"
)

// Require is the environment variable that, when set, as in the gate, makes a missing program a failure.
const Require = "REQUIRE_TOOLS"

// Need returns the path of a program, or skips the test and says how to get it: by make, or as a Debian package.
func Need(t *testing.T, name, debian string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		if os.Getenv(Require) != "" {
			t.Fatal(err)
		}
		t.Skipf("%s is not installed; `make tools` gets it, as does Debian's package %s", name, debian)
	}
	return path
}
