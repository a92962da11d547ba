package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"atlas-restore-exporter/atlas"
	"atlas-restore-exporter/atlas/atlastest"
	"atlas-restore-exporter/internal/tool"
)

// This file proves that an incident in Atlas reaches a person: the real binary polls the simulator, a real Prometheus
// scrapes it and evaluates deploy/prometheus/rules.yaml, a real Alertmanager routes by deploy/alertmanager. All times
// are a sixtieth of the default ones, so that a minute passes in a second.

// notice is an alert as a receiver was told of it.
type notice struct {
	Receiver string
	Status   string // firing or resolved
	Labels   map[string]string

	Annotations map[string]string
	StartsAt    time.Time // of the alert: another one for the same labels means that it had ended in between
	At          time.Time // when the notice came
}

func (n notice) String() string {
	return fmt.Sprintf("%s %s %s %s to %s", n.Labels["alertname"], n.Labels["cluster_name"], n.Labels["credential"], n.Status, n.Receiver)
}

// alerting is everything between a simulated Atlas and the people who are told.
type alerting struct {
	*testing.T
	dir             string
	programs        [2]string // Alertmanager and Prometheus
	sim             *atlastest.Server
	binary          string
	listen          string // the exporter's address
	prometheus      string // its address
	alertmanager    string
	exporter        *exec.Cmd
	exporterStopped chan struct{}

	mu      sync.Mutex
	notices []notice
}

const (
	second = time.Second // stands for a minute

	otherProject   = "32b6e34b3d91647abb20e7b9" // read with a credential of its own
	limitedProject = "32b6e34b3d91647abb20e7ba" // rate limits are per project
)

func newAlerting(t *testing.T) *alerting {
	t.Helper()
	prometheus := tool.Need(t, "prometheus", "prometheus")
	alertmanager := tool.Need(t, "prometheus-alertmanager", "prometheus-alertmanager")
	if testing.Short() {
		t.Skip("takes minutes")
	}
	a := &alerting{T: t, dir: t.TempDir(), sim: atlastest.New(), listen: tool.FreeAddress(t), prometheus: tool.FreeAddress(t), alertmanager: tool.FreeAddress(t)}
	a.sim.AddServiceAccount("id", secret)
	a.sim.AddServiceAccount("other", secret)
	a.sim.AddProject(payments, "Payments")
	a.sim.AddProject(otherProject, "Other")
	a.sim.AddProject(limitedProject, "Limited")

	a.binary = filepath.Join(a.dir, "atlas-restore-exporter")
	if said, err := exec.CommandContext(t.Context(), "go", "build", "-o", a.binary, ".").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, said)
	}
	people := httptest.NewServer(http.HandlerFunc(a.notify))
	t.Cleanup(people.Close)

	scaled := scale(t, "deploy/prometheus/rules.yaml")
	writeFile(t, filepath.Join(a.dir, "rules.yaml"), strings.ReplaceAll(scaled, "> 3600 + 3", "> 60 + 3"))
	writeFile(t, filepath.Join(a.dir, "alertmanager.yaml"),
		strings.ReplaceAll(scale(t, "deploy/alertmanager/alertmanager.yaml"), "http://localhost:9095", people.URL))
	a.programs = [2]string{alertmanager, prometheus}
	return a
}

// watch starts Alertmanager and Prometheus, once there is something to scrape. The rules come after the first scrape: it
// takes Prometheus up to five seconds to discover its targets, which would be five minutes here.
func (a *alerting) watch() {
	a.Helper()
	config := filepath.Join(a.dir, "prometheus.yaml")
	base := fmt.Sprintf(`
global: {scrape_interval: 1s, scrape_timeout: 1s, evaluation_interval: 1s}
alerting: {alertmanagers: [{static_configs: [{targets: [%q]}]}]}
scrape_configs: [{job_name: atlas-restore, static_configs: [{targets: [%q]}]}]
`, a.alertmanager, a.listen)
	writeFile(a.T, config, base)
	a.start(a.programs[0], "--config.file="+filepath.Join(a.dir, "alertmanager.yaml"), "--storage.path="+filepath.Join(a.dir, "am"),
		"--web.listen-address="+a.alertmanager, "--cluster.listen-address=")
	prometheus, _ := a.start(a.programs[1], "--config.file="+config, "--storage.tsdb.path="+filepath.Join(a.dir, "tsdb"),
		"--web.listen-address="+a.prometheus, "--query.lookback-delta=5s", "--rules.alert.resend-delay=1s")
	has := func(path, wanted string) {
		var body string
		eventually(a.T, func() bool { _, body = fetch(a.T, nil, "http://"+path); return strings.Contains(body, wanted) },
			func() string { return fmt.Sprintf("%s has no %s: %s", path, wanted, body) })
	}
	has(a.alertmanager+"/-/ready", "OK")
	has(a.prometheus+"/api/v1/query?query=mongodbatlas_restore_exporter_build_info", "instance")
	writeFile(a.T, config, base+"rule_files: [rules.yaml]\n")
	if err := prometheus.Process.Signal(syscall.SIGHUP); err != nil {
		a.Fatal(err)
	}
	has(a.prometheus+"/api/v1/rules", "AtlasRestoreFailed")
}

// scale returns a file with all its durations a sixtieth of what they are.
func scale(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	window := regexp.MustCompile(`(\[|for: |offset |group_wait: |group_interval: )(\d+)([smhd])\b`)
	return window.ReplaceAllStringFunc(string(text), func(match string) string {
		parts := window.FindStringSubmatch(match)
		n, err := strconv.Atoi(parts[2])
		if err != nil {
			t.Fatal(err)
		}
		unit := map[string]time.Duration{"s": time.Second, "m": time.Minute, "h": time.Hour, "d": 24 * time.Hour}[parts[3]]
		return fmt.Sprintf("%s%dms", parts[1], (time.Duration(n) * unit / 60).Milliseconds())
	})
}

// start runs a program until the test ends.
func (a *alerting) start(path string, args ...string) (command *exec.Cmd, ended chan struct{}) {
	a.Helper()
	var said buffer
	command = exec.CommandContext(a.Context(), path, args...)
	command.Stdout, command.Stderr = &said, &said
	if err := command.Start(); err != nil {
		a.Fatal(err)
	}
	ended = make(chan struct{})
	go func() { _ = command.Wait(); close(ended) }()
	a.Cleanup(func() {
		_ = command.Process.Kill()
		<-ended
		if a.Failed() {
			a.Logf("%s said:\n%s", filepath.Base(path), said.String())
		}
	})
	return command, ended
}

// run starts the exporter with a configuration; stop ends it.
func (a *alerting) run(config string) {
	a.Helper()
	server := httptest.NewServer(a.sim)
	a.Cleanup(server.Close)
	path := filepath.Join(a.dir, "config.yaml")
	writeFile(a.T, path, fmt.Sprintf(`
atlas: {base_url: %q}
credentials:
  default: {service_account: {client_id: id, client_secret: %s}}
  other: {service_account: {client_id: other, client_secret: %s}}
polling: {interval: 1s, stale_after: 10s, reserve: 0} # time does not pass faster for budgets
%s`, server.URL, secret, secret, config))
	a.exporter, a.exporterStopped = a.start(a.binary, "--config.file="+path, "--web.listen-address="+a.listen)
	eventually(a.T, func() bool { status, _ := fetch(a.T, nil, "http://"+a.listen+"/-/ready"); return status == 200 },
		func() string { return "the exporter is not ready" })
}

func (a *alerting) stop() {
	a.Helper()
	if err := a.exporter.Process.Signal(os.Interrupt); err != nil {
		a.Fatal(err)
	}
	<-a.exporterStopped
}

// notify is the webhook that Alertmanager calls.
func (a *alerting) notify(w http.ResponseWriter, r *http.Request) {
	var message struct {
		Receiver string
		Alerts   []notice
	}
	body, err := io.ReadAll(r.Body)
	if err == nil {
		err = json.NewDecoder(bytes.NewReader(body)).Decode(&message)
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, alert := range message.Alerts {
		alert.Receiver, alert.At = message.Receiver, time.Now()
		same := func(n notice) bool {
			return n.Status == alert.Status && n.StartsAt.Equal(alert.StartsAt) && maps.Equal(n.Labels, alert.Labels)
		}
		if !slices.ContainsFunc(a.notices, same) { // Alertmanager repeats what is in the same group
			a.notices = append(a.notices, alert)
		}
	}
}

func (a *alerting) noticed(match func(notice) bool) (notice, bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	i := slices.IndexFunc(a.notices, match)
	if i < 0 {
		return notice{}, false
	}
	return a.notices[i], true
}

// incident is something that happens in Atlas, whom it must reach, and how it ends.
type incident struct {
	alert, receiver string
	cluster         string // its own, so that incidents leave each other alone; empty where none is named
	again           bool   // the cluster is that of another incident
	severity        string
	config          string // of the cluster
	before          func() // what is there already
	happens, ends   func()
	takes           time.Duration // of the alert's own patience: windows and for, scaled
	started, ended  time.Time
}

// TestIncidents has them all happen at once, and waits for each to be notified and to resolve.
func TestIncidents(t *testing.T) {
	a := newAlerting(t)
	incidents := a.incidents()
	var clusters strings.Builder
	for i := range incidents {
		in := &incidents[i]
		if in.cluster != "" && !in.again {
			a.sim.AddCluster(payments, in.cluster, atlastest.DedicatedCluster)
			_, _ = fmt.Fprintf(&clusters, "      - {name: %s%s}\n", in.cluster, in.config)
		}
		if in.before != nil {
			in.before()
		}
	}
	a.sim.AddCluster(otherProject, "other", atlastest.DedicatedCluster)
	a.sim.AddCluster(otherProject, "vanishing", atlastest.DedicatedCluster)
	a.sim.AddCluster(limitedProject, "limited", atlastest.DedicatedCluster)
	watched := fmt.Sprintf("projects:\n  - id: %s\n    credential: default\n    clusters:\n%s", payments, clusters.String())
	watched += fmt.Sprintf("  - {id: %s, credential: default, clusters: [{name: limited}]}\n", limitedProject)
	other := "  - {id: " + otherProject + ", credential: other, clusters: [{name: other}%s]}\n"
	a.run(watched + fmt.Sprintf(other, ", {name: vanishing}"))
	a.watch()
	time.Sleep(5 * second)
	if n, early := a.noticed(func(notice) bool { return true }); early {
		t.Errorf("before anything happened: %v", n)
	}
	for i := range incidents {
		if incidents[i].happens != nil {
			incidents[i].started = time.Now()
			incidents[i].happens()
		}
	}
	for i := range incidents {
		a.expect(&incidents[i], "firing")
	}
	for i := range incidents {
		if incidents[i].ends != nil {
			incidents[i].ended = time.Now()
			incidents[i].ends()
		}
	}
	for i := range incidents {
		a.expect(&incidents[i], "resolved")
	}

	down := incident{alert: "AtlasRestoreExporterDown", receiver: "on-call", severity: "critical", takes: 5 * second, started: time.Now()}
	a.stop()
	a.expect(&down, "firing")
	down.ended = time.Now()
	vanished := incident{alert: "AtlasRestoreTargetVanished", cluster: "vanishing", receiver: "operations", severity: "warning", takes: 20 * second, started: down.started}
	a.run(watched + fmt.Sprintf(other, ""))
	a.expect(&down, "resolved")
	a.expect(&vanished, "firing")

	a.wantNoFlaps()
	for _, n := range a.notices {
		if n.Labels["severity"] == "info" && n.Labels["category"] != "security" {
			t.Errorf("info reached somebody: %v", n)
		}
	}
	if alerts := a.active(); !slices.Contains(alerts, "AtlasRestoreDownloadExpiresSoon") {
		t.Errorf("active alerts: %v", alerts)
	}
}

// checkText wants a person to be told what happened, and where.
func (a *alerting) checkText(in *incident, n notice) {
	a.Helper()
	for name, text := range n.Annotations {
		if text == "" || strings.Contains(text, "{{") || strings.Contains(text, "<no value>") || strings.Contains(text, "error expanding") {
			a.Errorf("%v: %s is %q", n, name, text)
		}
	}
	if n.Annotations["summary"] == "" || n.Annotations["runbook_url"] == "" || !strings.Contains(n.Annotations["description"], in.cluster) {
		a.Errorf("%v: a person is told %q", n, n.Annotations)
	}
	if in.cluster != "" && !strings.Contains(n.Annotations["project"], n.Labels["project_id"]) {
		a.Errorf("%v: the project is %q", n, n.Annotations["project"])
	}
}

// wantNoFlaps wants no alert to have fired twice.
func (a *alerting) wantNoFlaps() {
	a.Helper()
	a.mu.Lock()
	defer a.mu.Unlock()
	for i, n := range a.notices {
		for _, other := range a.notices[:i] {
			if n.Status == "firing" && other.Status == "firing" && maps.Equal(n.Labels, other.Labels) {
				a.Errorf("%v fired at %v, and again at %v", n, other.StartsAt, n.StartsAt)
			}
		}
	}
}

// expect waits for the notice of an incident, and reports how long it took beyond the alert's own patience.
func (a *alerting) expect(in *incident, status string) {
	a.Helper()
	var found notice
	deadline := time.Now().Add(2 * time.Minute)
	for {
		var ok bool
		found, ok = a.noticed(func(n notice) bool {
			return n.Labels["alertname"] == in.alert && n.Labels["cluster_name"] == in.cluster && n.Status == status
		})
		if ok {
			break
		}
		if time.Now().After(deadline) {
			a.Errorf("%s of %s is not %s; told were %v; active are %v", in.alert, in.cluster, status, a.notices, a.active())
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
	a.checkText(in, found)
	if found.Receiver != in.receiver || found.Labels["severity"] != in.severity {
		a.Errorf("%v with severity %s, want receiver %s and severity %s", found, found.Labels["severity"], in.receiver, in.severity)
	}
	since := in.started
	if status == "resolved" {
		since = in.ended
	}
	if status == "firing" && !since.IsZero() {
		a.Logf("%-30s %-12s reached %s after %4.1f intervals, of which the alert itself waits %2.0f", in.alert, in.cluster, in.receiver,
			found.At.Sub(since).Seconds(), in.takes.Seconds())
	}
}

// active returns the names of the alerts that Alertmanager has.
func (a *alerting) active() []string {
	_, body := fetch(a.T, nil, "http://"+a.alertmanager+"/api/v2/alerts")
	var alerts []struct{ Labels map[string]string }
	if err := json.Unmarshal([]byte(body), &alerts); err != nil {
		a.Error(err)
	}
	names := make([]string, len(alerts))
	for i, alert := range alerts {
		names[i] = alert.Labels["alertname"]
	}
	slices.Sort(names)
	return slices.Compact(names)
}

func list(cluster string) atlas.List {
	return atlas.List{ProjectID: payments, ClusterName: cluster, BackupType: atlas.Dedicated}
}

// incidents returns the table. Drills in the past keep clusters from being overdue.
func (a *alerting) incidents() []incident {
	const day = 24 * time.Hour
	add := func(cluster string, jobs ...atlastest.Job) string { return a.sim.AddJobs(list(cluster), jobs...)[0] }
	succeed := func(cluster string) func() {
		return func() { add(cluster, atlastest.Job{Takes: second}) }
	}
	end := func(cluster string, id *string) func() {
		return func() {
			a.sim.ChangeJob(list(cluster), *id, func(j *atlastest.Job) { j.Takes = time.Since(j.Created) })
		}
	}
	var slow, stuck, foreign string
	var readable, unlimited func()
	return []incident{
		{
			alert: "AtlasRestoreFailed", cluster: "failing", receiver: "on-call", severity: "critical",
			before:  func() { add("failing", atlastest.Job{Created: time.Now().Add(-day), Takes: time.Minute}) },
			happens: func() { add("failing", atlastest.Job{Takes: time.Nanosecond, Outcome: atlastest.Fails}) },
			ends:    succeed("failing"),
		}, {
			alert: "AtlasRestoreTooSlow", cluster: "slow", config: ", objectives: {duration: 5s}", receiver: "on-call", severity: "critical",
			happens: func() { slow = add("slow", atlastest.Job{}) }, ends: end("slow", &slow), takes: 5 * second,
		}, {
			alert: "AtlasRestoreStuck", cluster: "stuck", receiver: "on-call", severity: "critical",
			happens: func() { stuck = add("stuck", atlastest.Job{Created: time.Now().Add(-25 * time.Hour)}) }, ends: end("stuck", &stuck),
		}, {
			alert: "AtlasRestoreBackupDownload", cluster: "downloaded", receiver: "security", severity: "info",
			happens: func() {
				add("downloaded", atlastest.Job{Created: time.Now().Add(-day + 40*second), Takes: time.Minute, Delivery: "download", LinkLife: day})
			},
		}, {
			alert: "AtlasRestoreUnexpectedTarget", cluster: "abroad", receiver: "security", severity: "critical",
			config: ", allowed_targets: [{project_id: " + payments + "}]",
			happens: func() {
				foreign = add("abroad", atlastest.Job{TargetProjectID: "6f0e0d0c0b0a090807060504", TargetClusterName: "elsewhere"})
			},
			ends: func() {
				a.sim.ChangeJob(list("abroad"), foreign, func(j *atlastest.Job) { j.TargetProjectID = payments })
			},
		}, {
			alert: "AtlasRestoreDrillOverdue", cluster: "overdue", config: ", objectives: {drill_age: 90d}", receiver: "operations", severity: "warning",
			before: func() {
				add("overdue", atlastest.Job{Created: time.Now().Add(-90*day + 10*second - time.Minute), Takes: time.Minute})
			},
			ends: succeed("overdue"), takes: 15 * second,
		}, {
			alert: "AtlasRestoreNeverDrilled", cluster: "undrilled", config: ", objectives: {drill_age: 90d}", receiver: "operations", severity: "warning",
			ends: succeed("undrilled"), takes: 15 * second,
		}, {
			alert: "AtlasRestoreCannotPoll", cluster: "unreadable", receiver: "operations", severity: "warning", takes: 15 * second,
			happens: func() {
				readable = a.sim.Script(atlastest.PathHas("/unreadable/"), 0, atlastest.APIError(403, "ACCESS_FORBIDDEN", "No."))
			},
		}, {
			alert: "AtlasRestoreDataStale", cluster: "unreadable", again: true, receiver: "on-call", severity: "critical", takes: 63 * second,
			happens: func() {}, ends: func() { readable() },
		}, {
			alert: "AtlasRestoreCredentialRefused", receiver: "on-call", severity: "critical", takes: 5 * second,
			happens: func() { a.refuse("other") },
			ends:    func() { a.sim.AddServiceAccount("other", secret) },
		}, {
			alert: "AtlasRestoreRateLimited", receiver: "operations", severity: "warning", takes: 15 * second,
			happens: func() { unlimited = a.sim.Script(atlastest.PathHas("/limited/"), 0, atlastest.RetryAfter("1")) },
			ends:    func() { unlimited() },
		}, {
			alert: "AtlasRestoreFailed", cluster: "expiring", receiver: "on-call", severity: "critical", // beside what is only good to know
			happens: func() {
				add("expiring", atlastest.Job{Created: time.Now().Add(-2 * day), Takes: time.Minute, Outcome: atlastest.Fails},
					atlastest.Job{Created: time.Now().Add(-2 * day), Takes: time.Minute, Delivery: "download", LinkLife: 2*day + 8*time.Minute})
			},
			ends: succeed("expiring"),
		},
	}
}

// refuse changes the secret of a service account and revokes its tokens.
func (a *alerting) refuse(account string) {
	a.sim.AddServiceAccount(account, "another secret")
	a.sim.RevokeTokens()
}

// TestHealthyYear has nothing happen but what should: drills, downloads, restarts of the exporter, and outages of Atlas
// of a few minutes. Nobody is paged or warned.
func TestHealthyYear(t *testing.T) {
	a := newAlerting(t)
	clusters := []string{"drilled", "downloaded", "quiet-too"}
	for _, cluster := range clusters {
		a.sim.AddCluster(payments, cluster, atlastest.DedicatedCluster)
		a.sim.AddJobs(list(cluster),
			atlastest.Job{Created: time.Now().Add(-20 * 24 * time.Hour), Takes: time.Minute, Outcome: atlastest.Fails}, // long ago, and made good
			atlastest.Job{Created: time.Now().Add(-10 * 24 * time.Hour), Takes: time.Minute},
			atlastest.Job{Created: time.Now().Add(-9 * 24 * time.Hour), Takes: time.Minute, Delivery: "download", Outcome: atlastest.Fails},
		)
	}
	config := "objectives: {duration: 1h, drill_age: 90d}\nallowed_targets: [{project_id: " + payments + "}]\nprojects:\n  - id: " + payments +
		"\n    credential: default\n    clusters: [{name: drilled}, {name: downloaded}, {name: quiet-too}]\n"
	a.run(config)
	a.watch()
	for round := range 4 {
		a.sim.AddJobs(list("drilled"), atlastest.Job{Takes: 3 * second})
		a.sim.AddJobs(list("downloaded"), atlastest.Job{Delivery: "download", Takes: 2 * second, LinkLife: 10 * second})
		time.Sleep(8 * second)
		mend := func() {}
		if round%2 == 0 { // an outage of Atlas
			mend = a.sim.Script(atlastest.PathHas("restoreJobs"), 0, atlastest.Status(http.StatusBadGateway))
			time.Sleep(4 * second)
		}
		if round > 0 { // an update of the exporter, once in an outage
			a.stop()
			time.Sleep(second)
			a.run(config)
		}
		time.Sleep(4 * second)
		mend()
		time.Sleep(5 * second)
	}
	a.wantNoFlaps()
	if _, told := a.noticed(func(n notice) bool {
		return n.Labels["alertname"] == "AtlasRestoreBackupDownload" && n.Receiver == "security"
	}); !told {
		t.Error("security was not told of the downloads")
	}
	if n, told := a.noticed(func(n notice) bool { return n.Labels["severity"] != "info" }); told {
		t.Errorf("somebody was told: %v since %v: %v", n, n.StartsAt, n.Labels)
	}
}
