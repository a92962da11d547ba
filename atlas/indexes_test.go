package atlas_test

import (
	"testing"
	"testing/synctest"
	"time"

	"atlas-restore-exporter/atlas"
	"atlas-restore-exporter/atlas/atlastest"
)

func TestRestoreJobs_FollowsTheIndexesOfACollectionRestoreBeyondItsEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sim := newAtlas()
		list := atlas.List{ProjectID: project, ClusterName: "prod", BackupType: atlas.Collection}
		sim.AddJobs(list, atlastest.Job{
			Created: time.Now(), Queued: time.Minute, Takes: 10 * time.Minute, IndexesTake: time.Hour, FailedIndexes: 2,
			WriteStrategy: "OVERWRITE_EXISTING",
		})
		client := connect(t, sim, key)
		for _, want := range []struct {
			after    time.Duration
			status   atlas.Status
			indexes  atlas.IndexStatus
			failures int64
		}{
			{0, atlas.StatusPending, atlas.IndexesPending, 0},
			{5 * time.Minute, atlas.StatusInProgress, atlas.IndexesPending, 0},
			{10 * time.Minute, atlas.StatusCompleted, atlas.IndexesPending, 0},
			{70 * time.Minute, atlas.StatusCompleted, atlas.IndexesFailed, 2},
		} {
			time.Sleep(time.Until(time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC).Add(want.after)))
			jobs, err := readAll(withDeadline(t), client, list)
			if err != nil || len(jobs) != 1 {
				t.Fatalf("%v, %v", jobs, err)
			}
			job := jobs[0]
			failures, ok := job.IndexFailures.Value()
			if job.Status != want.status || job.Indexes != want.indexes || failures != want.failures || !ok ||
				job.WritesCopies {
				t.Errorf("after %v: %+v", want.after, job)
			}
		}
	})
}
