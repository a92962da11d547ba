package collector

import (
	"cmp"
	"slices"
	"time"

	"atlas-restore-exporter/atlas"
)

// History is the known jobs of one target, merged over polls by job id, and what outlives them. It is pure: it asks
// nothing and reads no clock. It is not safe for concurrent use.
type History struct {
	limits HistoryLimits
	jobs   map[string]*knownJob
	// open are the ids of the jobs that are open, or would be if the clock were set back. No known job was created before
	// oldest, unless Atlas does not say when. Both spare a poll to look at every job.
	open   map[string]struct{}
	oldest atlas.Timestamp

	// outlived holds what the jobs said that are no longer known.
	outlived factsByDelivery
	// floor is the creation of the newest job that the limits dropped: what is terminal and not newer is no news.
	floor atlas.Timestamp
	// spoiled are batches with a job that did not succeed and is no longer known: the others don't make them a success.
	// It is true of those that failed.
	spoiled map[string]bool

	sweeps  int // lists that were merged as far as a poll reads
	ordered bool
	pages   int   // of the last of these
	total   int64 // of jobs as Atlas counted them at the last merge; below zero where it did not
}

type knownJob struct {
	atlas.RestoreJob
	missed uint8 // whole lists in a row that did not have it
}

// Reading is what one poll read of a list.
type Reading struct {
	Jobs    map[string]atlas.RestoreJob // by id, each as it was read last
	Sweep   bool                        // the list was read as far as a poll reads
	Whole   bool                        // the list was read to its end
	Ordered bool                        // newest first, as far as it was read
	Pages   int
	Total   int64           // of jobs as Atlas counted them on the first page; below zero where it did not
	Gone    []string        // jobs of which Atlas said that there are none
	Unread  map[string]bool // jobs that are there, but could not be decoded

	malformed    int             // jobs that could not be decoded, with and without id
	malformedErr error           // why, for one of them
	oldest       atlas.Timestamp // creation, of what was read so far
}

// NewHistory returns an empty history.
func NewHistory(limits HistoryLimits) *History {
	return &History{
		limits: limits, jobs: map[string]*knownJob{}, open: map[string]struct{}{}, spoiled: map[string]bool{},
		ordered: true, total: -1,
	}
}

// Incremental reports whether a poll may read the newest pages only: the list is longer than two pages, and every
// whole reading of it found the newest jobs first.
func (h *History) Incremental() bool {
	const worthIt = 3
	return h.sweeps > 0 && h.ordered && h.pages >= worthIt
}

// Pages returns how many pages the whole list had when it was last read.
func (h *History) Pages() int { return h.pages }

// Settled reports whether a job that was read is no news and won't be: it is terminal and already known like this, or
// terminal and beyond the limits.
func (h *History) Settled(job *atlas.RestoreJob, now time.Time) bool {
	if job.StatusAt(now).Open() {
		return false
	}
	if known, ok := h.jobs[job.ID]; ok {
		return !known.StatusAt(now).Open()
	}
	return h.beyond(job, now)
}

// beyond reports whether a job is one that the limits dropped, or would drop for its age.
func (h *History) beyond(job *atlas.RestoreJob, now time.Time) bool {
	return (h.floor != 0 && job.Created <= h.floor) || h.tooOld(job, now)
}

func (h *History) tooOld(job *atlas.RestoreJob, now time.Time) bool {
	return h.before(job.Created, now)
}

// before reports whether an instant lies before what the limits allow.
func (h *History) before(created atlas.Timestamp, now time.Time) bool {
	return created != 0 && created < atlas.TimestampOf(now.Add(-h.limits.MaxAge))
}

// Surprising reports whether the growth of Atlas' count of jobs differs from the number of new jobs that were read: if
// it does, something was missed.
func (h *History) Surprising(reading *Reading, now time.Time) bool {
	if h.total < 0 || reading.Total < 0 {
		return false
	}
	var added int64
	for id, job := range reading.Jobs {
		if h.jobs[id] == nil && !h.beyond(&job, now) {
			added++
		}
	}
	return reading.Total-h.total != added
}

// Open returns the ids of the known jobs that can be expected to change, and that a reading does not have.
func (h *History) Open(reading *Reading, now time.Time) []string {
	var ids []string
	for id := range h.open {
		if _, read := reading.Jobs[id]; !read && h.jobs[id].StatusAt(now).Open() {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	return ids
}

// Merge takes in what a poll read, and reports whether anything of it was news.
func (h *History) Merge(reading *Reading, now time.Time) (changed bool) {
	var old []*atlas.RestoreJob // no news, but after a restart the only trace of what they say
	for id, job := range reading.Jobs {
		switch known := h.jobs[id]; {
		case known == nil && h.beyond(&job, now) && !job.StatusAt(now).Open():
			old = append(old, &job)
		case known == nil || known.RestoreJob != job:
			h.learn(job)
			changed = true
		}
	}
	before := h.outlived
	h.total = reading.Total
	h.ordered = h.ordered && reading.Ordered
	gone := slices.Clone(reading.Gone)
	if reading.Sweep || reading.Whole {
		h.outlive(old, now) // of the newest pages, they may be a part of a batch
		h.sweeps++
		h.pages = reading.Pages
	}
	if reading.Whole {
		gone = append(gone, h.missing(reading)...)
	}
	h.forget(gone, now)
	excess := h.excess(now)
	h.forget(excess, now)
	return changed || len(gone) > 0 || len(excess) > 0 || h.outlived != before
}

// learn takes in a job as it is now.
func (h *History) learn(job atlas.RestoreJob) {
	known := h.jobs[job.ID]
	if known == nil {
		known = &knownJob{}
		h.jobs[job.ID] = known
	}
	known.RestoreJob = job
	if job.StatusAt(time.Time{}).Open() {
		h.open[job.ID] = struct{}{}
	} else {
		delete(h.open, job.ID)
	}
	if job.Created != 0 && (h.oldest == 0 || job.Created < h.oldest) {
		h.oldest = job.Created
	}
}

// missing returns the jobs that two whole lists in a row did not have.
func (h *History) missing(reading *Reading) []string {
	const proof = 2
	var ids []string
	for id, job := range h.jobs {
		if _, read := reading.Jobs[id]; read || reading.Unread[id] {
			job.missed = 0
			continue
		}
		if job.missed++; job.missed >= proof {
			ids = append(ids, id)
		}
	}
	return ids
}

// excess returns the terminal jobs that are beyond the limits. The jobs of a batch go together.
func (h *History) excess(now time.Time) []string {
	if len(h.jobs) <= h.limits.MaxJobs && !h.anyTooOld(now) {
		return nil
	}
	jobs := h.newestFirst()
	first := min(h.limits.MaxJobs, len(jobs))
	for i, job := range jobs[:first] {
		if h.tooOld(&job.RestoreJob, now) {
			first = i
			break
		}
	}
	for first > 0 && first < len(jobs) && jobs[first].BatchID != "" && jobs[first].BatchID == jobs[first-1].BatchID {
		first++
	}
	var ids []string
	for _, job := range jobs[first:] {
		if !job.StatusAt(now).Open() {
			ids = append(ids, job.ID)
			if !h.tooOld(&job.RestoreJob, now) { // age needs no floor, and a clock that jumped must not leave one
				h.floor = max(h.floor, job.Created)
			}
		}
	}
	return ids
}

func (h *History) anyTooOld(now time.Time) bool {
	if !h.before(h.oldest, now) {
		return false
	}
	found := false
	h.oldest = 0
	for _, job := range h.jobs {
		found = found || (h.tooOld(&job.RestoreJob, now) && !job.StatusAt(now).Open())
		if job.Created != 0 && (h.oldest == 0 || job.Created < h.oldest) {
			h.oldest = job.Created
		}
	}
	return found
}

// forget drops jobs and keeps what they said.
func (h *History) forget(ids []string, now time.Time) {
	var dropped []*atlas.RestoreJob
	for _, id := range ids {
		if job := h.jobs[id]; job != nil {
			dropped = append(dropped, &job.RestoreJob)
		}
	}
	h.outlive(dropped, now)
	for _, job := range dropped {
		delete(h.jobs, job.ID)
		delete(h.open, job.ID)
	}
}

// outlive keeps what jobs say that won't be known any longer. A job of a batch speaks for the batch.
func (h *History) outlive(gone []*atlas.RestoreJob, now time.Time) {
	for _, job := range gone {
		status := job.StatusAt(now)
		if one := newRestore(job, status); job.BatchID != "" && !one.succeeded && !status.Open() {
			h.spoiled[job.BatchID] = one.failed || h.spoiled[job.BatchID]
		}
	}
	facts := factsOf(h.withBatches(gone), h.spoiled, now)
	h.outlived.merge(&facts)
}

// withBatches adds the known jobs of the same batches to jobs.
func (h *History) withBatches(jobs []*atlas.RestoreJob) []*atlas.RestoreJob {
	there, batches := map[string]bool{}, map[string]bool{}
	for _, job := range jobs {
		there[job.ID], batches[job.BatchID] = true, true
	}
	delete(batches, "")
	if len(batches) == 0 {
		return jobs
	}
	for id, job := range h.jobs {
		if batches[job.BatchID] && !there[id] {
			jobs = append(jobs, &job.RestoreJob)
		}
	}
	return jobs
}

// newestFirst returns the known jobs in one order whatever the order of the list: by creation, then by batch and id.
func (h *History) newestFirst() []*knownJob {
	jobs := make([]*knownJob, 0, len(h.jobs))
	for _, job := range h.jobs {
		jobs = append(jobs, job)
	}
	slices.SortFunc(jobs, func(a, b *knownJob) int {
		return cmp.Or(cmp.Compare(b.Created, a.Created), cmp.Compare(b.BatchID, a.BatchID), cmp.Compare(b.ID, a.ID))
	})
	return jobs
}
