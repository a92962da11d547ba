package history

import (
	"testing"
	"time"

	"atlas-restore-exporter/atlas"
)

func TestSummarize_ClassifiesJobsByPurpose(t *testing.T) {
	delivery := func(d atlas.DeliveryType) func(*atlas.RestoreJob) {
		return func(j *atlas.RestoreJob) { j.DeliveryType = d }
	}
	copies := func(j *atlas.RestoreJob) { j.WritesCopies = true }
	drills := []RestoreTarget{{ProjectID: "drills"}, {ProjectID: project, ClusterNames: []string{"drill", "prod"}}}
	for _, test := range []struct {
		name   string
		drills []RestoreTarget
		job    atlas.RestoreJob
		want   Purpose
	}{
		{"source", nil, job("a", 0, atlas.StatusPending), PurposeInPlace},
		{"source that is a drill target", drills, job("a", 0, atlas.StatusPending), PurposeInPlace},
		{"copies in the source", nil, job("a", 0, atlas.StatusPending, copies), PurposeOther},
		{"copies in a drill target", drills, job("a", 0, atlas.StatusPending, copies), PurposeDrill},
		{"same cluster name in another project", drills, job("a", 0, atlas.StatusPending, into("p", "prod")), PurposeOther},
		{"cluster of a drill project", drills, job("a", 0, atlas.StatusPending, into("drills", "x")), PurposeDrill},
		{"cluster named as drill target", drills, job("a", 0, atlas.StatusPending, into(project, "drill")), PurposeDrill},
		{"cluster not named as drill target", drills, job("a", 0, atlas.StatusPending, into(project, "x")), PurposeOther},
		{"no drill targets", nil, job("a", 0, atlas.StatusPending, into(project, "drill")), PurposeOther},
		{"no target", drills, job("a", 0, atlas.StatusPending, into("", "")), PurposeOther},
		{"other delivery", drills,
			job("a", 0, atlas.StatusPending, into("drills", "x"), delivery(atlas.DeliveryOther)), PurposeDrill},
		{"download", drills, job("a", 0, atlas.StatusPending, delivery(atlas.DeliveryDownload)), PurposeOther},
	} {
		h := New(prodList, Policy{Limits: wideLimits, DrillTargets: test.drills})
		mergeList(h, test.job)
		s := h.Summarize(noon)
		oldest := s.OldestActive[test.job.DeliveryType][test.want]
		if s.Newest[0].Purpose != test.want || oldest == nil || oldest.Purpose != test.want {
			t.Errorf("%s: purpose %v, want %v", test.name, s.Newest[0].Purpose, test.want)
		}
	}
}

func TestPurpose_HasANameForEachValue(t *testing.T) {
	names := map[Purpose]string{PurposeOther: "other", PurposeInPlace: "in_place", PurposeDrill: "drill"}
	for purpose, want := range names {
		if got := purpose.String(); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

func TestLastDrill_ReturnsTheLatestRestoreOfAWholeClusterIntoADrillTarget(t *testing.T) {
	pointInTime := func(j *atlas.RestoreJob) { j.DeliveryType = atlas.DeliveryPointInTime }
	other := func(j *atlas.RestoreJob) { j.DeliveryType = atlas.DeliveryOther }
	jobs := []atlas.RestoreJob{
		job("download", time.Hour, atlas.StatusReady),
		job("failed", 2*time.Hour, atlas.StatusFailed, into(project, "drill")),
		job("other", 3*time.Hour, atlas.StatusCompleted, into(project, "drill"), other),
		job("in place", 4*time.Hour, atlas.StatusCompleted),
		job("point in time", 5*time.Hour, atlas.StatusCompleted, into(project, "drill"), pointInTime),
		job("drill", 6*time.Hour, atlas.StatusCompleted, into(project, "drill")),
	}
	drills := []RestoreTarget{{ProjectID: project, ClusterNames: []string{"drill"}}}
	for _, test := range []struct {
		name       string
		backupType atlas.BackupType
		drills     []RestoreTarget
		jobs       []atlas.RestoreJob
		want       string
	}{
		{"drill targets", atlas.Dedicated, drills, jobs, "point in time"},
		{"automated drill", atlas.Legacy, drills, jobs[5:], "drill"},
		{"no drill", atlas.Flex, drills, jobs[:4], ""},
		{"no drill targets", atlas.Dedicated, nil, jobs, "in place"},
		{"empty list of drill targets", atlas.Serverless, []RestoreTarget{}, jobs, ""},
		{"collections", atlas.Collection, nil, jobs, ""},
		{"no jobs", atlas.Dedicated, nil, nil, ""},
	} {
		h := New(prodList, Policy{Limits: wideLimits, DrillTargets: test.drills})
		mergeList(h, test.jobs...)
		got := ""
		if event := h.Summarize(noon).LastDrill(test.backupType, test.drills); event != nil {
			got = event.JobID
		}
		if got != test.want {
			t.Errorf("%s: the last drill is %q, want %q", test.name, got, test.want)
		}
	}
}
