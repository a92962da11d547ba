package collector

import (
	"slices"
	"time"

	"atlas-restore-exporter/atlas"
)

// newestJobs is how many jobs a Summary has for a person to look at.
const newestJobs = 5

// Summary is what a history says at an instant. It is immutable.
type Summary struct {
	Known  int // jobs
	Counts [atlas.DeliveryCount][atlas.StatusCount]int
	Facts  [atlas.DeliveryCount]Facts
	// OldestActive is the creation of the oldest active job, zero where none is active.
	OldestActive [atlas.DeliveryCount]atlas.Timestamp
	// NextExpiry is the first expiry among the downloads that are ready, zero where none is.
	NextExpiry atlas.Timestamp

	// Unexpected is how many jobs write into what is not allowed: those that are not over, and those that are new.
	Unexpected int

	Series  []JobState // the jobs that have series of their own: open ones first, each newest first
	Omitted int        // how many more would have, but for the limit
	Newest  []JobState // the newest jobs, for a person to look at

	// until is when the clock alone makes it wrong, zero for never.
	until atlas.Timestamp
}

// JobState is a job and what its status was when the summary was made.
type JobState struct {
	atlas.RestoreJob
	Status atlas.Status
}

// Offered returns how many download links the job offers: those that Atlas lists, until they expire.
func (j *JobState) Offered() uint16 {
	if j.Status == atlas.StatusExpired {
		return 0
	}
	return j.DownloadURLs
}

// canOffer reports whether the job is one that offers download links at some time.
func (j *JobState) canOffer() bool {
	return j.DeliveryType == atlas.DeliveryDownload || j.DownloadURLs > 0
}

// over returns since when a terminal job is over. A download that Atlas never calls finished is over when it expires.
func (j *JobState) over() atlas.Timestamp {
	if j.Status == atlas.StatusExpired {
		return max(j.End(), j.Expiry)
	}
	return j.End()
}

// Summarize returns what the history says of a target at an instant.
func (h *History) Summarize(target *Target, now time.Time) *Summary {
	limits := target.JobSeries
	known := h.newestFirst()
	jobs := make([]*atlas.RestoreJob, 0, len(known))
	summary := &Summary{Known: len(known)}
	var open, ended []JobState
	for _, job := range known {
		state := JobState{job.RestoreJob, job.StatusAt(now)}
		summary.count(&state)
		if !target.allows(&job.RestoreJob) {
			summary.countUnexpected(&state, now)
		}
		if len(summary.Newest) < newestJobs {
			summary.Newest = append(summary.Newest, state)
		}
		if state.Status.Open() {
			open = append(open, state)
		} else if leaves := state.over() + atlas.Timestamp(limits.MaxAge/time.Second); leaves > atlas.TimestampOf(now) {
			ended = append(ended, state)
			summary.wrongFrom(leaves)
		}
		jobs = append(jobs, &job.RestoreJob)
	}
	summary.Series = slices.Concat(open, ended)
	if excess := len(summary.Series) - limits.MaxPerTarget; excess > 0 {
		summary.Series, summary.Omitted = summary.Series[:limits.MaxPerTarget], excess
	}
	facts := factsOf(jobs, h.spoiled, now)
	facts.merge(&h.outlived)
	summary.Facts = facts
	return summary
}

func (s *Summary) count(job *JobState) {
	s.Counts[job.DeliveryType][job.Status]++
	oldest := &s.OldestActive[job.DeliveryType]
	if job.Status.Active() && job.Created != 0 && (*oldest == 0 || job.Created < *oldest) {
		*oldest = job.Created
	}
	if job.Status == atlas.StatusReady && job.Expiry != 0 {
		s.wrongFrom(job.Expiry)
		if s.NextExpiry == 0 || job.Expiry < s.NextExpiry {
			s.NextExpiry = job.Expiry
		}
	}
}

// newFor is how long a job that is over still counts as an unexpected one, so that whoever looks away for a while, or
// a pause of the exporter, misses nothing.
const newFor = atlas.Timestamp(24 * time.Hour / time.Second)

func (s *Summary) countUnexpected(job *JobState, now time.Time) {
	old := job.Created + newFor
	switch {
	case job.Status.Open():
		s.Unexpected++
	case old > atlas.TimestampOf(now):
		s.Unexpected++
		s.wrongFrom(old)
	}
}

// active reports whether Atlas works on a job. Of what is not known nothing is active.
func (s *Summary) active() bool {
	if s == nil {
		return false
	}
	for _, counts := range s.Counts {
		if counts[atlas.StatusPending]+counts[atlas.StatusInProgress] > 0 {
			return true
		}
	}
	return false
}

func (s *Summary) wrongFrom(instant atlas.Timestamp) {
	if s.until == 0 || instant < s.until {
		s.until = instant
	}
}

// holds reports whether the summary is still right at an instant, if the history has not changed. A clock that was
// set back makes it doubtful.
func (s *Summary) holds(made, now time.Time) bool {
	return !now.Before(made) && (s.until == 0 || atlas.TimestampOf(now) < s.until)
}
