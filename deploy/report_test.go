package deploy

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"atlas-restore-exporter/internal/testutil"
)

const reportTemplate = "--show-only=templates/report-cronjob.yaml"

func TestChart_WritesReportsOnlyIfEnabled(t *testing.T) {
	helm := needHelm(t)
	if rendered, err := template(t, helm); err != nil || strings.Contains(rendered, "CronJob") {
		t.Errorf("%v: reports are written by default", err)
	}
	rendered, err := template(t, helm, reportTemplate, "--set=report.enabled=true,report.existingClaim=reports,shards=3",
		"--set=report.signoffConfigMap=reviews,report.format=markdown,report.extraArgs[0]=--team=payments")
	if err != nil {
		t.Fatal(err)
	}
	for _, wanted := range []string{
		"kind: CronJob", `schedule: "0 6 2 1,4,7,10 *"`, "timeZone: Etc/UTC", "- --period=last-quarter",
		"- --output=/reports/atlas-restores-{from}-{to}.md", "- --format=markdown", "- --team=payments",
		"- --signoff=/etc/atlas-restore-exporter/signoff/signoff.yaml", "claimName: reports", "configMap: {name: reviews}",
		"app.kubernetes.io/name: atlas-restore-exporter-report",
	} {
		if !strings.Contains(rendered, wanted) {
			t.Errorf("%q is not in\n%s", wanted, rendered)
		}
	}
	if strings.Contains(rendered, "--shard") {
		t.Error("a report depends on shards")
	}
}

func TestChart_RejectsInvalidReports(t *testing.T) {
	helm := needHelm(t)
	for values, want := range map[string]string{
		"report.enabled=true":     "report.existingClaim is required",
		"report.period=yesterday": "report/period",
		"report.format=pdf":       "report/format",
	} {
		args := []string{"template", "x", chart, example, "--set=" + values}
		output, err := exec.CommandContext(t.Context(), helm, args...).CombinedOutput()
		if err == nil || !strings.Contains(string(output), want) {
			t.Errorf("%s: %v\n%s", values, err, output)
		}
	}
}

// TestSystemdUnits_AreValid verifies the units with the path of a binary that exists.
func TestSystemdUnits_AreValid(t *testing.T) {
	systemd := testutil.NeedTool(t, "systemd-analyze", "systemd")
	units, err := filepath.Glob("systemd/*")
	if err != nil || len(units) != 3 {
		t.Fatalf("units %v, error %v", units, err)
	}
	dir := t.TempDir()
	for _, unit := range units {
		text := strings.ReplaceAll(testutil.ReadFile(t, unit), "ExecStart=atlas-restore-exporter", "ExecStart=/bin/true")
		testutil.WriteFile(t, filepath.Join(dir, filepath.Base(unit)), text)
	}
	timer := filepath.Join(dir, "atlas-restore-report.timer")
	output, err := exec.CommandContext(t.Context(), systemd, "verify", "--man=no", timer).CombinedOutput()
	if err != nil || strings.Contains(string(output), dir) {
		t.Errorf("%v\n%s", err, output)
	}
	run(t, systemd, "calendar", "*-01,04,07,10-02 06:00:00 UTC")
}

// TestSystemdReport_IsHardenedLikeTheExporter compares the settings that restrict both services.
func TestSystemdReport_IsHardenedLikeTheExporter(t *testing.T) {
	settings := func(unit string) string {
		text, err := os.ReadFile("systemd/" + unit)
		if err != nil {
			t.Fatal(err)
		}
		_, hardening, _ := strings.Cut(string(text), "\nAmbientCapabilities=")
		hardening, _, _ = strings.Cut(hardening, "\n\n")
		lines := strings.Split(hardening, "\n")
		kept := lines[:0]
		for _, line := range lines {
			if !strings.HasPrefix(line, "#") && !strings.HasPrefix(line, "LimitNOFILE=") {
				kept = append(kept, line)
			}
		}
		return strings.TrimSpace(strings.Join(kept, "\n"))
	}
	report, exporter := settings("atlas-restore-report.service"), settings("atlas-restore-exporter.service")
	if report == "" || report != exporter {
		t.Errorf("report:\n%s\nexporter:\n%s", report, exporter)
	}
}
