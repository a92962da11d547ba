package history

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"atlas-restore-exporter/atlas"
)

// undecidedFor is how long after its creation a job is expected to change, although its status doesn't show it.
const undecidedFor = 7 * 24 * time.Hour

// History is the state of one target: its known jobs and the retained events of other jobs. It is
// not safe for concurrent use. The package comment describes the algorithm.
type History struct {
	list   atlas.List
	policy Policy

	jobs map[string]*atlas.RestoreJob // the known jobs by ID
	// changeable contains the IDs of the known jobs that Atlas reports as unfinished or undecided. Some are no longer
	// expected to change because of their age or expiry.
	changeable map[string]struct{}
	absent     map[string]struct{} // IDs of the known jobs that the last conclusive list didn't contain
	notFound   map[string]struct{} // IDs of the known jobs that were not found in the last poll that requested them
	// failedSince contains, for jobs without a creation time that a poll saw unfinished, the time of the first poll after
	// it that saw them failed; zero if none did.
	failedSince map[string]atlas.Timestamp
	// oldest is a lower bound of the creation times of the known jobs, so that most polls needn't check every job.
	oldest atlas.Timestamp

	retained latestRestores // from jobs that are not, or no longer, known
	dropped  position       // of the newest job that is beyond MaxJobs; zero if none is
	// incompleteBatches contains, by batch ID, the jobs that finished without success and are not, or no longer, known.
	incompleteBatches map[string]restore

	sorted bool  // the list was sorted newest first in every poll
	pages  int   // number of pages of the whole list; zero if a full poll must follow
	total  int64 // number of jobs according to Atlas in the last poll; negative if unknown

	requested string // ID of the job that was requested last

	summary *Summary // the last one; nil if the history has changed since

	repeatable repeatable
}

// New returns an empty history.
func New(list atlas.List, policy Policy) *History {
	return &History{
		list: list, policy: policy, jobs: map[string]*atlas.RestoreJob{}, changeable: map[string]struct{}{},
		absent: map[string]struct{}{}, notFound: map[string]struct{}{}, failedSince: map[string]atlas.Timestamp{},
		incompleteBatches: map[string]restore{}, sorted: true, total: -1,
	}
}

// SetPolicy replaces the policy. It reports whether jobs may be missing until the next poll, which is a full poll then:
// jobs that are not known may be within the new limits, or not be ignored any longer.
func (h *History) SetPolicy(policy Policy, now time.Time) (incomplete bool) {
	before := h.policy
	h.policy, h.summary, h.repeatable = policy, nil, repeatable{}
	switch {
	case before.NotBefore > policy.NotBefore:
		*h = *New(h.list, policy)
		return true
	case before.NotBefore < policy.NotBefore || before.Recreated != policy.Recreated:
		h.dropEarlier(now)
	}
	if before.Limits != policy.Limits {
		h.dropped, h.pages = position{}, 0
		return true
	}
	return false
}

// dropEarlier drops the jobs and events of an earlier cluster.
func (h *History) dropEarlier(now time.Time) {
	var dropped []string
	for id, job := range h.jobs {
		if h.isEarlier(job) && (h.policy.Recreated || !mayChange(job, now)) {
			dropped = append(dropped, id)
		}
	}
	for _, id := range dropped {
		h.remove(id)
		delete(h.failedSince, id)
	}
	h.forgetBefore(h.policy.NotBefore)
}

// Merge updates the history with a reading that was completed without an error.
func (h *History) Merge(reading *Reading, now time.Time) {
	if reading.Repeated() {
		return
	}
	summary, retained := h.summary, h.retained.clone()
	h.summary, h.repeatable = nil, repeatable{} // even if a panic stops Merge halfway
	changed := false
	removed := h.updateNotFound(reading)
	if reading.conclusive() {
		removed = append(removed, h.updateAbsent(reading)...)
		slices.Sort(removed)
		removed = slices.Compact(removed)
	}
	h.dropped = h.firstBeyond(reading, removed, now)

	var beyond []*atlas.RestoreJob
	for id, job := range reading.jobs {
		delete(h.absent, id)
		delete(h.notFound, id)
		switch known := h.jobs[id]; {
		case h.ignores(job, now):
		case known == nil && h.beyondLimits(job, now) && !mayChange(job, now):
			beyond = append(beyond, job)
		case known == nil || *known != *job:
			h.store(*job, now)
			changed = true
		}
	}
	h.total = reading.total
	h.sorted = h.sorted && reading.sorted
	h.requested = cmp.Or(reading.requested, h.requested)
	if reading.full || reading.conclusive() {
		h.pages = reading.pages
		if !reading.whole() {
			beyond = slices.DeleteFunc(beyond, func(job *atlas.RestoreJob) bool { return job.BatchID != "" })
		}
		changed = h.retain(beyond, now) || changed // no batch of which a part may be missing
	}
	changed = h.drop(removed, now) || changed
	changed = h.drop(h.evictable(now), now) || changed

	if !changed && h.retained.equal(&retained) {
		h.summary = summary
		h.remember(reading)
	}
}

// store adds a job or replaces its state.
func (h *History) store(job atlas.RestoreJob, now time.Time) {
	since, sawUnfinished := h.failedSince[job.ID]
	switch {
	case since != 0:
	case job.Status == atlas.StatusFailed && sawUnfinished:
		h.failedSince[job.ID] = atlas.TimestampOf(now)
	case job.Status.Unfinished() && job.Created == 0:
		h.failedSince[job.ID] = 0
	}
	h.jobs[job.ID] = &job
	if job.Status.Unfinished() || undecided(&job) {
		h.changeable[job.ID] = struct{}{}
	} else {
		delete(h.changeable, job.ID)
	}
	h.oldest = earlier(h.oldest, job.Created)
	h.forget(&job, now)
}

// updateNotFound records which known jobs were not found in this poll. It returns the IDs of the jobs that were not
// found in the poll before either. A full poll doesn't request all jobs, so jobs that it didn't request are kept.
func (h *History) updateNotFound(reading *Reading) (twice []string) {
	before := h.notFound
	if !reading.full || reading.conclusive() {
		h.notFound = map[string]struct{}{} // such a poll read all jobs, or their absence from the list counts
	}
	for _, id := range reading.notFound {
		if h.jobs[id] == nil {
			continue
		}
		if _, again := before[id]; again {
			twice = append(twice, id)
		}
		h.notFound[id] = struct{}{}
	}
	return twice
}

// updateAbsent records which known jobs a conclusive list doesn't contain. It returns the IDs of the jobs that the
// conclusive list before didn't contain either. A job that may exist nevertheless is kept, and the list doesn't count.
func (h *History) updateAbsent(reading *Reading) (twice []string) {
	absent := map[string]struct{}{}
	for id, job := range h.jobs {
		_, before := h.absent[id]
		mayExist := reading.mayHide(job)
		if reading.jobs[id] != nil || mayExist && !before {
			continue
		}
		absent[id] = struct{}{}
		if before && !mayExist {
			twice = append(twice, id)
		}
	}
	h.absent = absent
	return twice
}

// unfinished reports whether a job is pending, in progress, or ready, or may be.
func unfinished(job *atlas.RestoreJob, now time.Time) bool {
	status := job.StatusAt(now)
	return status.Unfinished() || (status == atlas.StatusUnknown && atlas.TimestampOf(now) < decidedAt(job))
}

// mayChange reports whether a job is expected to change. Such jobs are polled and not evicted.
func mayChange(job *atlas.RestoreJob, now time.Time) bool {
	status := job.StatusAt(now)
	return status.Unfinished() ||
		(status != atlas.StatusExpired && undecided(job) && atlas.TimestampOf(now) < decidedAt(job))
}

// undecided reports whether a job that doesn't look unfinished is expected to change until decidedAt.
func undecided(job *atlas.RestoreJob) bool {
	return job.Status == atlas.StatusUnknown ||
		(job.Status == atlas.StatusCompleted && job.Indexes == atlas.IndexesPending)
}

// decidedAt returns when an undecided job is no longer expected to change.
func decidedAt(job *atlas.RestoreJob) atlas.Timestamp {
	if job.Created == 0 {
		return 0
	}
	return job.Created + atlas.Timestamp(undecidedFor/time.Second)
}

// drop removes those of the given jobs that are known, retains their events, and reports whether there were any.
func (h *History) drop(ids []string, now time.Time) bool {
	var dropped []*atlas.RestoreJob
	for _, id := range ids {
		if job := h.jobs[id]; job != nil {
			dropped = append(dropped, job)
			h.retained.created[job.DeliveryType] = max(h.retained.created[job.DeliveryType], job.Created)
		}
		h.remove(id)
	}
	h.retain(dropped, now)
	h.limitFailedSince()
	return len(dropped) > 0
}

// maxFailedSince bounds the jobs that are not, or no longer, known and have no time except that of their failure.
// Usually, there is none.
const maxFailedSince = 100

// limitFailedSince bounds the times of the failures of jobs that are not known. Some are kept, because Atlas may still
// list such a job, or list it again. A job that was removed while it was unfinished starts again.
func (h *History) limitFailedSince() {
	others := 0
	for id, since := range h.failedSince {
		if h.jobs[id] != nil {
			continue
		}
		if others++; since == 0 || others > maxFailedSince {
			delete(h.failedSince, id)
		}
	}
}

// remove removes a job from everything but failedSince, which dates its event.
func (h *History) remove(id string) {
	delete(h.jobs, id)
	delete(h.changeable, id)
	delete(h.absent, id)
	delete(h.notFound, id)
}

// evictable returns the IDs of the known jobs that are beyond the limits.
func (h *History) evictable(now time.Time) []string {
	if len(h.jobs) <= h.policy.Limits.MaxJobs && !h.anyTooOld(now) {
		return nil
	}
	var ids []string
	for id, job := range h.jobs {
		if h.beyondLimits(job, now) && !mayChange(job, now) {
			ids = append(ids, id)
		}
	}
	return ids
}

// firstBeyond returns the position of the newest job beyond MaxJobs, given all jobs that are known or were read, except
// those to be removed. An incremental poll doesn't read older jobs, so it only moves the position ahead.
func (h *History) firstBeyond(reading *Reading, removed []string, now time.Time) position {
	dropped := h.dropped
	if reading.full {
		dropped = position{}
	}
	most := len(h.jobs) - len(removed)
	for id, job := range reading.jobs {
		if h.jobs[id] == nil && positionOf(job).compare(dropped) > 0 {
			most++
		}
	}
	if most <= h.policy.Limits.MaxJobs {
		return dropped
	}
	skipped := map[string]bool{}
	for _, id := range removed {
		skipped[id] = true
	}
	var all []position
	add := func(job *atlas.RestoreJob) {
		tooOld := h.tooOld(job.Created, now) && !mayChange(job, now) // evicted, so it doesn't count
		if at := positionOf(job); !tooOld && at.compare(dropped) > 0 {
			all = append(all, at)
		}
	}
	for id, job := range h.jobs {
		if !skipped[id] && reading.jobs[id] == nil {
			add(job)
		}
	}
	for _, job := range reading.jobs {
		if !h.ignores(job, now) {
			add(job)
		}
	}
	if len(all) <= h.policy.Limits.MaxJobs {
		return dropped
	}
	slices.SortFunc(all, func(a, b position) int { return b.compare(a) })
	return all[h.policy.Limits.MaxJobs]
}

// position is the position of a job in the order of creation.
type position struct {
	created atlas.Timestamp
	id      string
}

func positionOf(job *atlas.RestoreJob) position { return position{job.Created, job.ID} }

func (p position) compare(other position) int {
	return cmp.Or(cmp.Compare(p.created, other.created), cmp.Compare(p.id, other.id))
}

// anyTooOld reports whether a known job that isn't expected to change is older than the limits allow.
func (h *History) anyTooOld(now time.Time) bool {
	if !h.tooOld(h.oldest, now) {
		return false
	}
	found := false
	h.oldest = 0
	for _, job := range h.jobs {
		found = found || (h.tooOld(job.Created, now) && !mayChange(job, now))
		h.oldest = earlier(h.oldest, job.Created)
	}
	return found
}

// ignores reports whether a job that was read belongs to an earlier cluster of the same name and isn't known.
func (h *History) ignores(job *atlas.RestoreJob, now time.Time) bool {
	return h.isEarlier(job) && (h.policy.Recreated || h.jobs[job.ID] == nil && !mayChange(job, now))
}

func (h *History) isEarlier(job *atlas.RestoreJob) bool {
	return job.Created != 0 && job.Created < h.policy.NotBefore
}

// beyondLimits reports whether a job that isn't known was evicted, or would be if it isn't expected to change.
func (h *History) beyondLimits(job *atlas.RestoreJob, now time.Time) bool {
	return positionOf(job).compare(h.dropped) <= 0 || h.tooOld(job.Created, now)
}

func (h *History) tooOld(created atlas.Timestamp, now time.Time) bool {
	return created != 0 && created < atlas.TimestampOf(now.Add(-h.policy.Limits.MaxAge))
}

// newestFirst returns the known jobs sorted by creation time and ID, so that the order of the list doesn't matter.
func (h *History) newestFirst() []*atlas.RestoreJob {
	return slices.SortedFunc(maps.Values(h.jobs), func(a, b *atlas.RestoreJob) int {
		return positionOf(b).compare(positionOf(a))
	})
}

// earlier returns the earlier of two times, of which zero means unknown.
func earlier(a, b atlas.Timestamp) atlas.Timestamp {
	if a == 0 || b == 0 {
		return max(a, b)
	}
	return min(a, b)
}
