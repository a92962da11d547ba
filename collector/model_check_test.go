package collector

import (
	"maps"
	"reflect"
	"time"

	"atlas-restore-exporter/atlas"
)

// doPoll polls, and holds what came of it to what was there.
func (m *scenario) doPoll() {
	p := m.poller
	before, published := clone(p.history), p.published.Load()
	m.atlas.notFound = nil
	p.poll(m.bubble.Context())
	now, next := time.Now(), p.published.Load()
	if next.Err != nil {
		m.failed(before, published, next)
		return
	}
	if next.LastPoll != now || next.LastSuccess != now {
		m.Fatalf("published %+v at %v", next, now)
	}
	if want := p.history.Summarize(p.target, now); !reflect.DeepEqual(next.Summary, want) {
		m.Fatalf("published %+v\nwant      %+v", next.Summary, want)
	}
	if (!before.ordered || before.pages <= 2) && p.history.sweeps == before.sweeps {
		m.Fatalf("a list of %d pages, newest first: %t, was not read whole", before.pages, before.ordered)
	}
	m.checkBounds(next, now)
	m.checkOpenJobs(before, now)
	m.checkSeen(before, now)
	if published.Summary != nil && !m.sweep.changed && !m.sweep.vanished && !m.sweep.unread && !m.sweep.shifted {
		m.checkNoFactWentBack(&published.Summary.Facts, &next.Summary.Facts)
	}
	for _, job := range m.atlas.jobs {
		job.unseen = job.unseen && job.unreadable
	}
	m.poll = events{}
	if m.atlas.shiftAt != 0 || p.history.sweeps > before.sweeps {
		m.shiftedBefore = m.atlas.shiftAt != 0
	}
	if p.lastSweep.Equal(now) && !m.anyUnreadable() {
		m.sweep = events{}
	}
	m.observe()
}

// observe notes what lasts.
func (m *scenario) observe() {
	m.note(func(e *events) {
		e.reordered = e.reordered || m.atlas.oldestFirst || m.atlas.shuffled
		e.totalOff = e.totalOff || m.atlas.total != 0
		e.unread = e.unread || m.anyUnreadable()
	})
}

func (m *scenario) anyUnreadable() bool {
	for _, job := range m.atlas.jobs {
		if job.unreadable {
			return true
		}
	}
	return false
}

// failed checks that a failed poll changed nothing but that.
func (m *scenario) failed(before *History, published, next *Snapshot) {
	if next.Failures != published.Failures+1 || next.Reason != ReasonServerError || next.Summary != published.Summary ||
		next.LastSuccess != published.LastSuccess || next.Truncated != published.Truncated {
		m.Fatalf("published %+v\nafter     %+v", next, published)
	}
	if !reflect.DeepEqual(before, m.poller.history) {
		m.Fatalf("a failed poll changed what is known")
	}
}

func (m *scenario) checkBounds(s *Snapshot, now time.Time) {
	sum := 0
	for _, counts := range s.Summary.Counts {
		for _, n := range counts {
			sum += n
		}
	}
	if sum != s.Summary.Known || sum != len(m.poller.history.jobs) {
		m.Fatalf("%d by status, %d known, %d in the history", sum, s.Summary.Known, len(m.poller.history.jobs))
	}
	if len(s.Summary.Series) > s.Target.JobSeries.MaxPerTarget {
		m.Fatalf("%d jobs have series", len(s.Summary.Series))
	}
	terminal := 0
	for _, job := range m.poller.history.jobs {
		if !job.StatusAt(now).Open() && job.BatchID == "" {
			terminal++
		}
	}
	if terminal > s.Target.History.MaxJobs {
		m.Fatalf("%d terminal jobs are known", terminal)
	}
}

// checkOpenJobs holds that no open job is forgotten that Atlas still lists, and that those are that are not found.
func (m *scenario) checkOpenJobs(before *History, now time.Time) {
	for _, id := range m.atlas.notFound {
		if m.poller.history.jobs[id] != nil {
			m.Fatalf("%s is still known though Atlas said that there is none", id)
		}
	}
	for id, known := range before.jobs {
		listed := m.atlas.jobs[id]
		if listed == nil || m.poller.history.jobs[id] != nil {
			continue
		}
		if m.shiftedBefore && m.atlas.shiftAt != 0 {
			continue // pages may have shifted so that two lists in a row did not have it
		}
		if known.StatusAt(now).Open() && listed.StatusAt(now).Open() {
			m.Fatalf("%s is open, and no longer known", id)
		}
	}
}

// checkSeen holds that a poll saw every new job, and every change of an open one. This is promised where the list is
// newest first, and can be read.
func (m *scenario) checkSeen(before *History, now time.Time) {
	if m.poll.reordered || m.poll.unread || m.poll.shifted {
		return
	}
	for id, listed := range m.atlas.jobs {
		known := before.jobs[id]
		switch {
		case known != nil && known.StatusAt(now).Open():
		case known == nil && listed.unseen && !listed.late:
		case known == nil && listed.unseen && !m.poll.totalOff && !m.poll.vanished:
		default:
			continue // it can wait for a sweep
		}
		switch read := m.poller.history.jobs[id]; {
		case read != nil && read.RestoreJob == listed.RestoreJob:
		case read == nil && !listed.StatusAt(now).Open() && m.poller.history.beyond(&listed.RestoreJob, now):
		default:
			m.Fatalf("%s was not seen: %+v, known as %+v", id, listed, read)
		}
	}
}

func (m *scenario) checkNoFactWentBack(before, after *[atlas.DeliveryCount]Facts) {
	for delivery := range before {
		b, a := before[delivery], after[delivery]
		if a.LastCreated < b.LastCreated || a.LastSuccess < b.LastSuccess || a.LastFailure < b.LastFailure || a.LastCompleted < b.LastCompleted {
			m.Fatalf("facts went back from %+v to %+v", b, a)
		}
	}
}

// clone copies a history.
func clone(h *History) *History {
	copied := *h
	copied.spoiled, copied.open = maps.Clone(h.spoiled), maps.Clone(h.open)
	copied.jobs = map[string]*knownJob{}
	for id, job := range h.jobs {
		known := *job
		copied.jobs[id] = &known
	}
	return &copied
}

// checkAgainstSweep holds what is known to what a poller knows that was started now.
func (m *scenario) checkAgainstSweep() {
	fresh := m.newPoller(*m.poller.target)
	fresh.poll(m.bubble.Context())
	got, want := m.poller.published.Load().Summary, fresh.published.Load().Summary
	now := time.Now()
	tolerable := func(job *knownJob) bool {
		return !job.StatusAt(now).Open() && job.Created <= m.poller.history.floor
	}
	different := false
	differ := func(ours, theirs map[string]*knownJob) {
		for id, job := range ours {
			other := theirs[id]
			if other != nil && other.RestoreJob == job.RestoreJob && other.missed == job.missed {
				continue
			}
			if different = true; other != nil || !tolerable(job) {
				m.Fatalf("%s: %+v here, %+v there", id, job, other)
			}
		}
	}
	differ(m.poller.history.jobs, fresh.history.jobs)
	differ(fresh.history.jobs, m.poller.history.jobs)
	m.checkBatches(now)
	if !m.everything.changed && !m.everything.vanished && !m.everything.unread && !m.everything.shifted {
		if got.Facts != want.Facts {
			m.Fatalf("facts %+v\nwant  %+v", got.Facts, want.Facts)
		}
	}
	if different {
		return
	}
	same := *got
	same.Facts = want.Facts
	if !reflect.DeepEqual(&same, want) {
		m.Fatalf("summary %+v\nwant    %+v", got, want)
	}
}

// checkBatches holds that jobs of a batch are known or beyond the limits together, unless one of them is open, or they
// were not always read together.
func (m *scenario) checkBatches(now time.Time) {
	if m.everything.vanished || m.everything.unread || m.everything.shifted {
		return
	}
	open, known, missing := map[string]bool{}, map[string]bool{}, map[string]bool{}
	for id, job := range m.atlas.jobs {
		switch {
		case job.BatchID == "" || job.Created < m.poller.history.floor || job.late:
		case job.StatusAt(now).Open():
			open[job.BatchID] = true
		case m.poller.history.jobs[id] != nil:
			known[job.BatchID] = true
		default:
			missing[job.BatchID] = true
		}
	}
	for batch := range known {
		if missing[batch] && !open[batch] {
			m.Fatalf("a part of %s is known", batch)
		}
	}
}
