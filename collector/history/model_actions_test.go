package history

import (
	"fmt"
	"time"

	"pgregory.net/rapid"

	"atlas-restore-exporter/atlas"
)

// usualActions happen to every list.
func (m *model) usualActions() map[string]func() {
	return map[string]func(){
		"add jobs":              m.addJobs,
		"add jobs repeatedly":   m.addJobsRepeatedly,
		"change unfinished job": func() { m.changeJob(true) },
		"wait":                  m.wait,
		"poll":                  m.pollOnce,
		"poll repeatedly":       m.pollRepeatedly,
		"poll after a minute": func() {
			m.elapsed += time.Minute
			m.pollOnce()
		},
	}
}

// unusualActions make polls miss something, or look as if they did.
func (m *model) unusualActions() map[string]func() {
	return map[string]func(){
		"change finished job":     func() { m.changeJob(false) },
		"remove job":              m.removeJob,
		"add late jobs":           m.addLateJobs,
		"change order":            m.changeOrder,
		"change totalCount":       m.changeTotal,
		"change readability":      m.changeReadability,
		"change repetitions":      m.changeRepetitions,
		"cut list":                m.cutList,
		"hide job once":           m.hideJob,
		"unlist job":              m.unlistJob,
		"add undated job":         m.addUndatedJob,
		"set clock":               m.setClock,
		"change policy":           m.changePolicy,
		"poll with failure":       m.pollWithFailure,
		"poll while pages change": m.pollWhilePagesChange,
		"poll after a day": func() {
			m.elapsed += fullPollInterval
			m.pollOnce()
		},
	}
}

// addJobs adds jobs of this second. They are always fewer than a page, because an incremental poll may miss the rest.
func (m *model) addJobs() {
	now := m.atlasNow()
	recent := 0
	for _, job := range m.atlas.jobs {
		if job.Created >= now-orderTolerance {
			recent++
		}
	}
	n := rapid.IntRange(1, 6).Draw(m.T, "new jobs")
	if recent+n >= m.atlas.pageSize || m.isFull() {
		return
	}
	batch, delivery := "", m.drawDelivery()
	if rapid.Bool().Draw(m.T, "batch") {
		batch = fmt.Sprint("batch", m.atlas.serial)
	}
	for range n {
		job := m.newJob(delivery, m.drawStatus(delivery), now)
		m.atlas.add(m.inBatch(job, batch))
	}
}

func (m *model) addJobsRepeatedly() {
	for range rapid.IntRange(2, 10).Draw(m.T, "times") {
		m.addJobs()
		m.elapsed += (orderTolerance + 1) * time.Second
	}
}

// addLateJobs adds jobs that were created long ago.
func (m *model) addLateJobs() {
	age, delivery := rapid.IntRange(1, 1500).Draw(m.T, "hours"), m.drawDelivery()
	batch := fmt.Sprint("late batch", m.atlas.serial)
	for range rapid.IntRange(1, 3).Draw(m.T, "late jobs") {
		if m.isFull() {
			return
		}
		job := m.newJob(delivery, m.drawStatus(delivery), m.atlasNow()-atlas.Timestamp(age*3600))
		m.atlas.add(m.inBatch(job, batch)).late = true
	}
}

// isFull reports whether a full poll could hardly read a longer list, even if it lists each job twice.
func (m *model) isFull() bool {
	return 2*(len(m.atlas.jobs)+m.atlas.pageSize) > MaxPages*m.atlas.pageSize
}

func (m *model) removeJob() {
	if job := m.atlas.pick(m.T, func(*modelJob) bool { return true }); job != nil {
		m.atlas.remove(job.ID)
		m.record(func(e *events) { e.removed = true })
	}
}

func (m *model) changeJob(ongoing bool) {
	job := m.atlas.pick(m.T, func(j *modelJob) bool { return m.oracle().mayChange(&j.RestoreJob) == ongoing })
	if job == nil {
		return
	}
	if ongoing && job.Indexes == atlas.IndexesPending {
		done := []atlas.IndexStatus{atlas.IndexesDone, atlas.IndexesFailed}
		job.Indexes = rapid.SampledFrom(done).Draw(m.T, "indexes")
		return
	}
	active := job.StatusAt(m.now()).Active()
	job.RestoreJob = m.withStatus(job.RestoreJob, m.drawStatus(job.DeliveryType))
	if !active {
		m.record(func(e *events) {
			e.changed = true
			e.changedBatch = e.changedBatch || job.BatchID != ""
		})
	}
}

// changePolicy replaces the policy. If the cluster is older than before, the history starts again.
func (m *model) changePolicy() {
	before, policy := m.history.policy, m.drawPolicy()
	m.history.SetPolicy(policy, m.now())
	if policy.NotBefore < before.NotBefore {
		m.sincePoll, m.sinceFullPoll, m.sinceStart = events{}, events{}, events{}
		m.misledBefore, m.notFoundBefore = false, nil
		m.failedAt = map[string]atlas.Timestamp{}
		m.happened = map[happening]atlas.RestoreJob{}
		m.recordConditions()
	}
	m.published = nil // purposes may have changed
}

func (m *model) changeOrder() {
	orders := []listOrder{newestFirst, newestFirst, newestFirst, oldestFirst, shuffled}
	m.atlas.setOrder(rapid.SampledFrom(orders).Draw(m.T, "order"))
	m.recordConditions()
}

func (m *model) changeTotal() {
	m.atlas.totalError = rapid.SampledFrom([]int{0, 0, noTotal, -1, 1, 1000}).Draw(m.T, "error of totalCount")
	m.recordConditions()
}

func (m *model) changeReadability() {
	if job := m.atlas.pick(m.T, func(*modelJob) bool { return true }); job != nil {
		job.unreadable = !job.unreadable
		m.record(func(e *events) { e.unreadable = true })
	}
}

// changeRepetitions lets the list contain some jobs twice, or no longer.
func (m *model) changeRepetitions() {
	m.atlas.repeat = rapid.SampledFrom([]int{0, 1, 5, 40}).Draw(m.T, "repeated jobs")
	m.recordConditions()
}

// cutList lets the list end early, or no longer.
func (m *model) cutList() {
	m.atlas.cut = !m.atlas.cut
	m.atlas.linked = rapid.Bool().Draw(m.T, "linked")
	lengths := []int{0, 1, m.atlas.pageSize, max(len(m.atlas.jobs)-1, 0)}
	m.atlas.keep = rapid.SampledFrom(lengths).Draw(m.T, "items before the end")
	m.recordConditions()
}

// hideJob lets a job seem to be gone, but not twice in a row.
func (m *model) hideJob() {
	wasFound := func(j *modelJob) bool {
		_, notFound := m.history.notFound[j.ID]
		_, absent := m.history.absent[j.ID]
		return !notFound && !absent
	}
	if job := m.atlas.pick(m.T, wasFound); job != nil {
		job.hidden = true
	}
}

// unlistJob lets the list lack a known unfinished job, although the job exists.
func (m *model) unlistJob() {
	isKnown := func(j *modelJob) bool {
		known := m.history.jobs[j.ID]
		return known != nil && known.BatchID == "" && m.oracle().mayChange(known)
	}
	if job := m.atlas.pick(m.T, isKnown); job != nil {
		job.unlisted, m.atlas.view = true, nil
		m.record(func(e *events) { e.unlisted = true })
	}
}

// addUndatedJob adds a job without any time.
func (m *model) addUndatedJob() {
	if !m.isFull() {
		m.atlas.add(m.newJob(atlas.DeliveryAutomated, m.drawStatus(atlas.DeliveryAutomated), 0)).late = true
	}
}

func (m *model) wait() {
	durations := []time.Duration{time.Second, time.Minute, 40 * time.Minute, 3 * time.Hour, 3 * day}
	m.elapsed += rapid.SampledFrom(durations).Draw(m.T, "wait")
}

// setClock sets the exporter's clock ahead or back, or corrects it.
func (m *model) setClock() {
	by := rapid.SampledFrom([]time.Duration{time.Minute, time.Hour, 40 * day, 730 * day}).Draw(m.T, "by")
	before := m.ahead
	switch {
	case m.ahead != 0:
		m.ahead = 0
	case rapid.Bool().Draw(m.T, "back"):
		m.ahead = -by
	default:
		m.ahead = by
	}
	if m.ahead < before {
		m.record(func(e *events) { e.setBack = true })
	}
}

// pollRepeatedly polls until nothing is new.
func (m *model) pollRepeatedly() {
	for range 4 {
		m.pollOnce()
	}
}

func (m *model) pollWithFailure() {
	m.atlas.failAt = m.atlas.requests + rapid.IntRange(1, 5).Draw(m.T, "failing request")
	m.pollOnce()
	m.atlas.failAt = 0
}

// pollWhilePagesChange adds or removes jobs while the list is read.
func (m *model) pollWhilePagesChange() {
	shifted := func(e *events) { e.shifted = true }
	m.record(shifted)
	m.atlas.shiftAt = rapid.IntRange(2, 4).Draw(m.T, "before page")
	m.atlas.shift = m.addJobs
	if rapid.Bool().Draw(m.T, "remove") {
		m.atlas.shift = m.removeJob
	}
	m.pollOnce()
	m.atlas.shiftAt = 0
	m.record(shifted) // the next poll may find the jobs that this poll missed
}
