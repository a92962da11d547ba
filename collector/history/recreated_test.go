package history

import (
	"reflect"
	"testing"
	"time"

	"atlas-restore-exporter/atlas"
)

// recreated is the policy of a cluster that was recreated three hours before noon.
var recreated = Policy{Limits: wideLimits, NotBefore: ago(3 * time.Hour), Recreated: true}

// clusterCreated is the policy of a cluster that was created three hours before noon, before the exporter started.
var clusterCreated = Policy{Limits: wideLimits, NotBefore: ago(3 * time.Hour)}

func TestSetPolicy_DropsTheJobsAndEventsOfAnEarlierCluster(t *testing.T) {
	removed := job("removed", 4*time.Hour, atlas.StatusFailed)
	old, running := job("old", 5*time.Hour, atlas.StatusCompleted), job("running", 6*time.Hour, atlas.StatusInProgress)
	added := job("added", time.Hour, atlas.StatusCompleted)
	broken := job("broken", 500*day, atlas.StatusCancelled, inBatch("b"))
	for name, test := range map[string]struct {
		policy Policy
		want   []string
	}{
		"recreated":              {recreated, []string{"added"}},
		"creation time is known": {clusterCreated, []string{"added", "running"}},
	} {
		h := newHistory(wideLimits)
		mergeList(h, removed, old, running, broken)
		mergeList(h, old, running, broken)
		mergeList(h, old, running, broken)
		expectLatest(t, h, Latest{Success: event(&old, old.Finished), Failure: event(&removed, removed.Finished)})
		mergeList(h, added, old, running, broken)
		h.SetPolicy(test.policy, noon)
		expectKnown(t, h, test.want...)
		expectLatest(t, h, Latest{Success: event(&added, added.Finished)})
		expectLastCreated(t, h, added.Created)
		if len(h.incompleteBatches) > 0 || h.Read(noon, false).Full() {
			t.Errorf("%s: batches %v; the next poll is a full poll: %t", name, h.incompleteBatches, h.Read(noon, false).Full())
		}
		mergeList(h, added, old, running, broken)
		expectKnown(t, h, test.want...)
		expectLatest(t, h, Latest{Success: event(&added, added.Finished)})
	}
}

func TestSetPolicy_StartsAgainIfTheClusterIsOlderThanBefore(t *testing.T) {
	h := New(prodList, recreated)
	mergeList(h, jobsBeyondLimits()...)
	h.Summarize(noon)
	older := Policy{Limits: wideLimits, NotBefore: recreated.NotBefore - 1}
	if !h.SetPolicy(older, noon) || !reflect.DeepEqual(h, New(prodList, older)) {
		t.Errorf("the history contains %+v", h)
	}
	if h.SetPolicy(Policy{Limits: wideLimits, NotBefore: older.NotBefore, JobSeries: threeDays}, noon) {
		t.Error("jobs may be missing although only the series change")
	}
}

// TestMerge_FollowsAnEarlierJobUntilItFinishes has a job that may not belong to an earlier cluster: it is not finished.
func TestMerge_FollowsAnEarlierJobUntilItFinishes(t *testing.T) {
	h := New(prodList, clusterCreated)
	running, old := job("running", 5*time.Hour, atlas.StatusInProgress), job("old", 4*time.Hour, atlas.StatusFailed)
	mergeList(h, old, running)
	expectKnown(t, h, "running")
	expectLatest(t, h, Latest{})
	failed := job("running", 5*time.Hour, atlas.StatusFailed)
	mergeList(h, old, failed)
	expectKnown(t, h, "running")
	expectLatest(t, h, Latest{Failure: event(&failed, failed.Finished)})
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
