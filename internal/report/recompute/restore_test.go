package recompute

import (
	"cmp"
	"slices"
	"strings"
	"time"
)

// status derives the status of a job: the table in metrics.md, the first match wins.
func (j *job) status(now time.Time) string {
	expired := !j.expires.IsZero() && !now.Before(j.expires)
	switch j.backup {
	case "flex":
		switch j.state {
		case "FAILED":
			return "failed"
		case "COMPLETED":
			return archive(j.kind == "download" && expired, j.kind == "download" && j.linked)
		case "RUNNING":
			return "in_progress"
		case "PENDING", "QUEUED":
			return "pending"
		}
		return "unknown"
	case "collection":
		return cmp.Or(map[string]string{
			"FAILED": "failed", "CANCELED": "cancelled", "SUCCESSFUL": "completed", "IN_PROGRESS": "in_progress",
			"FINALIZING": "in_progress", "INITIALIZING": "pending",
		}[j.state], "unknown")
	case "legacy":
		return j.legacyStatus(expired)
	}
	download := j.kind == "download"
	switch {
	case j.failed:
		return "failed"
	case download && (j.expired || expired):
		return "expired"
	case j.cancelled:
		return "cancelled"
	case download && j.linked:
		return "ready"
	case !j.finished.IsZero():
		return "completed"
	case j.finishOmitted: // "a field that decides the status of a job is unreadable" (docs/failure-modes.md)
		return "unknown"
	case j.expired:
		return "expired"
	}
	return "in_progress"
}

func (j *job) legacyStatus(expired bool) string {
	switch {
	case j.state == "BROKEN":
		return "failed"
	case j.state == "KILLED":
		return "cancelled"
	case j.state == "IN_PROGRESS":
		return "in_progress"
	case j.state != "FINISHED":
		return "unknown"
	case j.delivery == "FAILED", j.delivery == "INTERRUPTED":
		return "failed"
	case j.kind == "automated", j.delivery == "MAX_DOWNLOADS_EXCEEDED":
		return "completed"
	case j.delivery == "EXPIRED":
		return "expired"
	case j.delivery == "READY":
		return archive(expired, true)
	case slices.Contains([]string{"NOT_STARTED", "PENDING", "IN_PROGRESS"}, j.delivery):
		return "in_progress"
	}
	return "unknown"
}

func archive(expired, ready bool) string {
	switch {
	case expired:
		return "expired"
	case ready:
		return "ready"
	}
	return "completed"
}

// isUnfinished: "active, ready, or unknown and created in the last 7 days".
func (j *job) isUnfinished(now time.Time) bool {
	switch j.status(now) {
	case "pending", "in_progress", "ready":
		return true
	case "unknown":
		return !j.created.IsZero() && now.Sub(j.created) < 7*day
	}
	return false
}

// isSuccessful: "for downloads, all completed, ready, or expired jobs".
func (j *job) isSuccessful(now time.Time) bool {
	switch j.status(now) {
	case "completed":
		return true
	case "ready":
		return j.kind == "download"
	case "expired": // a cancelled download may never have had an archive
		return j.kind == "download" && !j.cancelled
	}
	return false
}

// end: "finished, else created. The end of an expired download is its expiry." An expiry before the finish time is not
// the end: the end of a job never decreases. A failed job without them ended at its recovery point, as far as is known.
func (j *job) end(now time.Time) time.Time {
	status := j.status(now)
	candidates := []time.Time{j.finished, j.created}
	if status == "failed" {
		candidates = append(candidates, j.recovery)
	}
	end := cmp.Or(candidates...)
	if status == "expired" && j.kind == "download" && j.expires.After(end) && !j.expires.After(now) {
		return j.expires
	}
	return end
}

// restore is a job, or all jobs of a legacy batch.
type restore struct {
	job        // that names the restore
	jobs       []job
	outcome    string // status of the restore
	unfinished bool
	succeeded  bool
	ended      time.Time // end, regardless of whether the restore is unfinished
	signOff    *signOff
}

// restoresOf combines the jobs of each batch: "It failed if any job failed, and succeeded only if all jobs succeeded.
// Its end time is the latest end time of its jobs; it is named by its failed (else any) job that comes first".
func restoresOf(jobs []job, now time.Time) []*restore {
	groups := map[string][]job{}
	for _, j := range jobs {
		key := "job " + j.id
		if j.batch != "" {
			key = "batch " + j.batch
		}
		groups[key] = append(groups[key], j)
	}
	restores := make([]*restore, 0, len(groups))
	for _, group := range groups {
		// "the latest end wins, then the latest creation, then the greatest ID"
		slices.SortFunc(group, func(a, b job) int {
			return cmp.Or(b.end(now).Compare(a.end(now)), b.created.Compare(a.created), strings.Compare(b.id, a.id))
		})
		r := &restore{job: group[0], jobs: group, succeeded: true}
		for _, j := range group {
			if end := j.end(now); end.After(r.ended) {
				r.ended = end
			}
			r.unfinished = r.unfinished || j.isUnfinished(now)
			r.succeeded = r.succeeded && j.isSuccessful(now)
		}
		r.decide(now)
		restores = append(restores, r)
	}
	return restores
}

// decide chooses the job that names the restore, and its status: that of this job or, if the restore is unfinished, or
// neither failed nor succeeded, that of a job that prevents its end or success. A failed restore is not unfinished.
func (r *restore) decide(now time.Time) {
	if i := slices.IndexFunc(r.jobs, func(j job) bool { return j.status(now) == "failed" }); i >= 0 {
		r.job, r.outcome, r.unfinished = r.jobs[i], "failed", false
		return
	}
	r.outcome = r.status(now)
	for _, status := range []string{"cancelled", "expired", "ready", "in_progress", "pending", "unknown"} {
		for _, j := range r.jobs {
			prevents := !r.succeeded && !j.isSuccessful(now)
			if r.unfinished {
				prevents = j.isUnfinished(now)
			}
			if j.status(now) == status && prevents {
				r.outcome = status
			}
		}
	}
}
