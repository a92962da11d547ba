package collector

import (
	"time"

	"atlas-restore-exporter/atlas"
	"atlas-restore-exporter/collector/history"
	"atlas-restore-exporter/collector/poll"
)

// sink receives a sample of a family. The label values are those that all samples of the target have in common,
// followed by others. It must not keep the slices.
type sink func(family *Family, value float64, common, others []string)

// targetEmitter converts the snapshot of a target to samples. Collector and Exposition share it, and differ in the
// sink.
type targetEmitter struct {
	sink   sink
	common []string // values of the labels that all samples of the target have
	others []string // of the last sample; kept so that not every sample needs an allocation
}

func newTargetEmitter(s *poll.State, sink sink) *targetEmitter {
	return &targetEmitter{
		sink: sink, common: []string{s.Target.ProjectID, s.Target.ClusterName, string(s.Target.BackupType)},
	}
}

func (t *targetEmitter) emit(family *Family, value float64, labels ...string) {
	t.others = append(t.others[:0], labels...)
	t.sink(family, value, t.common, t.others)
}

// emitTimestamp emits a timestamp unless it is unknown.
func (t *targetEmitter) emitTimestamp(family *Family, at atlas.Timestamp, labels ...string) {
	if at != 0 {
		t.emit(family, float64(at), labels...)
	}
}

// emitTimes emits the samples that change at every poll.
func (t *targetEmitter) emitTimes(s *poll.State) {
	if !s.LastPoll.IsZero() {
		t.emit(familyLastPoll, seconds(s.LastPoll))
	}
	if !s.LastSuccess.IsZero() {
		t.emit(familyLastSuccessfulPoll, seconds(s.LastSuccess))
	}
}

// emitState emits all other samples. A stale snapshot has no per-job series. The samples of a cluster are emitted with
// its first target.
func (t *targetEmitter) emitState(s *poll.State, stale bool) {
	if s.First {
		t.emitCluster(s.Cluster)
	}
	t.emitTarget(s)
	if s.Summary == nil {
		return
	}
	t.emitSummary(s)
	if stale {
		return
	}
	for i := range s.Summary.Series {
		t.emitJob(s.Target, &s.Summary.Series[i])
	}
}

func (t *targetEmitter) emitCluster(c *poll.Cluster) {
	common := t.common[:2] // without the backup type
	emit := func(family *Family, value float64, labels ...string) { t.sink(family, value, common, labels) }
	emit(familyClusterInfo, 1, c.ProjectName, c.Team, c.Environment)
	if c.Created != 0 {
		emit(familyClusterCreated, float64(c.Created))
	}
	emitFact := func(family *Family, fact *bool) {
		if fact != nil {
			emit(family, boolValue(*fact))
		}
	}
	emitFact(familyClusterExists, c.Exists)
	emitFact(familyClusterBackup, c.BackupEnabled)
	emitFact(familyClusterPointInTime, c.PointInTimeEnabled)
}

func (t *targetEmitter) emitTarget(s *poll.State) {
	t.emit(familyTargetInfo, 1, s.Target.Exporter, s.Target.Credential, s.Target.Source)
	t.emit(familyPollInterval, s.Target.Interval.Seconds())
	t.emit(familyDrillTargetsConfigured, boolValue(s.Target.Policy.DrillTargets != nil))
	t.emitObjectives(&s.Target.Policy.Objectives)
	t.emit(familyPollFailures, float64(s.Failures))
	t.emit(familyIntervalsMissed, float64(s.MissedIntervals))
	t.emit(familyListTruncated, boolValue(s.Truncated))
	t.emit(familyListInconsistent, boolValue(s.Inconsistent))
	if !s.LastPoll.IsZero() {
		t.emit(familyPollSuccess, boolValue(s.Err == nil))
	}
	if s.Err != nil {
		t.emit(familyPollError, 1, string(s.Reason))
	}
}

func (t *targetEmitter) emitObjectives(o *history.Objectives) {
	emit := func(objective time.Duration, name string) {
		if objective > 0 {
			t.emit(familyObjective, objective.Seconds(), name)
		}
	}
	emit(o.Duration, "duration")
	emit(o.DrillAge, "drill_age")
	emit(o.RecoveryPointAge, "recovery_point_age")
	emit(o.ExpiryNotice, "expiry_notice")
}

func (t *targetEmitter) emitSummary(s *poll.State) {
	summary := s.Summary
	for delivery := range atlas.DeliveryCount {
		name := delivery.String()
		for status := range atlas.StatusCount {
			count := summary.Counts[delivery][status]
			if count > 0 || canHaveStatus(s.Target.BackupType, delivery, status) {
				t.emit(familyJobs, float64(count), name, status.String())
			}
		}
		t.emitTimestamp(familyLastCreated, summary.LastCreated[delivery], name)
		for purpose := range history.PurposeCount {
			t.emitLatest(&summary.Latest[delivery][purpose], name, purpose.String())
			if job := summary.OldestActive[delivery][purpose]; job != nil {
				t.emit(familyOldestActive, float64(job.Created), name, purpose.String(),
					job.ID, job.TargetProjectID, job.TargetClusterName)
			}
		}
	}
	if job := summary.NextExpiry; job != nil {
		t.emit(familyNextExpiry, float64(job.Expiry), job.ID)
	}
	if s.Target.Policy.AllowedTargets != nil {
		t.emit(familyUnexpectedJobs, float64(summary.Unexpected))
	}
	t.emit(familySeriesOmitted, float64(summary.Omitted))
}

// emitLatest emits the latest success and failure of one delivery type and purpose.
func (t *targetEmitter) emitLatest(latest *history.Latest, delivery, purpose string) {
	failure, success := &latest.Failure, &latest.Success
	t.emitTimestamp(familyLastFailure, failure.End, delivery, purpose,
		failure.JobID, failure.TargetProjectID, failure.TargetClusterName)
	if success.End == 0 {
		return
	}
	t.emitTimestamp(familyLastSuccess, success.End, delivery, purpose,
		success.JobID, success.TargetProjectID, success.TargetClusterName)
	t.emitTimestamp(familyLastSuccessCreated, success.Created, delivery, purpose)
	t.emitTimestamp(familyLastSuccessRecoveryPoint, success.RecoveryPoint, delivery, purpose)
	if success.Indexes != atlas.IndexesAbsent {
		t.emit(familyLastSuccessIndexesFailed, boolValue(success.Indexes == atlas.IndexesFailed), delivery, purpose)
	}
	if seconds, known := success.Duration(); known {
		t.emit(familyLastDuration, float64(seconds), delivery, purpose)
	}
}

func (t *targetEmitter) emitJob(target *poll.Target, job *history.JobState) {
	t.emit(familyJobInfo, 1, job.ID, job.DeliveryType.String(), job.SnapshotID, job.TargetProjectID,
		job.TargetClusterName, job.BatchID)
	for status := range atlas.StatusCount {
		if current := status == job.Status; current || canHaveStatus(target.BackupType, job.DeliveryType, status) {
			t.emit(familyJobStatus, boolValue(current), job.ID, status.String())
		}
	}
	if target.Policy.AllowedTargets != nil {
		t.emit(familyJobUnexpectedTarget, boolValue(job.Unexpected), job.ID)
	}
	for _, field := range jobFields {
		if value, known := field.value(job); known {
			t.emit(field.family, value, job.ID)
		}
	}
}

// jobFields maps the families without labels other than the job ID to fields of a job. An unknown value has no series.
var jobFields = []struct {
	family *Family
	value  func(*history.JobState) (value float64, known bool)
}{
	{familyJobFailed, func(j *history.JobState) (float64, bool) {
		failed, _, _ := j.Flags(j.Status)
		return boolValue(failed), true
	}},
	{familyJobExpired, func(j *history.JobState) (float64, bool) {
		_, expired, _ := j.Flags(j.Status)
		return boolValue(expired), true
	}},
	{familyJobCancelled, func(j *history.JobState) (float64, bool) {
		_, _, cancelled := j.Flags(j.Status)
		return boolValue(cancelled), true
	}},
	{familyJobCreated, func(j *history.JobState) (float64, bool) { return timestampValue(j.Created) }},
	{familyJobFinished, func(j *history.JobState) (float64, bool) { return timestampValue(j.Finished) }},
	{familyJobExpiry, func(j *history.JobState) (float64, bool) { return timestampValue(j.Expiry) }},
	{familyJobSnapshot, func(j *history.JobState) (float64, bool) { return timestampValue(j.Snapshot) }},
	{familyJobPointInTime, func(j *history.JobState) (float64, bool) { return timestampValue(j.PointInTime) }},
	{familyJobDownloadURLs, func(j *history.JobState) (float64, bool) {
		return float64(j.AvailableURLs()), j.HasDownloadURLs()
	}},
	{familyJobMaxDownloads, func(j *history.JobState) (float64, bool) { return countValue(j.MaxDownloads) }},
	{familyJobRestoredDocuments, func(j *history.JobState) (float64, bool) { return countValue(j.RestoredDocuments) }},
	{familyJobTotalDocuments, func(j *history.JobState) (float64, bool) { return countValue(j.TotalDocuments) }},
	{familyJobIndexFailures, func(j *history.JobState) (float64, bool) { return countValue(j.IndexFailures) }},
}

func timestampValue(at atlas.Timestamp) (value float64, known bool) { return float64(at), at != 0 }

func countValue(c atlas.Count) (value float64, known bool) {
	n, known := c.Value()
	return float64(n), known
}

func seconds(t time.Time) float64 { return float64(t.UnixMilli()) / 1e3 }

func boolValue(b bool) float64 {
	if b {
		return 1
	}
	return 0
}
