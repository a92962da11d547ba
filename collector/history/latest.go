package history

import (
	"cmp"
	"time"

	"atlas-restore-exporter/atlas"
)

// Latest contains the timestamps of the latest restores of one delivery type, including those of jobs that are no
// longer known. Zero means never.
type Latest struct {
	LastCreated atlas.Timestamp
	LastSuccess atlas.Timestamp
	LastFailure atlas.Timestamp
	// LastCompleted is when the last completed restore finished whose duration is known. LastDuration is its duration in
	// seconds; negative if the times in the Atlas response contradict each other.
	LastCompleted atlas.Timestamp
	LastDuration  int64
}

// merge keeps the later of each timestamp. Of restores that finished in the same second, it keeps the longest, so that
// the result doesn't depend on the order of the jobs.
func (l *Latest) merge(other *Latest) {
	l.LastCreated = max(l.LastCreated, other.LastCreated)
	l.LastSuccess = max(l.LastSuccess, other.LastSuccess)
	l.LastFailure = max(l.LastFailure, other.LastFailure)
	later := cmp.Compare(other.LastCompleted, l.LastCompleted)
	if later > 0 || later == 0 && other.LastDuration > l.LastDuration {
		l.LastCompleted, l.LastDuration = other.LastCompleted, other.LastDuration
	}
}

type latestByDelivery [atlas.DeliveryCount]Latest

func (l *latestByDelivery) merge(other *latestByDelivery) {
	for delivery := range l {
		l[delivery].merge(&other[delivery])
	}
}

// restore is a job or, in legacy backup, a batch of jobs that counts as one restore.
type restore struct {
	delivery  atlas.DeliveryType
	created   atlas.Timestamp // of the first job
	newest    atlas.Timestamp // creation time of the last job
	finished  atlas.Timestamp // of the last job; zero if unknown for any
	end       atlas.Timestamp
	failed    bool // any
	succeeded bool // all
	completed bool // all
}

// newRestore returns the restore of a single job. A download succeeds as soon as its archive is ready.
func (h *History) newRestore(job *atlas.RestoreJob, now time.Time) restore {
	status := job.StatusAt(now)
	completed := status == atlas.StatusCompleted
	archived := job.DeliveryType == atlas.DeliveryDownload &&
		(status == atlas.StatusReady || status == atlas.StatusExpired)
	return restore{
		delivery: job.DeliveryType, created: job.Created, newest: job.Created, finished: job.Finished, end: h.end(job, now),
		failed: status == atlas.StatusFailed, succeeded: completed || archived, completed: completed,
	}
}

// end returns when a job ended; zero if that is unknown. A failure is dated even if Atlas reports no time for it, if
// possible.
func (h *History) end(job *atlas.RestoreJob, now time.Time) atlas.Timestamp {
	end := job.End()
	switch status := job.StatusAt(now); {
	case status == atlas.StatusExpired && job.Expiry <= atlas.TimestampOf(now):
		return max(end, job.Expiry)
	case status == atlas.StatusFailed:
		return cmp.Or(end, job.PointInTime, job.Snapshot, h.failedSince[job.ID])
	default:
		return end
	}
}

// join adds a job of the same batch.
func (r *restore) join(other *restore) {
	r.delivery = max(r.delivery, other.delivery) // they should be the same; if not, the order must not matter
	r.created, r.newest = min(r.created, other.created), max(r.newest, other.newest)
	r.end = max(r.end, other.end)
	r.failed = r.failed || other.failed
	r.succeeded = r.succeeded && other.succeeded
	r.completed = r.completed && other.completed
	if r.finished == 0 || other.finished == 0 {
		r.finished = 0
	} else {
		r.finished = max(r.finished, other.finished)
	}
}

func (r *restore) latest() *Latest {
	latest := &Latest{LastCreated: r.newest}
	if r.failed {
		latest.LastFailure = r.end
	}
	if r.succeeded {
		latest.LastSuccess = r.end
	}
	if r.completed && r.created != 0 && r.finished != 0 {
		latest.LastCompleted, latest.LastDuration = r.finished, int64(r.finished-r.created)
	}
	return latest
}

// latestOf returns the latest timestamps of the given jobs.
func (h *History) latestOf(jobs []*atlas.RestoreJob, now time.Time) latestByDelivery {
	var latest latestByDelivery
	batches := map[string]*restore{}
	for _, job := range jobs {
		r := h.newRestore(job, now)
		if job.BatchID == "" {
			latest[r.delivery].merge(r.latest())
		} else if batch := batches[job.BatchID]; batch != nil {
			batch.join(&r)
		} else {
			batches[job.BatchID] = &r
		}
	}
	for id, batch := range batches {
		if failed, incomplete := h.incompleteBatches[id]; incomplete {
			batch.failed, batch.succeeded, batch.completed = batch.failed || failed, false, false
		}
		latest[batch.delivery].merge(batch.latest())
	}
	return latest
}
