package e2e

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"atlas-restore-exporter/atlas/atlastest"
	"atlas-restore-exporter/internal/testutil"
)

// fleetSize is the number of clusters of a project. Of another project with its own credential, there are fewer.
const fleetSize, otherSize = 50, 10

// TestIncidents_OneCauseIsAHandfulOfMessages counts the messages to people. Two shards poll two projects.
func TestIncidents_OneCauseIsAHandfulOfMessages(t *testing.T) {
	m := newMonitoring(t)
	m.sim.Capacity, m.sim.RefillPerMinute = 1_000_000, 1_000_000 // rate limits are not scaled
	m.exporterAddresses = append(m.exporterAddresses, testutil.FreeAddress(t))
	projects := m.addFleet()
	shards := make([]*process, len(m.exporterAddresses))
	for i, address := range m.exporterAddresses {
		shards[i] = m.startExporterAt(address, projects, fmt.Sprintf("--shard=%d/%d", i, len(shards)))
	}
	m.watch()
	time.Sleep(5 * minute)
	m.expectMessages("nothing", 0, 0)

	for i := range fleetSize {
		m.addJob(fleetCluster(i), atlastest.Job{Takes: time.Nanosecond, Outcome: atlastest.Fails})
	}
	time.Sleep(15 * minute)
	m.expectMessages("50 restores that fail at once", 1, 5, "AtlasRestoreFailed")
	m.addJob(fleetCluster(0), atlastest.Job{Takes: time.Nanosecond, Outcome: atlastest.Fails})
	time.Sleep(10 * minute)
	m.expectMessages("a second failure of the same cluster", 1, 1, "AtlasRestoreFailed")

	m.sim.AddServiceAccount("other", "another secret")
	m.sim.RevokeTokens()
	time.Sleep(75 * minute)
	m.expectMessages("an expired secret", 1, 1, "AtlasRestoreCredentialRejected")
	m.sim.AddServiceAccount("other", secret)
	m.waitForEnd("AtlasRestoreCredentialRejected") // the backoff of token requests is not scaled
	m.expectMessages("the secret is replaced", 1, 1, "AtlasRestoreCredentialRejected")

	recoverAtlas := m.sim.Script(atlastest.PathHas("/"), 0, atlastest.Status(http.StatusServiceUnavailable))
	time.Sleep(75 * minute)
	m.expectMessages("an Atlas outage", 2, 4, "AtlasRestoreCannotPoll", "AtlasRestoreDataStale")
	recoverAtlas()
	m.waitForEnd("AtlasRestoreDataStale", "AtlasRestoreCannotPoll")
	m.expectMessages("the end of the outage", 1, 4, "AtlasRestoreCannotPoll", "AtlasRestoreDataStale")

	shards[1].stop()
	time.Sleep(80 * minute)
	m.expectMessages("a dead shard", 1, 1, "AtlasRestoreShardMissing")
}

func fleetCluster(i int) string { return fmt.Sprintf("fleet-%02d", i) }

// addFleet adds the clusters of two projects with a credential each, and returns their configuration.
func (m *monitoring) addFleet() (projects string) {
	add := func(project string, n int) string {
		clusters := make([]string, n)
		for i := range n {
			m.sim.AddCluster(project, fleetCluster(i), atlastest.DedicatedCluster)
			clusters[i] = "{name: " + fleetCluster(i) + "}"
		}
		return strings.Join(clusters, ", ")
	}
	return fmt.Sprintf("projects:\n  - {id: %s, credential: default, clusters: [%s]}\n"+
		"  - {id: %s, credential: other, clusters: [%s]}\n", payments, add(payments, fleetSize), otherProject,
		add(otherProject, otherSize))
}

// waitForEnd waits until alerts have ended, and their RESOLVED messages have been sent.
func (m *monitoring) waitForEnd(names ...string) {
	m.Helper()
	isActive := func(n notification) bool { return slices.Contains(names, n.Labels["alertname"]) }
	for deadline := time.Now().Add(2 * time.Minute); slices.ContainsFunc(m.activeAlerts(), isActive); {
		if time.Now().After(deadline) {
			m.Errorf("%v have not ended; active are %v", names, m.activeAlerts())
			return
		}
		time.Sleep(time.Second)
	}
	time.Sleep(6 * minute) // more than group_interval
}

// expectMessages checks the number and the alerts of the messages since the last call.
func (m *monitoring) expectMessages(cause string, least, most int, alerts ...string) {
	m.Helper()
	messages := m.pager.takeMessages()
	m.Logf("%s: %d messages: %v", cause, len(messages), messages)
	if len(messages) < least || len(messages) > most {
		m.Errorf("%s: %d messages, want %d to %d", cause, len(messages), least, most)
	}
	for _, message := range messages {
		if !slices.Contains(alerts, message.Labels["alertname"]) {
			m.Errorf("%s: unexpected message %v", cause, message)
		}
	}
}
