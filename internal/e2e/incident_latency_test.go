package e2e

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"atlas-restore-exporter/atlas/atlastest"
)

// maxLatency is the time after which a notification of an event must have left Alertmanager.
const maxLatency = 2 * time.Minute

// event is a job in Atlas that has to be notified.
type event struct {
	alert, cluster string
	job            atlastest.Job
	at             time.Time // when Atlas reports it
}

// TestIncidents_AreNotifiedWithinTwoMinutes measures with the shipped settings of the exporter, Prometheus, and
// Alertmanager. The events happen at random times, and so at random phases of polls, scrapes, and evaluations.
func TestIncidents_AreNotifiedWithinTwoMinutes(t *testing.T) {
	m := newUnscaledMonitoring(t)
	projects, events := m.randomEvents(20)
	m.startExporter(projects)
	m.watch()
	start := time.Now().Add(40 * time.Second) // the rules have been evaluated then
	for _, e := range events {
		wait := time.Duration(rand.Int64N(int64(time.Minute)))
		e.at = start.Add(wait)
		time.AfterFunc(time.Until(e.at), func() { m.addJob(e.cluster, e.job) })
	}
	time.Sleep(time.Until(start.Add(time.Minute + maxLatency + 15*time.Second)))

	latencies := map[string][]time.Duration{}
	for _, e := range events {
		n, ok := m.pager.find(func(n notification) bool {
			return n.Labels["alertname"] == e.alert && n.Labels["cluster_name"] == e.cluster
		})
		if !ok {
			t.Errorf("%s of %s was not notified", e.alert, e.cluster)
			continue
		}
		latency := n.receivedAt.Sub(e.at)
		if latency > maxLatency {
			t.Errorf("%v: after %v", n, latency)
		}
		latencies[e.alert] = append(latencies[e.alert], latency)
	}
	for alert, all := range latencies {
		slices.Sort(all)
		t.Logf("%-28s %d events: fastest %3.0f s, median %3.0f s, slowest %3.0f s", alert, len(all), all[0].Seconds(),
			all[len(all)/2].Seconds(), all[len(all)-1].Seconds())
	}
	t.Logf("%d messages", len(m.pager.takeMessages()))
}

// randomEvents adds n clusters for each kind of event, and returns their configuration and the events.
func (m *monitoring) randomEvents(n int) (projects string, events []*event) {
	var clusters strings.Builder
	add := func(prefix, alert string, job atlastest.Job) {
		for i := range n {
			name := fmt.Sprintf("%s-%02d", prefix, i)
			m.sim.AddCluster(payments, name, atlastest.DedicatedCluster)
			_, _ = fmt.Fprintf(&clusters, "      - {name: %s}\n", name)
			events = append(events, &event{alert: alert, cluster: name, job: job})
		}
	}
	add("failing", "AtlasRestoreFailed", atlastest.Job{Takes: time.Nanosecond, Outcome: atlastest.Fails})
	add("abroad", "AtlasRestoreUnexpectedTarget", atlastest.Job{
		TargetProjectID: "6f0e0d0c0b0a090807060504", TargetClusterName: "elsewhere",
	})
	add("downloaded", "AtlasRestoreBackupDownload", atlastest.Job{Delivery: "download", Takes: time.Hour})
	return "projects:\n  - id: " + payments + "\n    credential: default\n    allowed_targets: [{project_id: " + payments +
		"}]\n    clusters:\n" + clusters.String(), events
}
