package status

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/prometheus/common/model"

	"atlas-restore-exporter/atlas"
	"atlas-restore-exporter/collector/history"
	"atlas-restore-exporter/collector/poll"
)

// kind is a kind of finding, and the value of the query parameter status that selects it.
type kind string

// The kinds, the most urgent one first. They follow the alerts of the same meaning.
const (
	kindFailed       kind = "failed"
	kindUnexpected   kind = "unexpected_target"
	kindTooSlow      kind = "too_slow"
	kindPollFailed   kind = "poll_failed"
	kindExpiring     kind = "expiring"
	kindIndexes      kind = "indexes_failed"
	kindNoBackup     kind = "no_backup"
	kindDrillOverdue kind = "drill_overdue"
	kindOldDrill     kind = "old_recovery_point"
	kindMissed       kind = "missed_objective"
	kindUnknown      kind = "unknown_status"
	kindDeleted      kind = "deleted"
)

var kinds = []kind{
	kindFailed, kindUnexpected, kindTooSlow, kindPollFailed, kindExpiring, kindIndexes, kindNoBackup, kindDrillOverdue,
	kindOldDrill, kindMissed, kindUnknown, kindDeleted,
}

// Limits of the alerts: how long a failure, failed indexes, and a missed objective need attention, and when a restore
// without an objective is stuck.
const (
	day                = 24 * time.Hour
	failureAge         = 7 * day
	indexesAge         = 7 * day
	missedObjectiveAge = 3 * day
	stuckAfter         = day
)

// finding is a reason for which a target needs attention.
type finding struct {
	kind   kind
	Class  string
	Text   string // names the failure and its times
	Remedy string
	Detail string // error message; can be empty
	Alert  string // name of the alert of the same meaning, which has a runbook
}

// inspector finds the findings of targets.
type inspector struct {
	now    time.Time
	drills map[clusterKey]*history.Event // last drill of each cluster, over all its targets
}

type clusterKey struct{ projectID, name string }

func newInspector(states []poll.State, now time.Time) *inspector {
	in := &inspector{now: now, drills: map[clusterKey]*history.Event{}}
	for i := range states {
		s := &states[i]
		if s.Summary == nil {
			continue
		}
		key := clusterKey{s.Target.ProjectID, s.Target.ClusterName}
		drill := s.Summary.LastDrill(s.Target.BackupType, s.Target.Policy.DrillTargets)
		if last := in.drills[key]; drill != nil && (last == nil || drill.End > last.End) {
			in.drills[key] = drill
		}
	}
	return in
}

// findings returns the findings of a target, the most urgent one first.
func (in *inspector) findings(s *poll.State) []finding {
	var found []finding
	if s.Summary != nil {
		found = slices.Concat(in.failures(s), in.restores(s), in.drillFindings(s))
	}
	found = append(found, in.pollFindings(s)...)
	slices.SortStableFunc(found, func(a, b finding) int {
		return cmp.Compare(slices.Index(kinds, a.kind), slices.Index(kinds, b.kind))
	})
	return found
}

func (in *inspector) pollFindings(s *poll.State) []finding {
	var found []finding
	if s.Err != nil {
		class, alert := "bad", "AtlasRestoreCannotPoll"
		if s.Reason == poll.ReasonGone && s.Target.BackupType == atlas.Serverless { // retired by Atlas
			class, alert = "warn", "AtlasRestoreTargetGone"
		}
		found = append(found, finding{
			kindPollFailed, class, "Polls fail (" + labelText(string(s.Reason)) + ").", targetRemedy(s.Snapshot),
			s.Err.Error(), alert,
		})
	}
	objectives := s.Target.Policy.Objectives
	hasObjective := objectives.Duration > 0 || objectives.DrillAge > 0 || objectives.RecoveryPointAge > 0
	if isFalse(s.Cluster.BackupEnabled) && hasObjective {
		found = append(found, finding{
			kindNoBackup, "bad", "The cluster has objectives but no backups: cloud backup is off.",
			"Turn on cloud backup in Atlas, or remove the objectives.", "", "AtlasRestoreNoBackup",
		})
	}
	if isFalse(s.Cluster.Exists) && s.Target.Source == poll.SourceConfig {
		found = append(found, finding{
			kindDeleted, "warn", "The cluster does not exist: the last list of clusters doesn't contain it.",
			"Remove the cluster from the configuration.", "", "AtlasRestoreClusterDeleted",
		})
	}
	return found
}

// failures returns the failed restores that no later one replaced.
func (in *inspector) failures(s *poll.State) []finding {
	var found []finding
	for i := range s.Summary.Failures {
		failure := &s.Summary.Failures[i]
		if in.now.Sub(failure.Event.End.Time()) <= failureAge {
			found = append(found, failureFinding(s, failure, in.now))
		}
	}
	return found
}

func failureFinding(s *poll.State, failure *history.Failure, now time.Time) finding {
	last, purpose := &failure.Event, failure.Purpose
	text := fmt.Sprintf("Restore failed %s: job %s", sinceTimestamp(last.End, now), last.JobID)
	if purpose != history.PurposeOther {
		text += ", " + labelText(purpose.String())
	}
	if last.TargetClusterName != "" && purpose != history.PurposeInPlace {
		text += ", into " + targetText(s.Target, last.TargetProjectID, last.TargetClusterName)
	}
	class := "bad"
	if purpose == history.PurposeDrill {
		class = "warn"
	}
	return finding{
		kindFailed, class, text + ".",
		"Find the cause in the activity feed of the project in Atlas, then restore again.", "", "AtlasRestoreFailed",
	}
}

// restores returns the findings of restores that did not fail.
func (in *inspector) restores(s *poll.State) []finding {
	var found []finding
	if n := s.Summary.Unexpected; n > 0 {
		found = append(found, finding{
			kindUnexpected, "bad", fmt.Sprintf("Restores into targets that are not allowed: %d.", n),
			"Find the creator in the activity feed of the project in Atlas, and follow the runbook. " +
				"If a target is planned, add it to allowed_targets.", "", "AtlasRestoreUnexpectedTarget",
		})
	}
	for _, purposes := range s.Summary.OldestActive {
		for _, job := range purposes {
			if job != nil {
				found = append(found, in.slow(s, job)...)
			}
		}
	}
	if next, notice := s.Summary.NextExpiry, s.Target.Policy.Objectives.ExpiryNotice; next != nil && notice > 0 {
		if left := next.Expiry.Time().Sub(in.now); left > 0 && left < notice {
			found = append(found, finding{
				kindExpiring, "warn", fmt.Sprintf("The download of job %s expires in %s.", next.ID, formatDuration(left)),
				"Find out from its creator whether the archive was downloaded.", "", "AtlasRestoreDownloadExpiresSoon",
			})
		}
	}
	for _, purposes := range s.Summary.Latest {
		for purpose := range purposes {
			found = append(found, in.successFindings(s, &purposes[purpose].Success)...)
		}
	}
	var unknown int
	for _, counts := range s.Summary.Counts {
		unknown += counts[atlas.StatusUnknown]
	}
	if unknown > 0 {
		found = append(found, finding{
			kindUnknown, "warn", fmt.Sprintf("Jobs with a status that the exporter can't interpret: %d.", unknown),
			"Check the jobs in Atlas: some of them can have failed. Update the exporter.", "", "AtlasRestoreUnknownStatus",
		})
	}
	return found
}

// slow returns a finding if a restore takes longer than its objective, or longer than a day if it has none.
func (in *inspector) slow(s *poll.State, job *history.JobState) []finding {
	limit, alert := s.Target.Policy.Objectives.Duration, "AtlasRestoreTooSlow"
	age := in.now.Sub(job.Created.Time())
	text := fmt.Sprintf("Restore is slow: job %s has been %s for %s", job.ID, labelText(job.Status.String()),
		formatDuration(max(age, 0)))
	if limit == 0 {
		limit, alert = stuckAfter, "AtlasRestoreStuck"
	} else {
		text += ", longer than its objective of " + model.Duration(limit).String()
	}
	if age <= limit {
		return nil
	}
	return []finding{{
		kindTooSlow, "bad", text + ".",
		"Check the progress of the restore in Atlas. If there is none, contact MongoDB support.", "", alert,
	}}
}

// successFindings returns the findings of the last successful restore of a kind.
func (in *inspector) successFindings(s *poll.State, success *history.Event) []finding {
	var found []finding
	age := in.now.Sub(success.End.Time())
	if success.End != 0 && success.Indexes == atlas.IndexesFailed && age < indexesAge {
		found = append(found, finding{
			kindIndexes, "bad", fmt.Sprintf("Indexes failed: job %s restored the data, but not all indexes.", success.JobID),
			"Find the collections in Atlas, and build their indexes again.", "", "AtlasRestoreIndexesFailed",
		})
	}
	seconds, known := success.Duration()
	took, objective := time.Duration(seconds)*time.Second, s.Target.Policy.Objectives.Duration
	if success.End != 0 && known && objective > 0 && took > objective && age < missedObjectiveAge {
		found = append(found, finding{
			kindMissed, "warn", fmt.Sprintf("Job %s took %s, longer than its objective of %s.",
				success.JobID, formatDuration(took), model.Duration(objective)),
			"Compare the objective with the size of the cluster and its backup policy.", "", "AtlasRestoreMissedObjective",
		})
	}
	return found
}

// drillFindings returns missed objectives of the cluster's drills. Restores of collections are no drills.
func (in *inspector) drillFindings(s *poll.State) []finding {
	objectives := s.Target.Policy.Objectives
	if s.Target.BackupType == atlas.Collection {
		return nil
	}
	const remedy = "Restore a recent backup of the cluster into a drill target."
	drill := in.drills[clusterKey{s.Target.ProjectID, s.Target.ClusterName}]
	objective := model.Duration(objectives.DrillAge)
	created := s.Cluster.Created
	switch {
	case drill == nil && objectives.DrillAge > 0 &&
		(created == 0 || in.now.Sub(created.Time()) > objectives.DrillAge):
		return []finding{{
			kindDrillOverdue, "warn", fmt.Sprintf("Never drilled. The objective is a drill every %s.", objective), remedy, "",
			"AtlasRestoreNeverDrilled",
		}}
	case drill == nil:
		return nil
	}
	var found []finding
	if age := in.now.Sub(drill.End.Time()); objectives.DrillAge > 0 && age > objectives.DrillAge {
		found = append(found, finding{
			kindDrillOverdue, "warn", fmt.Sprintf("Drill overdue: the last drill was %s ago, the objective is %s.",
				formatDuration(age), objective), remedy, "", "AtlasRestoreDrillOverdue",
		})
	}
	age := drill.Created.Time().Sub(drill.RecoveryPoint.Time())
	known := drill.Created != 0 && drill.RecoveryPoint != 0
	if limit := objectives.RecoveryPointAge; known && limit > 0 && age > limit {
		found = append(found, finding{
			kindOldDrill, "warn", fmt.Sprintf("The last drill restored data that was %s old, the objective is %s.",
				formatDuration(age), model.Duration(limit)), remedy, "", "AtlasRestoreDrillRecoveryPointOld",
		})
	}
	return found
}

// targetText returns the target of a restore. It contains the project only if that isn't the project of the backup.
func targetText(target *poll.Target, projectID, cluster string) string {
	if projectID == "" || projectID == target.ProjectID {
		return cluster
	}
	return cmp.Or(cluster, "unknown cluster") + " in project " + projectID
}
