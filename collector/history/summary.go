package history

import (
	"slices"
	"time"

	"atlas-restore-exporter/atlas"
)

const (
	newestJobs    = 5              // in Summary.Newest
	unexpectedFor = 24 * time.Hour // since creation; longer than usual interruptions of the exporter and its alerts
)

// Summary is the exported part of a history, as of the time for which it was computed. It is immutable.
type Summary struct {
	Known  int // number of known jobs
	Counts [atlas.DeliveryCount][atlas.StatusCount]int
	Latest [atlas.DeliveryCount]Latest
	// OldestActive is the creation time of the oldest active job; zero if none is active.
	OldestActive [atlas.DeliveryCount]atlas.Timestamp
	// NextExpiry is the earliest expiry of the downloads that are ready; zero if none has one.
	NextExpiry atlas.Timestamp
	// Unexpected is the number of jobs whose target is not allowed and that are unfinished or at most a day old.
	Unexpected int

	Series  []JobState // the jobs with per-job series: unfinished jobs first, each newest first
	Omitted int        // number of jobs without per-job series because of MaxPerTarget
	Newest  []JobState // the newest jobs, for display

	validFrom, validUntil atlas.Timestamp // validUntil is zero if the clock alone doesn't invalidate the summary
}

// JobState is a job with its status as of the summary, which takes the expiry of downloads into account.
type JobState struct {
	atlas.RestoreJob
	Status atlas.Status

	unfinished bool
	end        atlas.Timestamp
}

// AvailableURLs returns the number of download links that Atlas lists for the job; 0 if they have expired.
func (j *JobState) AvailableURLs() uint16 {
	if j.Status == atlas.StatusExpired {
		return 0
	}
	return j.DownloadURLs
}

// HasDownloadURLs reports whether the job is of a kind that has download links at some time.
func (j *JobState) HasDownloadURLs() bool {
	return j.DeliveryType == atlas.DeliveryDownload || j.DownloadURLs > 0
}

// endOfSeries returns when the per-job series of a finished job are removed; zero if it has none.
func (j *JobState) endOfSeries(limits SeriesLimits) atlas.Timestamp {
	end := j.end
	if j.Status == atlas.StatusExpired {
		end = max(end, j.Expiry) // even if that is in the future, because Atlas expired the job early
	}
	if end == 0 {
		return 0
	}
	return end + atlas.Timestamp(limits.MaxAge/time.Second)
}

// Active reports whether any job is pending or in progress. It returns false for a nil summary.
func (s *Summary) Active() bool {
	if s == nil {
		return false
	}
	return slices.ContainsFunc(s.Counts[:], func(counts [atlas.StatusCount]int) bool {
		return counts[atlas.StatusPending]+counts[atlas.StatusInProgress] > 0
	})
}

// Summarize returns the summary for the given time. It returns the same summary as before if that is still valid.
func (h *History) Summarize(now time.Time) *Summary {
	if h.summary == nil || !h.summary.validAt(now) {
		h.summary = h.summarize(now)
	}
	return h.summary
}

func (h *History) summarize(now time.Time) *Summary {
	jobs := h.newestFirst()
	s := &Summary{Known: len(jobs), validFrom: atlas.TimestampOf(now)}
	var ongoing, finished []JobState
	for _, job := range jobs {
		state := JobState{*job, job.StatusAt(now), unfinished(job, now), h.end(job, now)}
		s.count(&state)
		if !h.policy.allows(job) {
			s.countUnexpected(&state)
		}
		if len(s.Newest) < newestJobs {
			s.Newest = append(s.Newest, state)
		}
		if state.unfinished {
			ongoing = append(ongoing, state)
		} else if end := state.endOfSeries(h.policy.JobSeries); end > s.validFrom {
			finished = append(finished, state)
			s.limitValidity(end)
		}
	}
	s.Series = slices.Concat(ongoing, finished)
	if most := h.policy.JobSeries.MaxPerTarget; len(s.Series) > most {
		s.Series, s.Omitted = s.Series[:most], len(s.Series)-most
	}
	latest := h.latestOf(jobs, now)
	latest.merge(&h.retained)
	s.Latest = latest
	return s
}

// count adds a job to the numbers by status and to the times that depend on its status.
func (s *Summary) count(job *JobState) {
	s.Counts[job.DeliveryType][job.Status]++
	if job.Status.Active() {
		oldest := &s.OldestActive[job.DeliveryType]
		*oldest = earlier(*oldest, job.Created)
	}
	if job.Status == atlas.StatusReady && job.Expiry != 0 {
		s.NextExpiry = earlier(s.NextExpiry, job.Expiry)
		s.limitValidity(job.Expiry)
	}
	if job.Status == atlas.StatusExpired && job.Expiry > s.validFrom {
		s.limitValidity(job.Expiry) // from then on, it is when the download ended
	}
	if job.Status == atlas.StatusUnknown && job.unfinished {
		s.limitValidity(unknownUntil(&job.RestoreJob))
	}
}

// countUnexpected counts a job whose target is not allowed.
func (s *Summary) countUnexpected(job *JobState) {
	until := job.Created + atlas.Timestamp(unexpectedFor/time.Second)
	switch {
	case job.unfinished:
		s.Unexpected++
	case until > s.validFrom:
		s.Unexpected++
		s.limitValidity(until)
	}
}

func (s *Summary) limitValidity(until atlas.Timestamp) { s.validUntil = earlier(s.validUntil, until) }

// validAt reports whether the summary is valid at the given time, if its history has not changed.
func (s *Summary) validAt(now time.Time) bool {
	at := atlas.TimestampOf(now)
	return at >= s.validFrom && (s.validUntil == 0 || at < s.validUntil)
}
