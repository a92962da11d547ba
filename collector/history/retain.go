package history

import (
	"maps"
	"slices"
	"time"

	"atlas-restore-exporter/atlas"
)

// retain preserves the events of jobs that are not, or no longer, known. The known jobs of the same batches are taken
// into account. It reports whether any batch became, or still is, incomplete.
func (h *History) retain(jobs []*atlas.RestoreJob, now time.Time) (incomplete bool) {
	batches := map[string]bool{}
	for _, job := range jobs {
		h.forget(job, now)
		if job.BatchID != "" {
			batches[job.BatchID] = true
		}
	}
	for _, job := range jobs {
		if r := h.newRestore(job, now); job.BatchID != "" && !r.succeeded && !unfinished(job, now) {
			if others, found := h.incompleteBatches[job.BatchID]; found {
				r.join(&others)
			}
			h.incompleteBatches[job.BatchID] = r
			incomplete = true
		}
	}
	if len(batches) > 0 {
		for _, job := range h.jobs {
			if batches[job.BatchID] {
				jobs = append(jobs, job)
			}
		}
	}
	for r := range h.restoresOf(jobs, now) {
		h.retained.add(r)
	}
	h.limitRetained()
	return incomplete
}

// maxDestinations bounds the retained events. Usually, there are few destinations.
const maxDestinations = 100

// limitRetained drops the destinations whose events are the oldest, but none whose event is the latest of its delivery
// type and purpose.
func (h *History) limitRetained() {
	excess := len(h.retained.events) - maxDestinations
	if excess <= 0 {
		return
	}
	latest := h.retained.byPurpose(&h.policy)
	var droppable []destination
	for to, restores := range h.retained.events {
		of := &latest[to.delivery][h.policy.purpose(to)]
		isLatest := restores.Success.End != 0 && restores.Success == of.Success ||
			restores.Failure.End != 0 && restores.Failure == of.Failure
		if !isLatest {
			droppable = append(droppable, to)
		}
	}
	last := func(to destination) *Event {
		restores := h.retained.events[to]
		restores.Success.merge(&restores.Failure)
		return &restores.Success
	}
	slices.SortFunc(droppable, func(a, b destination) int { return last(a).compare(last(b)) })
	for _, to := range droppable[:min(excess, len(droppable))] {
		delete(h.retained.events, to)
	}
}

// forget drops the retained events that name a job, because its current state replaces them. The job alone may not show
// when its restore ended: the restore is a batch, or a failure that an earlier poll dated. Then an event is kept unless
// the job contradicts it.
func (h *History) forget(job *atlas.RestoreJob, now time.Time) {
	r := h.newRestore(job, now)
	partial := job.BatchID != "" || r.end == 0
	for to, latest := range h.retained.events {
		confirmed := partial && to == r.to
		if latest.Success.JobID == job.ID && (!confirmed || !r.succeeded) {
			latest.Success = Event{}
		}
		if latest.Failure.JobID == job.ID && (!confirmed || !r.failed) {
			latest.Failure = Event{}
		}
		h.retained.set(to, latest)
	}
	if h.incompleteBatches[job.BatchID].event.JobID == job.ID {
		delete(h.incompleteBatches, job.BatchID)
	}
}

// forgetBefore drops the retained events of jobs that were created before a time.
func (h *History) forgetBefore(created atlas.Timestamp) {
	isBefore := func(event *Event) bool { return event.Created != 0 && event.Created < created }
	for delivery, newest := range h.retained.created {
		if newest < created {
			h.retained.created[delivery] = 0
		}
	}
	for to, latest := range h.retained.events {
		for _, event := range []*Event{&latest.Success, &latest.Failure} {
			if isBefore(event) {
				*event = Event{}
			}
		}
		h.retained.set(to, latest)
	}
	maps.DeleteFunc(h.incompleteBatches, func(_ string, batch restore) bool { return isBefore(&batch.event) })
}
