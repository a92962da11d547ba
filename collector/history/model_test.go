package history

import (
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"atlas-restore-exporter/atlas"
)

// TestModel lets anything happen to a list and to the clock, in any order, and polls the list in between. It checks
// these promises (the numbers are those in model_check_test.go):
//
// A failed poll
//
//  1. changes nothing.
//
// A successful poll
//
//  2. publishes the same summary as one that is computed from scratch,
//  3. is a full poll if the list is short or was not sorted newest first,
//  4. counts each job once, keeps the limit on finished jobs, and ignores the jobs of an earlier cluster,
//  5. removes jobs that are not found twice in a row,
//  6. never loses a job that still exists, except finished jobs beyond the limits,
//  7. sees each new job and each change of an unfinished job,
//  8. never replaces an event by an earlier one,
//  12. reports whether the list contradicts itself,
//  13. dates the failure of a job that it saw unfinished,
//  14. publishes the values of the known jobs as the oracle computes them,
//  15. publishes no event that precedes that of a known job,
//  16. publishes only events that happened, with the current state of their jobs if these are known, and
//  18. is not merged if its pages are unchanged and merging them would change nothing.
//
// Two full polls later, the history
//
//  9. has the same known jobs as a new history after one full poll,
//  10. has the same latest restores,
//  11. has the same summary, and
//  17. has the latest restores of all listed jobs as the oracle computes them, and the creation of the newest known
//     job, if it is new.
//
// Promises 6 to 8, and 10 have exceptions: some events hide from a poll that something has happened. See events.
func TestModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := newModel(t)
		m.pollOnce()
		t.Repeat(m.drawActions())
		m.T = t
		m.atlas.repair()
		for range 2 {
			m.elapsed += fullPollInterval
			m.pollOnce()
		}
		m.compareWithNewHistory()
	})
}

const fullPollInterval = day

// model is a list, the history that follows it, and the events that limit its promises.
type model struct {
	*rapid.T
	atlas    *modelAtlas
	history  *History
	shortJob bool // jobs finish before a poll can see them unfinished

	elapsed      time.Duration // since the start, by a clock that is always right
	ahead        time.Duration // of the exporter's clock; negative if it is behind
	lastFullPoll time.Duration // by elapsed
	published    *Summary      // of the last successful poll; nil if the policy has changed since

	failedAt   map[string]atlas.Timestamp     // when jobs without any time were first seen failed; see oracle
	unfinished map[string]bool                // known jobs that a poll saw unfinished
	happened   map[happening]atlas.RestoreJob // all events that a poll could see

	sincePoll, sinceFullPoll, sinceStart events
	misledBefore                         bool // see misleading; when a conclusive list was last read
	notFoundBefore                       []string
}

// events are the possible past events that limit the promises.
type events struct {
	removed      bool // a job was removed from the list
	unlisted     bool // so was one that can still be requested by its ID
	reordered    bool // the list was not sorted newest first
	shifted      bool // the list changed while it was read
	unreadable   bool // a job was listed without a readable ID
	totalWrong   bool // totalCount was missing or wrong
	changed      bool // a job that was not active changed
	changedBatch bool // so did a job of a batch
	repeated     bool // jobs were listed twice
	cut          bool // the list ended early
	undated      bool // a poll had to date a failure itself
	setBack      bool // the clock was set back
}

// hidJobs reports whether a list may have lacked jobs that existed.
func (e *events) hidJobs() bool { return e.unreadable || e.shifted || e.cut }

// hidLateJobs reports whether totalCount may not have revealed jobs that were added further down the list.
func (e *events) hidLateJobs() bool { return e.totalWrong || e.removed || e.unlisted || e.repeated }

func (m *model) record(event func(*events)) {
	event(&m.sincePoll)
	event(&m.sinceFullPoll)
	event(&m.sinceStart)
}

// recordConditions records the events that last until they are undone.
func (m *model) recordConditions() {
	m.record(func(e *events) {
		e.reordered = e.reordered || m.atlas.order != newestFirst
		e.totalWrong = e.totalWrong || m.atlas.totalError != 0
		e.unreadable = e.unreadable || m.atlas.anyUnreadable()
		e.repeated = e.repeated || m.atlas.repeat > 0
		e.cut = e.cut || m.atlas.cut
	})
}

// now returns the time by the exporter's clock.
func (m *model) now() time.Time { return noon.Add(m.elapsed + m.ahead) }

// atlasNow returns the time by the clock of Atlas.
func (m *model) atlasNow() atlas.Timestamp { return atlas.TimestampOf(noon.Add(m.elapsed)) }

func newModel(t *rapid.T) *model {
	m := &model{T: t, atlas: &modelAtlas{
		pageSize: rapid.IntRange(8, 20).Draw(t, "page size"), jobs: map[string]*modelJob{},
	}}
	m.shortJob = rapid.IntRange(0, 3).Draw(t, "short jobs") == 3
	m.lastFullPoll = -fullPollInterval
	m.failedAt, m.unfinished = map[string]atlas.Timestamp{}, map[string]bool{}
	m.happened = map[happening]atlas.RestoreJob{}
	m.history = New(prodList, m.drawPolicy())
	n := rapid.SampledFrom([]int{0, 5, 60, 300, 400}).Draw(t, "jobs")
	interval := rapid.SampledFrom([]time.Duration{time.Minute, time.Hour, 12 * time.Hour}).Draw(t, "interval")
	for i := range n {
		delivery, status := atlas.DeliveryAutomated, atlas.StatusCompleted
		if i%7 == 6 {
			delivery, status = atlas.DeliveryDownload, atlas.Status(i/7%int(atlas.StatusCount))
		}
		age, batch := n-i, ""
		if i%20 < 3 { // a batch of three jobs
			age, batch = n-i/20*20, fmt.Sprint("early batch", i/20)
		}
		job := m.newJob(delivery, status, m.atlasNow()-atlas.Timestamp(time.Duration(age)*interval/time.Second))
		m.atlas.add(m.inBatch(job, batch))
	}
	return m
}

func (m *model) drawPolicy() Policy {
	limits := []Limits{wideLimits, {MaxAge: 30 * day, MaxJobs: 100}, {MaxAge: 400 * day, MaxJobs: 60}}
	recreated := []atlas.Timestamp{0, 0, 0, m.atlasNow() - 7200, ago(30 * day)}
	drills := [][]RestoreTarget{
		nil, {}, {{ProjectID: project, ClusterNames: []string{"drill"}}}, {{ProjectID: project}, {ProjectID: "other"}},
	}
	return Policy{
		NotBefore: rapid.SampledFrom(recreated).Draw(m.T, "not before"), Recreated: true,
		DrillTargets: rapid.SampledFrom(drills).Draw(m.T, "drill targets"),
		Limits:       rapid.SampledFrom(limits).Draw(m.T, "limits"),
		JobSeries: SeriesLimits{
			MaxAge: 72 * time.Hour, MaxPerTarget: rapid.SampledFrom([]int{50, 5}).Draw(m.T, "series"),
		},
		AllowedTargets: []RestoreTarget{{ProjectID: project, ClusterNames: []string{"prod"}}},
	}
}

func (m *model) newJob(delivery atlas.DeliveryType, status atlas.Status, created atlas.Timestamp) atlas.RestoreJob {
	job := atlas.RestoreJob{DeliveryType: delivery, Created: created}
	if delivery != atlas.DeliveryDownload {
		targets := [][2]string{{project, "prod"}, {project, "drill"}, {project, "other"}, {"other", "prod"}, {}}
		target := rapid.SampledFrom(targets).Draw(m.T, "target")
		job.TargetProjectID, job.TargetClusterName = target[0], target[1]
		job.WritesCopies = rapid.Bool().Draw(m.T, "writes copies")
	}
	if rapid.Bool().Draw(m.T, "recovery point") {
		job.RecoveryPoint = max(created-3600, 1)
	}
	return m.withStatus(job, status)
}

// inBatch returns a job as a part of a batch. The jobs of a batch have the same target, and no status of indexes.
func (m *model) inBatch(job atlas.RestoreJob, batch string) atlas.RestoreJob {
	if batch == "" {
		return job
	}
	job.BatchID, job.Indexes = batch, atlas.IndexesAbsent
	for _, other := range m.atlas.jobs {
		if other.BatchID == batch {
			job.TargetProjectID, job.TargetClusterName = other.TargetProjectID, other.TargetClusterName
			job.WritesCopies = other.WritesCopies
		}
	}
	return job
}

// withStatus returns a job in another status.
func (m *model) withStatus(job atlas.RestoreJob, status atlas.Status) atlas.RestoreJob {
	next := atlas.RestoreJob{
		ID: job.ID, BatchID: job.BatchID, Created: job.Created, DeliveryType: job.DeliveryType,
		TargetProjectID: job.TargetProjectID, TargetClusterName: job.TargetClusterName, Status: status,
		WritesCopies: job.WritesCopies, RecoveryPoint: job.RecoveryPoint,
	}
	now := max(m.atlasNow(), job.Created)
	switch status {
	case atlas.StatusCompleted:
		next.Finished = now
		indexes := []atlas.IndexStatus{atlas.IndexesAbsent, atlas.IndexesAbsent, atlas.IndexesPending, atlas.IndexesFailed}
		if job.BatchID == "" {
			next.Indexes = rapid.SampledFrom(indexes).Draw(m.T, "indexes")
		}
	case atlas.StatusFailed, atlas.StatusCancelled:
		next.Finished = now
	case atlas.StatusReady:
		next.Expiry, next.DownloadURLs = now+3600, 1
	case atlas.StatusExpired:
		next.Expiry = now + 3600
	default:
	}
	if job.Created == 0 {
		next.Finished, next.Expiry = 0, 0
	}
	return next
}

func (m *model) drawDelivery() atlas.DeliveryType {
	return atlas.DeliveryType(rapid.IntRange(0, int(atlas.DeliveryCount)-1).Draw(m.T, "delivery"))
}

func (m *model) drawStatus(delivery atlas.DeliveryType) atlas.Status {
	if m.shortJob {
		return rapid.SampledFrom([]atlas.Status{atlas.StatusCompleted, atlas.StatusFailed}).Draw(m.T, "outcome")
	}
	status := atlas.Status(rapid.IntRange(0, int(atlas.StatusCount)-1).Draw(m.T, "status"))
	onlyDownloads := status == atlas.StatusReady || status == atlas.StatusExpired
	if onlyDownloads && delivery != atlas.DeliveryDownload {
		return atlas.StatusCompleted
	}
	return status
}

// drawActions draws the actions of a run: the usual ones and some of the unusual ones. If all of them could happen in
// each run, few polls would be left to which the promises apply without exceptions.
func (m *model) drawActions() map[string]func(*rapid.T) {
	chosen := m.usualActions()
	unusual := m.unusualActions()
	for _, name := range slices.Sorted(maps.Keys(unusual)) {
		if rapid.IntRange(0, 3).Draw(m.T, name) == 3 {
			chosen[name] = unusual[name]
		}
	}
	actions := map[string]func(*rapid.T){}
	for name, action := range chosen {
		actions[name] = func(t *rapid.T) { m.T = t; action() }
	}
	return actions
}

// TestModel_SeesNewJobsWhenTheOrderChanges lets the order of a list change without a totalCount that would reveal a
// new job.
func TestModel_SeesNewJobsWhenTheOrderChanges(t *testing.T) {
	a := &modelAtlas{pageSize: 10, totalError: noTotal, jobs: map[string]*modelJob{}}
	for i := range 100 {
		a.add(job("", time.Duration(100-i)*time.Hour, atlas.StatusCompleted))
	}
	h := newHistory(wideLimits)
	poll := func(fullPollDue bool) {
		reading, err := a.read(h.Read(noon, fullPollDue))
		if err != nil {
			t.Fatal(err)
		}
		h.Merge(reading, noon)
	}
	poll(true)
	a.setOrder(oldestFirst)
	added := a.add(job("", time.Minute, atlas.StatusCompleted))
	if slices.ContainsFunc(a.page(1).Jobs, func(j atlas.RestoreJob) bool { return j.ID == added.ID }) {
		t.Fatal("the new job is on the first page")
	}
	poll(false)
	if known := h.Summarize(noon).Known; known != 101 {
		t.Errorf("%d jobs are known", known)
	}
}
