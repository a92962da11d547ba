package e2e

import (
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"atlas-restore-exporter/atlas/atlastest"
	"atlas-restore-exporter/internal/testutil"
)

// pollSucceeded returns the series of a target whose last poll succeeded.
func pollSucceeded(cluster, backupType string) string {
	const format = `mongodbatlas_restore_poll_success{backup_type="%s",cluster_name="%s",project_id="%s"} 1`
	return fmt.Sprintf(format, backupType, cluster, payments)
}

func TestTermination_ExitsWithStatus0(t *testing.T) {
	for _, signal := range []os.Signal{syscall.SIGTERM, os.Interrupt} {
		t.Run(signal.String(), func(t *testing.T) {
			p := startCommand(t, "demo", "--web.listen-address=127.0.0.1:0")
			p.waitForURL()
			sent := time.Now()
			p.sendSignal(signal)
			if status := p.waitForExit(); status != 0 || time.Since(sent) > 6*time.Second {
				t.Errorf("exit status %d after %v: %s", status, time.Since(sent), p.stderr.String())
			}
		})
	}
}

func TestTermination_DoesNotWaitForPollsThatHang(t *testing.T) {
	sim, configFile := simulateAtlas(t, "{name: prod}")
	p := startExporter(t, configFile)
	p.waitForReady()
	hangNextPoll(t, sim)
	sent := time.Now()
	p.stop()
	if took := time.Since(sent); took > 5*time.Second {
		t.Errorf("took %v", took)
	}
}

func TestTermination_DuringStartupExitsWithStatus0(t *testing.T) {
	sim, configFile := simulateAtlas(t, "{name: prod}")
	sim.Script(atlastest.TokenRequests, 0, atlastest.Hang())
	p := startExporter(t, configFile)
	p.waitForURL()
	p.stop()
}

func TestHangup_ReloadsTheConfiguration(t *testing.T) {
	_, configFile := simulateAtlas(t, "{name: prod}")
	p := startExporter(t, configFile)
	url := p.waitForURL()
	waitForMetrics(t, url, pollSucceeded("prod", "dedicated"))

	replaceInFile(t, configFile, "{name: prod}", "{name: team, backup_types: [flex]}")
	p.sendSignal(syscall.SIGHUP)
	metrics := waitForMetrics(t, url, pollSucceeded("team", "flex"))
	expectMetrics(t, metrics, "\nmongodbatlas_restore_exporter_config_last_reload_successful 1")
	expectNoMetrics(t, metrics, `cluster_name="prod"`)
}

func TestHangup_KeepsTheConfigurationIfTheNewOneIsInvalid(t *testing.T) {
	_, configFile := simulateAtlas(t, "{name: prod}")
	p := startExporter(t, configFile)
	url := p.waitForURL()
	waitForMetrics(t, url, pollSucceeded("prod", "dedicated"))

	good := testutil.ReadFile(t, configFile)
	testutil.WriteFile(t, configFile, good+"misspelled: 1\n")
	p.sendSignal(syscall.SIGHUP)
	const successful = "\nmongodbatlas_restore_exporter_config_last_reload_successful "
	metrics := waitForMetrics(t, url, successful+"0")
	expectMetrics(t, metrics, pollSucceeded("prod", "dedicated"))
	if !strings.Contains(p.stderr.String(), "misspelled: unknown key") {
		t.Errorf("log: %s", p.stderr.String())
	}

	testutil.WriteFile(t, configFile, good)
	p.sendSignal(syscall.SIGHUP)
	waitForMetrics(t, url, successful+"1")
}

func TestHangup_RightAfterTheStartDoesNotKill(t *testing.T) {
	_, configFile := simulateAtlas(t, "{name: prod}")
	p := startCommand(t, "--config.file", configFile, "--web.listen-address=127.0.0.1:0")
	testutil.Eventually(t, func() bool { return strings.Contains(p.stderr.String(), "msg=starting") }, p.stderr.String)
	p.sendSignal(syscall.SIGHUP)
	p.waitForReady()
	p.stop()
}

// hangNextPoll lets every request for restore jobs hang, and waits until the exporter has sent one.
func hangNextPoll(t *testing.T, sim *atlastest.Server) (remove func()) {
	t.Helper()
	hanging, count := countRequests(atlastest.Hang())
	remove = sim.Script(atlastest.PathHas("/backup/restoreJobs"), 0, hanging)
	testutil.Eventually(t, func() bool { return count.Load() > 0 }, func() string { return "no request for restore jobs" })
	return remove
}
