package poll

import (
	"time"

	"atlas-restore-exporter/collector/history"
)

// Snapshot is the state of a target after a poll, or before the first poll. It is immutable.
type Snapshot struct {
	Target  *Target
	Summary *history.Summary // as of LastSuccess; nil before the first success
	// LastPoll and LastSuccess are the end times of the last poll and of the last successful poll; zero if there was
	// none.
	LastPoll, LastSuccess time.Time
	Err                   error  // of the last poll; nil if it succeeded
	Reason                Reason // class of Err; empty if Err is nil
	Failures              uint64 // number of failed polls
	ConsecutiveFailures   int    // number of failed polls since the last success
	MissedIntervals       uint64 // number of intervals that passed without a poll being started
	Truncated             bool   // the list is longer than a full poll reads
	Inconsistent          bool   // the list contradicted its own total count twice
}

// Stale reports whether the last successful poll is too long ago for per-job series.
func (s *Snapshot) Stale(now time.Time) bool {
	return s.LastSuccess.IsZero() || now.Sub(s.LastSuccess) > s.Target.StaleAfter
}
