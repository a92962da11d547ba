package collector

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"iter"
	"log/slog"
	"maps"
	"reflect"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"atlas-restore-exporter/atlas"
)

// modelAtlas is a list of restore jobs, served page by page to a poller.
type modelAtlas struct {
	pageSize int
	jobs     map[string]*modelJob
	view     []*modelJob // the jobs in the list's order; nil once that has changed

	oldestFirst, shuffled bool
	total                 int           // what is added to the true count, or noTotal
	behind                time.Duration // how far the poller's clock is ahead of Atlas'

	serial   int
	requests int
	notFound []string // jobs that were asked for and are not there, since the poll began
	failAt   int      // the request that fails, from 1; none for zero
	cancel   func()   // if set, is called instead
	shiftAt  int      // before this page is read, shift is called
	shift    func()
}

const noTotal = 1 << 20

// modelJob is a job as Atlas has it.
type modelJob struct {
	atlas.RestoreJob
	unreadable bool
	unseen     bool // since the last successful poll
	late       bool // listed further down than where new jobs stand
}

var _ Client = (*modelAtlas)(nil)

// now returns the instant at which a job is created now, by Atlas' clock.
func (a *modelAtlas) now() atlas.Timestamp { return atlas.TimestampOf(time.Now().Add(-a.behind)) }

func (a *modelAtlas) add(job atlas.RestoreJob) *modelJob {
	a.serial++
	job.ID = fmt.Sprint("job", a.serial)
	added := &modelJob{RestoreJob: job, unseen: true}
	a.jobs[job.ID] = added
	a.view = nil
	return added
}

func (a *modelAtlas) remove(id string) {
	delete(a.jobs, id)
	a.view = nil
}

// scatter orders ids as chance does, and always the same.
func scatter(id string) uint64 {
	hash := fnv.New64a()
	_, _ = hash.Write([]byte(id))
	return hash.Sum64()
}

// listed returns the jobs in the list's order. Those of one second are in no order.
func (a *modelAtlas) listed() []*modelJob {
	if a.view != nil {
		return a.view
	}
	a.view = slices.Collect(maps.Values(a.jobs))
	slices.SortFunc(a.view, func(x, y *modelJob) int {
		byCreation := cmp.Compare(y.Created, x.Created)
		if a.oldestFirst {
			byCreation = -byCreation
		}
		if a.shuffled {
			byCreation = 0
		}
		return cmp.Or(byCreation, cmp.Compare(scatter(x.ID), scatter(y.ID)))
	})
	return a.view
}

// pick draws one of the jobs for which a condition holds, in the order of the list; nil where there is none.
func (a *modelAtlas) pick(t *rapid.T, condition func(*modelJob) bool) *modelJob {
	var some []*modelJob
	for _, job := range a.listed() {
		if condition(job) {
			some = append(some, job)
		}
	}
	if len(some) == 0 {
		return nil
	}
	return some[rapid.IntRange(0, len(some)-1).Draw(t, "which")]
}

var errModel = &atlas.Error{Endpoint: "flex_list", Status: 503}

// ask counts a request, and fails if it is to.
func (a *modelAtlas) ask(ctx context.Context) error {
	a.requests++
	if a.requests == a.failAt {
		if a.cancel != nil {
			a.cancel()
			return ctx.Err()
		}
		return errModel
	}
	return nil
}

// RestoreJobs implements Client.
func (a *modelAtlas) RestoreJobs(ctx context.Context, _ atlas.List) iter.Seq2[atlas.Page, error] {
	return func(yield func(atlas.Page, error) bool) {
		for number := 1; ; number++ {
			if number == a.shiftAt {
				a.shift()
			}
			if err := a.ask(ctx); err != nil {
				yield(atlas.Page{}, err)
				return
			}
			page := a.page(number)
			if !yield(page, nil) || page.Last {
				return
			}
		}
	}
}

func (a *modelAtlas) page(number int) atlas.Page {
	listed := a.listed()
	end := min(number*a.pageSize, len(listed))
	page := atlas.Page{Last: end == len(listed)}
	if a.total != noTotal {
		page.TotalCount = atlas.CountOf(int64(max(len(listed)+a.total, 0)))
	}
	for _, job := range listed[min((number-1)*a.pageSize, end):end] {
		if !job.unreadable {
			page.Jobs = append(page.Jobs, job.RestoreJob)
			continue
		}
		page.Malformed, page.MalformedErr = page.Malformed+1, errors.New("not a job")
		page.Unread = append(page.Unread, job.ID)
	}
	return page
}

// RestoreJob implements Client.
func (a *modelAtlas) RestoreJob(ctx context.Context, _ atlas.List, id string) (atlas.RestoreJob, error) {
	if err := a.ask(ctx); err != nil {
		return atlas.RestoreJob{}, err
	}
	switch job := a.jobs[id]; {
	case job == nil:
		a.notFound = append(a.notFound, id)
		return atlas.RestoreJob{}, &atlas.Error{Status: 404, Code: "RESTORE_JOB_NOT_FOUND"}
	case job.unreadable:
		return atlas.RestoreJob{}, &atlas.MalformedError{Job: true, Err: errors.New("not a job")}
	default:
		return job.RestoreJob, nil
	}
}

// ProjectName implements Client.
func (a *modelAtlas) ProjectName(context.Context, string) (string, error) { return "Payments", nil }

// everyStatus returns a job of each status, as the client decodes it.
func everyStatus(t *testing.T) map[atlas.Status]atlas.RestoreJob {
	t.Helper()
	o := newOracle(t)
	jobs := map[atlas.Status]atlas.RestoreJob{}
	for status, body := range map[atlas.Status]string{
		atlas.StatusUnknown:    `"deliveryType":"RESTORE","status":"PAUSED"`,
		atlas.StatusPending:    `"deliveryType":"RESTORE","status":"PENDING"`,
		atlas.StatusInProgress: `"deliveryType":"RESTORE","status":"RUNNING"`,
		atlas.StatusCompleted:  `"deliveryType":"RESTORE","status":"COMPLETED"`,
		atlas.StatusFailed:     `"deliveryType":"RESTORE","status":"FAILED"`,
		atlas.StatusReady:      `"deliveryType":"DOWNLOAD","status":"COMPLETED","snapshotUrl":"https://x"`,
		atlas.StatusExpired:    `"deliveryType":"download","expired":true`,
		atlas.StatusCancelled:  `"deliveryType":"automated","cancelled":true`,
	} {
		list := team
		if status == atlas.StatusExpired || status == atlas.StatusCancelled {
			list = prod
		}
		answer := []byte(`{"id":"a",` + body + `}`)
		o.job.Store(&answer)
		job, err := o.client.RestoreJob(t.Context(), list, "a")
		if err != nil || job.StatusAt(time.Now()) != status {
			t.Fatalf("%+v is not %s; %v", job, status, err)
		}
		jobs[status] = job
	}
	return jobs
}

// scenario is a poller, the list that it polls, and what is to be expected of it.
type scenario struct {
	*rapid.T
	bubble   *testing.T
	atlas    *modelAtlas
	poller   *poller
	statuses map[atlas.Status]atlas.RestoreJob
	quick    bool // jobs end before anyone sees them run

	// What happened to the list since the last successful poll, and since the last sweep.
	poll, sweep events
	everything  events
}

// events are what makes a difference to what can be expected.
type events struct {
	vanished  bool // a job went
	reordered bool // the list was at any time not newest first
	shifted   bool // the list changed while it was read
	unread    bool // some jobs could not be decoded
	totalOff  bool // Atlas' count was missing or wrong
	changed   bool // what was no longer active changed
}

func (m *scenario) note(change func(*events)) {
	change(&m.poll)
	change(&m.sweep)
	change(&m.everything)
}

func newScenario(rt *rapid.T, bubble *testing.T, statuses map[atlas.Status]atlas.RestoreJob) *scenario {
	m := &scenario{T: rt, bubble: bubble, statuses: statuses, atlas: &modelAtlas{
		pageSize: rapid.IntRange(8, 20).Draw(rt, "page size"), jobs: map[string]*modelJob{},
	}}
	m.quick = rapid.IntRange(0, 3).Draw(rt, "quick") == 3
	target := target(team)
	target.History = rapid.SampledFrom([]HistoryLimits{wide, {MaxAge: 30 * 24 * time.Hour, MaxJobs: 100}, {MaxAge: 400 * 24 * time.Hour, MaxJobs: 60}}).Draw(rt, "limits")
	target.JobSeries.MaxPerTarget = rapid.SampledFrom([]int{50, 5}).Draw(rt, "series")
	target.SweepInterval = 24 * time.Hour
	m.poller = m.newPoller(target)
	n := rapid.SampledFrom([]int{0, 5, 60, 300, 400}).Draw(rt, "jobs")
	spread := rapid.SampledFrom([]time.Duration{time.Minute, time.Hour, 12 * time.Hour}).Draw(rt, "one every")
	for i := range n {
		delivery, status := atlas.DeliveryAutomated, atlas.StatusCompleted
		if i%7 == 6 {
			delivery, status = atlas.DeliveryDownload, atlas.Status(i/7%int(atlas.StatusCount))
		}
		age, batch := n-i, ""
		if i%20 < 3 { // three in a row are one restore
			age, batch = n-i/20*20, fmt.Sprint("early batch", i/20)
		}
		job := m.job(delivery, status, m.atlas.now()-atlas.Timestamp(time.Duration(age)*spread/time.Second))
		job.BatchID = batch
		m.atlas.add(job)
	}
	return m
}

func (m *scenario) newPoller(target Target) *poller {
	return newPoller(target, m.atlas, newProjectNames(), NewMetrics(BuildInfo{}), slog.New(slog.DiscardHandler))
}

// job returns a new job.
func (m *scenario) job(delivery atlas.DeliveryType, status atlas.Status, created atlas.Timestamp) atlas.RestoreJob {
	job := atlas.RestoreJob{DeliveryType: delivery, Created: created}
	if delivery != atlas.DeliveryDownload {
		job.TargetProjectID, job.TargetClusterName = project, "team"
	}
	return m.turned(job, status)
}

// turned returns a job that has got another status.
func (m *scenario) turned(job atlas.RestoreJob, status atlas.Status) atlas.RestoreJob {
	next := m.statuses[status]
	next.ID, next.BatchID, next.Created, next.DeliveryType = job.ID, job.BatchID, job.Created, job.DeliveryType
	next.TargetProjectID, next.TargetClusterName = job.TargetProjectID, job.TargetClusterName
	switch status {
	case atlas.StatusCompleted, atlas.StatusFailed, atlas.StatusCancelled:
		next.Finished = max(m.atlas.now(), job.Created)
	case atlas.StatusReady, atlas.StatusExpired:
		next.Expiry = max(m.atlas.now(), job.Created) + 3600
	default:
	}
	return next
}

func (m *scenario) drawDelivery() atlas.DeliveryType {
	return atlas.DeliveryType(rapid.IntRange(0, int(atlas.DeliveryCount)-1).Draw(m.T, "delivery"))
}

func (m *scenario) drawStatus(delivery atlas.DeliveryType) atlas.Status {
	if m.quick {
		return rapid.SampledFrom([]atlas.Status{atlas.StatusCompleted, atlas.StatusFailed}).Draw(m.T, "outcome")
	}
	status := atlas.Status(rapid.IntRange(0, int(atlas.StatusCount)-1).Draw(m.T, "status"))
	if archive(status) && delivery != atlas.DeliveryDownload {
		return atlas.StatusCompleted
	}
	return status
}

// addNew adds jobs of this second. They are fewer than a page: of more, some stand where no one would look for them.
func (m *scenario) addNew() {
	now := m.atlas.now()
	already := 0
	for _, job := range m.atlas.jobs {
		if job.Created >= now-orderGrace {
			already++
		}
	}
	n := rapid.IntRange(1, 6).Draw(m.T, "new jobs")
	if already+n >= m.atlas.pageSize || m.full() {
		return
	}
	batch, delivery := "", m.drawDelivery()
	if rapid.Bool().Draw(m.T, "batch") {
		batch = fmt.Sprint("batch", m.atlas.serial)
	}
	for range n {
		job := m.job(delivery, m.drawStatus(delivery), now)
		job.BatchID = batch
		if delivery != atlas.DeliveryDownload && rapid.Bool().Draw(m.T, "abroad") {
			job.TargetClusterName = "elsewhere"
		}
		m.atlas.add(job)
	}
}

// full reports whether a sweep could hardly read a longer list.
func (m *scenario) full() bool {
	return len(m.atlas.jobs)+2*m.atlas.pageSize > maxPages*m.atlas.pageSize
}

func (m *scenario) removeOne() {
	if job := m.atlas.pick(m.T, func(*modelJob) bool { return true }); job != nil {
		m.atlas.remove(job.ID)
		m.note(func(e *events) { e.vanished = true })
	}
}

func (m *scenario) change(open bool) {
	job := m.atlas.pick(m.T, func(j *modelJob) bool { return j.StatusAt(time.Now()).Open() == open })
	if job == nil {
		return
	}
	done := !job.StatusAt(time.Now()).Active()
	job.RestoreJob = m.turned(job.RestoreJob, m.drawStatus(job.DeliveryType))
	if done {
		m.note(func(e *events) { e.changed = true })
	}
}

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
	if want := p.history.Summarize(&p.target, now); !reflect.DeepEqual(next.Summary, want) {
		m.Fatalf("published %+v\nwant      %+v", next.Summary, want)
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
		if known.missed > 0 && m.poll.shifted {
			continue // pages shifted so that two lists in a row did not have it
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
	copied.spoiled = maps.Clone(h.spoiled)
	copied.jobs = map[string]*knownJob{}
	for id, job := range h.jobs {
		known := *job
		copied.jobs[id] = &known
	}
	return &copied
}

// checkAgainstSweep holds what is known to what a poller knows that was started now.
func (m *scenario) checkAgainstSweep() {
	fresh := m.newPoller(m.poller.target)
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

// jump sets the poller's clock. A clock can't be set in a bubble; but it is the same if all instants that the poller
// has heard of, and will, are set the other way.
func (m *scenario) jump(d time.Duration) {
	by := -atlas.Timestamp(d / time.Second)
	set := func(times ...*atlas.Timestamp) {
		for _, t := range times {
			if *t != 0 {
				*t += by
			}
		}
	}
	setJob := func(j *atlas.RestoreJob) { set(&j.Created, &j.Finished, &j.Expiry, &j.Snapshot, &j.PointInTime) }
	setFacts := func(facts []Facts) {
		for i := range facts {
			set(&facts[i].LastCreated, &facts[i].LastSuccess, &facts[i].LastFailure, &facts[i].LastCompleted)
		}
	}
	m.atlas.behind += d
	for _, job := range m.atlas.jobs {
		setJob(&job.RestoreJob)
	}
	h := m.poller.history
	for _, job := range h.jobs {
		setJob(&job.RestoreJob)
	}
	set(&h.floor)
	setFacts(h.outlived[:])
	if s := m.poller.summary; s != nil {
		setFacts(s.Facts[:])
		set(&s.NextExpiry, &s.until)
		for i := range s.OldestActive {
			set(&s.OldestActive[i])
		}
		for _, jobs := range [][]JobState{s.Series, s.Newest} {
			for i := range jobs {
				setJob(&jobs[i].RestoreJob)
			}
		}
		m.poller.summaryAt = m.poller.summaryAt.Round(0).Add(-d)
	}
}

// usual is what happens to every list.
func (m *scenario) usual() map[string]func() {
	return map[string]func(){
		"new jobs": m.addNew,
		"many new jobs": func() {
			for range rapid.IntRange(2, 10).Draw(m.T, "times") {
				m.addNew()
				time.Sleep((orderGrace + 1) * time.Second)
			}
		},
		"open job changes": func() { m.change(true) },
		"time": func() {
			time.Sleep(rapid.SampledFrom([]time.Duration{time.Second, time.Minute, 40 * time.Minute, 3 * time.Hour}).Draw(m.T, "passes"))
		},
		"poll": m.doPoll,
		"next poll": func() {
			time.Sleep(time.Minute)
			m.doPoll()
		},
	}
}

// odd is what makes polls miss something, or seem to.
func (m *scenario) odd() map[string]func() {
	return map[string]func(){
		"terminal changes": func() { m.change(false) },
		"job vanishes":     m.removeOne,
		"late job": func() {
			age, delivery := rapid.IntRange(1, 1500).Draw(m.T, "hours"), m.drawDelivery()
			batch := fmt.Sprint("late batch", m.atlas.serial)
			for range rapid.IntRange(1, 3).Draw(m.T, "late jobs") {
				if m.full() {
					return
				}
				job := m.job(delivery, m.drawStatus(delivery), m.atlas.now()-atlas.Timestamp(age*3600))
				job.BatchID = batch
				m.atlas.add(job).late = true
			}
		},
		"order": func() {
			order := rapid.IntRange(0, 4).Draw(m.T, "order")
			m.atlas.oldestFirst, m.atlas.shuffled, m.atlas.view = order == 3, order == 4, nil
			m.observe()
		},
		"total": func() {
			m.atlas.total = rapid.SampledFrom([]int{0, 0, noTotal, -1, 1, 1000}).Draw(m.T, "total")
			m.observe()
		},
		"odd item": func() {
			if job := m.atlas.pick(m.T, func(*modelJob) bool { return true }); job != nil {
				job.unreadable = !job.unreadable
				m.note(func(e *events) { e.unread = true })
			}
		},
		"clock": func() {
			day := 24 * time.Hour
			by := rapid.SampledFrom([]time.Duration{time.Minute, time.Hour, 40 * day, 730 * day}).Draw(m.T, "by")
			if m.atlas.behind != 0 {
				by = -m.atlas.behind // it is right again
			} else if rapid.Bool().Draw(m.T, "back") {
				by = -by
			}
			m.jump(by)
		},
		"poll that fails": func() {
			m.atlas.failAt = m.atlas.requests + rapid.IntRange(1, 5).Draw(m.T, "at request")
			m.doPoll()
			m.atlas.failAt = 0
		},
		"poll that is given up": m.giveUp,
		"shifting pages": func() {
			m.note(func(e *events) { e.shifted = true })
			m.atlas.shiftAt = rapid.IntRange(2, 4).Draw(m.T, "before page")
			m.atlas.shift = m.addNew
			if rapid.Bool().Draw(m.T, "up") {
				m.atlas.shift = m.removeOne
			}
			m.doPoll()
			m.atlas.shiftAt = 0
			m.note(func(e *events) { e.shifted = true })
		},
		"sweep": func() {
			time.Sleep(m.poller.target.SweepInterval)
			m.doPoll()
		},
	}
}

// actions draws what is to happen: the usual, and some of what is odd. With all of it at once, few polls would be of
// use to test what is promised in between sweeps.
func (m *scenario) actions() map[string]func(*rapid.T) {
	chosen := m.usual()
	odd := m.odd()
	for _, name := range slices.Sorted(maps.Keys(odd)) {
		if rapid.IntRange(0, 3).Draw(m.T, name) == 3 {
			chosen[name] = odd[name]
		}
	}
	actions := map[string]func(*rapid.T){}
	for name, action := range chosen {
		actions[name] = func(t *rapid.T) { m.T = t; action() }
	}
	return actions
}

// giveUp ends the exporter in mid-poll: nothing has happened.
func (m *scenario) giveUp() {
	before, published := clone(m.poller.history), m.poller.published.Load()
	ctx, cancel := context.WithCancel(m.bubble.Context())
	defer cancel()
	m.atlas.cancel, m.atlas.failAt = cancel, m.atlas.requests+1
	m.poller.poll(ctx)
	m.atlas.cancel, m.atlas.failAt = nil, 0
	if m.poller.published.Load() != published || !reflect.DeepEqual(before, m.poller.history) {
		m.Fatalf("a poll that was given up changed something")
	}
}

// TestModel has anything happen to a list, in any order. Whatever a poller read of it in between, after two sweeps it
// knows what a poller knows that has just been started; and at each step it keeps what is promised.
func TestModel(t *testing.T) {
	statuses := everyStatus(t)
	rapid.Check(t, func(rt *rapid.T) {
		inBubble(t, func(t *testing.T) {
			m := newScenario(rt, t, statuses)
			m.doPoll()
			rt.Repeat(m.actions())
			m.T = rt
			for _, job := range m.atlas.jobs {
				job.unreadable = false
			}
			for range 2 {
				time.Sleep(m.poller.target.SweepInterval)
				m.doPoll()
			}
			m.checkAgainstSweep()
		})
	})
}

// inBubble runs a function under a clock of its own, and lets panics out, which is how rapid fails.
func inBubble(t *testing.T, f func(*testing.T)) {
	t.Helper()
	var failure any
	synctest.Test(t, func(t *testing.T) {
		defer func() { failure = recover() }()
		f(t)
	})
	switch fmt.Sprintf("%T", failure) {
	case "<nil>":
	case "rapid.invalidData": // no failure, which rapid tells by the line
		panic(failure)
	default:
		panic(failure)
	}
}
