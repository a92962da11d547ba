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

// schedule determines when a target is polled: at once, and then at ticks of its interval. A poll that takes longer
// than the interval, or starts late, misses ticks.
type schedule struct {
	origin   time.Time // ticks are at the phase past each multiple of the interval since then
	phase    float64   // fraction of the interval
	interval time.Duration
	due      time.Time // of the next poll
	// served is the latest time for which there was a poll: when the last poll was due or, if it started late, would have
	// been due one or more intervals later.
	served time.Time
}

// newSchedule returns the schedule of the i-th poller, whose first poll is due now.
func newSchedule(origin time.Time, i int, interval time.Duration) schedule {
	now := time.Now()
	return schedule{origin: origin, phase: phase(i), interval: interval, due: now, served: now.Add(-interval)}
}

// start records that the poll that is due starts now, and returns the number of intervals that passed without a poll
// being started.
func (s *schedule) start(now time.Time) (missed uint64) {
	served := s.due.Add(now.Sub(s.due).Truncate(s.interval))
	missed = s.missedBefore(served)
	s.served = served
	return missed
}

// missedBefore returns the number of intervals that were missed before a poll.
func (s *schedule) missedBefore(poll time.Time) uint64 {
	return uint64(max(poll.Sub(s.served)/s.interval-1, 0))
}

// end schedules the next poll, with another interval if it has changed.
func (s *schedule) end(now time.Time, interval time.Duration) {
	s.interval, s.due = interval, s.nextTick(now, interval)
}

// adapt changes the interval while no poll is running. The next poll is never postponed, so that it takes place however
// often the interval changes. Nor is it so early that less than an interval passes between two polls.
func (s *schedule) adapt(now time.Time, interval time.Duration) (missed uint64) {
	if interval == s.interval {
		return 0
	}
	missed = s.missedBefore(s.due)
	if next := s.nextTick(now, interval); next.Before(s.due) && next.Sub(s.served) >= interval {
		s.due = next
	}
	s.interval, s.served = interval, s.due.Add(-interval)
	return missed
}

// nextTick returns the next tick of an interval. Ticks that a slow poll missed are skipped.
func (s *schedule) nextTick(now time.Time, interval time.Duration) time.Time {
	return now.Add(untilTick(now.Sub(s.origin), interval, time.Duration(s.phase*float64(interval))))
}

// phase returns a fraction of an interval, at least 0 and below 1, for the i-th poller. Multiples of the golden ratio
// spread any number of pollers evenly.
func phase(i int) float64 {
	_, fraction := math.Modf(float64(i) * math.Phi)
	return fraction
}

// untilTick returns the time until the next tick, where ticks are at phase past each multiple of the interval, and
// since is the time since the first multiple.
func untilTick(since, interval, phase time.Duration) time.Duration {
	return interval - (since-phase+interval)%interval
}
