package history

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"atlas-restore-exporter/atlas"
)

// MaxPages is the maximum number of pages that a poll reads, and of jobs that it then requests by ID.
const MaxPages = 100

// orderTolerance is by how many seconds a job may be newer than an earlier job of a list that is sorted newest first.
const orderTolerance = 2

// ErrFullPollNeeded is returned if a reading is not enough and a full poll must follow immediately, see
// [Reading.Again]. It wraps the reason.
var ErrFullPollNeeded = errors.New("full poll needed")

var (
	errNotSorted         = fmt.Errorf("%w: list is not sorted newest first", ErrFullPollNeeded)
	errMissedJobs        = fmt.Errorf("%w: increase in job count doesn't match the number of new jobs", ErrFullPollNeeded)
	errContradiction     = fmt.Errorf("%w: number of items in the list contradicts totalCount", ErrFullPollNeeded)
	errTooManyUnfinished = fmt.Errorf("%w: too many unfinished jobs to request by ID", ErrFullPollNeeded)
)

// Reading is the result of reading a list once. It refers to its history, which must not change until the reading is
// merged or discarded.
type Reading struct {
	history *History
	now     time.Time
	full    bool
	first   *Reading // the first full reading of the same poll, if it contradicted itself

	jobs       map[string]*atlas.RestoreJob // by ID, each as it was read last
	notFound   []string                     // IDs of jobs that Atlas reported as not found
	unreadable map[string]bool              // IDs of listed jobs that could not be decoded
	pages      int
	complete   bool            // the list was read to its end
	sorted     bool            // newest first, as far as the list was read
	oldest     atlas.Timestamp // creation time of the oldest job so far
	items      int             // number of listed items: repeated and malformed ones included
	total      int64           // number of jobs according to the first totalCount; negative if there is none
	lastTotal  int64           // the same according to the last totalCount
	shifted    bool            // a job was listed more than once, or totalCount changed

	malformed    int   // jobs that could not be decoded, with and without a readable ID
	malformedErr error // of one of them
}

// Read starts a poll: a full poll if fullPollDue, or if the length or order of the list doesn't allow an incremental
// poll.
func (h *History) Read(now time.Time, fullPollDue bool) *Reading {
	const minPages = 3 // of a list for which incremental polls save requests
	return &Reading{
		history: h, now: now, full: fullPollDue || !h.sorted || h.pages < minPages,
		jobs: map[string]*atlas.RestoreJob{}, unreadable: map[string]bool{}, sorted: true, total: -1,
	}
}

// Again starts the full poll that must follow immediately if Pending returned ErrFullPollNeeded.
func (r *Reading) Again(now time.Time) *Reading {
	again := r.history.Read(now, true)
	if r.full {
		again.first = r
	}
	return again
}

// Full reports whether the poll is a full poll.
func (r *Reading) Full() bool { return r.full }

// Truncated reports whether the list is longer than a full poll reads.
func (r *Reading) Truncated() bool { return r.full && !r.complete }

// Inconsistent reports whether the whole list was read twice, and contradicted its own totalCount both times.
func (r *Reading) Inconsistent() bool { return r.full && r.contradicts() }

// contradicts reports whether the whole list was read, and its number of items differs from totalCount. If the list
// changed meanwhile, either number may be right.
func (r *Reading) contradicts() bool {
	items := int64(r.items)
	return r.complete && r.total >= 0 && items != r.total && items != r.lastTotal
}

// conclusive reports whether jobs that were not read are not in the list. A list that changed while it was read may
// contain them.
func (r *Reading) conclusive() bool { return r.complete && !r.contradicts() && !r.shifted }

// Pages returns the number of pages read.
func (r *Reading) Pages() int { return r.pages }

// Malformed returns the number of jobs that could not be decoded, the sorted IDs of those with a readable ID, and the
// error of one of them.
func (r *Reading) Malformed() (n int, ids []string, err error) {
	return r.malformed, slices.Sorted(maps.Keys(r.unreadable)), r.malformedErr
}

// Add adds the next page of the list, and reports whether enough has been read.
func (r *Reading) Add(page *atlas.Page) (enough bool) {
	r.pages++
	r.items += page.Items
	if total, given := page.TotalCount.Value(); given {
		if r.total < 0 {
			r.total = total
		}
		r.shifted = r.shifted || total != r.total
		r.lastTotal = total
	}
	r.complete = page.Last
	if page.Malformed > 0 {
		r.malformed, r.malformedErr = r.malformed+page.Malformed, page.MalformedErr
	}
	for _, id := range page.UnreadableIDs {
		r.unreadable[id] = true
	}
	onlyKnownFinished := true
	for i := range page.Jobs {
		job := &page.Jobs[i]
		r.checkOrder(job)
		r.jobs[job.ID] = job
		onlyKnownFinished = onlyKnownFinished && r.isKnownFinished(job)
	}
	return r.complete || r.pages == MaxPages || (!r.full && onlyKnownFinished)
}

func (r *Reading) checkOrder(job *atlas.RestoreJob) {
	if r.jobs[job.ID] != nil {
		r.shifted = true
		return
	}
	if r.oldest != 0 && job.Created > r.oldest+orderTolerance {
		r.sorted = false
	}
	r.oldest = earlier(r.oldest, job.Created)
}

// isKnownFinished reports whether a job is not new and won't change: it is finished, and so it was when it was read
// last, or it is beyond the limits.
func (r *Reading) isKnownFinished(job *atlas.RestoreJob) bool {
	if unfinished(job, r.now) {
		return false
	}
	if known := r.history.jobs[job.ID]; known != nil {
		return !unfinished(known, r.now)
	}
	return r.history.beyondLimits(job, r.now)
}

// contains reports whether the list contained a job, readable or not.
func (r *Reading) contains(id string) bool { return r.jobs[id] != nil || r.unreadable[id] }

// Pending returns the IDs of the jobs that must be requested: the unfinished jobs that were not read, but may exist. It
// returns an error that wraps ErrFullPollNeeded if the reading must be discarded in favor of the one that Again starts.
func (r *Reading) Pending() ([]string, error) {
	conclusive := r.conclusive()
	switch {
	case !r.full && !r.sorted:
		return nil, errNotSorted
	case !r.full && !conclusive && r.missedJobs():
		return nil, errMissedJobs
	case r.Inconsistent() && r.first == nil:
		return nil, errContradiction
	case r.Inconsistent():
		r.addMissing(r.first)
	case conclusive && r.malformed == len(r.unreadable):
		return nil, nil
	}
	var pending []string
	for id := range r.history.unfinished {
		if r.jobs[id] == nil && unfinished(r.history.jobs[id], r.now) {
			pending = append(pending, id)
		}
	}
	slices.Sort(pending)
	if !r.full && !conclusive && len(pending) > r.history.pages {
		return nil, errTooManyUnfinished
	}
	return pending[:min(len(pending), MaxPages)], nil
}

// addMissing adds the jobs of the first reading that this one doesn't contain.
func (r *Reading) addMissing(first *Reading) {
	for id, job := range first.jobs {
		if r.jobs[id] == nil {
			r.jobs[id] = job
		}
	}
}

// missedJobs reports whether the increase of totalCount differs from the number of new jobs.
func (r *Reading) missedJobs() bool {
	if r.history.total < 0 || r.total < 0 {
		return false
	}
	var added int64
	for id, job := range r.jobs { // each once, even if it is listed repeatedly
		if r.history.jobs[id] == nil && !r.history.beyondLimits(job, r.now) {
			added++
		}
	}
	return r.total-r.history.total != added
}

// Put adds the response to a request for a job. A job that could not be decoded, or was not found for the first time,
// keeps its last known state. Put returns any other error; the reading must then be discarded.
func (r *Reading) Put(id string, job atlas.RestoreJob, err error) error {
	if atlasErr, ok := errors.AsType[*atlas.Error](err); ok && atlasErr.JobNotFound() {
		r.notFound = append(r.notFound, id)
		return nil
	}
	if malformed, ok := errors.AsType[*atlas.MalformedError](err); ok && malformed.Job {
		r.malformed, r.malformedErr = r.malformed+1, malformed.Err
		return nil
	}
	if err != nil {
		return err
	}
	r.jobs[id] = &job
	return nil
}
