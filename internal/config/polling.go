package config

import (
	"cmp"
	"fmt"
	"strconv"
	"time"

	"atlas-restore-exporter/collector/poll"
)

// polling builds the settings that control how often and how fast the exporter polls. It returns a target with the
// settings that all targets inherit. Timeout and StaleAfter are zero if they are not set, because their defaults
// depend on the interval of each target.
func (b *builder) polling() poll.Target {
	raw, target := b.raw.Polling, poll.Target{Source: poll.SourceConfig}
	interval := b.interval("polling.interval", raw.Interval, time.Minute)
	target.Interval = interval
	target.ActiveInterval = b.duration("polling.active_interval", raw.ActiveInterval,
		min(30*time.Second, interval), second, duration(interval))
	target.Timeout = b.duration("polling.timeout", raw.Timeout, 0, second, day)
	target.StaleAfter = b.duration("polling.stale_after", raw.StaleAfter, 0, second, 30*day)
	target.FullPollInterval = b.duration("polling.full_poll_interval", raw.FullPollInterval,
		max(time.Hour, interval), duration(interval), 7*day)
	b.concurrency(raw.Concurrency)
	b.config.Reserve = inRange(b, "polling.reserve", raw.Reserve, 0.5, 0, 0.9)
	b.config.DiscoveryInterval = b.duration("discovery.interval", b.raw.Discovery.Interval, 5*time.Minute, 10*second, day)
	return target
}

// concurrency sets the number of concurrent polls.
func (b *builder) concurrency(setting *concurrency) {
	const path = "polling.concurrency"
	if setting == nil || *setting == autoConcurrency {
		return
	}
	n, err := strconv.Atoi(string(*setting))
	if err != nil {
		b.report(path, "%s is not a whole number or %s; use 1 to %d, or %[2]s",
			b.subject(path), autoConcurrency, poll.MaxSlots)
		return
	}
	b.config.Concurrency = inRange(b, path, &n, 0, 1, poll.MaxSlots)
}

// interval returns a polling interval of a project or cluster, or the inherited interval if the setting is absent.
func (b *builder) interval(path string, setting *duration, inherited time.Duration) time.Duration {
	return b.duration(path, setting, inherited, second, day)
}

// fitToIntervals sets the default timeout and staleness of each target by its interval. It reports only the first
// target for which a configured value doesn't fit, because the value is the same for all.
func (b *builder) fitToIntervals() {
	for i := range b.config.Targets {
		target := &b.config.Targets[i]
		if !b.fitToInterval(target, fmt.Sprintf("cluster %s in project %s", target.ClusterName, target.ProjectID)) {
			break
		}
	}
	for i := range b.config.Discoveries {
		target := &b.config.Discoveries[i].Target
		if !b.fitToInterval(target, "discovered clusters of "+cmp.Or(target.ProjectID, "all projects")) {
			break
		}
	}
}

func (b *builder) fitToInterval(target *poll.Target, description string) bool {
	const minPolls = 3 // without a success until a target is stale
	interval := duration(target.Interval)
	if target.Timeout == 0 {
		target.Timeout = min(30*time.Second, target.Interval)
	} else if target.Timeout > target.Interval {
		b.report("polling.timeout", "%v is longer than the polling interval (%v) of %s",
			duration(target.Timeout), interval, description)
		return false
	}
	if target.StaleAfter == 0 {
		target.StaleAfter = max(10*time.Minute, minPolls*target.Interval)
	} else if target.StaleAfter < minPolls*target.Interval {
		b.report("polling.stale_after", "%v is shorter than three times the polling interval (%v) of %s",
			duration(target.StaleAfter), interval, description)
		return false
	}
	return true
}
