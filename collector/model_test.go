package collector

import (
	"context"
	"fmt"
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

	shiftedBefore bool // the list changed while it was last read whole
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
	set(&h.floor, &h.oldest)
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
			shifted := func(e *events) { e.shifted = true }
			m.note(shifted)
			m.atlas.shiftAt = rapid.IntRange(2, 4).Draw(m.T, "before page")
			m.atlas.shift = m.addNew
			if rapid.Bool().Draw(m.T, "up") {
				m.atlas.shift = m.removeOne
			}
			m.doPoll()
			m.atlas.shiftAt = 0
			m.note(shifted) // the next poll may find what this one missed
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

// TestOrderChanges has a list turn out not to be newest first any longer, and no count to tell that something is new:
// the poll that sees it reads on.
func TestOrderChanges(t *testing.T) {
	a := &modelAtlas{pageSize: 10, total: noTotal, jobs: map[string]*modelJob{}}
	for i := range 100 {
		a.add(job(t, "", time.Duration(100-i)*time.Hour, "completed"))
	}
	last := job(t, "", time.Minute, "completed")
	inBubble(t, func(t *testing.T) {
		p := newPoller(target(team), a, newProjectNames(), NewMetrics(BuildInfo{}), slog.New(slog.DiscardHandler))
		p.poll(t.Context())
		a.oldestFirst = true
		a.add(last)
		if slices.ContainsFunc(a.page(1).Jobs, func(j atlas.RestoreJob) bool { return j.ID == "job101" }) {
			t.Fatal("the new job stands where it would be seen anyway")
		}
		p.poll(t.Context())
		if known := p.published.Load().Summary.Known; known != 101 {
			t.Errorf("%d jobs are known", known)
		}
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
