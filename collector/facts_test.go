package collector

import (
	"log/slog"
	"slices"
	"testing"
	"time"

	"atlas-restore-exporter/atlas"
)

func ofBatch(j *atlas.RestoreJob) { j.BatchID = "b" }

// TestBatchBeyondTheLimits has a batch that is older than the history goes, of which one job still runs: that the others
// succeeded is no success yet.
func TestBatchBeyondTheLimits(t *testing.T) {
	const age = 500 * 24 * time.Hour
	done, running := job(t, "done", age, "completed", ofBatch), job(t, "running", age, "in_progress", ofBatch)
	h := NewHistory(wide)
	for range 2 {
		h.Merge(reading(true, done, running), noon)
		if facts := h.Summarize(&Target{}, noon).Facts[atlas.DeliveryAutomated]; facts.LastSuccess != 0 {
			t.Errorf("known %v, facts %+v", ids(h), facts)
		}
	}
	h.Merge(reading(true, done, job(t, "running", age, "completed", ofBatch)), noon)
	if facts := h.Summarize(&Target{}, noon).Facts[atlas.DeliveryAutomated]; facts.LastSuccess == 0 || len(ids(h)) != 0 {
		t.Errorf("known %v, facts %+v", ids(h), facts)
	}
}

// TestSpoiledBatchIsNoSuccess has a job of a batch end without success and go beyond the limits before the other ends.
func TestSpoiledBatchIsNoSuccess(t *testing.T) {
	const age = 500 * 24 * time.Hour
	running, other := job(t, "running", age, "in_progress", ofBatch), job(t, "other", age, "completed", ofBatch)
	for _, test := range []struct {
		status          string
		success, failed bool
	}{{"completed", true, false}, {"failed", false, true}, {"unknown", false, false}} {
		ended := other
		switch test.status {
		case "failed":
			ended = job(t, "other", age, "failed", ofBatch)
		case "unknown":
			ended = atlas.RestoreJob{ID: other.ID, BatchID: "b", Created: other.Created, DeliveryType: other.DeliveryType}
		}
		h := NewHistory(wide)
		h.Merge(reading(true, running, ended), noon)
		h.Merge(reading(false, job(t, "running", age, "completed", ofBatch)), noon)
		facts := h.Summarize(&Target{}, noon).Facts[atlas.DeliveryAutomated]
		if facts.LastSuccess != 0 != test.success || facts.LastFailure != 0 != test.failed {
			t.Errorf("%s: %+v", test.status, facts)
		}
	}
}

// TestPartOfABatch has the newest pages end within a batch that is older than the history goes: that is no success yet.
func TestPartOfABatch(t *testing.T) {
	const age = 500 * 24 * time.Hour
	one, two := job(t, "1", age, "completed", ofBatch), job(t, "2", age, "failed", ofBatch)
	h := NewHistory(wide)
	h.Merge(reading(false, one), noon)
	h.Merge(reading(true, one, two), noon)
	if facts := h.Summarize(&Target{}, noon).Facts[atlas.DeliveryAutomated]; facts.LastSuccess != 0 || facts.LastFailure == 0 {
		t.Errorf("%+v", facts)
	}
}

// TestSummaryIsHeldToTheWallClock looks at what a summary's age is told by: Go's monotonic clock does not jump, and so
// would never tell that the clock which made the summary was wrong.
func TestSummaryIsHeldToTheWallClock(t *testing.T) {
	p := newPoller(target(team), &modelAtlas{pageSize: 1}, newProjectNames(), NewMetrics(BuildInfo{}), slog.New(slog.DiscardHandler))
	p.poll(t.Context())
	if p.summary == nil || p.summaryAt != p.summaryAt.Round(0) {
		t.Errorf("made at %v", p.summaryAt)
	}
	heir := newPoller(target(team), p.client, p.names, p.metrics, p.logger)
	heir.inherit(p)
	heir.resume(t.Context())
	if heir.summary == nil || heir.summaryAt != heir.summaryAt.Round(0) {
		t.Errorf("inherited at %v", heir.summaryAt)
	}
}

// TestFactsDependOnNoOrder has restores of which each could be the last.
func TestFactsDependOnNoOrder(t *testing.T) {
	ended := func(j *atlas.RestoreJob) { j.Finished = ago(time.Minute) }
	download := func(j *atlas.RestoreJob) { j.DeliveryType = atlas.DeliveryDownload }
	one, two := job(t, "1", time.Hour, "completed", ended), job(t, "2", 2*time.Hour, "completed", ended)
	three := job(t, "3", 3*time.Hour, "completed", ended, ofBatch)
	four := job(t, "4", 3*time.Hour, "completed", ended, ofBatch, download)
	jobs := []*atlas.RestoreJob{&one, &two, &three, &four}
	want := factsOf(jobs, nil, noon)
	if got := want[atlas.DeliveryAutomated].LastDuration; got != 7140 {
		t.Errorf("the longest took %d s", got)
	}
	slices.Reverse(jobs)
	if got := factsOf(jobs, nil, noon); got != want {
		t.Errorf("%+v\nwant %+v", got, want)
	}
}
