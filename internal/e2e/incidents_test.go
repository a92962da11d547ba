package e2e

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"atlas-restore-exporter/atlas/atlastest"
)

// incident is an event in Atlas, and the alert that has to reach a receiver because of it.
type incident struct {
	alert, receiver, severity string

	cluster    string // of its own, so that incidents don't affect each other; empty if the alert names none
	shares     bool   // the cluster is that of another incident
	config     string // settings of the cluster
	prepare    func() // adds earlier jobs; may be nil
	begin, end func() // may be nil

	patience         time.Duration // of the alert: its windows and "for", scaled
	beganAt, endedAt time.Time
}

// All incidents happen concurrently, so that the test takes minutes and not hours.
func TestIncidents_ReachTheRightReceiverAndResolve(t *testing.T) {
	m := newMonitoring(t)
	incidents := m.incidents()
	projects, other := m.addClusters(incidents)
	m.startExporter(projects + fmt.Sprintf(other, ", {name: vanishing}"))
	m.watch()
	time.Sleep(5 * minute)
	if early := m.pager.received(); len(early) > 0 {
		t.Errorf("notified before any incident: %v", early)
	}

	m.beginAndEnd(incidents)
	m.restartWithoutCluster(projects + fmt.Sprintf(other, ""))

	m.pager.expectNoFlapping(t)
	for _, n := range m.pager.received() {
		if n.Labels["severity"] == "info" && n.Labels["category"] != "security" {
			t.Errorf("an informational alert notified a receiver: %v", n)
		}
	}
	if alerts := m.activeAlerts(); !slices.ContainsFunc(alerts, func(n notification) bool {
		return n.Labels["alertname"] == "AtlasRestoreDownloadExpiresSoon"
	}) {
		t.Errorf("active alerts: %v", alerts)
	}
}

// addClusters adds the clusters and the earlier jobs of incidents. It returns the configuration of their projects, and
// that of another project with the clusters "other" and %s.
func (m *monitoring) addClusters(incidents []incident) (projects, other string) {
	var clusters strings.Builder
	for _, in := range incidents {
		if in.cluster != "" && !in.shares {
			m.sim.AddCluster(payments, in.cluster, atlastest.DedicatedCluster)
			_, _ = fmt.Fprintf(&clusters, "      - {name: %s%s}\n", in.cluster, in.config)
		}
		if in.prepare != nil {
			in.prepare()
		}
	}
	m.sim.AddCluster(otherProject, "other", atlastest.DedicatedCluster)
	m.sim.AddCluster(otherProject, "vanishing", atlastest.DedicatedCluster)
	m.sim.AddCluster(limitedProject, "limited", atlastest.DedicatedCluster)
	projects = "projects:\n  - id: " + payments + "\n    credential: default\n    clusters:\n" + clusters.String() +
		"  - {id: " + limitedProject + ", credential: default, clusters: [{name: limited}]}\n"
	return projects, "  - {id: " + otherProject + ", credential: other, clusters: [{name: other}%s]}\n"
}

// beginAndEnd lets all incidents begin, waits for their alerts, lets them end, and waits until the alerts are resolved.
func (m *monitoring) beginAndEnd(incidents []incident) {
	m.Helper()
	for i := range incidents {
		if in := &incidents[i]; in.begin != nil {
			in.beganAt = time.Now()
			in.begin()
		}
	}
	for i := range incidents {
		m.expectFiring(&incidents[i])
	}
	for i := range incidents {
		if in := &incidents[i]; in.end != nil {
			in.endedAt = time.Now()
			in.end()
		}
	}
	for i := range incidents {
		m.expectResolved(&incidents[i])
	}
}

// restartWithoutCluster stops the exporter until that is noticed, and starts it with a configuration that lacks the
// cluster "vanishing".
func (m *monitoring) restartWithoutCluster(projects string) {
	m.Helper()
	down := incident{
		alert: "AtlasRestoreExporterDown", receiver: "on-call", severity: "critical",
		patience: 5 * minute, beganAt: time.Now(),
	}
	vanished := incident{
		alert: "AtlasRestoreTargetVanished", cluster: "vanishing", receiver: "operations-events", severity: "warning",
		beganAt: down.beganAt,
	}
	m.stopExporter()
	m.expectFiring(&down)
	m.startExporter(projects)
	m.expectResolved(&down)
	m.expectFiring(&vanished)
}

// expectFiring waits until the alert of an incident has reached its receiver, and logs how long it took.
func (m *monitoring) expectFiring(in *incident) {
	m.Helper()
	n, ok := m.expectNotification(in, "firing")
	if ok && !in.beganAt.IsZero() {
		m.Logf("%-30s %-12s reached %s after %4.1f intervals, of which the alert itself waits %2.0f", in.alert, in.cluster,
			in.receiver, n.receivedAt.Sub(in.beganAt).Seconds(), in.patience.Seconds())
	}
}

// expectResolved waits for the RESOLVED message, or, if the receiver gets none, until the alert has ended.
func (m *monitoring) expectResolved(in *incident) {
	m.Helper()
	if readReceivers(m.T)[in.receiver].sendsResolved {
		m.expectNotification(in, "resolved")
		return
	}
	for deadline := time.Now().Add(2 * time.Minute); slices.ContainsFunc(m.activeAlerts(), in.causes); {
		if time.Now().After(deadline) {
			m.Errorf("%s of %s has not ended; active are %v", in.alert, in.cluster, m.activeAlerts())
			return
		}
		time.Sleep(200 * time.Millisecond)
	}
	if n, ok := m.pager.find(func(n notification) bool { return in.causes(n) && n.Status == "resolved" }); ok {
		m.Errorf("%v: a job is not repaired if its alert ends", n)
	}
}

// causes reports whether the incident caused an alert.
func (in *incident) causes(n notification) bool {
	return n.Labels["alertname"] == in.alert && n.Labels["cluster_name"] == in.cluster
}

func (m *monitoring) expectNotification(in *incident, status string) (n notification, ok bool) {
	m.Helper()
	for deadline := time.Now().Add(2 * time.Minute); !ok; time.Sleep(20 * time.Millisecond) {
		n, ok = m.pager.find(func(n notification) bool {
			return in.causes(n) && n.Status == status
		})
		if !ok && time.Now().After(deadline) {
			m.Errorf("%s of %s is not %s; received were %v; active are %v", in.alert, in.cluster, status,
				m.pager.received(), m.activeAlerts())
			return n, false
		}
	}
	m.expectText(in, n)
	if n.Receiver != in.receiver || n.Labels["severity"] != in.severity {
		m.Errorf("%v with severity %s, want receiver %s and severity %s", n, n.Labels["severity"], in.receiver, in.severity)
	}
	return n, true
}

// expectText checks that the text of a notification is complete and names the cluster and its project.
func (m *monitoring) expectText(in *incident, n notification) {
	m.Helper()
	for name, text := range n.Annotations {
		for _, mark := range []string{"{{", "<no value>", "error expanding"} {
			if text == "" || strings.Contains(text, mark) {
				m.Errorf("%v: %s is %q", n, name, text)
			}
		}
	}
	if !strings.Contains(n.Annotations["summary"]+n.Annotations["description"], in.cluster) {
		m.Errorf("%v: incomplete annotations: %q", n, n.Annotations)
	}
	if in.cluster == "" {
		return
	}
	want := "\"" + in.cluster + "\" (project " + n.Labels["project_name"] + ")"
	if summary := n.Annotations["summary"]; !strings.Contains(summary, want) || n.Labels["project_name"] == "" {
		m.Errorf("%v: summary is %q, want %q", n, summary, want)
	}
	m.expectRunbook(in, n.Annotations["runbook_url"])
}

// expectRunbook checks that the exporter serves the runbook of an alert under its link.
func (m *monitoring) expectRunbook(in *incident, link string) {
	m.Helper()
	path, ok := strings.CutPrefix(link, externalURL)
	if !ok {
		m.Errorf("%s: the runbook is at %s", in.alert, link)
	}
	if _, page := fetch(m.T, "http://"+m.exporterAddresses[0]+path); !strings.Contains(page, ">"+in.alert+"<") ||
		!strings.Contains(page, ">"+in.cluster+" on the status page<") {
		m.Errorf("%s has no runbook at %s: %s", in.alert, link, page)
	}
}
