package history

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"atlas-restore-exporter/atlas"
)

// MaxPages is the maximum number of pages that a poll reads.
const MaxPages = 100

// maxRequests is the maximum number of jobs that a poll of a whole list requests by ID. It is small, so that the
// requests are done before the poll times out.
const maxRequests = 20

// orderTolerance is by how many seconds a job may be newer than an earlier job of a list that is sorted newest first.
const orderTolerance = 2

// ErrFullPollNeeded is returned if a reading is not enough and a full poll must follow immediately, see
// [Reading.Again]. It wraps the reason.
var ErrFullPollNeeded = errors.New("full poll needed")

var (
	errNotSorted         = fmt.Errorf("%w: list is not sorted newest first", ErrFullPollNeeded)
	errMissedJobs        = fmt.Errorf("%w: increase in job count doesn't match the number of new jobs", ErrFullPollNeeded)
	errContradiction     = fmt.Errorf("%w: list contradicts totalCount or its own links", ErrFullPollNeeded)
	errJobNotRead        = fmt.Errorf("%w: unfinished job can't be read by ID", ErrFullPollNeeded)
	errPartlyUnchanged   = fmt.Errorf("%w: only the first pages are unchanged", ErrFullPollNeeded)
	errTooManyUnfinished = fmt.Errorf("%w: too many unfinished jobs to request by ID", ErrFullPollNeeded)
)

// Reading is the result of reading a list once. It refers to its history, which must not change until the reading is
// merged or discarded.
type Reading struct {
	history *History
	now     time.Time
	full    bool
	first   *Reading // the first full reading of the same poll, if it contradicted itself

	jobs      map[string]*atlas.RestoreJob // by ID
	requested string                       // ID of the job that was requested last
	notFound  []string                     // IDs of jobs that Atlas reported as not found
	pages     int
	complete  bool            // the list was read to its end
	sorted    bool            // newest first, as far as the list was read
	oldest    atlas.Timestamp // creation time of the oldest job so far
	items     int             // number of listed items: repeated and malformed ones included
	total     int64           // number of jobs according to the first totalCount; negative if there is none
	lastTotal int64           // the same according to the last totalCount
	shifted   bool            // a job was listed more than once, or totalCount changed
	cut       bool            // a page was empty although it had a link to a next page

	marks     []atlas.PageMark // of the pages that were read
	known     []atlas.PageMark // of the pages whose repetition would change nothing
	unchanged int              // number of pages that are the same as the known ones, before any other page

	malformed    int   // number of listed items that are not jobs or have no readable ID
	malformedErr error // of one of them
}

// Read starts a poll: a full poll if fullPollDue, or if the length or order of the list doesn't allow an incremental
// poll.
func (h *History) Read(now time.Time, fullPollDue bool) *Reading {
	const minPages = 3 // of a list for which incremental polls save requests
	full := fullPollDue || !h.sorted || h.pages < minPages
	return &Reading{
		history: h, now: now, full: full, known: h.marksFor(full, now),
		jobs: map[string]*atlas.RestoreJob{}, sorted: true, total: -1,
	}
}

// Again starts the full poll that must follow immediately if Pending returned ErrFullPollNeeded.
func (r *Reading) Again(now time.Time) *Reading {
	again := r.history.Read(now, true)
	again.known = nil
	if r.full && r.unchanged == 0 {
		again.first = r
	}
	return again
}

// Full reports whether the poll is a full poll.
func (r *Reading) Full() bool { return r.full }

// Truncated reports whether the list is longer than a full poll reads.
func (r *Reading) Truncated() bool { return r.full && !r.complete && !r.Repeated() }

// Inconsistent reports whether the whole list was read twice, and contradicted itself both times.
func (r *Reading) Inconsistent() bool { return r.full && r.contradicts() }

// contradicts reports whether an empty page had a link to a next page, or the whole list was read and its number of
// items differs from totalCount. If the list changed meanwhile, either number may be right.
func (r *Reading) contradicts() bool {
	items := int64(r.items)
	return r.cut || r.complete && r.total >= 0 && items != r.total && items != r.lastTotal
}

// conclusive reports whether jobs that were not read are not in the list. A malformed item may be any job.
func (r *Reading) conclusive() bool { return r.whole() && r.malformed == 0 }

// mayHide reports whether the list lacks a known job that may exist: an unfinished job that was not requested, or whose
// request failed otherwise than because Atlas doesn't find it.
func (r *Reading) mayHide(job *atlas.RestoreJob) bool {
	return mayChange(job, r.now) && !slices.Contains(r.notFound, job.ID)
}

// whole reports whether all items of the list were read. A list that changed while it was read may contain more.
func (r *Reading) whole() bool { return r.complete && !r.contradicts() && !r.shifted }

// Pages returns the number of pages read.
func (r *Reading) Pages() int { return r.pages }

// Malformed returns the number of listed items that are not jobs or have no readable ID, and the error of one of them.
func (r *Reading) Malformed() (n int, err error) { return r.malformed, r.malformedErr }

// Add adds the next page of the list, and reports whether enough has been read.
func (r *Reading) Add(page *atlas.Page) (enough bool) {
	r.pages++
	if page.Unchanged {
		r.unchanged++
		return r.Repeated()
	}
	if r.unchanged > 0 {
		return true // see errPartlyUnchanged
	}
	r.marks = append(r.marks, page.Mark)
	r.items += page.Items
	if total, given := page.TotalCount.Value(); given {
		if r.total < 0 {
			r.total = total
		}
		r.shifted = r.shifted || total != r.total
		r.lastTotal = total
	}
	r.complete, r.cut = page.Last, r.cut || page.Cut
	if page.Malformed > 0 {
		r.malformed, r.malformedErr = r.malformed+page.Malformed, page.MalformedErr
	}
	onlyKnownFinished := true
	for i := range page.Jobs {
		job := &page.Jobs[i]
		r.checkOrder(job)
		r.jobs[job.ID] = r.reconcile(r.jobs[job.ID], job)
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

// reconcile returns one of two states of a job that the same poll read: a failure rather than any other state, a
// finished job rather than an unfinished one, else the state that was read last. The earlier state may be nil.
func (r *Reading) reconcile(earlier, later *atlas.RestoreJob) *atlas.RestoreJob {
	rank := func(job *atlas.RestoreJob) int {
		switch {
		case job.Status == atlas.StatusFailed:
			return 2
		case mayChange(job, r.now):
			return 0
		default:
			return 1
		}
	}
	if earlier != nil && rank(earlier) > rank(later) {
		return earlier
	}
	return later
}

// isKnownFinished reports whether a job is not new and not expected to change: neither now nor when it was read last.
// Other than known jobs, those that are beyond the limits or ignored are not new.
func (r *Reading) isKnownFinished(job *atlas.RestoreJob) bool {
	if r.history.ignores(job, r.now) {
		return true
	}
	if mayChange(job, r.now) {
		return false
	}
	if known := r.history.jobs[job.ID]; known != nil {
		return !mayChange(known, r.now)
	}
	return r.history.beyondLimits(job, r.now)
}

// Pending returns the IDs of the jobs that must be requested: those that are expected to change and were not read, but
// may exist. It returns an error that wraps ErrFullPollNeeded if the reading must be discarded in favor of the one that
// Again starts.
func (r *Reading) Pending() ([]string, error) {
	conclusive := r.conclusive()
	switch {
	case r.Repeated():
		return nil, nil
	case r.unchanged > 0:
		return nil, errPartlyUnchanged
	case !r.full && !r.sorted:
		return nil, errNotSorted
	case !r.full && r.cut:
		return nil, errContradiction
	case !r.full && !conclusive && r.missedJobs():
		return nil, errMissedJobs
	case r.Inconsistent() && r.first == nil:
		return nil, errContradiction
	case r.Inconsistent():
		r.addJobs(r.first)
	}
	var pending []string
	for id := range r.history.changeable {
		if r.jobs[id] == nil && mayChange(r.history.jobs[id], r.now) {
			pending = append(pending, id)
		}
	}
	slices.Sort(pending)
	switch {
	case r.full || conclusive:
		return r.history.nextRequests(pending), nil
	case len(pending) > r.history.pages:
		return nil, errTooManyUnfinished
	}
	return pending, nil
}

// nextRequests returns the IDs that a poll of a whole list requests. Each such poll continues after the ID that the
// last poll requested last.
func (h *History) nextRequests(sorted []string) []string {
	next, found := slices.BinarySearch(sorted, h.requested)
	if found {
		next++
	}
	rotated := slices.Concat(sorted[next:], sorted[:next])
	return rotated[:min(len(rotated), maxRequests)]
}

// addJobs adds the jobs of the first reading of the same poll.
func (r *Reading) addJobs(first *Reading) {
	for id, job := range first.jobs {
		if later := r.jobs[id]; later != nil {
			job = r.reconcile(job, later)
		}
		r.jobs[id] = job
	}
}

// missedJobs reports whether the increase of totalCount differs from the number of new jobs.
func (r *Reading) missedJobs() bool {
	if r.history.total < 0 || r.total < 0 {
		return false
	}
	var added int64
	for id, job := range r.jobs { // each once, even if it is listed repeatedly
		if r.history.jobs[id] == nil && !r.history.beyondLimits(job, r.now) && !r.history.ignores(job, r.now) {
			added++
		}
	}
	return r.total-r.history.total != added
}

// Put adds the response to a request for a job. If the request failed, the job keeps its last known state:
//   - If not the whole list was read, Put returns an error that wraps ErrFullPollNeeded, because only the list shows
//     whether the job still exists.
//   - Otherwise, Put returns the error, unless Atlas doesn't find the job. No more jobs should be requested then, but
//     the reading can be merged.
func (r *Reading) Put(id string, job atlas.RestoreJob, err error) error {
	r.requested = id
	if err == nil {
		r.jobs[id] = &job
		return nil
	}
	conclusive := r.conclusive()
	if !r.full && !conclusive {
		return fmt.Errorf("%w: %w", errJobNotRead, err)
	}
	atlasErr, ok := errors.AsType[*atlas.Error](err)
	if ok && (atlasErr.JobNotFound() || conclusive && atlasErr.Status == http.StatusNotFound) {
		r.notFound = append(r.notFound, id)
		return nil
	}
	return err
}
