package history

import (
	"cmp"
	"time"

	"atlas-restore-exporter/atlas"
)

// Event is the end of a restore, and the job that it belongs to. The zero value means that there was none.
type Event struct {
	End           atlas.Timestamp
	Created       atlas.Timestamp // zero if unknown, as are the following times
	Finished      atlas.Timestamp
	RecoveryPoint atlas.Timestamp

	JobID             string
	TargetProjectID   string
	TargetClusterName string

	// Indexes is IndexesFailed if the indexes of any collection could not be built.
	Indexes atlas.IndexStatus
}

// Duration returns the duration of the restore in seconds, or false if it is unknown.
func (e *Event) Duration() (seconds int64, known bool) {
	return int64(e.Finished - e.Created), e.Created != 0 && e.Finished >= e.Created
}

// compare orders events: the latest end comes last, then the latest creation, then the greatest ID.
func (e *Event) compare(other *Event) int {
	return cmp.Or(cmp.Compare(e.End, other.End), cmp.Compare(e.Created, other.Created), cmp.Compare(e.JobID, other.JobID))
}

// merge keeps the later event.
func (e *Event) merge(other *Event) {
	if other.compare(e) > 0 {
		*e = *other
	}
}

// Latest contains the latest restores of one delivery type and purpose, including those of jobs that are no longer
// known.
type Latest struct{ Success, Failure Event }

func (l *Latest) merge(other *Latest) {
	l.Success.merge(&other.Success)
	l.Failure.merge(&other.Failure)
}

// latestRestores contains the latest restores of a target.
type latestRestores struct {
	created [atlas.DeliveryCount]atlas.Timestamp
	events  [atlas.DeliveryCount][PurposeCount]Latest
}

func (l *latestRestores) merge(other *latestRestores) {
	for delivery := range l.events {
		l.created[delivery] = max(l.created[delivery], other.created[delivery])
		for purpose := range l.events[delivery] {
			l.events[delivery][purpose].merge(&other.events[delivery][purpose])
		}
	}
}

// add adds the event of a restore, if it has ended at a known time.
func (l *latestRestores) add(r *restore) {
	event := r.event
	event.End = r.end
	of := &l.events[r.delivery][r.purpose]
	switch {
	case r.end == 0:
	case r.failed:
		of.Failure.merge(&event)
	case r.succeeded:
		of.Success.merge(&event)
	}
}

// restore is a job or, in legacy backup, a batch of jobs that counts as one restore.
type restore struct {
	delivery  atlas.DeliveryType
	purpose   Purpose
	event     Event           // of the job that names the restore
	end       atlas.Timestamp // latest end of all jobs
	failed    bool            // any
	succeeded bool            // all
}

// newRestore returns the restore of a single job. A download succeeds as soon as its archive is ready.
func (h *History) newRestore(job *atlas.RestoreJob, now time.Time) restore {
	status := job.StatusAt(now)
	archived := job.DeliveryType == atlas.DeliveryDownload &&
		(status == atlas.StatusReady || status == atlas.StatusExpired)
	indexes := job.Indexes
	if n, known := job.IndexFailures.Value(); known && n > 0 {
		indexes = atlas.IndexesFailed
	}
	end := h.end(job, now)
	return restore{
		delivery: job.DeliveryType, purpose: h.purpose(job), end: end,
		event: Event{
			End: end, Created: job.Created, Finished: job.Finished, RecoveryPoint: job.RecoveryPoint,
			JobID: job.ID, TargetProjectID: job.TargetProjectID, TargetClusterName: job.TargetClusterName, Indexes: indexes,
		},
		failed: status == atlas.StatusFailed, succeeded: archived || status == atlas.StatusCompleted,
	}
}

// end returns when a job ended; zero if that is unknown. A failure is dated even if Atlas reports no time for it, if
// possible.
func (h *History) end(job *atlas.RestoreJob, now time.Time) atlas.Timestamp {
	end := job.End()
	switch status := job.StatusAt(now); {
	case status == atlas.StatusExpired && job.DeliveryType == atlas.DeliveryDownload &&
		job.Expiry <= atlas.TimestampOf(now):
		return max(end, job.Expiry)
	case status == atlas.StatusFailed:
		return cmp.Or(end, job.RecoveryPoint, h.failedSince[job.ID])
	default:
		return end
	}
}

// join adds jobs of the same batch. The batch is named by the last of its failed jobs, else of all its jobs.
func (r *restore) join(other *restore) {
	rename := other.event.compare(&r.event) > 0
	if r.failed != other.failed {
		rename = other.failed
	}
	if rename {
		r.delivery, r.purpose, r.event = other.delivery, other.purpose, other.event
	}
	r.end = max(r.end, other.end)
	r.failed = r.failed || other.failed
	r.succeeded = r.succeeded && other.succeeded
}

// latestOf returns the latest restores among the given jobs.
func (h *History) latestOf(jobs []*atlas.RestoreJob, now time.Time) latestRestores {
	var all latestRestores
	batches := map[string]restore{}
	for _, job := range jobs {
		all.created[job.DeliveryType] = max(all.created[job.DeliveryType], job.Created)
		r := h.newRestore(job, now)
		if job.BatchID == "" {
			all.add(&r)
			continue
		}
		if batch, found := batches[job.BatchID]; found {
			r.join(&batch)
		}
		batches[job.BatchID] = r
	}
	for id, batch := range batches {
		if dropped, found := h.incompleteBatches[id]; found {
			batch.join(&dropped)
		}
		all.add(&batch)
	}
	return all
}
