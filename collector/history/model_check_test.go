package history

import (
	"maps"
	"reflect"
	"slices"
	"time"

	"atlas-restore-exporter/atlas"
)

// pollOnce polls the list and checks the promises of TestModel.
func (m *model) pollOnce() {
	before, now := clone(m.history), m.now()
	fullPollDue := m.elapsed-m.lastFullPoll >= fullPollInterval
	reading, err := m.atlas.read(m.history.Read(now, fullPollDue))
	if err != nil {
		m.checkUnchanged(before)
		return
	}
	if reading.Repeated() && m.atlas.shiftAt == 0 {
		m.checkRepeated(before, fullPollDue)
	}
	m.history.Merge(reading, now)
	summary := m.history.Summarize(now)
	m.checkSummary(summary, now)
	m.checkFullPoll(before, reading)
	m.checkLimits(summary)
	m.checkRemoved(before)
	m.checkKept(before, now)
	m.checkSeen(before, now)
	m.checkLatest(summary)
	m.recordEvents(before, reading, now)
	m.checkValues(summary)
	m.checkEvents(summary)
	m.checkConsistency(reading)
	m.checkFailures(before, reading, summary, now)
	m.finishPoll(reading, summary)
}

// finishPoll forgets the events that no longer matter after a successful poll.
func (m *model) finishPoll(reading *Reading, summary *Summary) {
	m.published = summary
	for _, job := range m.atlas.jobs {
		job.unseen = job.unseen && job.unreadable
	}
	m.sincePoll = events{}
	if reading.conclusive() || reading.Repeated() {
		m.misledBefore = m.atlas.misleading()
	}
	m.notFoundBefore = m.atlas.notFound
	if reading.full {
		m.lastFullPoll = m.elapsed
		if !m.atlas.anyUnreadable() {
			m.sinceFullPoll = events{}
		}
	}
	m.recordConditions()
}

// checkUnchanged checks promise 1.
func (m *model) checkUnchanged(before *History) {
	if !reflect.DeepEqual(before, m.history) {
		m.Fatalf("a failed poll changed the history")
	}
}

// checkRepeated checks promise 18: the same poll with all its pages decoded.
func (m *model) checkRepeated(before *History, fullPollDue bool) {
	decoded, now, state := clone(before), m.now(), *m.atlas
	reading := decoded.Read(now, fullPollDue)
	full := reading.full
	reading.known, m.atlas.failAt = nil, 0
	reading, _ = m.atlas.read(reading)
	decoded.Merge(reading, now)
	if requests := m.atlas.requests - state.requests; requests != len(before.repeatable.marks) || reading.full != full {
		m.Fatalf("a poll was skipped, although it sends %d requests", requests)
	}
	*m.atlas = state
	decoded.oldest, decoded.repeatable = before.oldest, before.repeatable
	if decoded.summary == nil || !reflect.DeepEqual(before, decoded) || reading.Truncated() || reading.Inconsistent() {
		m.Fatalf("a poll was skipped, although it changes %+v\nto %+v", before, decoded)
	}
}

// checkSummary checks promise 2. A summary may have been computed for an earlier time.
func (m *model) checkSummary(summary *Summary, now time.Time) {
	want := m.history.summarize(now)
	want.validFrom = summary.validFrom
	if !reflect.DeepEqual(summary, want) || summary.validFrom > atlas.TimestampOf(now) {
		m.Fatalf("summary %+v\nwant    %+v", summary, want)
	}
}

// checkFullPoll checks promise 3.
func (m *model) checkFullPoll(before *History, reading *Reading) {
	if (!before.sorted || before.pages <= 2) && !reading.full {
		m.Fatalf("incremental poll of a list of %d pages, sorted %t", before.pages, before.sorted)
	}
}

// checkLimits checks promise 4.
func (m *model) checkLimits(s *Summary) {
	sum := 0
	for _, counts := range s.Counts {
		for _, n := range counts {
			sum += n
		}
	}
	if sum != s.Known || sum != len(m.history.jobs) {
		m.Fatalf("%d jobs by status, %d in the summary, %d in the history", sum, s.Known, len(m.history.jobs))
	}
	finished := 0
	for id, job := range m.history.jobs {
		if !m.oracle().mayChange(job) && job.BatchID == "" {
			finished++
		}
		if m.oracle().ignores(job) {
			m.Fatalf("%s belongs to an earlier cluster, but is known", id)
		}
	}
	if finished > m.history.policy.Limits.MaxJobs {
		m.Fatalf("%d finished jobs are known", finished)
	}
}

// checkRemoved checks promise 5.
func (m *model) checkRemoved(before *History) {
	for _, id := range m.atlas.notFound {
		twice := before.jobs[id] != nil && slices.Contains(m.notFoundBefore, id)
		if twice && m.history.jobs[id] != nil {
			m.Fatalf("%s is known, although it was not found twice", id)
		}
	}
}

// misledTwice reports whether the last two lists made existing jobs look as if they were removed.
func (m *model) misledTwice() bool { return m.misledBefore && m.atlas.misleading() }

// checkKept checks promise 6.
func (m *model) checkKept(before *History, now time.Time) {
	if m.misledTwice() {
		return
	}
	for id, job := range before.jobs {
		exists := m.atlas.jobs[id]
		if exists == nil || m.history.jobs[id] != nil || exists.unlisted && !m.oracle().mayChange(job) {
			continue
		}
		if m.oracle().mayChange(job) && m.oracle().mayChange(&exists.RestoreJob) {
			m.Fatalf("%s may change, but is no longer known", id)
		}
		if !m.history.beyondLimits(job, now) {
			m.Fatalf("%s exists and is within the limits, but is no longer known", id)
		}
	}
}

// checkConsistency checks promise 12. A list that changes may seem to contradict itself.
func (m *model) checkConsistency(reading *Reading) {
	want := reading.full && reading.complete && m.atlas.contradicts()
	if m.atlas.shiftAt == 0 && reading.Inconsistent() != want {
		m.Fatalf("the list is reported as inconsistent: %t, want %t", !want, want)
	}
}

// checkFailures checks promise 13.
func (m *model) checkFailures(before *History, reading *Reading, summary *Summary, now time.Time) {
	for id, job := range reading.jobs {
		known := before.jobs[id]
		undated := job.End() == 0 && job.RecoveryPoint == 0
		if job.Status != atlas.StatusFailed || !undated || known == nil || !known.Status.Unfinished() {
			continue
		}
		m.record(func(e *events) { e.undated = true })
		got := summary.Latest[job.DeliveryType][m.oracle().purpose(job)].Failure.End
		if got < atlas.TimestampOf(now) {
			m.Fatalf("%s has failed, but the last failure was at %v", id, got.Time())
		}
	}
}

// checkSeen checks promise 7. It applies if the list was sorted, readable, and didn't change while it was read. Late
// jobs are seen if totalCount reveals them; otherwise, the next full poll sees them.
func (m *model) checkSeen(before *History, now time.Time) {
	if m.sincePoll.reordered || m.sincePoll.unreadable || m.sincePoll.shifted || m.atlas.misleading() {
		return
	}
	requestsAll := len(before.changeable) <= maxRequests && !m.atlas.notRead
	for id, listed := range m.atlas.jobs {
		known := before.jobs[id]
		switch {
		case slices.Contains(m.atlas.notFound, id) || m.oracle().ignores(&listed.RestoreJob):
			continue
		case known != nil && m.oracle().mayChange(known) && (!m.sincePoll.cut && !listed.unlisted || requestsAll):
		case m.sincePoll.cut || listed.unlisted:
			continue
		case known == nil && listed.unseen && !listed.late:
		case known == nil && listed.unseen && !m.sincePoll.hidLateJobs():
		default:
			continue
		}
		switch seen := m.history.jobs[id]; {
		case seen != nil && *seen == listed.RestoreJob:
		case seen == nil && !m.oracle().mayChange(&listed.RestoreJob) && m.history.beyondLimits(&listed.RestoreJob, now):
		default:
			m.Fatalf("%s was not seen: %+v, known as %+v", id, listed, seen)
		}
	}
}

// checkLatest checks promise 8. It doesn't apply after events that change earlier restores, or their removal, or after
// the clock was set back, which may undo the expiry of a download.
func (m *model) checkLatest(summary *Summary) {
	since := &m.sinceFullPoll
	if m.published == nil || since.changed || since.removed || since.hidJobs() || since.setBack {
		return
	}
	for delivery, byPurpose := range summary.Latest {
		if b, a := m.published.LastCreated[delivery], summary.LastCreated[delivery]; a < b {
			m.Fatalf("creation of the newest job moved back from %v to %v", b.Time(), a.Time())
		}
		for purpose, a := range byPurpose {
			b := m.published.Latest[delivery][purpose]
			if inOrder(a.Success, b.Success) < 0 || inOrder(a.Failure, b.Failure) < 0 {
				m.Fatalf("latest restores moved back from %+v to %+v", b, a)
			}
		}
	}
}

// compareWithNewHistory checks promises 9 to 11, and 17.
func (m *model) compareWithNewHistory() {
	now := m.now()
	fresh := New(prodList, m.history.policy)
	reading, err := m.atlas.read(fresh.Read(now, true))
	if err != nil {
		m.Fatalf("full poll failed: %v", err)
	}
	fresh.Merge(reading, now)
	m.compareJobs(m.history, fresh)
	m.compareJobs(fresh, m.history)
	m.checkAllListed(fresh)
	got, want := *m.history.Summarize(now), *fresh.Summarize(now)
	e := &m.sinceStart
	if e.undated {
		return
	}
	if got.Latest != want.Latest && !e.changedBatch && !e.removed && !e.hidJobs() && !e.setBack {
		m.Fatalf("latest restores %+v\nwant %+v", got.Latest, want.Latest)
	}
	got.Latest, got.LastCreated, got.validFrom = want.Latest, want.LastCreated, want.validFrom
	got.Failures = want.Failures // derived from the latest restores of each target
	if !reflect.DeepEqual(got, want) {
		m.Fatalf("summary %+v\nwant    %+v", got, want)
	}
}

// compareJobs checks that another history has the known jobs of a history.
func (m *model) compareJobs(a, b *History) {
	for id, job := range a.jobs {
		other := b.jobs[id]
		_, absentInA := a.absent[id]
		_, absentInB := b.absent[id]
		if other != nil && *other == *job && absentInA == absentInB {
			continue
		}
		m.Fatalf("%s: %+v in one history, %+v in the other", id, job, other)
	}
}

// clone copies a history with its jobs.
func clone(h *History) *History {
	c := *h
	c.changeable, c.absent = maps.Clone(h.changeable), maps.Clone(h.absent)
	c.notFound, c.failedSince = maps.Clone(h.notFound), maps.Clone(h.failedSince)
	c.incompleteBatches, c.retained = maps.Clone(h.incompleteBatches), h.retained.clone()
	c.jobs = map[string]*atlas.RestoreJob{}
	for id, job := range h.jobs {
		copied := *job
		c.jobs[id] = &copied
	}
	return &c
}
