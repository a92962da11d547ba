package main

import (
	"os"
	"os/exec"
	"strings"
	"testing"
)

// tool returns the path of a program that is needed beyond Go, or skips the test. Where REQUIRE_TOOLS is set, as in the
// gate, a missing one is a failure.
func tool(t *testing.T, name, debian string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		if os.Getenv("REQUIRE_TOOLS") != "" {
			t.Fatal(err)
		}
		t.Skipf("%s is not installed; `make tools` gets it, as does Debian's package %s", name, debian)
	}
	return path
}

// TestPromtoolCheckMetrics has promtool look at what the demo serves.
func TestPromtoolCheckMetrics(t *testing.T) {
	promtool := tool(t, "promtool", "prometheus")
	p := start(t, "demo", "--web.listen-address", "127.0.0.1:0")
	base := "http://" + p.address()
	eventually(t, func() bool { status, _ := fetch(t, nil, base+"/-/ready"); return status == 200 }, p.stderr.String)
	_, metrics := fetch(t, nil, base+"/metrics")
	check := exec.CommandContext(t.Context(), promtool, "check", "metrics")
	check.Stdin = strings.NewReader(metrics)
	if said, err := check.CombinedOutput(); err != nil || len(said) > 0 {
		t.Errorf("%v: %s", err, said)
	}
}
