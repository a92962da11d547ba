package history

import (
	"reflect"
	"testing"
	"time"

	"atlas-restore-exporter/atlas"
)

// recreated is the policy of a cluster that was recreated three hours before noon.
var recreated = Policy{Limits: wideLimits, NotBefore: ago(3 * time.Hour)}

func TestSetPolicy_StartsAgainIfTheClusterWasRecreated(t *testing.T) {
	h := newHistory(Limits{MaxAge: 400 * day, MaxJobs: 1})
	mergeList(h, jobsBeyondLimits()...)
	mergeList(h, jobsBeyondLimits()[:3]...)
	h.Summarize(noon)
	h.SetPolicy(recreated)
	if !reflect.DeepEqual(h, New(prodList, recreated)) {
		t.Errorf("the history contains %+v", h)
	}
	if !h.Read(noon, false).Full() {
		t.Error("the next poll is an incremental poll")
	}
	mergeList(h, jobsBeyondLimits()...)
	expectKnown(t, h, "0", "1", "2")
	h.SetPolicy(Policy{Limits: wideLimits, NotBefore: recreated.NotBefore, JobSeries: threeDays})
	expectKnown(t, h, "0", "1", "2")
}

func TestMerge_IgnoresJobsOfAnEarlierCluster(t *testing.T) {
	undated := undatedFailure(func(j *atlas.RestoreJob) { j.ID, j.Status = "undated", atlas.StatusInProgress })
	h := New(prodList, recreated)
	mergeList(h, job("new", 3*time.Hour, atlas.StatusPending), job("old", 4*time.Hour, atlas.StatusCompleted),
		job("running", 5*time.Hour, atlas.StatusInProgress), job("older", 500*day, atlas.StatusFailed), undated)
	expectKnown(t, h, "new", "undated")
	expectLatest(t, h, Latest{})
	expectLastCreated(t, h, ago(3*time.Hour))
}

func TestAdd_EndsAnIncrementalPollAtJobsOfAnEarlierCluster(t *testing.T) {
	h := New(prodList, recreated)
	mergeList(h)
	r := h.Read(noon, false)
	running, added := job("running", 5*time.Hour, atlas.StatusInProgress), job("new", time.Hour, atlas.StatusPending)
	if r.Add(listPage(0, false, added, running)) || !r.Add(listPage(0, false, running)) {
		t.Error("the poll did not end at a page that contains only jobs of an earlier cluster")
	}
}

func TestPending_DoesNotCountJobsOfAnEarlierClusterAsNew(t *testing.T) {
	old, running := job("old", 4*time.Hour, atlas.StatusCompleted), job("running", 5*time.Hour, atlas.StatusInProgress)
	h := New(prodList, recreated)
	mergeList(h, old, running)
	r := h.Read(noon, false)
	r.Add(listPage(3, false, job("new", time.Hour, atlas.StatusPending), old, running))
	expectFullPollNeeded(t, r, false, "")
	if pending, err := r.Pending(); len(pending) > 0 || err != nil {
		t.Errorf("pending %v, %v", pending, err)
	}
}
