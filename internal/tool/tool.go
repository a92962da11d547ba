// Package tool finds the programs beyond Go that some tests need, and addresses for them to listen on.
package tool

import (
	"net"
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

// FreeAddress returns an address of this machine on which nobody listens.
func FreeAddress(t *testing.T) string {
	t.Helper()
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = listener.Close() }()
	return listener.Addr().String()
}
