package history

import (
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
	batches := threeBatches()
	b3, c2 := &batches[4], &batches[5]
	want := Latest{Success: event(c2, c2.Finished), Failure: event(b3, b3.Finished)}
	for name, maxJobs := range map[string]int{"all known": 100, "some evicted": 4} {
		t.Run(name, func(t *testing.T) {
			h := newHistory(Limits{MaxAge: 400 * day, MaxJobs: maxJobs})
			mergeList(h, batches...)
			expectLatest(t, h, want)
			expectLastCreated(t, h, ago(time.Hour))
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
		if latest(h).Success != (Event{}) {
			t.Errorf("success %+v of jobs %v", latest(h), knownIDs(h))
		}
	}
	mergeList(h, done, job("running", age, atlas.StatusCompleted, inBatch("b")))
	expectKnown(t, h)
	if latest(h).Success == (Event{}) {
		t.Error("no success, although all jobs have completed")
	}
}

func TestLatest_HasNoSuccessIfAllJobsOfAnUnfinishedBatchWereRemovedAtOnce(t *testing.T) {
	done := job("1", time.Hour, atlas.StatusCompleted, inBatch("b"))
	for _, status := range []atlas.Status{atlas.StatusInProgress, atlas.StatusUnknown} {
		h := removed(Policy{Limits: wideLimits}, done, job("2", time.Hour, status, inBatch("b")))
		expectKnown(t, h)
		expectLatest(t, h, Latest{})
	}
}

func TestLatest_HasNoSuccessIfAnEvictedJobOfTheBatchDidNotSucceed(t *testing.T) {
	const age = 500 * day
	for _, test := range []struct {
		status           atlas.Status
		success, failure string
	}{{atlas.StatusCompleted, "running", ""}, {atlas.StatusFailed, "", "evicted"}, {atlas.StatusUnknown, "", ""}} {
		t.Run(test.status.String(), func(t *testing.T) {
			running := job("running", age, atlas.StatusInProgress, inBatch("b"))
			evicted := job("evicted", age, test.status, inBatch("b"))
			h := newHistory(wideLimits)
			mergeList(h, running, evicted)
			expectKnown(t, h, "running")
			mergeNewest(t, h, job("running", age, atlas.StatusCompleted, inBatch("b")))
			if got := latest(h); got.Success.JobID != test.success || got.Failure.JobID != test.failure {
				t.Errorf("latest restores are %+v", got)
			}
		})
	}
}

func TestLatest_DatesTheFailureOfABatchByItsLastJob(t *testing.T) {
	const age = 500 * day
	h := newHistory(wideLimits)
	failed := job("evicted 2", age, atlas.StatusFailed, inBatch("b"))
	mergeList(h, job("running", age, atlas.StatusInProgress, inBatch("b")),
		failed, job("evicted 1", age, atlas.StatusUnknown, inBatch("b")))
	expectKnown(t, h, "running")
	finished := func(j *atlas.RestoreJob) { j.Finished = ago(day) }
	mergeNewest(t, h, job("running", age, atlas.StatusCompleted, inBatch("b"), finished))
	expectLatest(t, h, Latest{Failure: event(&failed, ago(day))})
	expectLastCreated(t, h, ago(age))
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
	expectLatest(t, h, Latest{Failure: event(&bad, bad.Finished)})
}

func TestLatest_HasNoSuccessIfAnIncrementalPollEndsWithinABatch(t *testing.T) {
	const age = 500 * day
	one, two := job("1", age, atlas.StatusCompleted, inBatch("b")), job("2", age, atlas.StatusFailed, inBatch("b"))
	h := newHistory(wideLimits)
	mergeList(h)
	mergeNewest(t, h, one)
	mergeList(h, one, two)
	expectLatest(t, h, Latest{Failure: event(&two, two.Finished)})
}

func TestLatest_CountsADownloadAsSuccessWhenItIsReady(t *testing.T) {
	for name, expiry := range map[string]atlas.Timestamp{"ready": ago(-time.Hour), "expired": ago(time.Minute)} {
		t.Run(name, func(t *testing.T) {
			h := newHistory(wideLimits)
			download := job("a", time.Hour, atlas.StatusReady, expiringAt(expiry))
			mergeList(h, download)
			want := Latest{Success: event(&download, ago(time.Hour))}
			if name == "expired" {
				want.Success.End = expiry
			}
			s := h.Summarize(noon)
			if got := s.Latest[atlas.DeliveryDownload]; got != [PurposeCount]Latest{PurposeOther: want} {
				t.Errorf("latest restores are %+v\nwant %+v", got, want)
			}
			if got := s.LastCreated[atlas.DeliveryDownload]; got != ago(time.Hour) {
				t.Errorf("last created at %v", got.Time())
			}
		})
	}
}
func TestLatest_ChoosesAmongEqualEndsInAnyOrderOfJobs(t *testing.T) {
	ended := func(j *atlas.RestoreJob) { j.Finished = ago(time.Minute) }
	jobs := []atlas.RestoreJob{
		job("1", 2*time.Hour, atlas.StatusCompleted, ended), job("2", time.Hour, atlas.StatusCompleted, ended),
		job("3", time.Hour, atlas.StatusCompleted, ended), job("4", 2*time.Hour, atlas.StatusCompleted, ended),
		job("5", time.Hour, atlas.StatusFailed, ended), job("6", 2*time.Hour, atlas.StatusFailed, ended),
	}
	want := Latest{Success: event(&jobs[2], ago(time.Minute)), Failure: event(&jobs[4], ago(time.Minute))}
	for range jobs {
		jobs = append(jobs[1:], jobs[0])
		h := newHistory(wideLimits)
		mergeList(h, jobs...)
		expectLatest(t, h, want)
		for range 2 {
			mergeList(h) // so that the events are retained
		}
		expectLatest(t, h, want)
	}
}

func TestLatest_NamesABatchByTheFailedJobThatEndedLast(t *testing.T) {
	ended := func(age time.Duration) func(*atlas.RestoreJob) {
		return func(j *atlas.RestoreJob) { j.Finished = ago(age) }
	}
	b := inBatch("b")
	jobs := []atlas.RestoreJob{
		job("1", 3*time.Hour, atlas.StatusFailed, b, ended(2*time.Hour)),
		job("2", 3*time.Hour, atlas.StatusFailed, b, ended(time.Hour)),
		job("3", 3*time.Hour, atlas.StatusFailed, b, ended(time.Hour), into(project, "other")),
		job("4", 3*time.Hour, atlas.StatusCompleted, b, ended(time.Minute)),
		job("5", time.Hour, atlas.StatusInProgress, b),
	}
	third := jobs[2]
	for range jobs {
		jobs = append(jobs[1:], jobs[0])
		h := newHistory(wideLimits)
		mergeList(h, jobs...)
		expectLatest(t, h, Latest{})
		got := h.Summarize(noon).Latest[atlas.DeliveryAutomated][PurposeOther]
		if want := (Latest{Failure: event(&third, ago(time.Minute))}); got != want {
			t.Errorf("latest restores are %+v\nwant %+v", got, want)
		}
	}
}

func TestLatest_ReportsFailedIndexes(t *testing.T) {
	for _, test := range []struct {
		indexes  atlas.IndexStatus
		failures atlas.Count
		want     atlas.IndexStatus
	}{
		{atlas.IndexesAbsent, atlas.Count{}, atlas.IndexesAbsent}, {atlas.IndexesDone, atlas.CountOf(0), atlas.IndexesDone},
		{atlas.IndexesDone, atlas.CountOf(1), atlas.IndexesFailed}, {atlas.IndexesFailed, atlas.Count{}, atlas.IndexesFailed},
		{atlas.IndexesPending, atlas.CountOf(1), atlas.IndexesFailed},
	} {
		h := newHistory(wideLimits)
		mergeList(h, job("a", time.Hour, atlas.StatusCompleted, func(j *atlas.RestoreJob) {
			j.Indexes, j.IndexFailures = test.indexes, test.failures
		}))
		if got := latest(h).Success.Indexes; got != test.want {
			t.Errorf("%v, %v: %v, want %v", test.indexes, test.failures, got, test.want)
		}
	}
}

func TestLatest_NeverDecreasesWhenADownloadExpires(t *testing.T) {
	for name, expiry := range map[string]atlas.Timestamp{
		"after the end": ago(-time.Hour), "before the end": ago(-time.Minute),
	} {
		t.Run(name, func(t *testing.T) {
			finished := ago(-10 * time.Minute) // by a clock that is ahead
			h := newHistory(wideLimits)
			mergeList(h, job("a", time.Hour, atlas.StatusReady, expiringAt(expiry), func(j *atlas.RestoreJob) {
				j.Finished = finished
			}))
			for now, want := range map[time.Time]atlas.Timestamp{noon: finished, noon.Add(day): max(finished, expiry)} {
				if got := h.Summarize(now).Latest[atlas.DeliveryDownload][PurposeOther].Success.End; got != want {
					t.Errorf("at %v, last success at %v", now, got.Time())
				}
			}
		})
	}
}

func TestDuration_IsUnknownUnlessBothTimesAreInOrder(t *testing.T) {
	for _, test := range []struct {
		event   Event
		seconds int64
		known   bool
	}{
		{Event{Created: 10, Finished: 10}, 0, true}, {Event{Created: 10, Finished: 15}, 5, true},
		{Event{Created: 10, Finished: 9}, 0, false}, {Event{Created: 10}, 0, false}, {Event{Finished: 10}, 0, false},
	} {
		if seconds, known := test.event.Duration(); known != test.known || (known && seconds != test.seconds) {
			t.Errorf("%+v: %d, %t", test.event, seconds, known)
		}
	}
}

// A cancelled download expires by the clock, but its archive may never have existed. Its expiry must not hide an
// earlier failure.
func TestLatest_AnExpiredDownloadThatWasCancelledIsNoSuccess(t *testing.T) {
	h := newHistory(wideLimits)
	mergeList(h, job("1", time.Hour, atlas.StatusCancelled, func(j *atlas.RestoreJob) {
		j.DeliveryType, j.HasFlags, j.CancelledFlag, j.ExpiresUnready = atlas.DeliveryDownload, true, true, true
		j.Finished, j.Expiry = ago(50*time.Minute), ago(time.Minute)
	}))
	s := h.Summarize(noon)
	if s.Counts[atlas.DeliveryDownload][atlas.StatusExpired] != 1 {
		t.Errorf("counts %v, want one expired download", s.Counts)
	}
	if latest := s.Latest[atlas.DeliveryDownload][PurposeOther]; latest.Success.End != 0 || latest.Failure.End != 0 {
		t.Errorf("latest %+v, want neither a success nor a failure", latest)
	}
}
