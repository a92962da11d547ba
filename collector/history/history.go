package history

import (
	"cmp"
	"slices"
	"time"

	"atlas-restore-exporter/atlas"
)

// unknownFor is how long after its creation a job of unknown status counts as unfinished.
const unknownFor = 7 * 24 * time.Hour

// History is the state of one target: its known jobs and the retained timestamps of other jobs. It is
// not safe for concurrent use. The package comment describes the algorithm.
type History struct {
	policy Policy

	jobs map[string]*atlas.RestoreJob // the known jobs by ID
	// unfinished contains the IDs of the jobs that Atlas reports as unfinished or with an unknown status. Some may be
	// finished because of their age or expiry.
	unfinished map[string]struct{}
	absent     map[string]struct{} // IDs of the known jobs that the last conclusive list didn't contain
	notFound   map[string]struct{} // IDs of the known jobs that were not found in the last poll
	// failedSince contains, for known failed jobs without a time of their own, the time of the first poll that saw them
	// failed, if an earlier poll saw them unfinished.
	failedSince map[string]atlas.Timestamp
	// oldest is a lower bound of the creation times of the known jobs, so that most polls needn't check every job.
	oldest atlas.Timestamp

	retained          latestByDelivery // from jobs that are no longer known
	droppedUpTo       atlas.Timestamp  // creation time of the newest job evicted because of MaxJobs, or 1; zero if none
	incompleteBatches map[string]bool  // batches that can't succeed because of a job that was dropped; true if it failed

	sorted bool  // the list was sorted newest first in every poll
	pages  int   // number of pages of the whole list; zero if a full poll must follow
	total  int64 // number of jobs according to Atlas in the last poll; negative if unknown

	summary *Summary // the last one; nil if the history has changed since
}

// New returns an empty history.
func New(policy Policy) *History {
	return &History{
		policy: policy, jobs: map[string]*atlas.RestoreJob{}, unfinished: map[string]struct{}{},
		absent: map[string]struct{}{}, notFound: map[string]struct{}{}, failedSince: map[string]atlas.Timestamp{},
		incompleteBatches: map[string]bool{}, sorted: true, total: -1,
	}
}

// SetPolicy replaces the policy. If the limits change, the next poll is a full poll, because evicted jobs may be
// within the new limits.
func (h *History) SetPolicy(policy Policy) {
	if h.policy.Limits != policy.Limits {
		h.droppedUpTo, h.pages = 0, 0
	}
	h.policy, h.summary = policy, nil
}

// Merge updates the history with a reading that was completed without an error.
func (h *History) Merge(reading *Reading, now time.Time) {
	summary, retained := h.summary, h.retained
	h.summary = nil // even if a panic stops Merge halfway
	changed := false

	var beyond []*atlas.RestoreJob
	for id, job := range reading.jobs {
		delete(h.absent, id)
		switch known := h.jobs[id]; {
		case known == nil && h.beyondLimits(job, now) && !unfinished(job, now):
			beyond = append(beyond, job)
		case known == nil || *known != *job:
			h.store(*job, now)
			changed = true
		}
	}
	h.total = reading.total
	h.sorted = h.sorted && reading.sorted
	if reading.full || reading.conclusive() {
		h.pages = reading.pages
		if !reading.conclusive() {
			beyond = slices.DeleteFunc(beyond, func(job *atlas.RestoreJob) bool { return job.BatchID != "" })
		}
		h.retain(beyond, now) // no batch of which a part may be missing
	}
	removed := h.updateNotFound(reading)
	if reading.conclusive() {
		removed = append(removed, h.updateAbsent(reading)...)
	}
	changed = h.drop(removed, now) || changed
	changed = h.drop(h.evictable(now), now) || changed

	if !changed && h.retained == retained {
		h.summary = summary
	}
}

// store adds a job or replaces its state.
func (h *History) store(job atlas.RestoreJob, now time.Time) {
	known := h.jobs[job.ID]
	switch {
	case job.Status != atlas.StatusFailed:
		delete(h.failedSince, job.ID)
	case known != nil && known.Status.Unfinished():
		h.failedSince[job.ID] = atlas.TimestampOf(now)
	}
	h.jobs[job.ID] = &job
	if job.Status.Unfinished() || job.Status == atlas.StatusUnknown {
		h.unfinished[job.ID] = struct{}{}
	} else {
		delete(h.unfinished, job.ID)
	}
	h.oldest = earlier(h.oldest, job.Created)
}

// updateNotFound records which known jobs were not found in this poll. It returns the IDs of the jobs that were not
// found in the poll before either.
func (h *History) updateNotFound(reading *Reading) (twice []string) {
	notFound := map[string]struct{}{}
	for _, id := range reading.notFound {
		if h.jobs[id] == nil {
			continue
		}
		notFound[id] = struct{}{}
		if _, before := h.notFound[id]; before {
			twice = append(twice, id)
		}
	}
	h.notFound = notFound
	return twice
}

// updateAbsent records which known jobs a conclusive list doesn't contain. It returns the IDs of the jobs that the
// conclusive list before didn't contain either.
func (h *History) updateAbsent(reading *Reading) (twice []string) {
	absent := map[string]struct{}{}
	for id := range h.jobs {
		if reading.contains(id) {
			continue
		}
		absent[id] = struct{}{}
		if _, before := h.absent[id]; before {
			twice = append(twice, id)
		}
	}
	h.absent = absent
	return twice
}

// unfinished reports whether a job is expected to change.
func unfinished(job *atlas.RestoreJob, now time.Time) bool {
	status := job.StatusAt(now)
	return status.Unfinished() || (status == atlas.StatusUnknown && atlas.TimestampOf(now) < unknownUntil(job))
}

// unknownUntil returns when a job of unknown status starts to count as finished.
func unknownUntil(job *atlas.RestoreJob) atlas.Timestamp {
	if job.Created == 0 {
		return 0
	}
	return job.Created + atlas.Timestamp(unknownFor/time.Second)
}

// drop removes those of the given jobs that are known, retains their timestamps, and reports whether there were any.
func (h *History) drop(ids []string, now time.Time) bool {
	var dropped []*atlas.RestoreJob
	for _, id := range ids {
		if job := h.jobs[id]; job != nil {
			dropped = append(dropped, job)
		}
		delete(h.jobs, id)
		delete(h.unfinished, id)
		delete(h.absent, id)
		delete(h.notFound, id)
	}
	h.retain(dropped, now)
	for _, id := range ids {
		delete(h.failedSince, id)
	}
	return len(dropped) > 0
}

// retain preserves the timestamps of jobs that are not, or no longer, known. The known jobs of the same batches are
// taken into account.
func (h *History) retain(jobs []*atlas.RestoreJob, now time.Time) {
	batches := map[string]bool{}
	for _, job := range jobs {
		if job.BatchID == "" {
			continue
		}
		batches[job.BatchID] = true
		if r := h.newRestore(job, now); !r.succeeded && !unfinished(job, now) {
			h.incompleteBatches[job.BatchID] = h.incompleteBatches[job.BatchID] || r.failed
		}
	}
	if len(batches) > 0 {
		for _, job := range h.jobs {
			if batches[job.BatchID] {
				jobs = append(jobs, job)
			}
		}
	}
	latest := h.latestOf(jobs, now)
	h.retained.merge(&latest)
}

// evictable returns the IDs of the known jobs that are beyond the limits, and updates droppedUpTo.
func (h *History) evictable(now time.Time) []string {
	if len(h.jobs) <= h.policy.Limits.MaxJobs && !h.anyTooOld(now) {
		return nil
	}
	jobs := h.newestFirst()
	kept := 0
	for kept < min(h.policy.Limits.MaxJobs, len(jobs)) && !h.tooOld(jobs[kept].Created, now) {
		kept++
	}
	for kept > 0 && kept < len(jobs) && jobs[kept].BatchID != "" && jobs[kept].BatchID == jobs[kept-1].BatchID {
		kept++
	}
	var ids []string
	for _, job := range jobs[kept:] {
		if unfinished(job, now) {
			continue
		}
		ids = append(ids, job.ID)
		if !h.tooOld(job.Created, now) { // not for age, because the clock may be wrong
			h.droppedUpTo = max(h.droppedUpTo, job.Created, 1)
		}
	}
	return ids
}

// anyTooOld reports whether a finished known job is older than the limits allow.
func (h *History) anyTooOld(now time.Time) bool {
	if !h.tooOld(h.oldest, now) {
		return false
	}
	found := false
	h.oldest = 0
	for _, job := range h.jobs {
		found = found || (h.tooOld(job.Created, now) && !unfinished(job, now))
		h.oldest = earlier(h.oldest, job.Created)
	}
	return found
}

// beyondLimits reports whether an unknown job was evicted, or would be if it is finished.
func (h *History) beyondLimits(job *atlas.RestoreJob, now time.Time) bool {
	return (h.droppedUpTo != 0 && job.Created <= h.droppedUpTo) || h.tooOld(job.Created, now)
}

func (h *History) tooOld(created atlas.Timestamp, now time.Time) bool {
	return created != 0 && created < atlas.TimestampOf(now.Add(-h.policy.Limits.MaxAge))
}

// newestFirst returns the known jobs sorted by creation time, batch and ID, so that the order of the list doesn't
// matter.
func (h *History) newestFirst() []*atlas.RestoreJob {
	jobs := make([]*atlas.RestoreJob, 0, len(h.jobs))
	for _, job := range h.jobs {
		jobs = append(jobs, job)
	}
	slices.SortFunc(jobs, func(a, b *atlas.RestoreJob) int {
		return cmp.Or(cmp.Compare(b.Created, a.Created), cmp.Compare(b.BatchID, a.BatchID), cmp.Compare(b.ID, a.ID))
	})
	return jobs
}

// earlier returns the earlier of two times, of which zero means unknown.
func earlier(a, b atlas.Timestamp) atlas.Timestamp {
	if a == 0 || b == 0 {
		return max(a, b)
	}
	return min(a, b)
}
