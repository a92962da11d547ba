package main

import (
	"os/exec"
	"strings"
	"testing"

	"atlas-restore-exporter/internal/tool"
)

// TestPromtoolCheckMetrics has promtool look at what the demo serves.
func TestPromtoolCheckMetrics(t *testing.T) {
	promtool := tool.Need(t, "promtool", "prometheus")
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
