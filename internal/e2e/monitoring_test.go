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

	yaml "go.yaml.in/yaml/v4"

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
	dir    string
	scaled bool // whether all durations are a sixtieth of the default ones
	sim    *atlastest.Server
	pager  *pager

	prometheus, alertmanager               string // paths of the programs
	prometheusAddress, alertmanagerAddress string
	exporterAddresses                      []string // that Prometheus scrapes
	exporter                               *process
}

// newMonitoring returns monitoring with scaled durations.
func newMonitoring(t *testing.T) *monitoring {
	t.Helper()
	m := newUnscaledMonitoring(t)
	m.scaled = true
	rules, routes := filepath.Join(m.dir, "rules.yaml"), filepath.Join(m.dir, "alertmanager.yaml")
	testutil.WriteFile(t, rules, scaleDurations(testutil.ReadFile(t, rules)))
	replaceInFile(t, rules, "time() - 3600 - 3", "time() - 60 - 3")
	testutil.WriteFile(t, routes, scaleDurations(testutil.ReadFile(t, routes)))
	return m
}

// newUnscaledMonitoring returns monitoring with the default durations.
func newUnscaledMonitoring(t *testing.T) *monitoring {
	t.Helper()
	m := &monitoring{
		T: t, dir: t.TempDir(), sim: atlastest.New(),
		prometheus:          testutil.NeedTool(t, "prometheus", "prometheus"),
		alertmanager:        testutil.NeedTool(t, "prometheus-alertmanager", "prometheus-alertmanager"),
		prometheusAddress:   testutil.FreeAddress(t),
		alertmanagerAddress: testutil.FreeAddress(t),
		exporterAddresses:   []string{testutil.FreeAddress(t)},
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
	testutil.WriteFile(t, filepath.Join(m.dir, "rules.yaml"), testutil.ReadFile(t, rulesPath))
	testutil.WriteFile(t, filepath.Join(m.dir, "alertmanager.yaml"), withPager(t, m.pager.url))
	return m
}

// withPager returns the configuration of Alertmanager with the pager instead of all channels.
func withPager(t *testing.T, url string) string {
	t.Helper()
	config, _, ok := strings.Cut(testutil.ReadFile(t, alertmanagerPath), "\nreceivers:\n")
	if !ok {
		t.Fatal("no receivers")
	}
	config = strings.Replace(config, "\ntemplates: [atlas-restore.tmpl]\n", "\n", 1) + "\nreceivers:\n"
	for name, receiver := range readReceivers(t) {
		config += fmt.Sprintf("  - name: %s\n", name)
		if receiver.channels > 0 {
			config += fmt.Sprintf("    webhook_configs: [{url: %q, send_resolved: %v}]\n", url, receiver.sendsResolved)
		}
	}
	return config
}

// receiver is a receiver of Alertmanager.
type receiver struct {
	channels      int
	sendsResolved bool
}

func readReceivers(t *testing.T) map[string]receiver {
	t.Helper()
	type channel struct {
		SendResolved bool `yaml:"send_resolved"`
	}
	var config struct {
		Receivers []struct {
			Name      string
			Slack     []channel `yaml:"slack_configs"`
			Email     []channel `yaml:"email_configs"`
			PagerDuty []channel `yaml:"pagerduty_configs"`
		}
	}
	if err := yaml.Load([]byte(testutil.ReadFile(t, alertmanagerPath)), &config); err != nil {
		t.Fatal(err)
	}
	receivers := map[string]receiver{}
	for _, r := range config.Receivers {
		all := slices.Concat(r.Slack, r.Email, r.PagerDuty)
		receivers[r.Name] = receiver{len(all), slices.Contains(all, channel{true})}
	}
	return receivers
}

// scaledDuration matches the durations of rules and routes that time windows consist of.
var scaledDuration = regexp.MustCompile(`(\[|for: |offset |\binterval: |group_wait: |group_interval: )(\d+)([smhd])\b`)

// scaleDurations returns a text with all durations divided by 60.
func scaleDurations(text string) string {
	units := map[string]time.Duration{"s": time.Second, "m": time.Minute, "h": time.Hour, "d": 24 * time.Hour}
	return scaledDuration.ReplaceAllStringFunc(text, func(match string) string {
		parts := scaledDuration.FindStringSubmatch(match)
		n, _ := strconv.Atoi(parts[2]) // digits
		return fmt.Sprintf("%s%dms", parts[1], (time.Duration(n) * units[parts[3]] / 60).Milliseconds())
	})
}

// startExporter starts the exporter with projects, and waits until it is ready.
func (m *monitoring) startExporter(projects string) {
	m.Helper()
	m.exporter = m.startExporterAt(m.exporterAddresses[0], projects)
}

func (m *monitoring) startExporterAt(address, projects string, args ...string) *process {
	m.Helper()
	polling := ""
	if m.scaled {
		polling = "polling: {interval: 1s, stale_after: 10s, reserve: 0} # rate limits are not scaled\n"
	}
	path := filepath.Join(m.dir, "config.yaml")
	testutil.WriteFile(m.T, path, fmt.Sprintf(`
atlas: {base_url: %q}
credentials:
  default: {service_account: {client_id: id, client_secret: %s}}
  other: {service_account: {client_id: other, client_secret: %s}}
%s%s`, serve(m.T, m.sim), secret, secret, polling, projects))
	p := startCommand(m.T, append([]string{"--config.file", path, "--web.listen-address", address,
		"--web.external-url", externalURL}, args...)...)
	p.waitForReady()
	return p
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
	intervals := "  scrape_interval: 1s\n  scrape_timeout: 1s\n  evaluation_interval: 1s\n"
	args := []string{"--query.lookback-delta=5s", "--rules.alert.resend-delay=5s"}
	if !m.scaled {
		args, intervals = nil, strings.Join(regexp.MustCompile(`(?m)^  (scrape|evaluation)_interval: \d+s$`).FindAllString(
			testutil.ReadFile(m.T, "../../deploy/prometheus/prometheus.yaml"), -1), "\n")
	}
	testutil.WriteFile(m.T, config, fmt.Sprintf(`
global:
%s
alerting: {alertmanagers: [{static_configs: [{targets: [%q]}]}]}
scrape_configs: [{job_name: atlas-restore, static_configs: [{targets: [%s]}]}]
`, intervals, m.alertmanagerAddress, strings.Join(m.exporterAddresses, ", ")))
	prometheus := m.start(m.prometheus, append(args, "--config.file="+config, "--web.listen-address="+m.prometheusAddress,
		"--storage.tsdb.path="+filepath.Join(m.dir, "tsdb"))...)
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

// activeAlerts returns the alerts that Alertmanager has.
func (m *monitoring) activeAlerts() []notification {
	m.Helper()
	_, body := fetch(m.T, "http://"+m.alertmanagerAddress+"/api/v2/alerts")
	var alerts []struct{ Labels map[string]string }
	if err := json.Unmarshal([]byte(body), &alerts); err != nil {
		m.Error(err)
	}
	active := make([]notification, len(alerts))
	for i, alert := range alerts {
		active[i] = notification{Status: "active", Labels: alert.Labels}
	}
	return active
}
