package collector

import (
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"atlas-restore-exporter/atlas"
)

// Collector turns what was published into metrics. It asks nothing of Atlas and waits for nobody.
type Collector struct {
	source Source
	descs  map[string]*prometheus.Desc // by name of the family
}

var _ prometheus.Collector = (*Collector)(nil)

// Source is where a Collector reads from, usually a Manager.
type Source interface {
	Snapshots() []*Snapshot
	ProjectName(projectID string) string
}

// NewCollector returns a collector of the targets that a source knows.
func NewCollector(source Source) *Collector {
	c := &Collector{source: source, descs: map[string]*prometheus.Desc{}}
	for _, family := range append(targetFamilies(), jobFamilies()...) {
		c.descs[family.Name] = family.desc()
	}
	return c
}

// Describe implements prometheus.Collector.
func (c *Collector) Describe(descs chan<- *prometheus.Desc) {
	for _, desc := range c.descs {
		descs <- desc
	}
}

// Collect implements prometheus.Collector.
func (c *Collector) Collect(metrics chan<- prometheus.Metric) {
	now := time.Now()
	emit := func(family Family, value float64, common, labels []string) {
		kind := prometheus.GaugeValue
		if family.counter() {
			kind = prometheus.CounterValue
		}
		metrics <- prometheus.MustNewConstMetric(c.descs[family.Name], kind, value, slices.Concat(common, labels)...)
	}
	for _, snapshot := range c.source.Snapshots() {
		t := newTargetEmitter(snapshot, emit)
		t.times(snapshot)
		t.state(snapshot, c.source.ProjectName(snapshot.Target.ProjectID), snapshot.Stale(now))
	}
}

// sink takes a sample of a family. Its labels are those that a target's samples have in common, and then others.
type sink func(family Family, value float64, common, labels []string)

// targetEmitter turns what is known of one target into samples.
type targetEmitter struct {
	sink   sink
	common []string // label values
}

func newTargetEmitter(s *Snapshot, sink sink) *targetEmitter {
	return &targetEmitter{sink, []string{s.Target.ProjectID, s.Target.ClusterName, string(s.Target.BackupType)}}
}

func (t *targetEmitter) emit(family Family, value float64, labels ...string) {
	t.sink(family, value, t.common, labels)
}

// instant emits a timestamp unless Atlas gave none.
func (t *targetEmitter) instant(family Family, at atlas.Timestamp, labels ...string) {
	if at != 0 {
		t.emit(family, float64(at), labels...)
	}
}

// times emits what differs after each poll, even if nothing has happened.
func (t *targetEmitter) times(s *Snapshot) {
	if !s.LastPoll.IsZero() {
		t.emit(familyLastPoll, seconds(s.LastPoll))
	}
	if !s.LastSuccess.IsZero() {
		t.emit(familyLastSuccessfulPoll, seconds(s.LastSuccess))
	}
}

// state emits everything else. What is stale says nothing of single jobs.
func (t *targetEmitter) state(s *Snapshot, projectName string, stale bool) {
	t.target(s, projectName)
	if s.Summary == nil {
		return
	}
	t.summary(s)
	if stale {
		return
	}
	for i := range s.Summary.Series {
		t.job(&s.Summary.Series[i])
	}
}

func (t *targetEmitter) target(s *Snapshot, projectName string) {
	t.emit(familyTargetInfo, 1, projectName, s.Target.Credential, s.Target.Source)
	t.emit(familyInterval, s.Target.Interval.Seconds())
	if objective := s.Target.Objectives.Duration; objective > 0 {
		t.emit(familyObjective, objective.Seconds(), "duration")
	}
	if objective := s.Target.Objectives.DrillAge; objective > 0 {
		t.emit(familyObjective, objective.Seconds(), "drill_age")
	}
	t.emit(familyPollFailures, float64(s.Failures))
	if !s.LastPoll.IsZero() {
		t.emit(familyPollSuccess, boolValue(s.Err == nil))
	}
	if s.Err != nil {
		t.emit(familyPollError, 1, string(s.Reason))
	}
}

func seconds(t time.Time) float64 { return float64(t.UnixMilli()) / 1e3 }

func (t *targetEmitter) summary(s *Snapshot) {
	summary := s.Summary
	for delivery := range atlas.DeliveryCount {
		name := delivery.String()
		for status := range atlas.StatusCount {
			count := summary.Counts[delivery][status]
			if count > 0 || possible(s.Target.BackupType, delivery, status) {
				t.emit(familyJobs, float64(count), name, status.String())
			}
		}
		facts := &summary.Facts[delivery]
		t.instant(familyLastCreated, facts.LastCreated, name)
		t.instant(familyLastSuccess, facts.LastSuccess, name)
		t.instant(familyLastFailure, facts.LastFailure, name)
		if facts.LastCompleted != 0 && facts.LastDuration >= 0 {
			t.emit(familyLastDuration, float64(facts.LastDuration), name)
		}
		t.instant(familyOldestActive, summary.OldestActive[delivery], name)
	}
	t.instant(familyNextExpiry, summary.NextExpiry)
	if s.Target.AllowedTargets != nil {
		t.emit(familyUnexpected, float64(summary.Unexpected))
	}
	t.emit(familyOmitted, float64(summary.Omitted))
}

// jobValues is the table from a job's fields to families that have no more labels than its id. A value that Atlas did
// not give is no series.
var jobValues = []struct {
	family Family
	value  func(*JobState) (value float64, given bool)
}{
	{familyJobFailed, func(j *JobState) (float64, bool) { f, _, _ := j.Flags(j.Status); return boolValue(f), true }},
	{familyJobExpired, func(j *JobState) (float64, bool) { _, e, _ := j.Flags(j.Status); return boolValue(e), true }},
	{familyJobCancelled, func(j *JobState) (float64, bool) { _, _, c := j.Flags(j.Status); return boolValue(c), true }},
	{familyJobCreated, func(j *JobState) (float64, bool) { return instantValue(j.Created) }},
	{familyJobFinished, func(j *JobState) (float64, bool) { return instantValue(j.Finished) }},
	{familyJobExpiry, func(j *JobState) (float64, bool) { return instantValue(j.Expiry) }},
	{familyJobSnapshot, func(j *JobState) (float64, bool) { return instantValue(j.Snapshot) }},
	{familyJobPointInTime, func(j *JobState) (float64, bool) { return instantValue(j.PointInTime) }},
	{familyJobURLs, func(j *JobState) (float64, bool) { return float64(j.Offered()), j.canOffer() }},
	{familyJobMax, func(j *JobState) (float64, bool) { return countValue(j.MaxDownloads) }},
	{familyJobRestored, func(j *JobState) (float64, bool) { return countValue(j.RestoredDocuments) }},
	{familyJobTotal, func(j *JobState) (float64, bool) { return countValue(j.TotalDocuments) }},
}

func instantValue(at atlas.Timestamp) (float64, bool) { return float64(at), at != 0 }

func countValue(c atlas.Count) (float64, bool) {
	n, given := c.Value()
	return float64(n), given
}

func (t *targetEmitter) job(job *JobState) {
	t.emit(familyJobInfo, 1, job.ID, job.DeliveryType.String(), job.SnapshotID, job.TargetProjectID,
		job.TargetClusterName, job.BatchID)
	backupType := atlas.BackupType(t.common[2])
	for status := range atlas.StatusCount {
		if is := status == job.Status; is || possible(backupType, job.DeliveryType, status) {
			t.emit(familyJobStatus, boolValue(is), job.ID, status.String())
		}
	}
	for _, field := range jobValues {
		if value, given := field.value(job); given {
			t.emit(field.family, value, job.ID)
		}
	}
}
