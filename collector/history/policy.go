package history

import (
	"slices"
	"time"

	"atlas-restore-exporter/atlas"
)

// Policy decides which jobs of a target are kept, and how jobs are judged.
type Policy struct {
	Limits     Limits
	JobSeries  SeriesLimits
	Objectives Objectives
	// AllowedTargets are the projects and clusters that restores may write to. If nil, every target is allowed; an empty
	// list allows none.
	AllowedTargets []AllowedTarget
}

// Limits bound the known jobs of a target. Unfinished jobs are never evicted because of them.
type Limits struct {
	MaxAge  time.Duration // since creation
	MaxJobs int
}

// SeriesLimits bound the jobs of a target that have per-job series.
type SeriesLimits struct {
	MaxAge       time.Duration // since the end of a finished job
	MaxPerTarget int
}

// Objectives are the service-level objectives of a cluster. Zero means that there is none.
type Objectives struct {
	Duration time.Duration // maximum duration of a restore
	DrillAge time.Duration // maximum age of the last successful restore
}

// AllowedTarget is a project that restores may write to.
type AllowedTarget struct {
	ProjectID    string
	ClusterNames []string // if empty, every cluster of the project
}

// allows reports whether the target of a job is allowed. A download has no target, so it is always allowed.
func (p *Policy) allows(job *atlas.RestoreJob) bool {
	if p.AllowedTargets == nil || job.DeliveryType == atlas.DeliveryDownload {
		return true
	}
	return slices.ContainsFunc(p.AllowedTargets, func(allowed AllowedTarget) bool {
		return allowed.ProjectID == job.TargetProjectID &&
			(len(allowed.ClusterNames) == 0 || slices.Contains(allowed.ClusterNames, job.TargetClusterName))
	})
}
