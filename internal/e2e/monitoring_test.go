package e2e

import (
	"encoding/json"
	"fmt"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"atlas-restore-exporter/atlas/atlastest"
	"atlas-restore-exporter/internal/testutil"
)

// Projects besides payments.
const (
	otherProject   = "32b6e34b3d91647abb20e7b9" // polled with a credential of its own
	limitedProject = "32b6e34b3d91647abb20e7ba" // rate limits are per project
)

// externalURL is the URL of the exporter in the links of alerts.
const externalURL = "https://restores.example.net"

// minute is a minute of monitoring: all durations of rules and routes are a sixtieth of the default ones.
const minute = time.Second

// monitoring is everything between a simulated Atlas API and a pager: the exporter, a real Prometheus that evaluates
// deploy/prometheus/rules.yaml, and a real Alertmanager with the routes of deploy/alertmanager.
type monitoring struct {
	*testing.T
	dir   string
	sim   *atlastest.Server
	pager *pager

	prometheus, alertmanager                                string // paths of the programs
	exporterAddress, prometheusAddress, alertmanagerAddress string
	exporter                                                *process
}

func newMonitoring(t *testing.T) *monitoring {
	t.Helper()
	m := &monitoring{
		T: t, dir: t.TempDir(), sim: atlastest.New(),
		prometheus:      testutil.NeedTool(t, "prometheus", "prometheus"),
		alertmanager:    testutil.NeedTool(t, "prometheus-alertmanager", "prometheus-alertmanager"),
		exporterAddress: testutil.FreeAddress(t), prometheusAddress: testutil.FreeAddress(t),
		alertmanagerAddress: testutil.FreeAddress(t),
	}
	if testing.Short() {
		t.Skip("takes minutes")
	}
	m.pager = startPager(t)
	m.sim.AddServiceAccount("id", secret)
	m.sim.AddServiceAccount("other", secret)
	m.sim.AddProject(payments, "Payments")
	m.sim.AddProject(otherProject, "Other")
	m.sim.AddProject(limitedProject, "Limited")

	rules, routes := filepath.Join(m.dir, "rules.yaml"), filepath.Join(m.dir, "alertmanager.yaml")
	testutil.WriteFile(t, rules, scaleDurations(t, "../../deploy/prometheus/rules.yaml"))
	replaceInFile(t, rules, "time() - 3600 - 3", "time() - 60 - 3")
	testutil.WriteFile(t, routes, scaleDurations(t, "../../deploy/alertmanager/alertmanager.yaml"))
	testutil.WriteFile(t, routes, strings.ReplaceAll(testutil.ReadFile(t, routes), "http://localhost:9095", m.pager.url))
	return m
}

// scaledDuration matches the durations of rules and routes that time windows consist of.
var scaledDuration = regexp.MustCompile(`(\[|for: |offset |\binterval: |group_wait: |group_interval: )(\d+)([smhd])\b`)

// scaleDurations returns the content of a file with all durations divided by 60.
func scaleDurations(t *testing.T, path string) string {
	t.Helper()
	units := map[string]time.Duration{"s": time.Second, "m": time.Minute, "h": time.Hour, "d": 24 * time.Hour}
	return scaledDuration.ReplaceAllStringFunc(testutil.ReadFile(t, path), func(match string) string {
		parts := scaledDuration.FindStringSubmatch(match)
		n, err := strconv.Atoi(parts[2])
		if err != nil {
			t.Fatal(err)
		}
		return fmt.Sprintf("%s%dms", parts[1], (time.Duration(n) * units[parts[3]] / 60).Milliseconds())
	})
}

// startExporter starts the exporter with projects, and waits until it is ready.
func (m *monitoring) startExporter(projects string) {
	m.Helper()
	path := filepath.Join(m.dir, "config.yaml")
	testutil.WriteFile(m.T, path, fmt.Sprintf(`
atlas: {base_url: %q}
credentials:
  default: {service_account: {client_id: id, client_secret: %s}}
  other: {service_account: {client_id: other, client_secret: %s}}
polling: {interval: 1s, stale_after: 10s, reserve: 0} # rate limits are not scaled
%s`, serve(m.T, m.sim), secret, secret, projects))
	m.exporter = startCommand(m.T, "--config.file", path, "--web.listen-address", m.exporterAddress,
		"--web.external-url", externalURL)
	m.exporter.waitForReady()
}

func (m *monitoring) stopExporter() {
	m.Helper()
	m.exporter.stop()
}

// watch starts Alertmanager and Prometheus. The exporter must run already. Prometheus gets its rules after the first
// scrape, because it takes up to five seconds to discover its targets, which would be five minutes here.
func (m *monitoring) watch() {
	m.Helper()
	m.start(m.alertmanager, "--config.file="+filepath.Join(m.dir, "alertmanager.yaml"),
		"--storage.path="+filepath.Join(m.dir, "alertmanager"), "--web.listen-address="+m.alertmanagerAddress,
		"--cluster.listen-address=")
	config := filepath.Join(m.dir, "prometheus.yaml")
	testutil.WriteFile(m.T, config, fmt.Sprintf(`
global: {scrape_interval: 1s, scrape_timeout: 1s, evaluation_interval: 1s}
alerting: {alertmanagers: [{static_configs: [{targets: [%q]}]}]}
scrape_configs: [{job_name: atlas-restore, static_configs: [{targets: [%q]}]}]
`, m.alertmanagerAddress, m.exporterAddress))
	prometheus := m.start(m.prometheus, "--config.file="+config, "--storage.tsdb.path="+filepath.Join(m.dir, "tsdb"),
		"--web.listen-address="+m.prometheusAddress, "--query.lookback-delta=5s", "--rules.alert.resend-delay=1s")
	m.waitForBody(m.alertmanagerAddress+"/-/ready", "OK")
	m.waitForBody(m.prometheusAddress+"/api/v1/query?query=mongodbatlas_restore_exporter_build_info", "instance")

	testutil.WriteFile(m.T, config, testutil.ReadFile(m.T, config)+"rule_files: [rules.yaml]\n")
	prometheus.sendSignal(syscall.SIGHUP)
	m.waitForBody(m.prometheusAddress+"/api/v1/rules", "AtlasRestoreFailed")
}

// start starts a program that logs its output if the test fails.
func (m *monitoring) start(path string, args ...string) *process {
	m.Helper()
	p := startProcess(m.T, exec.CommandContext(m.Context(), path, args...))
	m.Cleanup(func() {
		if m.Failed() {
			m.Logf("output of %s:\n%s", filepath.Base(path), p.stderr.String())
		}
	})
	return p
}

func (m *monitoring) waitForBody(address, wanted string) {
	m.Helper()
	var body string
	testutil.Eventually(m.T, func() bool {
		_, body = fetch(m.T, "http://"+address)
		return strings.Contains(body, wanted)
	}, func() string { return fmt.Sprintf("no %s at %s: %s", wanted, address, body) })
}

// activeAlerts returns the names of the alerts that Alertmanager has.
func (m *monitoring) activeAlerts() []string {
	m.Helper()
	_, body := fetch(m.T, "http://"+m.alertmanagerAddress+"/api/v2/alerts")
	var alerts []struct{ Labels map[string]string }
	if err := json.Unmarshal([]byte(body), &alerts); err != nil {
		m.Error(err)
	}
	names := make([]string, len(alerts))
	for i, alert := range alerts {
		names[i] = alert.Labels["alertname"]
	}
	slices.Sort(names)
	return slices.Compact(names)
}
