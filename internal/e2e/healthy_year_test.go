package e2e

import (
	"net/http"
	"testing"
	"time"

	"atlas-restore-exporter/atlas/atlastest"
)

// Drills and downloads succeed, the exporter is restarted, and Atlas fails for minutes: these are no incidents.
func TestHealthyYear_NotifiesOnlySecurityOfDownloads(t *testing.T) {
	m := newMonitoring(t)
	for _, cluster := range []string{"drilled", "downloaded", "quiet-too"} {
		m.addHealthyCluster(cluster)
	}
	const projects = `
objectives: {duration: 1h, drill_age: 90d}
allowed_targets: [{project_id: ` + payments + `}]
projects:
  - id: ` + payments + `
    credential: default
    clusters: [{name: drilled}, {name: downloaded}, {name: quiet-too}]
`
	m.startExporter(projects)
	m.watch()
	for round := range 4 {
		m.sim.AddJobs(dedicated("drilled"), atlastest.Job{Takes: 3 * minute})
		m.sim.AddJobs(dedicated("downloaded"), atlastest.Job{
			Delivery: "download", Takes: 2 * minute, LinkLife: 10 * minute,
		})
		time.Sleep(8 * minute)
		recoverAtlas := func() {}
		if round%2 == 0 {
			recoverAtlas = m.sim.Script(atlastest.PathHas("restoreJobs"), 0, atlastest.Status(http.StatusBadGateway))
			time.Sleep(4 * minute)
		}
		if round > 0 { // an update of the exporter, once during an outage of Atlas
			m.stopExporter()
			time.Sleep(minute)
			m.startExporter(projects)
		}
		time.Sleep(4 * minute)
		recoverAtlas()
		time.Sleep(5 * minute)
	}

	m.pager.expectNoFlapping(t)
	if _, ok := m.pager.find(func(n notification) bool {
		return n.Labels["alertname"] == "AtlasRestoreBackupDownload" && n.Receiver == "security"
	}); !ok {
		t.Error("security was not notified of the downloads")
	}
	if n, ok := m.pager.find(func(n notification) bool { return n.Labels["severity"] != "info" }); ok {
		t.Errorf("unwanted notification: %v since %v: %v", n, n.StartsAt, n.Labels)
	}
}

// addHealthyCluster adds a cluster that was drilled in time. A restore that failed before was repeated successfully.
func (m *monitoring) addHealthyCluster(cluster string) {
	m.sim.AddCluster(payments, cluster, atlastest.DedicatedCluster)
	m.sim.AddJobs(dedicated(cluster),
		atlastest.Job{Created: ago(20 * day), Takes: time.Minute, Outcome: atlastest.Fails},
		atlastest.Job{Created: ago(10 * day), Takes: time.Minute},
		atlastest.Job{Created: ago(9 * day), Takes: time.Minute, Delivery: "download", Outcome: atlastest.Fails})
}
