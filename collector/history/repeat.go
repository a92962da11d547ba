package history

import (
	"slices"
	"time"

	"atlas-restore-exporter/atlas"
)

// repeatable recognizes a poll whose merge would change nothing. The package comment describes the conditions.
type repeatable struct {
	marks       []atlas.PageMark // of all pages of the poll
	full        bool
	from, until atlas.Timestamp // when the marks are valid; until is zero if the clock alone doesn't invalidate them
}

// marksFor returns the marks with which a poll can be recognized; nil if it must be decoded.
func (h *History) marksFor(full bool, now time.Time) []atlas.PageMark {
	r, at := &h.repeatable, atlas.TimestampOf(now)
	if r.full != full || at < r.from || (r.until != 0 && at >= r.until) {
		return nil
	}
	return r.marks
}

// remember remembers the pages of a reading that changed nothing, if merging them again would change nothing either.
func (h *History) remember(reading *Reading) {
	if (reading.full && !reading.conclusive()) || reading.requested != "" || len(h.absent) > 0 ||
		slices.Contains(reading.marks, atlas.PageMark{}) {
		return
	}
	h.repeatable = repeatable{
		marks: reading.marks, full: reading.full, from: atlas.TimestampOf(reading.now), until: h.stableUntil(reading),
	}
}

// stableUntil returns the earliest time since a reading at which time alone can change any job: its status, whether it
// may change, or whether it is within the limits.
func (h *History) stableUntil(reading *Reading) (until atlas.Timestamp) {
	const past = 1 // a second, because limits can have fractions
	maxAge := atlas.Timestamp(h.policy.Limits.MaxAge/time.Second) + past
	limit := func(at atlas.Timestamp) {
		if at >= atlas.TimestampOf(reading.now) {
			until = earlier(until, at)
		}
	}
	for _, jobs := range []map[string]*atlas.RestoreJob{h.jobs, reading.jobs} {
		for _, job := range jobs {
			if job.Expires() || job.DeliveryType == atlas.DeliveryDownload {
				limit(job.Expiry)
			}
			if job.Created != 0 {
				limit(job.Created + maxAge)
			}
			if undecided(job) {
				limit(decidedAt(job))
			}
		}
	}
	return until
}

// Marks returns the marks of the pages whose repetition would change nothing, for atlas.Client.RestoreJobs.
func (r *Reading) Marks() []atlas.PageMark { return r.known }

// Repeated reports whether all pages were unchanged, so that merging the reading changes nothing.
func (r *Reading) Repeated() bool { return r.unchanged > 0 && r.unchanged == len(r.known) }
