package config

import (
	"fmt"
	"time"

	"atlas-restore-exporter/collector/history"
)

const maxHistory = 3650 * day

// policy builds the policy at the top level: limits, objectives, and allowed targets.
func (b *builder) policy(policy *history.Policy) {
	limits, series := &policy.Limits, &policy.JobSeries
	limits.MaxAge = b.duration("history.max_age", b.raw.History.MaxAge, time.Duration(400*day), day, maxHistory)
	limits.MaxJobs = inRange(b, "history.max_jobs", b.raw.History.MaxJobs, 5000, 1, 100_000)
	series.MaxAge = b.duration("job_series.max_age", b.raw.JobSeries.MaxAge,
		min(72*time.Hour, limits.MaxAge), 0, duration(limits.MaxAge))
	series.MaxPerTarget = inRange(b, "job_series.max_per_target", b.raw.JobSeries.MaxPerTarget, 50, 0, 10_000)
	b.overridePolicy("", b.raw.rawPolicy, policy)
}

// overridePolicy replaces inherited objectives and allowed targets with those that are set at one level of the file.
// The prefix is the path of the level with a trailing dot, or empty for the top level.
func (b *builder) overridePolicy(prefix string, raw rawPolicy, policy *history.Policy) {
	objectives := &policy.Objectives
	objectives.Duration = b.duration(prefix+"objectives.duration", raw.Objectives.Duration,
		objectives.Duration, 0, maxHistory)
	objectives.DrillAge = b.duration(prefix+"objectives.drill_age", raw.Objectives.DrillAge,
		objectives.DrillAge, 0, maxHistory)
	if raw.AllowedTargets == nil {
		return
	}
	policy.AllowedTargets = []history.AllowedTarget{} // not nil: an empty list allows no target
	for i, allowed := range *raw.AllowedTargets {
		path := fmt.Sprintf("%sallowed_targets[%d]", prefix, i)
		b.checkProjectID(path+".project_id", allowed.ProjectID)
		for j, name := range allowed.ClusterNames {
			b.checkClusterName(fmt.Sprintf("%s.cluster_names[%d]", path, j), name)
		}
		policy.AllowedTargets = append(policy.AllowedTargets, history.AllowedTarget(allowed))
	}
}
