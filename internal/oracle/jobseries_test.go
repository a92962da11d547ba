package oracle

import (
	"slices"
	"time"
)

const maxUnfinishedJobSeries = 1000

// selectJobs returns the jobs with per-job series and the number of omitted jobs: "Per-job series cover unfinished
// jobs, at most 1,000 per target, and up to job_series.max_per_target finished jobs that ended within
// job_series.max_age, each newest first. max_per_target: 0 disables per-job series for finished jobs.
// job_series_omitted counts both kinds".
func selectJobs(s Settings, known []record, now time.Time) (selected []record, omitted int) {
	var unfinished, finished []record
	for _, r := range known {
		switch {
		case isUnfinished(r.job, now):
			unfinished = append(unfinished, r)
		case isWithin(endOfSeries(r), now, s.JobSeriesMaxAge):
			finished = append(finished, r)
		}
	}
	take := func(jobs []record, n int) {
		slices.SortStableFunc(jobs, func(a, b record) int { return compareNewest(a.job, b.job) })
		n = min(n, len(jobs))
		selected = append(selected, jobs[:n]...)
		omitted += len(jobs) - n
	}
	take(unfinished, maxUnfinishedJobSeries)
	take(finished, s.JobSeriesMaxPerTarget)
	return selected, omitted
}

// endOfSeries returns the end of a job. A download that expired early has ended at its expiry, even if that is in
// the future, so that its series don't disappear and return.
func endOfSeries(r record) *time.Time {
	st, _ := status(r.job, r.at)
	if r.job.deliveryType == download && st == expired && compareTimes(r.job.expiry, end(r)) > 0 {
		return r.job.expiry
	}
	return end(r)
}

// jobSeries adds the per-job series.
func jobSeries(series seriesSet, s Settings, known []record, now time.Time) {
	selected, omitted := selectJobs(s, known, now)
	series.put("job_series_omitted", float64(omitted))
	for _, r := range selected {
		oneJobSeries(series, s, r.job, now)
	}
}

func oneJobSeries(series seriesSet, s Settings, j job, now time.Time) {
	id := []string{"job_id", j.id}
	series.put("job_info", 1, slices.Concat(id, []string{"delivery_type", j.deliveryType, "snapshot_id", j.snapshotID,
		"target_project_id", j.targetProject, "target_cluster_name", j.targetCluster, "batch_id", j.batchID})...)

	// "state set: one series per possible status; exactly one of them is 1"
	st, _ := status(j, now)
	for _, possible := range possibleStatuses(j, st) {
		series.put("job_status", boolean(st == possible), slices.Concat(id, []string{"status", possible})...)
	}
	flag := func(name string, flag *bool, flagStatus string) {
		series.put(name, flagValue(j, flag, st, flagStatus), id...)
	}
	flag("job_failed", j.failed, failed)
	flag("job_expired", j.expired, expired)
	flag("job_cancelled", j.cancelled, cancelled)

	series.putTime("job_created_timestamp_seconds", j.created, id...)
	series.putTime("job_finished_timestamp_seconds", j.finished, id...)
	series.putTime("job_expiry_timestamp_seconds", j.expiry, id...)
	series.putTime("job_snapshot_timestamp_seconds", j.snapshot, id...)
	series.putTime("job_point_in_time_timestamp_seconds", j.pointInTime, id...)

	if s.AllowedTargets != nil {
		series.put("job_unexpected_target", boolean(isUnexpected(s, j)), id...)
	}
	if j.deliveryType == download {
		series.put("job_download_urls", float64(availableLinks(j, now)), id...)
	}
	// Atlas reports each of these fields for one backup type only.
	series.putInt("job_max_downloads", j.maxDownloads, id...)
	series.putInt("job_restored_documents", j.restored, id...)
	series.putInt("job_total_documents", j.total, id...)
	series.putInt("job_index_failed_collections", j.indexFailed, id...)
}
