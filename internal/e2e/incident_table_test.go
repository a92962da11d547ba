package e2e

import (
	"slices"
	"time"

	"atlas-restore-exporter/atlas/atlastest"
)

// incidents returns all incidents.
func (m *monitoring) incidents() []incident {
	return slices.Concat(
		m.failedRestores(), m.endlessRestores(), m.suspiciousRestores(), m.missingDrills(), m.failedPolls(),
	)
}

// addJob adds a job and returns its ID.
func (m *monitoring) addJob(cluster string, job atlastest.Job) (id string) {
	return m.sim.AddJobs(dedicated(cluster), job)[0]
}

// restoreSuccessfully returns an event: a restore of a cluster that succeeds.
func (m *monitoring) restoreSuccessfully(cluster string) func() {
	return func() { m.addJob(cluster, atlastest.Job{Takes: minute}) }
}

func (m *monitoring) failedRestores() []incident {
	return []incident{
		{
			alert: "AtlasRestoreFailed", cluster: "failing", receiver: "on-call-events", severity: "critical",
			prepare: func() { m.addJob("failing", atlastest.Job{Created: ago(day), Takes: time.Minute}) },
			begin: func() {
				m.addJob("failing", atlastest.Job{Takes: time.Nanosecond, Outcome: atlastest.Fails})
			},
			end: m.restoreSuccessfully("failing"),
		}, {
			// A download that expires soon is a warning about the same cluster, and must not suppress the alert.
			alert: "AtlasRestoreFailed", cluster: "expiring", config: ", objectives: {expiry_notice: 15m}",
			receiver: "on-call-events", severity: "critical",
			begin: func() {
				m.sim.AddJobs(dedicated("expiring"),
					atlastest.Job{Created: ago(2 * day), Takes: time.Minute, Outcome: atlastest.Fails},
					atlastest.Job{
						Created: ago(2 * day), Takes: time.Minute, Delivery: "download",
						LinkLife: 2*day + 8*time.Minute,
					})
			},
			end: m.restoreSuccessfully("expiring"),
		},
	}
}

func (m *monitoring) endlessRestores() []incident {
	var slow, stuck string
	finish := func(cluster string, id *string) func() {
		return func() {
			m.sim.ChangeJob(dedicated(cluster), *id, func(job *atlastest.Job) { job.Takes = time.Since(job.Created) })
		}
	}
	return []incident{
		{
			alert: "AtlasRestoreTooSlow", cluster: "slow", config: ", objectives: {duration: 5s}",
			receiver: "on-call-events", severity: "critical", patience: 5 * minute,
			begin: func() { slow = m.addJob("slow", atlastest.Job{}) },
			end:   finish("slow", &slow),
		}, {
			alert: "AtlasRestoreStuck", cluster: "stuck", receiver: "on-call-events", severity: "critical",
			begin: func() { stuck = m.addJob("stuck", atlastest.Job{Created: ago(25 * time.Hour)}) },
			end:   finish("stuck", &stuck),
		},
	}
}

func (m *monitoring) suspiciousRestores() []incident {
	var foreign string
	return []incident{
		{
			alert: "AtlasRestoreBackupDownload", cluster: "downloaded", receiver: "security", severity: "info",
			begin: func() {
				m.addJob("downloaded", atlastest.Job{
					Created: ago(day - 40*minute), Takes: time.Minute, Delivery: "download", LinkLife: day,
				})
			},
		}, {
			alert: "AtlasRestoreUnexpectedTarget", cluster: "abroad", receiver: "security-on-call", severity: "critical",
			config: ", allowed_targets: [{project_id: " + payments + "}]",
			begin: func() {
				foreign = m.addJob("abroad", atlastest.Job{
					TargetProjectID: "6f0e0d0c0b0a090807060504", TargetClusterName: "elsewhere",
				})
			},
			end: func() {
				m.sim.ChangeJob(dedicated("abroad"), foreign, func(job *atlastest.Job) { job.TargetProjectID = payments })
			},
		},
	}
}

// missingDrills returns the incidents about drills. A drill in the past keeps other clusters from being overdue.
func (m *monitoring) missingDrills() []incident {
	return []incident{
		{
			alert: "AtlasRestoreDrillOverdue", cluster: "overdue", config: ", objectives: {drill_age: 90d}",
			receiver: "operations", severity: "warning", patience: 15 * minute,
			prepare: func() {
				m.addJob("overdue", atlastest.Job{Created: ago(90*day - 10*minute + time.Minute), Takes: time.Minute})
			},
			end: m.restoreSuccessfully("overdue"),
		}, {
			alert: "AtlasRestoreNeverDrilled", cluster: "undrilled", config: ", objectives: {drill_age: 90d}",
			receiver: "operations", severity: "warning", patience: 15 * minute,
			prepare: func() {
				m.sim.ChangeCluster(payments, "undrilled", func(c *atlastest.ClusterState) { c.Created = ago(91 * day) })
			},
			end: m.restoreSuccessfully("undrilled"),
		},
	}
}

func (m *monitoring) failedPolls() []incident {
	var allow, unlimit func()
	return []incident{
		{
			alert: "AtlasRestoreCannotPoll", cluster: "unreadable", receiver: "operations", severity: "warning",
			patience: 15 * minute,
			begin: func() {
				forbid := atlastest.APIError(403, "ACCESS_FORBIDDEN", "No.")
				allow = m.sim.Script(atlastest.PathHas("/unreadable/"), 0, forbid)
			},
		}, {
			alert: "AtlasRestoreDataStale", cluster: "unreadable", shares: true, receiver: "on-call", severity: "critical",
			patience: 63 * minute,
			begin:    func() {},
			end:      func() { allow() },
		}, {
			alert: "AtlasRestoreCredentialRejected", receiver: "on-call", severity: "critical", patience: 5 * minute,
			begin: func() {
				m.sim.AddServiceAccount("other", "another secret")
				m.sim.RevokeTokens()
			},
			end: func() { m.sim.AddServiceAccount("other", secret) },
		}, {
			alert: "AtlasRestoreRateLimited", receiver: "operations", severity: "warning", patience: 15 * minute,
			begin: func() { unlimit = m.sim.Script(atlastest.PathHas("/limited/"), 0, atlastest.RetryAfter("1")) },
			end:   func() { unlimit() },
		},
	}
}
