package history

import (
	"slices"
	"testing"
	"time"

	"atlas-restore-exporter/atlas"
)

// threeBatches returns an unfinished batch, a failed one, and a completed one, newest first.
func threeBatches() []atlas.RestoreJob {
	a, b, c := inBatch("a"), inBatch("b"), inBatch("c")
	return []atlas.RestoreJob{
		job("a1", time.Hour, atlas.StatusCompleted, a), job("a2", time.Hour, atlas.StatusInProgress, a),
		job("b1", 2*time.Hour, atlas.StatusCompleted, b), job("b2", 2*time.Hour, atlas.StatusCompleted, b),
		job("b3", 2*time.Hour, atlas.StatusFailed, b),
		job("c2", 3*time.Hour-time.Second, atlas.StatusCompleted, c), job("c1", 3*time.Hour, atlas.StatusCompleted, c),
	}
}

func TestLatest_CountsABatchAsOneRestore(t *testing.T) {
	ended := ago(3*time.Hour - time.Minute - time.Second)
	want := Latest{
		LastCreated: ago(time.Hour), LastFailure: ago(2*time.Hour - time.Minute),
		LastSuccess: ended, LastCompleted: ended, LastDuration: 61,
	}
	for name, maxJobs := range map[string]int{"all known": 100, "some evicted": 4} {
		t.Run(name, func(t *testing.T) {
			h := newHistory(Limits{MaxAge: 400 * day, MaxJobs: maxJobs})
			mergeList(h, threeBatches()...)
			expectLatest(t, h, want)
		})
	}
}

func TestLatest_HasNoSuccessWhileAJobOfABatchIsUnfinished(t *testing.T) {
	const age = 500 * day // beyond the limits
	done := job("done", age, atlas.StatusCompleted, inBatch("b"))
	running := job("running", age, atlas.StatusInProgress, inBatch("b"))
	h := newHistory(wideLimits)
	for range 2 {
		mergeList(h, done, running)
		if latest(h).LastSuccess != 0 {
			t.Errorf("success %+v of jobs %v", latest(h), knownIDs(h))
		}
	}
	mergeList(h, done, job("running", age, atlas.StatusCompleted, inBatch("b")))
	expectKnown(t, h)
	if latest(h).LastSuccess == 0 {
		t.Error("no success, although all jobs have completed")
	}
}

func TestLatest_HasNoSuccessIfAnEvictedJobOfTheBatchDidNotSucceed(t *testing.T) {
	const age = 500 * day
	for _, test := range []struct {
		status          atlas.Status
		success, failed bool
	}{{atlas.StatusCompleted, true, false}, {atlas.StatusFailed, false, true}, {atlas.StatusUnknown, false, false}} {
		t.Run(test.status.String(), func(t *testing.T) {
			running := job("running", age, atlas.StatusInProgress, inBatch("b"))
			evicted := job("evicted", age, test.status, inBatch("b"))
			h := newHistory(wideLimits)
			mergeList(h, running, evicted)
			expectKnown(t, h, "running")
			mergeNewest(t, h, job("running", age, atlas.StatusCompleted, inBatch("b")))
			if got := latest(h); got.LastSuccess != 0 != test.success || got.LastFailure != 0 != test.failed {
				t.Errorf("latest timestamps are %+v", got)
			}
		})
	}
}

func TestLatest_DatesTheFailureOfABatchByItsLastJob(t *testing.T) {
	const age = 500 * day
	h := newHistory(wideLimits)
	mergeList(h, job("running", age, atlas.StatusInProgress, inBatch("b")),
		job("evicted 2", age, atlas.StatusFailed, inBatch("b")), job("evicted 1", age, atlas.StatusUnknown, inBatch("b")))
	expectKnown(t, h, "running")
	finished := func(j *atlas.RestoreJob) { j.Finished = ago(day) }
	mergeNewest(t, h, job("running", age, atlas.StatusCompleted, inBatch("b"), finished))
	expectLatest(t, h, Latest{LastCreated: ago(age), LastFailure: ago(day)})
}

func TestLatest_KeepsTheFailureOfABatchWhoseFailedJobWasRemoved(t *testing.T) {
	good := job("good", time.Hour, atlas.StatusCompleted, inBatch("b"))
	bad := job("bad", time.Hour, atlas.StatusFailed, inBatch("b"))
	h := newHistory(wideLimits)
	mergeList(h, good, bad)
	for range 3 {
		mergeList(h, good)
	}
	expectKnown(t, h, "good")
	if got := latest(h); got.LastSuccess != 0 || got.LastFailure == 0 {
		t.Errorf("latest timestamps are %+v", got)
	}
}

func TestLatest_HasNoSuccessIfAnIncrementalPollEndsWithinABatch(t *testing.T) {
	const age = 500 * day
	one, two := job("1", age, atlas.StatusCompleted, inBatch("b")), job("2", age, atlas.StatusFailed, inBatch("b"))
	h := newHistory(wideLimits)
	mergeList(h)
	mergeNewest(t, h, one)
	mergeList(h, one, two)
	if got := latest(h); got.LastSuccess != 0 || got.LastFailure == 0 {
		t.Errorf("latest timestamps are %+v", got)
	}
}

func TestLatest_CountsADownloadAsSuccessWhenItIsReady(t *testing.T) {
	for name, expiry := range map[string]atlas.Timestamp{"ready": ago(-time.Hour), "expired": ago(time.Minute)} {
		t.Run(name, func(t *testing.T) {
			h := newHistory(wideLimits)
			mergeList(h, job("a", time.Hour, atlas.StatusReady, expiringAt(expiry)))
			want := Latest{LastCreated: ago(time.Hour), LastSuccess: ago(time.Hour)}
			if name == "expired" {
				want.LastSuccess = expiry
			}
			if got := h.Summarize(noon).Latest[atlas.DeliveryDownload]; got != want {
				t.Errorf("latest timestamps are %+v\nwant %+v", got, want)
			}
		})
	}
}

func TestLatest_DoesNotDependOnTheOrderOfJobs(t *testing.T) {
	ended := func(j *atlas.RestoreJob) { j.Finished = ago(time.Minute) }
	download := func(j *atlas.RestoreJob) { j.DeliveryType = atlas.DeliveryDownload }
	one, two := job("1", time.Hour, atlas.StatusCompleted, ended), job("2", 2*time.Hour, atlas.StatusCompleted, ended)
	three := job("3", 3*time.Hour, atlas.StatusCompleted, ended, inBatch("b"))
	four := job("4", 3*time.Hour, atlas.StatusCompleted, ended, inBatch("b"), download)
	jobs := []*atlas.RestoreJob{&one, &two, &three, &four}
	h := newHistory(wideLimits)
	want := h.latestOf(jobs, noon)
	if got := want[atlas.DeliveryAutomated].LastDuration; got != 7140 {
		t.Errorf("the longest of the last restores took %d s", got)
	}
	slices.Reverse(jobs)
	if got := h.latestOf(jobs, noon); got != want {
		t.Errorf("latest timestamps are %+v\nwant %+v", got, want)
	}
}
