package history

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"atlas-restore-exporter/atlas"
)

// describe returns the restores of a history that has read the given jobs once, one line each.
func describe(t *testing.T, list atlas.List, policy Policy, now time.Time, jobs ...atlas.RestoreJob) string {
	t.Helper()
	policy.Limits = Limits{MaxAge: 1 << 62, MaxJobs: 1 << 62}
	h := New(list, policy)
	reading := h.Read(now, true)
	reading.Add(&atlas.Page{Jobs: jobs, Items: len(jobs), Last: true})
	h.Merge(reading, now)
	restores, oldest := h.Restores(now)
	var text strings.Builder
	for _, r := range restores {
		_, _ = fmt.Fprintf(&text, "%s %v %s %s %s end %d", r.JobID, r.JobIDs, r.DeliveryType, r.Purpose, r.Status, r.End)
		for _, flag := range []struct {
			name string
			set  bool
		}{
			{"unfinished", r.Unfinished}, {"failed", r.Failed}, {"succeeded", r.Succeeded}, {"unexpected", r.Unexpected},
			{"drill", r.Drill},
		} {
			if flag.set {
				text.WriteString(" " + flag.name)
			}
		}
		text.WriteString("\n")
	}
	_, _ = fmt.Fprintf(&text, "oldest %d\n", oldest)
	return text.String()
}

func TestRestores_ClassifyEachJob(t *testing.T) {
	list := atlas.List{ProjectID: "p", ClusterName: "c", BackupType: atlas.Dedicated}
	job := func(
		id string, created, finished atlas.Timestamp, delivery atlas.DeliveryType, status atlas.Status,
	) atlas.RestoreJob {
		return atlas.RestoreJob{
			ID: id, Created: created, Finished: finished, DeliveryType: delivery, Status: status, TargetProjectID: "p",
			TargetClusterName: "d",
		}
	}
	expired := job("expired", 100, 0, atlas.DeliveryDownload, atlas.StatusReady)
	expired.Expiry = 900
	jobs := []atlas.RestoreJob{
		job("drill", 100, 200, atlas.DeliveryAutomated, atlas.StatusCompleted),
		job("failed", 300, 350, atlas.DeliveryPointInTime, atlas.StatusFailed),
		job("running", 400, 0, atlas.DeliveryAutomated, atlas.StatusInProgress),
		expired,
		job("undated", 0, 0, atlas.DeliveryAutomated, atlas.StatusFailed),
		job("other", 50, 60, atlas.DeliveryOther, atlas.StatusCompleted),
	}
	policy := Policy{AllowedTargets: []RestoreTarget{}}
	const want = `undated [undated] automated other failed end 0 failed unexpected
other [other] other other completed end 60 succeeded unexpected
drill [drill] automated other completed end 200 succeeded unexpected drill
failed [failed] point_in_time other failed end 350 failed unexpected
running [running] automated other in_progress end 400 unfinished unexpected
expired [expired] download other expired end 900 succeeded
oldest 50
`
	if got := describe(t, list, policy, time.Unix(1000, 0), jobs...); got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
}

func TestRestores_AreDrillsByPurposeAndBackupType(t *testing.T) {
	job := atlas.RestoreJob{
		ID: "j", Created: 1, Finished: 2, DeliveryType: atlas.DeliveryAutomated, Status: atlas.StatusCompleted,
		TargetProjectID: "p", TargetClusterName: "d",
	}
	for _, test := range []struct {
		backupType atlas.BackupType
		targets    []RestoreTarget
		want       bool
	}{
		{atlas.Dedicated, nil, true},
		{atlas.Dedicated, []RestoreTarget{}, false},
		{atlas.Flex, []RestoreTarget{{ProjectID: "p"}}, true},
		{atlas.Dedicated, []RestoreTarget{{ProjectID: "q"}}, false},
		{atlas.Collection, nil, false},
	} {
		list := atlas.List{ProjectID: "p", ClusterName: "c", BackupType: test.backupType}
		text := describe(t, list, Policy{DrillTargets: test.targets}, time.Unix(10, 0), job)
		if got := strings.Contains(text, " drill\n"); got != test.want {
			t.Errorf("%s, %v: %s", test.backupType, test.targets, text)
		}
	}
}

// A batch failed if any job failed, and succeeded if all jobs did. It is named by the job that decides.
func TestRestores_JoinBatches(t *testing.T) {
	list := atlas.List{ProjectID: "p", ClusterName: "c", BackupType: atlas.Legacy}
	job := func(id string, created atlas.Timestamp, status atlas.Status) atlas.RestoreJob {
		return atlas.RestoreJob{ID: id, BatchID: "b", Created: created, DeliveryType: atlas.DeliveryAutomated, Status: status}
	}
	download := func(id string, created atlas.Timestamp, status atlas.Status) atlas.RestoreJob {
		j := job(id, created, status)
		j.DeliveryType = atlas.DeliveryDownload
		return j
	}
	for name, test := range map[string]struct {
		jobs []atlas.RestoreJob
		want string
	}{
		"succeeded": {
			[]atlas.RestoreJob{job("1", 5, atlas.StatusCompleted), job("2", 4, atlas.StatusCompleted)},
			"1 [1 2] automated other completed end 5 succeeded drill\noldest 4\n",
		},
		"failed": {
			[]atlas.RestoreJob{job("1", 5, atlas.StatusInProgress), job("2", 4, atlas.StatusFailed)},
			"2 [1 2] automated other failed end 5 failed\noldest 4\n",
		},
		"unfinished": {
			[]atlas.RestoreJob{job("1", 5, atlas.StatusCompleted), job("2", 4, atlas.StatusInProgress)},
			"1 [1 2] automated other in_progress end 5 unfinished\noldest 4\n",
		},
		"cancelled": {
			[]atlas.RestoreJob{job("1", 5, atlas.StatusCompleted), job("2", 4, atlas.StatusCancelled)},
			"1 [1 2] automated other cancelled end 5\noldest 4\n",
		},
		"unfinished, some cancelled": {
			[]atlas.RestoreJob{job("1", 5, atlas.StatusInProgress), job("2", 4, atlas.StatusCancelled)},
			"1 [1 2] automated other in_progress end 5 unfinished\noldest 4\n",
		},
		"downloads, one ready": {
			[]atlas.RestoreJob{download("1", 5, atlas.StatusExpired), download("2", 4, atlas.StatusReady)},
			"1 [1 2] download other ready end 5 unfinished succeeded\noldest 4\n",
		},
		"downloads, one in progress": {
			[]atlas.RestoreJob{download("1", 5, atlas.StatusInProgress), download("2", 4, atlas.StatusExpired)},
			"1 [1 2] download other in_progress end 5 unfinished\noldest 4\n",
		},
		"downloads, one cancelled": {
			[]atlas.RestoreJob{download("1", 5, atlas.StatusCancelled), download("2", 4, atlas.StatusExpired)},
			"1 [1 2] download other cancelled end 5\noldest 4\n",
		},
	} {
		if got := describe(t, list, Policy{}, time.Unix(10, 0), test.jobs...); got != test.want {
			t.Errorf("%s:\ngot  %swant %s", name, got, test.want)
		}
	}
}
