package poll

import (
	"time"

	"atlas-restore-exporter/atlas"
	"atlas-restore-exporter/collector/history"
)

// Snapshot is the state of a target after a poll, or before the first poll. It is immutable.
type Snapshot struct {
	Target  *Target
	Summary *history.Summary // of the last successful poll, as of now; nil before the first success
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
	Malformed             int    // number of malformed jobs that the last full poll omitted
}

// Cluster contains the facts about a cluster with at least one target. It is immutable: if a fact changes, the pointer
// changes. Facts that were never read are nil or zero.
type Cluster struct {
	ProjectID, Name                string
	ProjectName, Team, Environment string // empty if not known

	Exists             *bool // whether the last complete, consistent list contains the cluster
	Created            atlas.Timestamp
	BackupEnabled      *bool
	PointInTimeEnabled *bool
}

// State is the state of a target and of its cluster.
type State struct {
	*Snapshot

	Cluster *Cluster // shared by the targets of the cluster; never nil
	// First is set for the first target of each cluster, with which the facts about the cluster are exported.
	First bool
}

// Stale reports whether the last successful poll is too long ago for per-job series.
func (s *Snapshot) Stale(now time.Time) bool {
	return s.LastSuccess.IsZero() || now.Sub(s.LastSuccess) > s.Target.StaleAfter
}
