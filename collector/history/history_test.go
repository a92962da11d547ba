package history

import (
	"fmt"
	"testing"
	"time"

	"atlas-restore-exporter/atlas"
)

func TestMerge_KeepsJobsAbsentFromOneCompleteList(t *testing.T) {
	a, b := job("a", time.Hour, atlas.StatusCompleted), job("b", 2*time.Hour, atlas.StatusCompleted)
	h := newHistory(wideLimits)
	mergeList(h, a, b)
	mergeList(h, a)
	expectKnown(t, h, "a", "b")
}

func TestMerge_KeepsJobsThatReappear(t *testing.T) {
	a, b := job("a", time.Hour, atlas.StatusCompleted), job("b", 2*time.Hour, atlas.StatusCompleted)
	h := newHistory(wideLimits)
	mergeList(h, a, b)
	mergeList(h, a)
	mergeList(h, a, b)
	mergeList(h, a)
	expectKnown(t, h, "a", "b")
}

func TestMerge_RemovesJobsAbsentFromTwoConsecutiveCompleteLists(t *testing.T) {
	a, b := job("a", time.Hour, atlas.StatusCompleted), job("b", 2*time.Hour, atlas.StatusCompleted)
	h := newHistory(wideLimits)
	mergeList(h, a, b)
	mergeList(h, a)
	before := h.Summarize(noon)
	mergeList(h, a)
	expectKnown(t, h, "a")
	if h.Summarize(noon) == before {
		t.Error("the summary still contains the removed job")
	}
	if got := latest(h).Success.End; got != ago(59*time.Minute) {
		t.Errorf("last success at %v", got.Time())
	}
}

func TestMerge_NeitherCountsNorInterruptsAbsencesInIncrementalPolls(t *testing.T) {
	a, b := job("a", time.Hour, atlas.StatusCompleted), job("b", 2*time.Hour, atlas.StatusCompleted)
	h := newHistory(wideLimits)
	mergeList(h, a, b)
	mergeList(h, a)
	mergeNewest(t, h, a)
	expectKnown(t, h, "a", "b")
	mergeList(h, a)
	expectKnown(t, h, "a")
}

func TestMerge_NeitherCountsNorInterruptsAbsencesInTruncatedPolls(t *testing.T) {
	a, b := job("a", time.Hour, atlas.StatusCompleted), job("b", 2*time.Hour, atlas.StatusCompleted)
	h := newHistory(wideLimits)
	mergeList(h, a, b)
	mergeList(h, a)
	r := h.Read(noon, true)
	r.Add(&atlas.Page{Jobs: []atlas.RestoreJob{a}})
	h.Merge(r, noon)
	expectKnown(t, h, "a", "b")
	mergeList(h, a)
	expectKnown(t, h, "a")
}

func TestMerge_CountsAbsencesAgainAfterAJobWasRemoved(t *testing.T) {
	a, b := job("a", time.Hour, atlas.StatusCompleted), job("b", 2*time.Hour, atlas.StatusInProgress)
	h := newHistory(wideLimits)
	mergeList(h, a, b)
	mergeList(h, a)
	for range 2 {
		mergeNotFound(t, h, "b")
	}
	expectKnown(t, h, "a")
	h.Merge(readTruncated(h, b, a), noon)
	mergeList(h, a)
	expectKnown(t, h, "a", "b")
}

// readTruncated returns a full poll that read only the first page of a list, with these jobs.
func readTruncated(h *History, jobs ...atlas.RestoreJob) *Reading {
	r := h.Read(noon, true)
	r.Add(&atlas.Page{Jobs: jobs})
	return r
}

// mergeNotFound merges a full poll of a truncated list in which these jobs are requested and not found.
func mergeNotFound(t *testing.T, h *History, ids ...string) {
	t.Helper()
	r := readTruncated(h)
	for _, id := range ids {
		if err := r.Put(id, atlas.RestoreJob{}, errNotFound); err != nil {
			t.Fatal(err)
		}
	}
	h.Merge(r, noon)
}

func TestMerge_RemovesJobsThatAreNotFoundInTwoPollsInARow(t *testing.T) {
	a := job("a", time.Hour, atlas.StatusCompleted)
	h := newHistory(wideLimits)
	mergeList(h, a)
	mergeNotFound(t, h, "a", "unknown")
	expectKnown(t, h, "a")
	for _, other := range []func(){
		func() { mergeList(h, a) },
		func() { mergeList(h) },
		func() { h.Merge(readTruncated(h, a), noon) },
	} {
		other()
		mergeNotFound(t, h, "a")
		expectKnown(t, h, "a")
	}
	mergeNotFound(t, h) // requests other jobs
	mergeNotFound(t, h, "a", "unknown")
	expectKnown(t, h)
	if got := latest(h).Success.End; got != ago(59*time.Minute) {
		t.Errorf("last success at %v, although events of removed jobs are retained", got.Time())
	}
}

func TestMerge_KeepsTheSummaryUnlessSomethingChanged(t *testing.T) {
	running, completed := job("a", time.Hour, atlas.StatusInProgress), job("a", time.Hour, atlas.StatusCompleted)
	old, oldFailure := job("old", 500*day, atlas.StatusCompleted), job("old", 500*day, atlas.StatusFailed)
	h := newHistory(wideLimits)
	list := func(jobs ...atlas.RestoreJob) func() { return func() { mergeList(h, jobs...) } }
	for _, step := range []struct {
		name    string
		merge   func()
		changed bool
	}{
		{"empty list", list(), false},
		{"new job", list(running), true},
		{"same job", list(running), false},
		{"incremental poll without jobs", func() { mergeNewest(t, h) }, false},
		{"job completed", list(completed), true},
		{"same completed job", list(completed), false},
		{"success beyond the limits", list(completed, old), true},
		{"same success beyond the limits", list(completed, old), false},
		{"failure beyond the limits", list(completed, oldFailure), true},
		{"same failure beyond the limits", list(completed, oldFailure), false},
	} {
		before := h.Summarize(noon)
		step.merge()
		if changed := h.Summarize(noon) != before; changed != step.changed {
			t.Errorf("%s: new summary %t, want %t", step.name, changed, step.changed)
		}
	}
}

func TestMerge_DiscardsTheSummaryIfItPanics(t *testing.T) {
	a := job("a", time.Hour, atlas.StatusCompleted)
	h := newHistory(wideLimits)
	mergeList(h, a)
	before := h.Summarize(noon)
	func() {
		defer func() {
			if recover() == nil {
				t.Error("the merge did not panic")
			}
		}()
		r := readList(h, noon, a, job("b", 2*time.Hour, atlas.StatusCompleted))
		r.jobs["c"] = nil
		h.Merge(r, noon)
	}()
	mergeList(h, a, job("b", 2*time.Hour, atlas.StatusCompleted))
	if s := h.Summarize(noon); s == before || s.Known != 2 {
		t.Errorf("%d jobs are known", s.Known)
	}
}

// jobsBeyondLimits returns jobs of which three are within smallLimits, one is unfinished and too old, one is too old
// and three are too many.
func jobsBeyondLimits() []atlas.RestoreJob {
	var jobs []atlas.RestoreJob
	for i := range 6 {
		jobs = append(jobs, job(fmt.Sprint(i), time.Duration(i+1)*time.Hour, atlas.StatusCompleted))
	}
	return append(jobs,
		job("old failure", 50*time.Hour, atlas.StatusFailed), job("stuck", 100*time.Hour, atlas.StatusInProgress))
}

var smallLimits = Limits{MaxAge: day, MaxJobs: 3}

func TestMerge_EvictsFinishedJobsBeyondTheLimits(t *testing.T) {
	h := newHistory(smallLimits)
	mergeList(h, jobsBeyondLimits()[:7]...)
	expectKnown(t, h, "0", "1", "2")
}

func TestMerge_KeepsUnfinishedJobsBeyondTheLimits(t *testing.T) {
	h := newHistory(smallLimits)
	mergeList(h, jobsBeyondLimits()...)
	expectKnown(t, h, "0", "1", "2", "stuck")
}

func TestMerge_KeepsMoreUnfinishedJobsThanMaxJobs(t *testing.T) {
	h := newHistory(Limits{MaxAge: day, MaxJobs: 1})
	a, b := job("a", time.Hour, atlas.StatusPending), job("b", 2*time.Hour, atlas.StatusInProgress)
	mergeList(h, a, b, job("c", 3*time.Hour, atlas.StatusReady))
	expectKnown(t, h, "a", "b", "c")
}

func TestMerge_RetainsEventsOfJobsBeyondTheLimits(t *testing.T) {
	h := newHistory(smallLimits)
	mergeList(h, jobsBeyondLimits()...)
	if got := latest(h).Failure.End; got != ago(50*time.Hour-time.Minute) {
		t.Errorf("last failure at %v", got.Time())
	}
}

func TestMerge_DoesNotLearnEvictedJobsAgain(t *testing.T) {
	h := newHistory(smallLimits)
	mergeList(h, jobsBeyondLimits()...)
	before := h.Summarize(noon)
	mergeList(h, jobsBeyondLimits()...)
	expectKnown(t, h, "0", "1", "2", "stuck")
	if h.Summarize(noon) != before {
		t.Error("the same list changed the summary")
	}
}

func TestMerge_EvictsJobsWhenTheyAreTooOld(t *testing.T) {
	h := newHistory(smallLimits)
	mergeList(h, jobsBeyondLimits()...)
	later := noon.Add(30 * time.Hour)
	h.Merge(readList(h, later), later)
	expectKnown(t, h, "stuck")
	h.Merge(readList(h, later, job("stuck", 100*time.Hour, atlas.StatusCompleted)), later)
	expectKnown(t, h)
}

func TestMerge_KeepsExactlyTheNewestJobs(t *testing.T) {
	var jobs []atlas.RestoreJob
	for _, id := range []string{"5", "4", "3", "2", "1"} {
		jobs = append(jobs, job(id, time.Hour, atlas.StatusCompleted, inBatch("b")))
	}
	h := newHistory(Limits{MaxAge: day, MaxJobs: 3})
	mergeList(h, jobs...)
	expectKnown(t, h, "5", "4", "3")
	mergeList(h, jobs[1:]...)
	expectKnown(t, h, "5", "4", "3") // 5 is missing once
	mergeList(h, jobs[1:]...)
	mergeList(h, jobs[1:]...)
	expectKnown(t, h, "4", "3", "2")
	mergeList(h, jobs[1:3]...)
	mergeList(h, jobs[1:3]...)
	mergeList(h, jobs...)
	expectKnown(t, h, "5", "4", "3")
	for range 3 {
		mergeList(h, jobs[3:]...)
	}
	expectKnown(t, h, "2", "1")
}

func TestMerge_FindsAllJobsAgainAfterTheClockWasWrong(t *testing.T) {
	jobs := []atlas.RestoreJob{
		job("a", time.Hour, atlas.StatusCompleted), job("b", 2*time.Hour, atlas.StatusFailed),
		job("c", 3*time.Hour, atlas.StatusInProgress),
	}
	h := newHistory(wideLimits)
	for _, now := range []time.Time{noon, noon.Add(2 * 365 * day), noon, noon.Add(-day), noon} {
		h.Merge(readList(h, now, jobs...), now)
	}
	expectKnown(t, h, "a", "b", "c")
}

func TestSetPolicy_RequiresAFullPollIfTheLimitsChange(t *testing.T) {
	h := newHistory(smallLimits)
	mergeList(h, jobsBeyondLimits()...)
	h.SetPolicy(Policy{Limits: wideLimits}, noon)
	if !h.Read(noon, false).Full() {
		t.Error("the next poll is an incremental poll")
	}
	mergeList(h, jobsBeyondLimits()...)
	expectKnown(t, h, "0", "1", "2", "3", "4", "5", "old failure", "stuck")
	if h.Read(noon, false).Full() {
		t.Error("the poll after the full poll is a full poll, too")
	}
}

func TestSetPolicy_ReplacesTheSummaryWithoutAPoll(t *testing.T) {
	h := newHistory(wideLimits)
	mergeList(h, job("a", time.Hour, atlas.StatusCompleted))
	before := h.Summarize(noon)
	h.SetPolicy(Policy{Limits: wideLimits, JobSeries: SeriesLimits{MaxAge: day, MaxPerTarget: 1}}, noon)
	if len(before.Series) != 0 || len(h.Summarize(noon).Series) != 1 {
		t.Error("the summary does not follow the new policy")
	}
	if h.Read(noon, false).Full() {
		t.Error("the next poll is a full poll, although the limits did not change")
	}
}
