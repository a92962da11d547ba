package history

import (
	"cmp"
	"slices"
	"time"

	"atlas-restore-exporter/atlas"
)

const (
	newestJobs    = 5              // in Summary.Newest
	maxUnfinished = 1000           // in Summary.Series
	unexpectedFor = 24 * time.Hour // since creation; longer than usual interruptions of the exporter and its alerts
)

// Summary is the exported part of a history, as of the time for which it was computed. It is immutable.
type Summary struct {
	Known  int // number of known jobs
	Counts [atlas.DeliveryCount][atlas.StatusCount]int
	// LastCreated is the creation time of the newest job that is, or was, known; zero if there was none.
	LastCreated [atlas.DeliveryCount]atlas.Timestamp
	Latest      [atlas.DeliveryCount][PurposeCount]Latest
	// Failures are the failed restores that no later restore of the same kind replaced, the latest first.
	Failures []Failure
	// OldestActive is the active job that was created first; nil if none is active and has a creation time. If several
	// jobs have the same time, here and in NextExpiry, the one that comes last in the order of events is chosen.
	OldestActive [atlas.DeliveryCount][PurposeCount]*JobState
	// NextExpiry is the ready download that expires first; nil if none has an expiry.
	NextExpiry *JobState
	// Unexpected is the number of jobs whose target is not allowed and that are unfinished or at most a day old.
	Unexpected int

	Series  []JobState // the jobs with per-job series: unfinished jobs first, then finished jobs, each newest first
	Omitted int        // number of jobs without per-job series because of the limits on their number
	Newest  []JobState // the newest jobs, for display

	validFrom, validUntil atlas.Timestamp // validUntil is zero if the clock alone doesn't invalidate the summary
}

// JobState is a job with its status as of the summary, which takes the expiry of downloads into account.
type JobState struct {
	*atlas.RestoreJob // shared with the history; immutable

	Status  atlas.Status
	Purpose Purpose
	// Unexpected is set if the target of the job is not allowed.
	Unexpected bool

	unfinished   bool
	expiryPassed bool
	end          atlas.Timestamp
}

// AvailableURLs returns the number of download links that Atlas lists for the job; 0 if they have expired.
func (j *JobState) AvailableURLs() uint16 {
	if j.Status == atlas.StatusExpired || j.expiryPassed {
		return 0
	}
	return j.DownloadURLs
}

// HasDownloadURLs reports whether the job is of a kind that has download links at some time.
func (j *JobState) HasDownloadURLs() bool {
	return j.DeliveryType == atlas.DeliveryDownload
}

// endOfSeries returns when the per-job series of a finished job are removed; zero if it has none.
func (j *JobState) endOfSeries(limits SeriesLimits) atlas.Timestamp {
	end := j.end
	if j.Status == atlas.StatusExpired && j.DeliveryType == atlas.DeliveryDownload {
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

// ValidUntil returns when time alone changes the summary, or false if it doesn't. It returns false for a nil summary.
func (s *Summary) ValidUntil() (until time.Time, limited bool) {
	if s == nil || s.validUntil == 0 {
		return time.Time{}, false
	}
	return s.validUntil.Time(), true
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
		state := JobState{
			job, job.StatusAt(now), h.purpose(job), !h.policy.allows(job), unfinished(job, now),
			job.Expiry != 0 && job.Expiry <= s.validFrom, h.end(job, now),
		}
		s.count(&state)
		if state.Unexpected {
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
	s.Series = slices.Concat(ongoing[:min(len(ongoing), maxUnfinished)],
		finished[:min(len(finished), h.policy.JobSeries.MaxPerTarget)])
	s.Omitted = len(ongoing) + len(finished) - len(s.Series)
	latest := h.retained.clone()
	for r := range h.restoresOf(jobs, now) {
		latest.add(r)
	}
	s.LastCreated, s.Latest, s.Failures = latest.created, latest.byPurpose(&h.policy), latest.failures(&h.policy)
	for _, job := range jobs {
		s.LastCreated[job.DeliveryType] = max(s.LastCreated[job.DeliveryType], job.Created)
	}
	return s
}

// count adds a job to the numbers by status and to the times that depend on its status.
func (s *Summary) count(job *JobState) {
	s.Counts[job.DeliveryType][job.Status]++
	oldest := &s.OldestActive[job.DeliveryType][job.Purpose]
	if job.Status.Active() && job.Created != 0 && job.createdBefore(*oldest) {
		*oldest = copyOf(job)
	}
	isDownload := job.DeliveryType == atlas.DeliveryDownload
	if isDownload && job.Status == atlas.StatusReady && job.Expiry != 0 && job.expiresBefore(s.NextExpiry) {
		s.NextExpiry = copyOf(job)
	}
	if (job.Expires() || isDownload) && job.Expiry > s.validFrom {
		s.limitValidity(job.Expiry) // its status, its end, or the number of its links changes then
	}
	if job.Status == atlas.StatusUnknown && job.unfinished {
		s.limitValidity(decidedAt(job.RestoreJob))
	}
}

// copyOf copies a job, so that not every job needs an allocation.
func copyOf(job *JobState) *JobState {
	copied := *job
	return &copied
}

// createdBefore reports whether a job was created before another one, which may be nil. If both were created at the
// same time, the job that comes last in the order of events has precedence.
func (j *JobState) createdBefore(other *JobState) bool {
	return other == nil || cmp.Or(cmp.Compare(j.Created, other.Created), other.compare(j)) < 0
}

// expiresBefore is the same as createdBefore for the expiry.
func (j *JobState) expiresBefore(other *JobState) bool {
	return other == nil || cmp.Or(cmp.Compare(j.Expiry, other.Expiry), other.compare(j)) < 0
}

// compare orders jobs like their events.
func (j *JobState) compare(other *JobState) int {
	return cmp.Or(cmp.Compare(j.end, other.end), cmp.Compare(j.Created, other.Created), cmp.Compare(j.ID, other.ID))
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
