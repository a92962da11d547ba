package history

import (
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
	latest := h.latestOf(jobs, now)
	latest.merge(&h.retained) // of two states of the same event, the current one wins
	h.retained = latest
	return incomplete
}

// forget drops the retained events that name a job, because its current state replaces them. The job alone may not show
// when its restore ended: the restore is a batch, or a failure that an earlier poll dated. Then an event is kept unless
// the job contradicts it.
func (h *History) forget(job *atlas.RestoreJob, now time.Time) {
	r := h.newRestore(job, now)
	partial := job.BatchID != "" || r.end == 0
	for delivery := range atlas.DeliveryCount {
		for purpose := range PurposeCount {
			of := &h.retained.events[delivery][purpose]
			confirmed := partial && delivery == r.delivery && purpose == r.purpose
			if of.Success.JobID == job.ID && (!confirmed || !r.succeeded) {
				of.Success = Event{}
			}
			if of.Failure.JobID == job.ID && (!confirmed || !r.failed) {
				of.Failure = Event{}
			}
		}
	}
	if h.incompleteBatches[job.BatchID].event.JobID == job.ID {
		delete(h.incompleteBatches, job.BatchID)
	}
}

// reclassify updates the purposes of the retained events and batches after the drill targets have changed.
func (h *History) reclassify() {
	for delivery := range atlas.DeliveryCount {
		before := h.retained.events[delivery]
		after := &h.retained.events[delivery]
		*after = [PurposeCount]Latest{}
		for purpose, latest := range before {
			after[h.reclassified(delivery, Purpose(purpose), &latest.Success)].Success.merge(&latest.Success)
			after[h.reclassified(delivery, Purpose(purpose), &latest.Failure)].Failure.merge(&latest.Failure)
		}
	}
	for id, batch := range h.incompleteBatches {
		batch.purpose = h.reclassified(batch.delivery, batch.purpose, &batch.event)
		h.incompleteBatches[id] = batch
	}
}

// reclassified returns the purpose of an event, whose purpose was another one before the drill targets changed.
func (h *History) reclassified(delivery atlas.DeliveryType, before Purpose, event *Event) Purpose {
	if before == PurposeInPlace {
		return PurposeInPlace // regardless of the drill targets
	}
	return h.policy.copyPurpose(delivery, event.TargetProjectID, event.TargetClusterName)
}
