package deploy

import (
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"atlas-restore-exporter/internal/testutil"
)

const systemdUnit = "systemd/atlas-restore-exporter.service"

// TestSystemdUnit_IsHardened checks the exposure level of the unit: 0 means none, 10 means unrestricted.
func TestSystemdUnit_IsHardened(t *testing.T) {
	analyze, err := exec.LookPath("systemd-analyze")
	if err != nil {
		t.Skip("systemd-analyze, which is part of systemd, is not installed")
	}
	const maxLevel = 1.5
	output := run(t, analyze, "security", "--offline=yes", systemdUnit)
	match := regexp.MustCompile(`Overall exposure level for \S+: ([0-9.]+)`).FindStringSubmatch(output)
	if match == nil {
		t.Fatal(output)
	}
	if level, err := strconv.ParseFloat(match[1], 64); err != nil || level > maxLevel {
		t.Errorf("exposure level %s, want at most %g", match[1], maxLevel)
	}
}

func TestSystemdUnit_UsesACredentialAndNotRoot(t *testing.T) {
	text := testutil.ReadFile(t, systemdUnit)
	if !strings.Contains(text, "LoadCredential=") || strings.Contains(text, "User=root") {
		t.Errorf("LoadCredential is missing, or the user is root:\n%s", text)
	}
}
