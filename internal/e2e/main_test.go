package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// binaryPath is the path of the built binary.
var binaryPath string

// buildFlags are the flags of `go build`. A version control stamp would only cost time.
var buildFlags = []string{"-buildvcs=false"}

func TestMain(m *testing.M) {
	code, err := buildAndRun(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(code)
}

// buildAndRun builds the binary into a temporary folder, and runs the tests.
func buildAndRun(m *testing.M) (code int, err error) {
	dir, err := os.MkdirTemp("", "e2e")
	if err != nil {
		return 0, err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	binaryPath = filepath.Join(dir, "atlas-restore-exporter")
	arguments := append([]string{"build", "-o", binaryPath}, buildFlags...)
	if output, err := exec.Command("go", append(arguments, "../..")...).CombinedOutput(); err != nil {
		return 0, fmt.Errorf("go build: %w: %s", err, output)
	}
	return m.Run(), nil
}
