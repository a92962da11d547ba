package poll

import (
	"math"
	"time"
)

// Backoff of failing polls: after some consecutive failures, the interval doubles with each further failure. The
// bounds keep the delay until a recovery is noticed short.
const (
	toleratedFailures  = 2
	maxIntervals       = 5
	maxBackoffInterval = 5 * time.Minute
)

// pollInterval returns the time between polls of a target: shorter while a restore is in progress, longer while polls
// fail. If the Atlas API no longer serves the list, only the full poll interval is used.
func pollInterval(state *Snapshot) time.Duration {
	target, interval := state.Target, state.Target.Interval
	switch {
	case state.Reason == ReasonGone:
		return max(target.FullPollInterval, interval)
	case state.ConsecutiveFailures > toleratedFailures:
		factor := min(1<<min(state.ConsecutiveFailures-toleratedFailures, 10), maxIntervals)
		return min(interval*time.Duration(factor), max(interval, maxBackoffInterval))
	case target.ActiveInterval > 0 && state.Summary.Active():
		return min(target.ActiveInterval, interval)
	}
	return interval
}

// phase returns a fraction of an interval, at least 0 and below 1, for the i-th poller. Multiples of the golden ratio
// spread any number of pollers evenly.
func phase(i int) float64 {
	_, fraction := math.Modf(float64(i) * math.Phi)
	return fraction
}

// untilTick returns the time until the next tick, where ticks are at phase past each multiple of the interval, and
// since is the time since the first multiple. Ticks that a slow poll missed are skipped.
func untilTick(since, interval, phase time.Duration) time.Duration {
	return interval - (since-phase+interval)%interval
}

// missedIntervals returns the number of intervals that passed without a poll being started, given that a poll that was
// due starts now. Served is when this poll would have been due if it were less than an interval late; previous is the
// same of the poll before.
func missedIntervals(previous, due, now time.Time, interval time.Duration) (missed uint64, served time.Time) {
	served = due.Add(now.Sub(due).Truncate(interval))
	return uint64(max(served.Sub(previous)/interval-1, 0)), served
}
