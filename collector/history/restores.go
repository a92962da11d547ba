package history

import (
	"slices"
	"time"

	"atlas-restore-exporter/atlas"
)

// Restore is a restore of a target: a job or, in legacy backup, a batch of jobs, which counts as one restore. The
// package comment describes batches and ends.
type Restore struct {
	Event // of the job that names the restore; End is the end of the whole restore, zero if that is unknown

	BatchID      string   // empty if the restore is not a batch
	JobIDs       []string // of all jobs, sorted
	DeliveryType atlas.DeliveryType
	Purpose      Purpose
	Expiry       atlas.Timestamp
	// Status is that of the job that names the restore. For a batch that is unfinished, or neither failed nor succeeded,
	// it is the status of a job that causes that.
	Status atlas.Status

	Unfinished bool // not failed, and any job is unfinished
	Failed     bool // any job failed
	Succeeded  bool // all jobs succeeded
	Unexpected bool // the target of any job is not allowed
	Drill      bool // see Summary.LastDrill; the end may be unknown
}

// Restores returns the restores whose jobs are known, in the order of events, and the creation time of the oldest known
// job, zero if it is unknown.
func (h *History) Restores(now time.Time) (restores []Restore, oldest atlas.Timestamp) {
	batches := map[string][]*atlas.RestoreJob{}
	restores = make([]Restore, 0, len(h.jobs))
	for _, job := range h.newestFirst() {
		oldest = earlier(oldest, job.Created)
		if job.BatchID == "" {
			restores = append(restores, h.restoreOf([]*atlas.RestoreJob{job}, now))
		} else {
			batches[job.BatchID] = append(batches[job.BatchID], job)
		}
	}
	for _, jobs := range batches {
		restores = append(restores, h.restoreOf(jobs, now))
	}
	slices.SortFunc(restores, func(a, b Restore) int { return a.compare(&b.Event) })
	return restores, oldest
}

// restoreOf returns the restore that consists of the given jobs.
func (h *History) restoreOf(jobs []*atlas.RestoreJob, now time.Time) Restore {
	joined := h.newRestore(jobs[0], now)
	for _, job := range jobs[1:] {
		other := h.newRestore(job, now)
		joined.join(&other)
	}
	r := Restore{
		Event: joined.event, BatchID: jobs[0].BatchID, DeliveryType: joined.to.delivery, Purpose: h.policy.purpose(joined.to),
		Failed: joined.failed, Succeeded: joined.succeeded,
	}
	r.End = joined.end
	for _, job := range jobs {
		if job.ID == r.JobID {
			r.Expiry = job.Expiry
		}
		r.JobIDs = append(r.JobIDs, job.ID)
		r.Unfinished = r.Unfinished || (!r.Failed && unfinished(job, now))
		r.Unexpected = r.Unexpected || !h.policy.allows(job)
	}
	slices.Sort(r.JobIDs)
	r.Status = h.decisiveStatus(&r, jobs, now)
	r.Drill = r.Succeeded && isDrill(h.list.BackupType, r.DeliveryType, r.Purpose, h.policy.DrillTargets)
	return r
}

// decisiveStatus returns the status of a restore. If several jobs of a batch prevent its success, an unknown status is
// preferred.
func (h *History) decisiveStatus(r *Restore, jobs []*atlas.RestoreJob, now time.Time) atlas.Status {
	var statuses []atlas.Status
	for _, job := range jobs {
		decides := job.ID == r.JobID
		switch {
		case r.Unfinished:
			decides = unfinished(job, now)
		case !r.Failed && !r.Succeeded:
			decides = !h.newRestore(job, now).succeeded
		}
		if decides {
			statuses = append(statuses, job.StatusAt(now))
		}
	}
	return slices.Min(statuses)
}
