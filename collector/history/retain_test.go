package history

import (
	"fmt"
	"testing"
	"time"

	"atlas-restore-exporter/atlas"
)

// removed returns a history that has removed these jobs, which Atlas listed before.
func removed(policy Policy, jobs ...atlas.RestoreJob) *History {
	h := New(prodList, policy)
	mergeList(h, jobs...)
	for range 2 {
		mergeList(h)
	}
	return h
}

func TestRetain_FollowsAJobThatComesBack(t *testing.T) {
	a := job("a", 2*time.Hour, atlas.StatusCompleted)
	corrected := func(change func(*atlas.RestoreJob)) atlas.RestoreJob {
		j := a
		change(&j)
		return j
	}
	for _, test := range []struct {
		name string
		job  atlas.RestoreJob
		want Latest
	}{
		{"unchanged", a, Latest{Success: event(&a, a.Finished)}},
		{"failed", corrected(func(j *atlas.RestoreJob) { j.Status = atlas.StatusFailed }),
			Latest{Failure: event(&a, a.Finished)}},
		{"in progress", corrected(func(j *atlas.RestoreJob) { j.Status = atlas.StatusInProgress }), Latest{}},
		{"another target", corrected(func(j *atlas.RestoreJob) { j.TargetClusterName = "drill" }), Latest{}},
		{"another delivery type", corrected(func(j *atlas.RestoreJob) { j.DeliveryType = atlas.DeliveryOther }), Latest{}},
	} {
		t.Run(test.name, func(t *testing.T) {
			h := removed(Policy{Limits: wideLimits}, a)
			expectLatest(t, h, Latest{Success: event(&a, a.Finished)})
			mergeList(h, test.job)
			expectLatest(t, h, test.want)
			for range 2 {
				mergeList(h)
			}
			expectLatest(t, h, test.want)
		})
	}
}

func TestRetain_FollowsAnEarlierEndOfAJobThatComesBack(t *testing.T) {
	a := job("a", 2*time.Hour, atlas.StatusCompleted)
	h := removed(Policy{Limits: wideLimits}, a)
	a.Finished -= 10
	mergeList(h, a)
	expectLatest(t, h, Latest{Success: event(&a, a.Finished)})
}

func TestRetain_FollowsJobsBeyondTheLimits(t *testing.T) {
	const age = 500 * day
	a, b := job("a", age, atlas.StatusCompleted), job("b", age+day, atlas.StatusCompleted)
	h := newHistory(wideLimits)
	mergeList(h, a, b)
	expectLatest(t, h, Latest{Success: event(&a, a.Finished)})
	a.Status = atlas.StatusFailed
	mergeList(h, a, b)
	expectKnown(t, h)
	expectLatest(t, h, Latest{Success: event(&b, b.Finished), Failure: event(&a, a.Finished)})
}

func TestRetain_KeepsTheTimeOfAnUndatedFailureThatComesBack(t *testing.T) {
	running := undatedFailure(func(j *atlas.RestoreJob) { j.Status = atlas.StatusInProgress })
	h := newHistory(wideLimits)
	mergeList(h, running)
	failed := undatedFailure()
	want := Latest{Failure: event(&failed, ago(0))}
	for _, listed := range [][]atlas.RestoreJob{{failed}, nil, nil, {failed}, nil, nil, {failed}} {
		mergeList(h, listed...)
		expectLatest(t, h, want)
	}
}

func TestRetain_KeepsTheEndOfABatchWhoseOtherJobsAreGone(t *testing.T) {
	b := inBatch("b")
	one := job("1", 2*time.Hour, atlas.StatusFailed, b)
	two := job("2", 2*time.Hour, atlas.StatusCompleted, b, func(j *atlas.RestoreJob) { j.Finished = ago(time.Hour) })
	h := removed(Policy{Limits: wideLimits}, one, two)
	want := Latest{Failure: event(&one, ago(time.Hour))}
	expectLatest(t, h, want)
	mergeList(h, one)
	expectLatest(t, h, want)
}

func TestRetain_FollowsTheDetailsOfABatchBeyondTheLimits(t *testing.T) {
	a := job("a", 500*day, atlas.StatusCompleted, inBatch("b"))
	a.RecoveryPoint = 0
	h := newHistory(wideLimits)
	mergeList(h, a)
	a.RecoveryPoint = a.Snapshot
	mergeList(h, a)
	expectKnown(t, h)
	expectLatest(t, h, Latest{Success: event(&a, a.Finished)})
}

func TestRetain_FollowsTheFailedJobOfABatchThatComesBack(t *testing.T) {
	one := job("1", 2*time.Hour, atlas.StatusFailed, inBatch("b"))
	two := job("2", 2*time.Hour, atlas.StatusCompleted, inBatch("b"))
	h := removed(Policy{Limits: wideLimits}, one, two)
	one.Status = atlas.StatusCompleted
	mergeList(h, one, two)
	expectLatest(t, h, Latest{Success: event(&two, two.Finished)})
}

func TestRetain_FollowsTheJobThatNamesASuccessfulBatch(t *testing.T) {
	one := job("1", 2*time.Hour, atlas.StatusCompleted, inBatch("b"))
	two := job("2", 2*time.Hour, atlas.StatusCompleted, inBatch("b"))
	h := removed(Policy{Limits: wideLimits}, one, two)
	expectLatest(t, h, Latest{Success: event(&two, two.Finished)})
	two.Status = atlas.StatusFailed
	mergeList(h, one, two)
	expectLatest(t, h, Latest{Failure: event(&two, two.Finished)})
}

func TestMerge_UpdatesTheSummaryWhenABatchBecomesIncomplete(t *testing.T) {
	h := removed(Policy{Limits: wideLimits}, job("newest", time.Minute, atlas.StatusCancelled))
	done := job("done", time.Hour, atlas.StatusCompleted, inBatch("b"))
	mergeList(h, done)
	expectLatest(t, h, Latest{Success: event(&done, done.Finished)})
	mergeList(h, done, job("cancelled", 500*day, atlas.StatusCancelled, inBatch("b")))
	expectLatest(t, h, Latest{})
}

func TestSetPolicy_ReclassifiesRetainedEvents(t *testing.T) {
	inPlace := job("a", time.Hour, atlas.StatusCompleted)
	copied := job("b", 2*time.Hour, atlas.StatusFailed, into(project, "drill"))
	h := removed(Policy{Limits: wideLimits}, inPlace, copied)
	for _, test := range []struct {
		drills []RestoreTarget
		want   Purpose
	}{
		{[]RestoreTarget{{ProjectID: project}}, PurposeDrill},
		{[]RestoreTarget{{ProjectID: project, ClusterNames: []string{"drill"}}}, PurposeDrill},
		{[]RestoreTarget{{ProjectID: project, ClusterNames: []string{"prod"}}}, PurposeOther},
		{nil, PurposeOther},
	} {
		h.SetPolicy(Policy{Limits: wideLimits, DrillTargets: test.drills}, noon)
		want := [PurposeCount]Latest{PurposeInPlace: {Success: event(&inPlace, inPlace.Finished)}}
		want[test.want] = Latest{Failure: event(&copied, copied.Finished)}
		expectPurposes(t, h, want)
	}
}

// TestSetPolicy_KeepsEventsOfDrillsWhileThereAreNoDrillTargets removes drill targets and adds them again, after later
// restores into other targets.
func TestSetPolicy_KeepsEventsOfDrillsWhileThereAreNoDrillTargets(t *testing.T) {
	drillTargets := []RestoreTarget{{ProjectID: project, ClusterNames: []string{"drill"}}}
	with := Policy{Limits: wideLimits, DrillTargets: drillTargets}
	without := Policy{Limits: wideLimits, DrillTargets: []RestoreTarget{}}
	drill := job("a", 5*time.Hour, atlas.StatusCompleted, into(project, "drill"))
	failedDrill := job("b", 4*time.Hour, atlas.StatusFailed, into(project, "drill"))
	later := job("c", 3*time.Hour, atlas.StatusCompleted, into(project, "other"))
	failedLater := job("d", 2*time.Hour, atlas.StatusFailed, into("other", "prod"))
	last := job("e", time.Hour, atlas.StatusCompleted, into("other", "drill"))
	h := removed(with, drill, failedDrill, later, failedLater)
	for _, policy := range []Policy{without, with, without} {
		if h.SetPolicy(policy, noon) {
			t.Error("jobs may be missing until the next poll")
		}
	}
	mergeList(h, last)
	mergeList(h)
	mergeList(h)
	others := Latest{Success: event(&last, last.Finished), Failure: event(&failedLater, failedLater.Finished)}
	expectPurposes(t, h, [PurposeCount]Latest{PurposeOther: others})
	h.SetPolicy(with, noon)
	expectPurposes(t, h, [PurposeCount]Latest{
		PurposeOther: others,
		PurposeDrill: {Success: event(&drill, drill.Finished), Failure: event(&failedDrill, failedDrill.Finished)},
	})
}

// expectPurposes checks the latest automated restores at noon.
func expectPurposes(t *testing.T, h *History, want [PurposeCount]Latest) {
	t.Helper()
	if got := h.Summarize(noon).Latest[atlas.DeliveryAutomated]; got != want {
		t.Errorf("latest restores are %+v\nwant %+v", got, want)
	}
}

// TestRetain_IsBoundedIfDestinationsNeverRepeat also checks that the latest events survive, however old they are.
func TestRetain_IsBoundedIfDestinationsNeverRepeat(t *testing.T) {
	for _, status := range []atlas.Status{atlas.StatusCompleted, atlas.StatusFailed} {
		drill := job("drill", 400*time.Hour, status, into("drills", "c"))
		jobs := []atlas.RestoreJob{drill}
		for i := range 3 * maxDestinations {
			name := fmt.Sprintf("%03d", i)
			jobs = append(jobs, job(name, time.Duration(i+1)*time.Hour, status, into("other", name)))
		}
		h := removed(Policy{Limits: wideLimits, DrillTargets: []RestoreTarget{{ProjectID: "drills"}}}, jobs...)
		if n := len(h.retained.events); n != maxDestinations {
			t.Errorf("events of %d destinations are retained", n)
		}
		newest := jobs[1]
		want := [PurposeCount]Latest{
			PurposeOther: {Success: event(&newest, newest.Finished)}, PurposeDrill: {Success: event(&drill, drill.Finished)},
		}
		if status == atlas.StatusFailed {
			for purpose, latest := range want {
				want[purpose] = Latest{Failure: latest.Success}
			}
		}
		expectPurposes(t, h, want)
	}
}
