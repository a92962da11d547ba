package config

import (
	"fmt"
	"time"

	"atlas-restore-exporter/collector/history"
	"atlas-restore-exporter/collector/poll"
)

const maxHistory = 3650 * day

// limits builds the limits of history and per-job series, which are the same for all targets.
func (b *builder) limits(policy *history.Policy) {
	limits, series := &policy.Limits, &policy.JobSeries
	limits.MaxAge = b.duration("history.max_age", b.raw.History.MaxAge, time.Duration(400*day), day, maxHistory)
	limits.MaxJobs = inRange(b, "history.max_jobs", b.raw.History.MaxJobs, 5000, 1, 100_000)
	series.MaxAge = b.duration("job_series.max_age", b.raw.JobSeries.MaxAge,
		min(72*time.Hour, limits.MaxAge), 0, duration(limits.MaxAge))
	series.MaxPerTarget = inRange(b, "job_series.max_per_target", b.raw.JobSeries.MaxPerTarget, 50, 0, 10_000)
}

// inherit replaces the settings that a target inherits with those that are set at one level of the file. The prefix is
// the path of the level with a trailing dot, or empty for the top level.
func (b *builder) inherit(prefix string, raw rawInherited, target *poll.Target) {
	b.objectives(prefix+"objectives.", raw.Objectives, &target.Policy.Objectives)
	b.restoreTargets(prefix+"allowed_targets", raw.AllowedTargets, &target.Policy.AllowedTargets)
	b.restoreTargets(prefix+"drill_targets", raw.DrillTargets, &target.Policy.DrillTargets)
	b.labels(prefix+"labels.", raw.Labels, &target.Labels)
}

func (b *builder) objectives(prefix string, raw rawObjectives, objectives *history.Objectives) {
	for _, objective := range []struct {
		key     string
		setting *duration
		value   *time.Duration
	}{
		{"duration", raw.Duration, &objectives.Duration},
		{"drill_age", raw.DrillAge, &objectives.DrillAge},
		{"recovery_point_age", raw.RecoveryPointAge, &objectives.RecoveryPointAge},
		{"expiry_notice", raw.ExpiryNotice, &objectives.ExpiryNotice},
	} {
		*objective.value = b.duration(prefix+objective.key, objective.setting, *objective.value, 0, maxHistory)
	}
}

// restoreTargets replaces inherited targets if the setting is present. An empty setting replaces them with an empty
// list, which differs from nil.
func (b *builder) restoreTargets(path string, setting *[]rawRestoreTarget, targets *[]history.RestoreTarget) {
	if setting == nil {
		return
	}
	*targets = []history.RestoreTarget{}
	for i, target := range *setting {
		path := fmt.Sprintf("%s[%d]", path, i)
		b.checkProjectID(path+".project_id", target.ProjectID)
		if target.ClusterNames != nil && len(target.ClusterNames) == 0 {
			b.report(path+".cluster_names", "is empty; list clusters, or remove the key for all clusters of the project")
		}
		for j, name := range target.ClusterNames {
			b.checkClusterName(fmt.Sprintf("%s.cluster_names[%d]", path, j), name)
		}
		*targets = append(*targets, history.RestoreTarget(target))
	}
}
