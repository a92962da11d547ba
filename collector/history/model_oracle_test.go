package history

import (
	"cmp"
	"reflect"
	"slices"
	"time"

	"atlas-restore-exporter/atlas"
)

// oracle computes exported values from a set of jobs, as the metric contract defines them. It shares no code with the
// history: it collects everything and sorts.
type oracle struct {
	Policy

	now      atlas.Timestamp
	failedAt map[string]atlas.Timestamp // when a poll first saw a job failed after a poll that saw it unfinished
}

func (m *model) oracle() *oracle {
	return &oracle{m.history.policy, atlas.TimestampOf(m.now()), m.failedAt}
}

const week = atlas.Timestamp(7 * 24 * 60 * 60)

func (o *oracle) ignores(job *atlas.RestoreJob) bool {
	return job.Created > 0 && job.Created < o.NotBefore
}

func (o *oracle) status(job *atlas.RestoreJob) atlas.Status {
	if job.Status == atlas.StatusReady && job.Expiry > 0 && o.now >= job.Expiry {
		return atlas.StatusExpired
	}
	return job.Status
}

func (o *oracle) unfinished(job *atlas.RestoreJob) bool {
	switch o.status(job) {
	case atlas.StatusPending, atlas.StatusInProgress, atlas.StatusReady:
		return true
	case atlas.StatusUnknown:
		return job.Created > 0 && o.now < job.Created+week
	default:
		return false
	}
}

func (o *oracle) mayChange(job *atlas.RestoreJob) bool {
	pending := job.Status == atlas.StatusCompleted && job.Indexes == atlas.IndexesPending
	return o.unfinished(job) || (pending && job.Created > 0 && o.now < job.Created+week)
}

func (o *oracle) end(job *atlas.RestoreJob) atlas.Timestamp {
	switch {
	case job.Finished == 0 && job.Created == 0 && job.Status == atlas.StatusFailed && job.RecoveryPoint > 0:
		return job.RecoveryPoint
	case job.Finished == 0 && job.Created == 0 && job.Status == atlas.StatusFailed:
		return o.failedAt[job.ID]
	case job.DeliveryType == atlas.DeliveryDownload && o.status(job) == atlas.StatusExpired && job.Expiry <= o.now:
		return max(job.Created, job.Finished, job.Expiry)
	case job.Finished == 0:
		return job.Created
	default:
		return job.Finished
	}
}

func (o *oracle) purpose(job *atlas.RestoreJob) Purpose {
	target := [2]string{job.TargetProjectID, job.TargetClusterName}
	inPlace := target == [2]string{project, "prod"} && !job.WritesCopies
	switch {
	case job.DeliveryType == atlas.DeliveryDownload || target == [2]string{}:
		return PurposeOther
	case inPlace:
		return PurposeInPlace
	}
	for _, drill := range o.DrillTargets {
		if drill.ProjectID == target[0] && (drill.ClusterNames == nil || slices.Contains(drill.ClusterNames, target[1])) {
			return PurposeDrill
		}
	}
	return PurposeOther
}

func (o *oracle) succeeded(job *atlas.RestoreJob) bool {
	available := []atlas.Status{atlas.StatusCompleted, atlas.StatusReady, atlas.StatusExpired}
	return o.status(job) == atlas.StatusCompleted ||
		(job.DeliveryType == atlas.DeliveryDownload && slices.Contains(available, o.status(job)))
}

// outcome is the end of a restore, with the series that it qualifies for.
type outcome struct {
	delivery atlas.DeliveryType
	purpose  Purpose
	failed   bool
	event    Event
}

// inOrder compares events by end, then by creation, then by ID.
func inOrder(a, b Event) int {
	return cmp.Or(cmp.Compare(a.End, b.End), cmp.Compare(a.Created, b.Created), cmp.Compare(a.JobID, b.JobID))
}

// outcomes returns the ends of the restores of these jobs, the last one first.
func (o *oracle) outcomes(jobs []*atlas.RestoreJob) []outcome {
	restores := map[string][]*atlas.RestoreJob{}
	for _, job := range jobs {
		key := cmp.Or(job.BatchID, "single "+job.ID)
		restores[key] = append(restores[key], job)
	}
	var all []outcome
	for _, members := range restores {
		if ended := o.outcome(members); ended != nil {
			all = append(all, *ended)
		}
	}
	slices.SortFunc(all, func(a, b outcome) int { return -inOrder(a.event, b.event) })
	return all
}

// outcome returns the end of the restore with these jobs; nil if it neither succeeded nor failed at a known time.
func (o *oracle) outcome(members []*atlas.RestoreJob) *outcome {
	slices.SortFunc(members, func(a, b *atlas.RestoreJob) int {
		return -inOrder(Event{End: o.end(a), Created: a.Created, JobID: a.ID},
			Event{End: o.end(b), Created: b.Created, JobID: b.ID})
	})
	end, name, failed, succeeded := o.end(members[0]), members[0], false, true
	for _, job := range slices.Backward(members) {
		succeeded = succeeded && o.succeeded(job)
		if job.Status == atlas.StatusFailed {
			failed, name = true, job
		}
	}
	if end == 0 || (!failed && !succeeded) {
		return nil
	}
	return &outcome{name.DeliveryType, o.purpose(name), failed, event(name, end)}
}

// latest returns the last restores of each series.
func (o *oracle) latest(jobs []*atlas.RestoreJob) (all [atlas.DeliveryCount][PurposeCount]Latest) {
	for _, ended := range slices.Backward(o.outcomes(jobs)) {
		if of := &all[ended.delivery][ended.purpose]; ended.failed {
			of.Failure = ended.event
		} else {
			of.Success = ended.event
		}
	}
	return all
}

// happening identifies an event of a single job, or of the job that names a batch.
type happening struct {
	failed bool
	event  Event // without end
}

func happened(failed bool, event Event) happening {
	event.End = 0
	return happening{failed, event}
}

// recordEvents records which events the last poll could see, and updates failedAt.
func (m *model) recordEvents(before *History, reading *Reading, now time.Time) {
	for id, job := range m.history.jobs {
		if before.jobs[id] == nil {
			m.unfinished[id] = false
		}
		switch {
		case job.Status.Active() || job.Status == atlas.StatusReady:
			m.unfinished[id] = true
		case job.Status == atlas.StatusFailed && m.unfinished[id] && m.failedAt[id] == 0:
			m.failedAt[id] = atlas.TimestampOf(now)
		}
	}
	for _, jobs := range []map[string]*atlas.RestoreJob{reading.jobs, m.history.jobs} {
		for _, job := range jobs {
			m.happened[happened(false, event(job, 0))] = *job
			m.happened[happened(true, event(job, 0))] = *job
		}
	}
}

// knownJobs returns the known jobs, newest first.
func (m *model) knownJobs() []*atlas.RestoreJob {
	var jobs []*atlas.RestoreJob
	for _, job := range m.history.jobs {
		jobs = append(jobs, job)
	}
	slices.SortFunc(jobs, func(a, b *atlas.RestoreJob) int {
		return cmp.Or(cmp.Compare(b.Created, a.Created), cmp.Compare(b.ID, a.ID))
	})
	return jobs
}

// checkValues checks promise 14.
func (m *model) checkValues(s *Summary) {
	o, limits := m.oracle(), m.history.policy.JobSeries
	var series, finished []string
	oldest, expiries := map[[2]int][]Event{}, []Event{}
	for _, job := range m.knownJobs() {
		slot := [2]int{int(job.DeliveryType), int(o.purpose(job))}
		end := o.end(job)
		sorted := func(t atlas.Timestamp) Event { return Event{Created: -t, End: end, JobID: job.ID} }
		if o.status(job).Active() && job.Created > 0 {
			oldest[slot] = append(oldest[slot], sorted(job.Created))
		}
		if job.DeliveryType == atlas.DeliveryDownload && o.status(job) == atlas.StatusReady && job.Expiry > 0 {
			expiries = append(expiries, sorted(job.Expiry))
		}
		if job.DeliveryType == atlas.DeliveryDownload && job.Status == atlas.StatusExpired {
			end = max(end, job.Expiry)
		}
		if o.unfinished(job) {
			series = append(series, job.ID)
		} else if end > 0 && end+atlas.Timestamp(limits.MaxAge/time.Second) > o.now {
			finished = append(finished, job.ID)
		}
	}
	most := min(len(finished), limits.MaxPerTarget)
	series = append(series, finished[:most]...)
	if got := jobIDs(s.Series); !slices.Equal(got, series) || s.Omitted != len(finished)-most {
		m.Fatalf("series of %v, %d omitted; want %v, %d", got, s.Omitted, series, len(finished)-most)
	}
	m.checkEarliest("expiring download", s.NextExpiry, expiries)
	for delivery := range s.OldestActive {
		for purpose, job := range s.OldestActive[delivery] {
			m.checkEarliest("active job", job, oldest[[2]int{delivery, purpose}])
		}
	}
}

// checkEarliest checks that a job is the earliest of the candidates, whose times are negated as Created.
func (m *model) checkEarliest(kind string, got *JobState, candidates []Event) {
	want := ""
	if len(candidates) > 0 {
		want = slices.MaxFunc(candidates, func(a, b Event) int {
			return cmp.Or(cmp.Compare(a.Created, b.Created), inOrder(a, b))
		}).JobID
	}
	id := ""
	if got != nil {
		id = got.ID
	}
	if id != want {
		m.Fatalf("the first %s is %q, want %q", kind, id, want)
	}
}

func jobIDs(jobs []JobState) []string {
	var ids []string
	for _, job := range jobs {
		ids = append(ids, job.ID)
	}
	return ids
}

// checkEvents checks promises 15 and 16.
func (m *model) checkEvents(s *Summary) {
	for _, ended := range m.oracle().outcomes(m.knownJobs()) {
		got := s.Latest[ended.delivery][ended.purpose].Success
		if ended.failed {
			got = s.Latest[ended.delivery][ended.purpose].Failure
		}
		if m.history.jobs[ended.event.JobID].BatchID == "" && inOrder(got, ended.event) < 0 {
			m.Fatalf("the last restore is %+v, although %+v is later", got, ended.event)
		}
	}
	for delivery, byPurpose := range s.Latest {
		for purpose, latest := range byPurpose {
			m.checkEvent(outcome{atlas.DeliveryType(delivery), Purpose(purpose), false, latest.Success})
			m.checkEvent(outcome{atlas.DeliveryType(delivery), Purpose(purpose), true, latest.Failure})
		}
	}
}

func (m *model) checkEvent(got outcome) {
	if got.event == (Event{}) {
		return
	}
	job, seen := m.happened[happened(got.failed, got.event)]
	if !seen || job.DeliveryType != got.delivery || m.oracle().purpose(&job) != got.purpose {
		m.Fatalf("published %+v, but such a job was never seen: %+v", got, job)
	}
	known := m.history.jobs[got.event.JobID]
	if known == nil || known.BatchID != "" || m.oracle().end(known) == 0 {
		return
	}
	want := m.oracle().outcome([]*atlas.RestoreJob{known})
	if !reflect.DeepEqual(want, &got) {
		m.Fatalf("published %+v, but the job is known as %+v", got, known)
	}
}

// checkAllListed checks promise 17.
func (m *model) checkAllListed(fresh *History) {
	o := m.oracle()
	o.failedAt = nil
	var jobs []*atlas.RestoreJob
	for _, job := range m.atlas.jobs {
		if !o.ignores(&job.RestoreJob) {
			jobs = append(jobs, &job.RestoreJob)
		}
	}
	var created [atlas.DeliveryCount]atlas.Timestamp
	for _, job := range fresh.jobs {
		created[job.DeliveryType] = max(created[job.DeliveryType], job.Created)
	}
	summary := fresh.Summarize(m.now())
	if want := o.latest(jobs); summary.Latest != want || summary.LastCreated != created {
		m.Fatalf("latest restores %+v\nwant %+v\nnewest jobs %v\nwant %v", summary.Latest, want, summary.LastCreated, created)
	}
}
