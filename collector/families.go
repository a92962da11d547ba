package collector

import "github.com/prometheus/client_golang/prometheus"

// Family describes a metric family: what /metrics says, and means.
type Family struct {
	Name   string
	Type   string // as in the exposition format: gauge, counter, histogram
	Labels []string
	Help   string
}

func (f Family) desc() *prometheus.Desc { return prometheus.NewDesc(f.Name, f.Help, f.Labels, nil) }

func (f Family) counter() bool { return f.Type == "counter" }

const (
	targetPrefix   = "mongodbatlas_restore_"
	jobPrefix      = "mongodbatlas_restore_job_"
	exporterPrefix = "mongodbatlas_restore_exporter_"
)

// targetFamily returns a family whose series belong to a target.
func targetFamily(name, kind, help string, labels ...string) Family {
	common := []string{"project_id", "cluster_name", "backup_type"}
	return Family{Name: targetPrefix + name, Type: kind, Labels: append(common, labels...), Help: help}
}

// jobFamily returns a family whose series belong to a single job.
func jobFamily(name, help string, labels ...string) Family {
	return targetFamily("job_"+name, "gauge", help, append([]string{"job_id"}, labels...)...)
}

func exporterFamily(name, kind, help string, labels ...string) Family {
	return Family{Name: exporterPrefix + name, Type: kind, Labels: labels, Help: help}
}

// The families of a target.
var (
	familyTargetInfo = targetFamily("target_info", "gauge",
		"1 for each list of restore jobs that is polled. project_name is empty where Atlas refuses to tell it.",
		"project_name", "credential", "source")
	familyJobs = targetFamily("jobs", "gauge",
		"Known restore jobs as of the last successful poll. Every status that such a job can have is present, zeros too.",
		"delivery_type", "status")
	familyLastCreated = targetFamily("last_created_timestamp_seconds", "gauge",
		"When the newest restore job was created.", "delivery_type")
	familyLastSuccess = targetFamily("last_success_timestamp_seconds", "gauge",
		"When the latest successful restore job ended; for downloads, when the archive was made.", "delivery_type")
	familyLastFailure = targetFamily("last_failure_timestamp_seconds", "gauge",
		"When the latest failed restore job ended.", "delivery_type")
	familyLastDuration = targetFamily("last_duration_seconds", "gauge",
		"How long the latest completed restore job took from creation to its end. "+
			"Absent where Atlas does not tell when it ended.", "delivery_type")
	familyOldestActive = targetFamily("oldest_active_created_timestamp_seconds", "gauge",
		"When the oldest restore job that is pending or in progress was created. Absent when there is none.",
		"delivery_type")
	familyNextExpiry = targetFamily("next_expiry_timestamp_seconds", "gauge",
		"When the first of the downloads that are ready expires. Absent when none is ready.")
	familyUnexpected = targetFamily("unexpected_target_jobs", "gauge",
		"Restore jobs that are not over, or were created in the last 24 hours, and write into what allowed_targets does not name. "+
			"Absent where nothing is configured.")
	familyObjective = targetFamily("objective_seconds", "gauge",
		"The objectives from the configuration: duration (a restore should not take longer) and "+
			"drill_age (the last successful restore of the cluster should not be older).", "objective")
	familyInterval = targetFamily("poll_interval_seconds", "gauge",
		"The configured time between two polls of this list; it is less while a restore runs, and more while polls fail.")
	familyOmitted = targetFamily("job_series_omitted", "gauge",
		"Restore jobs that have no series of their own because there are more than job_series.max_per_target.")
	familyPollSuccess = targetFamily("poll_success", "gauge",
		"1 if the last poll of this list succeeded, else 0. Absent until the first poll has ended.")
	familyLastPoll = targetFamily("last_poll_timestamp_seconds", "gauge",
		"When the last poll of this list ended, whatever came of it.")
	familyLastSuccessfulPoll = targetFamily("last_successful_poll_timestamp_seconds", "gauge",
		"When the last successful poll of this list ended: everything else said of its jobs is as of then.")
	familyPollError = targetFamily("poll_error", "gauge",
		"1 with the reason why the last poll failed. Absent while polls succeed.", "reason")
	familyPollFailures = targetFamily("poll_failures_total", "counter",
		"Failed polls of this list.")
)

// The families of a job. They are there for open jobs, and for others until job_series.max_age after their end.
var (
	familyJobInfo = jobFamily("info",
		"1 for each restore job that has series of its own. What Atlas does not name is empty.",
		"delivery_type", "snapshot_id", "target_project_id", "target_cluster_name", "batch_id")
	familyJobStatus = jobFamily("status",
		"1 for the status that the restore job has, 0 for those that it could have.", "status")
	familyJobFailed = jobFamily("failed",
		"1 if Atlas flags the restore job as failed, else 0; where there are no flags, as its status says.")
	familyJobExpired = jobFamily("expired",
		"1 if Atlas flags the restore job as expired, else 0; where there are no flags, as its status says.")
	familyJobCancelled = jobFamily("cancelled",
		"1 if Atlas flags the restore job as cancelled, else 0; where there are no flags, as its status says. "+
			"Atlas flags failed jobs as cancelled too.")
	familyJobCreated     = jobFamily("created_timestamp_seconds", "When the restore job was created.")
	familyJobFinished    = jobFamily("finished_timestamp_seconds", "When the restore job finished.")
	familyJobExpiry      = jobFamily("expiry_timestamp_seconds", "When the restore job, or its download, expires.")
	familyJobSnapshot    = jobFamily("snapshot_timestamp_seconds", "When the snapshot that is restored was taken.")
	familyJobPointInTime = jobFamily("point_in_time_timestamp_seconds", "The instant that is restored to.")
	familyJobURLs        = jobFamily("download_urls", "Download links that the restore job offers; 0 before, and once they expired. Downloads only.")
	familyJobMax         = jobFamily("max_downloads", "How often the archive may be downloaded (legacy backup only).")
	familyJobRestored    = jobFamily("restored_documents", "Documents restored so far (collection-level restores only).")
	familyJobTotal       = jobFamily("total_documents", "Documents to restore (collection-level restores only); may be an estimate.")
)

// The families of the exporter itself.
var (
	familyBuildInfo = exporterFamily("build_info", "gauge",
		"1, with the version, the commit and the Go version that the exporter was built from.",
		"version", "revision", "goversion")
	familyTargets = exporterFamily("targets", "gauge",
		"Lists of restore jobs that are polled.", "backup_type")
	familyShards = exporterFamily("shards", "gauge",
		"Into how many shards the clusters are divided. shard is the one that this exporter polls.", "shard")
	familyRequests = exporterFamily("api_requests_total", "counter",
		"Requests to Atlas by what was asked and by HTTP status, or \"error\" where there was no answer.", "endpoint", "code")
	familyRequestDuration = exporterFamily("api_request_duration_seconds", "histogram",
		"How long requests to Atlas took until the answer was read.", "endpoint")
	familyRateLimit = exporterFamily("api_rate_limit_remaining", "gauge",
		"Requests that Atlas said are left for a project, in its last answer that told.", "project_id", "endpoint")
	familyFailures = exporterFamily("poll_failures_total", "counter",
		"Failed polls by reason.", "backup_type", "reason")
	familyPanics = exporterFamily("poll_panics_total", "counter",
		"Polls in which a defect of the exporter showed: a panic, contained and logged.", "backup_type")
	familyUnknownValues = exporterFamily("unknown_values_total", "counter",
		"Words in Atlas' answers that are not in its documented lists.", "field")
	familyMalformedJobs = exporterFamily("malformed_jobs_total", "counter",
		"Restore jobs in Atlas' answers that could not be read and were left out.", "backup_type")
	familyCredential = exporterFamily("credential_success", "gauge",
		"0 if the last use of the credential was refused for the credential's own sake, else 1.", "credential")
	familyTokenRequests = exporterFamily("token_requests_total", "counter",
		"Requests for access tokens by HTTP status, or \"error\" where there was no answer.", "credential", "code")
	familySearchOK = exporterFamily("discovery_success", "gauge",
		"1 if the last search for the clusters of a project succeeded, else 0. project_id is empty for the search for projects.",
		"credential", "project_id")
	familySearchTime = exporterFamily("discovery_last_success_timestamp_seconds", "gauge",
		"When the last successful search for the clusters of a project ended. project_id is empty for the search for projects.",
		"credential", "project_id")
	familyReloadOK = exporterFamily("config_last_reload_successful", "gauge",
		"1 if the configuration that was read last is in use, 0 if it has mistakes and the one before is.")
	familyReloadTime = exporterFamily("config_last_reload_success_timestamp_seconds", "gauge",
		"When the configuration that is in use was read.")
)

// Families returns every family that a Collector and Metrics serve together, in the order of the documentation.
func Families() []Family {
	return append(append(targetFamilies(), jobFamilies()...), exporterFamilies()...)
}

func targetFamilies() []Family {
	return []Family{
		familyTargetInfo, familyJobs, familyLastCreated, familyLastSuccess, familyLastFailure, familyLastDuration,
		familyOldestActive, familyNextExpiry, familyUnexpected, familyObjective, familyInterval, familyOmitted, familyPollSuccess, familyLastPoll,
		familyLastSuccessfulPoll, familyPollError, familyPollFailures,
	}
}

func jobFamilies() []Family {
	return []Family{
		familyJobInfo, familyJobStatus, familyJobFailed, familyJobExpired, familyJobCancelled, familyJobCreated,
		familyJobFinished, familyJobExpiry, familyJobSnapshot, familyJobPointInTime, familyJobURLs, familyJobMax,
		familyJobRestored, familyJobTotal,
	}
}

func exporterFamilies() []Family {
	return []Family{
		familyBuildInfo, familyTargets, familyShards, familyRequests, familyRequestDuration, familyRateLimit, familyFailures,
		familyPanics, familyUnknownValues, familyMalformedJobs, familyCredential, familyTokenRequests, familySearchOK, familySearchTime,
		familyReloadOK, familyReloadTime,
	}
}
