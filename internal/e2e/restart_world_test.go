package e2e

import (
	"testing"
	"time"

	"atlas-restore-exporter/atlas"
	"atlas-restore-exporter/atlas/atlastest"
	"atlas-restore-exporter/internal/testutil"
)

const day = 24 * time.Hour

// Lists of every size and in every order that a poll reads in its own way.
var (
	longList       = dedicated("long") // incremental polls read its newest page
	shuffledList   = atlas.List{ProjectID: payments, ClusterName: "odd", BackupType: atlas.Flex}
	collectionList = atlas.List{ProjectID: payments, ClusterName: "prod", BackupType: atlas.Collection}
	legacyList     = atlas.List{ProjectID: payments, ClusterName: "old", BackupType: atlas.Legacy}
)

// restartWorld is a simulated Atlas API whose jobs exceed every limit of the configuration.
type restartWorld struct {
	*testing.T
	sim        *atlastest.Server
	configFile string
	unfinished string // ID of an old job of longList that is unfinished
}

func newRestartWorld(t *testing.T) *restartWorld {
	t.Helper()
	sim, configFile := simulateAtlas(t, "{name: long, interval: 2s}, {name: odd, backup_types: [flex]}, "+
		"{name: prod, backup_types: [dedicated, collection]}, {name: old, backup_types: [legacy]}, {name: gone}")
	testutil.WriteFile(t, configFile, testutil.ReadFile(t, configFile)+`
history: {max_age: 45d, max_jobs: 1040}
job_series: {max_per_target: 20}
objectives: {duration: 4h, drill_age: 90d}
allowed_targets: [{project_id: `+payments+`, cluster_names: [prod]}]
`)
	sim.AddCluster(payments, "long", atlastest.DedicatedCluster)
	sim.AddCluster(payments, "odd", atlastest.FlexCluster)
	sim.AddCluster(payments, "old", atlastest.LegacyCluster)
	sim.SetOrder(shuffledList, atlastest.Shuffled)
	w := &restartWorld{T: t, sim: sim, configFile: configFile}
	w.addLongList()
	w.addOtherLists()
	return w
}

func ago(d time.Duration) time.Time { return time.Now().Add(-d) }

// addLongList adds more jobs than the history keeps, so that only the summary still contains the oldest ones.
func (w *restartWorld) addLongList() {
	jobs := make([]atlastest.Job, 1050)
	for i := range jobs {
		jobs[i] = atlastest.Job{Created: ago(time.Duration(i+1) * time.Hour), Takes: 20 * time.Minute}
	}
	for i := 1038; i < 1040; i++ { // each round adds a job, and one of these is evicted
		jobs[i].Outcome = atlastest.Fails
	}
	jobs[1020].Takes = 0 // unfinished, and on a page that incremental polls don't read
	jobs[901].TargetClusterName = "elsewhere"
	jobs[3].Delivery, jobs[3].LinkLife = "download", 30*day
	jobs = append(jobs, atlastest.Job{ // soon too old
		Created: ago(45*day - 2*time.Second), Takes: time.Minute, Delivery: "download", Outcome: atlastest.Fails,
	})
	w.unfinished = w.sim.AddJobs(longList, jobs...)[1020]
}

func (w *restartWorld) addOtherLists() {
	w.sim.AddJobs(shuffledList,
		atlastest.Job{Created: ago(5 * time.Hour), Takes: time.Hour},
		atlastest.Job{Created: ago(50 * time.Hour), Takes: time.Hour, Outcome: atlastest.Fails},
		atlastest.Job{Created: ago(2 * time.Hour)},
		atlastest.Job{Created: ago(time.Hour), Takes: time.Minute, Delivery: "DOWNLOAD", LinkLife: 10 * day})
	w.sim.AddJobs(prod,
		atlastest.Job{Created: ago(5 * time.Hour), Takes: time.Hour},
		atlastest.Job{Created: ago(4 * time.Hour), Takes: time.Hour, Outcome: atlastest.IsCancelled},
		atlastest.Job{
			Created: ago(3 * time.Hour), Delivery: "pointInTime", PointInTime: ago(9 * time.Hour),
			TargetClusterName: "drill",
		})
	w.sim.AddJobs(collectionList,
		atlastest.Job{Created: ago(5 * time.Hour), Takes: time.Hour, Documents: 1000},
		atlastest.Job{Created: ago(3 * time.Hour), Documents: 10})
	const batch = "5a66783b80eef5354c77ee13"
	w.sim.AddJobs(legacyList,
		atlastest.Job{Created: ago(5 * time.Hour), Takes: time.Hour, BatchID: batch},
		atlastest.Job{Created: ago(5 * time.Hour), Takes: time.Hour, BatchID: batch, Outcome: atlastest.Fails},
		atlastest.Job{Created: ago(2 * time.Hour), Takes: time.Minute, Delivery: "download", LinkLife: 10 * day})
}

// addRecentJob adds a job to the long list, and returns the job_info series that the exporter will expose for it.
func (w *restartWorld) addRecentJob(takes time.Duration) (series string) {
	id := w.sim.AddJobs(longList, atlastest.Job{Created: ago(30 * time.Minute), Takes: takes})[0]
	var snapshot string
	w.sim.ChangeJob(longList, id, func(job *atlastest.Job) { snapshot = job.SnapshotID })
	return `mongodbatlas_restore_job_info{backup_type="dedicated",batch_id="",cluster_name="long",` +
		`delivery_type="automated",job_id="` + id + `",project_id="` + payments + `",snapshot_id="` + snapshot +
		`",target_cluster_name="long",target_project_id="` + payments + `"}`
}

// finishOldJob finishes the job that only requests by its ID can find.
func (w *restartWorld) finishOldJob() {
	w.sim.ChangeJob(longList, w.unfinished, func(job *atlastest.Job) { job.Takes = time.Hour })
}
