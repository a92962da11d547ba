package history

import (
	"strings"
	"testing"
	"time"

	"atlas-restore-exporter/atlas"
)

func TestFailures_LastUntilALaterSuccessOfTheSameKind(t *testing.T) {
	into := func(cluster string) func(*atlas.RestoreJob) {
		return func(j *atlas.RestoreJob) { j.TargetClusterName = cluster }
	}
	delivered := func(d atlas.DeliveryType) func(*atlas.RestoreJob) {
		return func(j *atlas.RestoreJob) { j.DeliveryType = d }
	}
	download := func(j *atlas.RestoreJob) {
		j.DeliveryType, j.TargetProjectID, j.TargetClusterName = atlas.DeliveryDownload, "", ""
	}
	const failed, done = atlas.StatusFailed, atlas.StatusCompleted
	pointInTime := delivered(atlas.DeliveryPointInTime)
	for _, test := range []struct {
		name, want string
		jobs       []atlas.RestoreJob
	}{
		{"a failure", "a", []atlas.RestoreJob{job("a", 2*time.Hour, failed)}},
		{"a newer failure", "b", []atlas.RestoreJob{job("a", 2*time.Hour, failed), job("b", time.Hour, failed)}},
		{"a success before", "a", []atlas.RestoreJob{job("a", 2*time.Hour, failed), job("b", 3*time.Hour, done)}},
		{"a success", "", []atlas.RestoreJob{job("a", 2*time.Hour, failed), job("b", time.Hour, done)}},
		{"a point in time", "", []atlas.RestoreJob{job("a", 2*time.Hour, failed), job("b", time.Hour, done, pointInTime)}},
		{"a drill", "a", []atlas.RestoreJob{job("a", 2*time.Hour, failed), job("b", time.Hour, done, into("drill"))}},
		{"a copy, then another", "b", []atlas.RestoreJob{
			job("b", 2*time.Hour, failed, into("x")), job("c", time.Hour, done, into("y")),
		}},
		{"a copy, then the same", "", []atlas.RestoreJob{
			job("b", 2*time.Hour, failed, into("x")), job("c", time.Hour, done, into("x")),
		}},
		{"a copy, the same, then another", "", []atlas.RestoreJob{
			job("a", 3*time.Hour, failed, into("x")), job("b", 2*time.Hour, done, into("x")),
			job("c", time.Hour, done, into("y")),
		}},
		{"two copies, of which one was repeated", "a", []atlas.RestoreJob{
			job("a", 3*time.Hour, failed, into("x")), job("b", 2*time.Hour, failed, into("y")),
			job("c", time.Hour, done, into("y")),
		}},
		{"two kinds of copies", "a", []atlas.RestoreJob{
			job("a", 3*time.Hour, failed, into("x")), job("b", 2*time.Hour, failed, into("y"), pointInTime),
			job("c", time.Hour, done, into("y")),
		}},
		{"a download, then a copy", "a", []atlas.RestoreJob{
			job("a", 2*time.Hour, failed, download), job("b", time.Hour, done, into("x")),
		}},
		{"several kinds", "b a", []atlas.RestoreJob{
			job("a", 3*time.Hour, failed), job("b", 2*time.Hour, failed, download), job("c", 4*time.Hour, done),
		}},
	} {
		h := New(prodList, Policy{
			Limits: wideLimits, DrillTargets: []RestoreTarget{{ProjectID: project, ClusterNames: []string{"drill"}}},
		})
		mergeList(h, test.jobs...)
		var ids []string
		for _, failure := range h.Summarize(noon).Failures {
			ids = append(ids, failure.Event.JobID)
		}
		if got := strings.Join(ids, " "); got != test.want {
			t.Errorf("%s: failures %q, want %q", test.name, got, test.want)
		}
	}
}
