package testutil

import (
	"net"
	"os"
	"os/exec"
	"testing"
)

// RequireTools is the environment variable that, if set, lets NeedTool fail the test instead of skipping it.
const RequireTools = "REQUIRE_TOOLS"

// NeedTool returns the path of an external program. If the program isn't installed, NeedTool skips the test and names
// the Debian package that contains it.
func NeedTool(t *testing.T, name, debianPackage string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		if os.Getenv(RequireTools) != "" {
			t.Fatal(err)
		}
		t.Skipf("%s is not installed: run `make tools` or install the Debian package %s", name, debianPackage)
	}
	return path
}

// FreeAddress returns a loopback address on which no program listens.
func FreeAddress(t *testing.T) string {
	t.Helper()
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = listener.Close() }()
	return listener.Addr().String()
}
