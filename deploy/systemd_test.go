package deploy

import (
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// TestSystemdUnit has systemd judge how much the unit could do if it were taken over: 0 is nothing, 10 is everything.
func TestSystemdUnit(t *testing.T) {
	analyze, err := exec.LookPath("systemd-analyze")
	if err != nil {
		t.Skip("there is no systemd-analyze, which comes with systemd")
	}
	const unit, most = "systemd/atlas-restore-exporter.service", 1.5
	said := runs(t, analyze, "security", "--offline=yes", unit)
	match := regexp.MustCompile(`Overall exposure level for \S+: ([0-9.]+)`).FindStringSubmatch(said)
	if match == nil {
		t.Fatal(said)
	}
	if level, err := strconv.ParseFloat(match[1], 64); err != nil || level > most {
		t.Errorf("exposure %s, want at most %g", match[1], most)
	}
	if text := read(t, unit); !strings.Contains(text, "LoadCredential=") || strings.Contains(text, "User=root") {
		t.Error("want a credential from systemd, and no root")
	}
}
