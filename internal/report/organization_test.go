package report

import (
	"net/http"
	"time"

	"atlas-restore-exporter/atlas"
	"atlas-restore-exporter/atlas/atlastest"
	"atlas-restore-exporter/internal/config"
)

// organizationConfig has every setting that a report shows.
const organizationConfig = `
objectives: {duration: 4h, drill_age: 35d, recovery_point_age: 2d}
drill_targets: [{project_id: ` + payments + `, cluster_names: [restore-drill]}]
allowed_targets: [{project_id: ` + payments + `}]
tag_labels: {team: team, environment: env}
history: {max_jobs: 1}
projects:
  - name_exclude: ^Play
    discovery: {exclude: ^tmp-, backup_types: [dedicated, collection, flex]}
  - id: ` + compliance + `
    labels: {team: compliance}
    objectives: {duration: 0s, drill_age: 0s, recovery_point_age: 0s}
    clusters: [{name: archive, backup_types: [legacy]}]
`

// addOrganization adds clusters with restores of every kind.
func (w *world) addOrganization() {
	w.sim.AddProject(payments, "Payments")
	w.sim.SetProjectTags(payments, map[string]string{"team": "payments", "env": "production"})
	w.addCluster(payments, "prod-eu", atlastest.DedicatedCluster, date(time.January, 1, 0))
	w.addProdEU()
	w.addCluster(payments, "orders", atlastest.DedicatedCluster, date(time.January, 1, 0))
	w.addOrders()
	w.addCluster(payments, "tmp-copy", atlastest.DedicatedCluster, date(time.January, 1, 0))

	w.sim.AddProject(analytics, "Analytics")
	w.sim.SetProjectTags(analytics, map[string]string{"team": "data"})
	w.addCluster(analytics, "events", atlastest.FlexCluster, date(time.August, 20, 0))
	w.addJobs(analytics, "events", atlas.Flex,
		atlastest.Job{Created: date(time.September, 1, 0), Takes: 5 * time.Minute, TargetClusterName: "elsewhere"})
	w.addCluster(analytics, "sandbox", atlastest.FreeCluster, date(time.January, 1, 0))
	w.addCluster(analytics, "scratch", atlastest.DedicatedCluster, date(time.January, 1, 0))
	w.sim.ChangeCluster(analytics, "scratch", func(c *atlastest.ClusterState) {
		c.BackupEnabled, c.PointInTimeEnabled = false, false
	})
	w.sim.Script(atlastest.PathHas("scratch/collectionRestoreJobs"), 0,
		atlastest.APIError(http.StatusForbidden, "FORBIDDEN", "not allowed"))

	w.sim.AddProject(compliance, "Compliance")
	w.addCluster(compliance, "archive", atlastest.LegacyCluster, date(time.January, 1, 0))
	batch := atlastest.Job{Created: date(time.July, 20, 3), Takes: time.Hour, BatchID: "5a66783b80eef5354c77ee13"}
	w.addJobs(compliance, "archive", atlas.Legacy, batch, batch,
		atlastest.Job{Created: date(time.July, 3, 0), Takes: time.Hour, Delivery: "download", LinkLife: 2 * day})
	w.sim.AddProject(playground, "Playground")
	w.addCluster(playground, "toy", atlastest.FlexCluster, date(time.January, 1, 0))
}

// addProdEU adds monthly drills that meet all objectives, and collection restores.
func (w *world) addProdEU() {
	for month := time.June; month <= time.September; month++ {
		w.addJobs(payments, "prod-eu", atlas.Dedicated, atlastest.Job{
			ID: idOf(date(month, 28, 2), int(month)), Created: date(month, 28, 2), Takes: 40 * time.Minute,
			TargetClusterName: "restore-drill",
		})
	}
	w.addJobs(payments, "prod-eu", atlas.Collection,
		atlastest.Job{Created: date(time.August, 3, 9), Takes: 20 * time.Minute, Outcome: atlastest.Fails},
		atlastest.Job{Created: date(time.August, 3, 10), Takes: 30 * time.Minute, FailedIndexes: 2})
}

// addOrders adds restores of every outcome.
func (w *world) addOrders() {
	into := func(project, name string) func(atlastest.Job) atlastest.Job {
		return func(job atlastest.Job) atlastest.Job {
			job.TargetProjectID, job.TargetClusterName = project, name
			return job
		}
	}
	drill, inPlace, foreign := into(payments, "restore-drill"), into(payments, "orders"), into(analytics, "copy")
	w.addJobs(payments, "orders", atlas.Dedicated,
		drill(atlastest.Job{Created: date(time.July, 5, 1), Takes: 5 * time.Hour}),
		drill(atlastest.Job{
			Created: date(time.August, 10, 1), Takes: time.Hour, Delivery: "pointInTime", PointInTime: date(time.August, 1, 0),
		}),
		drill(atlastest.Job{
			ID: idOf(date(time.September, 15, 1), 99), Created: date(time.September, 15, 1), Takes: 2 * time.Hour,
		}),
		drill(atlastest.Job{Created: date(time.August, 9, 1), Takes: time.Hour, Outcome: atlastest.Fails}),
		inPlace(atlastest.Job{Created: date(time.September, 2, 1), Takes: time.Hour, Outcome: atlastest.Fails}),
		inPlace(atlastest.Job{Created: date(time.August, 20, 1), Takes: time.Hour}),
		foreign(atlastest.Job{Created: date(time.August, 21, 1), Takes: time.Hour}),
		drill(atlastest.Job{Created: date(time.September, 30, 22), Takes: 4 * time.Hour}), // ends after the period
		inPlace(atlastest.Job{Created: date(time.September, 29, 0)}),                      // never ends
		atlastest.Job{Created: date(time.July, 9, 0), Takes: time.Hour, Delivery: "download"},
		atlastest.Job{
			Created: date(time.July, 10, 0), Takes: time.Hour, Delivery: "download", Outcome: atlastest.IsCancelled,
		},
	)
}

// organizationSignOffs are sign-offs with every result and use.
func organizationSignOffs() []config.SignOff {
	return []config.SignOff{
		{JobID: idOf(date(time.July, 28, 2), 7), Reviewer: "Ada Lovelace", Date: "2026-07-28", Pass: true, Line: 1},
		{
			JobID: idOf(date(time.August, 28, 2), 8), Reviewer: "Grace Hopper", Date: "2026-08-29T08:00:00Z", Pass: true,
			Notes: "row counts & checksums of 12 collections compared | <ok>", Line: 2,
		},
		{
			JobID: idOf(date(time.September, 15, 1), 99), Reviewer: "=Grace", Date: "2026-09-16", Notes: "2 indexes missing",
			Line: 3,
		},
		{JobID: idOf(date(time.June, 28, 2), 6), Reviewer: "Ada Lovelace", Date: "2026-06-28", Pass: true, Line: 4},
	}
}
