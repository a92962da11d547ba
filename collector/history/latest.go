package history

import (
	"cmp"
	"iter"
	"maps"
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

// add adds the event of a restore, if it has ended at a known time. An earlier state of the same event is replaced.
func (l *Latest) add(r *restore) {
	event := r.event
	event.End = r.end
	switch {
	case r.end == 0:
	case r.failed && event.compare(&l.Failure) >= 0:
		l.Failure = event
	case !r.failed && r.succeeded && event.compare(&l.Success) >= 0:
		l.Success = event
	}
}

// destination is the delivery type and the target of a restore. Together with the drill targets, it determines the
// purpose.
type destination struct {
	delivery               atlas.DeliveryType
	inPlace                bool // see PurposeInPlace
	projectID, clusterName string
}

// latestRestores contains the latest restores of a target by destination, so that a change of the drill targets loses
// none of them.
type latestRestores struct {
	created [atlas.DeliveryCount]atlas.Timestamp
	events  map[destination]Latest
}

// add adds a job and the latest restores into its destination.
func (l *latestRestores) add(r *restore) {
	if l.events == nil {
		l.events = map[destination]Latest{}
	}
	latest := l.events[r.to]
	latest.add(r)
	l.set(r.to, latest)
}

func (l *latestRestores) clone() latestRestores {
	return latestRestores{l.created, maps.Clone(l.events)}
}

func (l *latestRestores) equal(other *latestRestores) bool {
	return l.created == other.created && maps.Equal(l.events, other.events)
}

// set replaces the latest restores into a destination.
func (l *latestRestores) set(to destination, latest Latest) {
	if latest == (Latest{}) {
		delete(l.events, to)
	} else {
		l.events[to] = latest
	}
}

// latestByPurpose contains the latest restores of each delivery type and purpose.
type latestByPurpose [atlas.DeliveryCount][PurposeCount]Latest

func (l *latestRestores) byPurpose(policy *Policy) (latest latestByPurpose) {
	for to, restores := range l.events {
		latest[to.delivery][policy.purpose(to)].merge(&restores)
	}
	return latest
}

// restore is a job or, in legacy backup, a batch of jobs that counts as one restore.
type restore struct {
	to        destination
	event     Event           // of the job that names the restore
	end       atlas.Timestamp // latest end of all jobs
	failed    bool            // any
	succeeded bool            // all
}

// newRestore returns the restore of a single job. A download succeeds as soon as its archive is ready. A download that
// was cancelled never succeeds, even if its status is expired later, because its archive may never have existed.
func (h *History) newRestore(job *atlas.RestoreJob, now time.Time) restore {
	status := job.StatusAt(now)
	archived := job.DeliveryType == atlas.DeliveryDownload &&
		(status == atlas.StatusReady || (status == atlas.StatusExpired && !job.CancelledFlag))
	indexes := job.Indexes
	if n, known := job.IndexFailures.Value(); known && n > 0 {
		indexes = atlas.IndexesFailed
	}
	end := h.end(job, now)
	return restore{
		to: h.destination(job), end: end,
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
		r.to, r.event = other.to, other.event
	}
	r.end = max(r.end, other.end)
	r.failed = r.failed || other.failed
	r.succeeded = r.succeeded && other.succeeded
}

// restoresOf returns the restores to which the given jobs belong.
func (h *History) restoresOf(jobs []*atlas.RestoreJob, now time.Time) iter.Seq[*restore] {
	return func(yield func(*restore) bool) {
		batches := map[string]restore{}
		for _, job := range jobs {
			r := h.newRestore(job, now)
			if batch, found := batches[job.BatchID]; found {
				r.join(&batch)
			}
			if job.BatchID != "" {
				batches[job.BatchID] = r
			} else if !yield(&r) {
				return
			}
		}
		for id, batch := range batches {
			if dropped, found := h.incompleteBatches[id]; found {
				batch.join(&dropped)
			}
			if !yield(&batch) {
				return
			}
		}
	}
}
