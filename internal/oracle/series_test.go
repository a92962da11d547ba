package oracle

import (
	"slices"
	"strings"
	"time"
)

const prefix = "mongodbatlas_restore_"

var labelEscaper = strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`)

// seriesSet collects series of one target.
type seriesSet struct {
	target []string // pairs of label names and values
	values map[string]float64
}

func newSeries(s Settings) seriesSet {
	target := []string{"project_id", s.ProjectID, "cluster_name", s.ClusterName, "backup_type", s.BackupType}
	return seriesSet{target: target, values: map[string]float64{}}
}

// put adds a series with the labels of the target and further labels (pairs of names and values).
func (s seriesSet) put(name string, value float64, labels ...string) {
	pairs := slices.Concat(s.target, labels)
	var texts []string
	for i := 0; i < len(pairs); i += 2 {
		texts = append(texts, pairs[i]+`="`+labelEscaper.Replace(pairs[i+1])+`",`)
	}
	s.values[seriesKey(prefix+name, texts)] = value
}

// seriesKey returns the name of a series and its labels, sorted, each with a comma.
func seriesKey(name string, labels []string) string {
	if last := &labels[len(labels)-1]; !strings.HasSuffix(*last, ",") {
		*last += ","
	}
	slices.Sort(labels)
	return name + "{" + strings.Join(labels, "") + "}"
}

// putTime adds a series unless the time is absent: "If Atlas doesn't report a value, the series is absent, never 0".
func (s seriesSet) putTime(name string, t *time.Time, labels ...string) {
	if t != nil {
		s.put(name, float64(t.UnixMilli())/1000, labels...)
	}
}

func (s seriesSet) putInt(name string, i *int64, labels ...string) {
	if i != nil {
		s.put(name, float64(*i), labels...)
	}
}

func boolean(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

// objectiveSeries: "configured objectives: duration, drill_age, recovery_point_age, expiry_notice".
func objectiveSeries(series seriesSet, s Settings) {
	for _, name := range []string{"duration", "drill_age", "recovery_point_age", "expiry_notice"} {
		if d, ok := s.Objectives[name]; ok && isExportedObjective(d) {
			series.put("objective_seconds", d.Seconds(), "objective", name)
		}
	}
}

// targetSeries adds the series of the target that follow from its known jobs.
func targetSeries(series seriesSet, s Settings, known []record, now time.Time) {
	counts := map[[2]string]int{}
	unexpected := 0
	for _, r := range known {
		st, _ := status(r.job, now)
		counts[[2]string{r.job.deliveryType, st}]++
		// "number of jobs that are unfinished or were created in the last 24 h, and whose target is not in
		// allowed_targets"
		if (isUnfinished(r.job, now) || isWithin(r.job.created, now, day)) && isUnexpected(s, r.job) {
			unexpected++
		}
	}
	// "These combinations are always exported, even if the value is 0."
	always := alwaysExported(s.BackupType)
	for _, c := range always {
		series.put("jobs", float64(counts[c]), "delivery_type", c[0], "status", c[1])
	}
	for c, n := range counts {
		if !slices.Contains(always, c) && exportedOther(n) {
			series.put("jobs", float64(n), "delivery_type", c[0], "status", c[1])
		}
	}
	if s.AllowedTargets != nil { // "absent if allowed_targets is not set"
		series.put("unexpected_target_jobs", float64(unexpected))
	}
	oldestActive(series, s, known)
	nextExpiry(series, known)
}

// alwaysExported is the table "Which statuses a job can have".
func alwaysExported(backupType string) [][2]string {
	var combinations [][2]string
	add := func(deliveryType string, statuses ...string) {
		for _, st := range statuses {
			combinations = append(combinations, [2]string{deliveryType, st})
		}
	}
	switch backupType {
	case "dedicated", "serverless":
		add(automated, inProgress, completed, failed, cancelled)
		add(pointInTime, inProgress, completed, failed, cancelled)
		add(download, inProgress, ready, completed, failed, expired, cancelled)
	case "flex":
		add(automated, pending, inProgress, completed, failed)
		add(download, pending, inProgress, ready, completed, failed, expired)
	case "collection":
		add(automated, pending, inProgress, completed, failed, cancelled)
		add(pointInTime, pending, inProgress, completed, failed, cancelled)
	case "legacy":
		add(automated, inProgress, completed, failed, cancelled)
		add(download, inProgress, ready, completed, failed, expired, cancelled)
	}
	return combinations
}

// oldestActive: "creation time of the oldest active job; absent if no job is active".
func oldestActive(series seriesSet, s Settings, known []record) {
	oldest := map[[2]string]record{}
	for _, r := range known {
		if !isActive(r.job, r.at) || r.job.created == nil {
			continue
		}
		key := [2]string{r.job.deliveryType, purpose(s, r.job)}
		old, ok := oldest[key]
		// "If several jobs qualify for the same series, the latest end wins, then the latest creation, then the
		// greatest ID."
		c := 1
		if ok {
			c = compareTimes(old.job.created, r.job.created)
		}
		if c > 0 || c == 0 && compareOrder(r, old) < 0 {
			oldest[key] = r
		}
	}
	for key, r := range oldest {
		series.putTime("oldest_active_created_timestamp_seconds", r.job.created, "delivery_type", key[0],
			"purpose", key[1], "job_id", r.job.id,
			"target_project_id", r.job.targetProject, "target_cluster_name", r.job.targetCluster)
	}
}

// nextExpiry: "earliest expiry time of all ready downloads; absent if there are none".
func nextExpiry(series seriesSet, known []record) {
	var first *record
	for _, r := range known {
		st, _ := status(r.job, r.at)
		if st != ready || r.job.deliveryType != download || r.job.expiry == nil {
			continue
		}
		c := -1
		if first != nil {
			c = r.job.expiry.Compare(*first.job.expiry)
		}
		if c < 0 || c == 0 && compareOrder(r, *first) < 0 {
			first = &r
		}
	}
	if first != nil {
		series.putTime("next_expiry_timestamp_seconds", first.job.expiry, "job_id", first.job.id)
	}
}

// lastSeries adds the last_* values.
func lastSeries(series seriesSet, last *lastValues) {
	for deliveryType, created := range last.created {
		series.putTime("last_created_timestamp_seconds", &created, "delivery_type", deliveryType)
	}
	for key, e := range last.events {
		labels := []string{"delivery_type", key.deliveryType, "purpose", key.purpose}
		named := slices.Concat(labels, []string{"job_id", e.job.id,
			"target_project_id", e.job.targetProject, "target_cluster_name", e.job.targetCluster})
		if !key.success {
			series.putTime("last_failure_timestamp_seconds", &e.end, named...)
			continue
		}
		series.putTime("last_success_timestamp_seconds", &e.end, named...)
		series.putTime("last_success_created_timestamp_seconds", e.job.created, labels...)
		series.putTime("last_success_recovery_point_timestamp_seconds", e.job.recovery, labels...)
		if e.job.backupType == "collection" {
			if value, ok := indexesFailed(e.job); ok {
				series.put("last_success_indexes_failed", value, labels...)
			}
		}
		// "duration (finished − created) of the job [...]; absent unless it has both times, or if negative"
		if e.job.finished != nil && e.job.created != nil && !e.job.finished.Before(*e.job.created) {
			series.put("last_duration_seconds", e.job.finished.Sub(*e.job.created).Seconds(), labels...)
		}
	}
}
