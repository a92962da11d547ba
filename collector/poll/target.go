package poll

import (
	"context"
	"iter"
	"time"

	"atlas-restore-exporter/atlas"
	"atlas-restore-exporter/collector/history"
)

// Target is a list of restore jobs and the settings that it is polled with.
type Target struct {
	atlas.List

	Exporter   string // name of the exporter, shared by replicas and shards
	Credential string // name of the credential, and so of the client
	Source     string // SourceConfig or SourceDiscovery

	Interval         time.Duration // between the starts of two polls
	ActiveInterval   time.Duration // the same while a restore is in progress; at most Interval, zero for Interval
	Timeout          time.Duration // of a whole poll; at most Interval
	FullPollInterval time.Duration // between two full polls
	StaleAfter       time.Duration // time without a successful poll after which per-job series are dropped

	Policy history.Policy
	Labels Labels // of the cluster
}

// Labels are the configured labels of a cluster. A nil label is not configured; an empty one overrides the Atlas tag.
type Labels struct{ Team, Environment *string }

// TagLabels are the keys of the Atlas tags that provide the labels that are not configured. An empty key provides none.
type TagLabels struct{ Team, Environment string }

// The sources of targets.
const (
	SourceConfig    = "config"    // listed in the configuration
	SourceDiscovery = "discovery" // found by a rule
)

// Client sends the requests of polls and discovery. An *atlas.Client implements it. Its methods are called
// concurrently.
type Client interface {
	RestoreJobs(ctx context.Context, list atlas.List, marks ...atlas.PageMark) iter.Seq2[atlas.Page, error]
	RestoreJob(ctx context.Context, list atlas.List, id string) (atlas.RestoreJob, error)
	Project(ctx context.Context, projectID string) (atlas.Project, error)
	Projects(ctx context.Context) (atlas.ProjectList, error)
	Clusters(ctx context.Context, projectID string, kind atlas.ClusterKind) (atlas.ClusterList, error)
}

// Observer counts the events of a Manager. Its methods are called concurrently and must not block.
type Observer interface {
	// PollFailed reports a failed poll of a target of the backup type.
	PollFailed(backupType atlas.BackupType, reason Reason)
	// PollPanicked reports a panic of the poller of a target of the backup type.
	PollPanicked(backupType atlas.BackupType)
}
