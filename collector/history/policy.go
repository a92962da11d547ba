package history

import (
	"slices"
	"time"

	"atlas-restore-exporter/atlas"
)

// Policy decides which jobs of a target are kept, and how jobs are judged.
type Policy struct {
	// NotBefore is when the cluster was created; zero if that is not known. Jobs that were created before belong to an
	// earlier cluster of the same name. Such jobs are ignored if they are finished when a poll first reads them. If
	// Recreated is set, all of them are ignored.
	NotBefore  atlas.Timestamp
	Recreated  bool // the cluster replaced another one while this exporter was running
	Limits     Limits
	JobSeries  SeriesLimits
	Objectives Objectives
	// DrillTargets are the projects and clusters that drills restore to. If nil, every restore of a whole cluster into a
	// cluster is a drill; if the list is empty, none is. See [Summary.LastDrill].
	DrillTargets []RestoreTarget
	// AllowedTargets are the projects and clusters that restores may write to. If nil, every target is allowed; an empty
	// list allows none.
	AllowedTargets []RestoreTarget
}

// Limits bound the known jobs of a target. Unfinished jobs are never evicted because of them.
type Limits struct {
	MaxAge  time.Duration // since creation
	MaxJobs int
}

// SeriesLimits bound the finished jobs of a target that have per-job series.
type SeriesLimits struct {
	MaxAge       time.Duration // since the end of a finished job
	MaxPerTarget int           // finished jobs
}

// Objectives are the service-level objectives of a cluster. Zero means that there is none.
type Objectives struct {
	Duration time.Duration // maximum duration of a restore
	DrillAge time.Duration // maximum age of the last drill
	// RecoveryPointAge is the maximum age of a drill's recovery point when the drill was created.
	RecoveryPointAge time.Duration
	ExpiryNotice     time.Duration // advance notice before a download expires
}

// RestoreTarget is a project, or clusters of a project, that restores write to.
type RestoreTarget struct {
	ProjectID    string
	ClusterNames []string // if empty, every cluster of the project
}

// allows reports whether the target of a job is allowed. A download has no target, so it is always allowed.
func (p *Policy) allows(job *atlas.RestoreJob) bool {
	return p.AllowedTargets == nil || job.DeliveryType == atlas.DeliveryDownload ||
		contains(p.AllowedTargets, job.TargetProjectID, job.TargetClusterName)
}

// contains reports whether a cluster is one of the given targets. An unknown project is none of them.
func contains(targets []RestoreTarget, projectID, clusterName string) bool {
	return slices.ContainsFunc(targets, func(target RestoreTarget) bool {
		return target.ProjectID == projectID &&
			(len(target.ClusterNames) == 0 || slices.Contains(target.ClusterNames, clusterName))
	})
}
