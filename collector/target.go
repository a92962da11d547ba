// Package collector keeps what is known of the restore jobs of many clusters up to date, and turns it into metrics.
//
// A Manager runs one poller a target. Each merges what it reads into the target's History and publishes an immutable
// Snapshot; the Collector only reads those.
package collector

import (
	"context"
	"iter"
	"slices"
	"time"

	"atlas-restore-exporter/atlas"
)

// Target is one list of restore jobs that is polled, and how.
type Target struct {
	atlas.List

	Credential string // name of the credential, and of the Client to use
	Source     string // where the target comes from: SourceConfig or SourceDiscovery

	Interval       time.Duration // between the starts of two polls
	ActiveInterval time.Duration // the same while a restore runs; at most the interval, and zero for no other
	Timeout        time.Duration // of a whole poll, at most the interval
	SweepInterval  time.Duration // after which a poll reads the whole list
	StaleAfter     time.Duration // without a successful poll, after which the per-job series go

	History   HistoryLimits
	JobSeries JobSeriesLimits

	Objectives Objectives
	// AllowedTargets are what restores may write into. Nil stands for everything, an empty list for nothing.
	AllowedTargets []AllowedTarget
}

// Where a target comes from.
const (
	SourceConfig    = "config"
	SourceDiscovery = "discovery"
)

// Objectives are what the owners of a cluster have promised. Zero stands for no promise.
type Objectives struct {
	Duration time.Duration // a restore should not take longer
	DrillAge time.Duration // the last successful restore should not be older
}

// AllowedTarget is a project that restores may write into.
type AllowedTarget struct {
	ProjectID    string
	ClusterNames []string // empty for every cluster of the project
}

// allows reports whether a job writes into what is allowed. A download writes nowhere; what Atlas does not name is not
// allowed.
func (t *Target) allows(job *atlas.RestoreJob) bool {
	if t.AllowedTargets == nil || job.DeliveryType == atlas.DeliveryDownload {
		return true
	}
	return slices.ContainsFunc(t.AllowedTargets, func(allowed AllowedTarget) bool {
		return allowed.ProjectID == job.TargetProjectID &&
			(len(allowed.ClusterNames) == 0 || slices.Contains(allowed.ClusterNames, job.TargetClusterName))
	})
}

// HistoryLimits bound the known jobs of a target. Open jobs are never dropped because of them.
type HistoryLimits struct {
	MaxAge  time.Duration // since creation
	MaxJobs int
}

// JobSeriesLimits bound the jobs of a target that have series of their own.
type JobSeriesLimits struct {
	MaxAge       time.Duration // since the end of a terminal job
	MaxPerTarget int
}

// Client is what a Manager needs of an atlas.Client.
type Client interface {
	RestoreJobs(ctx context.Context, list atlas.List) iter.Seq2[atlas.Page, error]
	RestoreJob(ctx context.Context, list atlas.List, id string) (atlas.RestoreJob, error)
	ProjectName(ctx context.Context, projectID string) (string, error)
	Projects(ctx context.Context) ([]atlas.Project, error)
	Clusters(ctx context.Context, projectID string, kind atlas.ClusterKind) ([]atlas.Cluster, error)
}
