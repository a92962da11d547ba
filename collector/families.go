package collector

import (
	"slices"

	"github.com/prometheus/client_golang/prometheus"
)

// Family describes a metric family.
type Family struct {
	Name   string
	Type   string // as in the exposition formats: gauge, counter, histogram
	Labels []string
	Help   string

	collector familyCollector
}

// familyCollector is the collector that exports a family.
type familyCollector int

const (
	byCollector familyCollector = iota
	byExporter
	byStateCollector
)

func (f *Family) desc() *prometheus.Desc { return prometheus.NewDesc(f.Name, f.Help, f.Labels, nil) }

func (f *Family) isCounter() bool { return f.Type == "counter" }

func (f *Family) valueType() prometheus.ValueType {
	if f.isCounter() {
		return prometheus.CounterValue
	}
	return prometheus.GaugeValue
}

const (
	targetPrefix   = "mongodbatlas_restore_"
	exporterPrefix = "mongodbatlas_restore_exporter_"
)

// families contains each declared family in the order of its declaration, which is that of the documentation.
var families []*Family

func declare(f Family) *Family {
	families = append(families, &f)
	return &f
}

// clusterFamily declares a family whose series belong to a cluster.
func clusterFamily(name, help string, labels ...string) *Family {
	common := []string{"project_id", "cluster_name"}
	return declare(Family{targetPrefix + "cluster_" + name, "gauge", append(common, labels...), help, byCollector})
}

// targetFamily declares a family whose series belong to a target.
func targetFamily(name, kind, help string, labels ...string) *Family {
	common := []string{"project_id", "cluster_name", "backup_type"}
	return declare(Family{targetPrefix + name, kind, append(common, labels...), help, byCollector})
}

// jobFamily declares a family whose series belong to a job.
func jobFamily(name, help string, labels ...string) *Family {
	return targetFamily("job_"+name, "gauge", help, append([]string{"job_id"}, labels...)...)
}

// eventFamily declares a family of the exporter whose values change with events.
func eventFamily(name, kind, help string, labels ...string) *Family {
	return declare(Family{exporterPrefix + name, kind, labels, help, byExporter})
}

// stateFamily declares a family of the exporter whose values are computed at each scrape.
func stateFamily(name, kind, help string, labels ...string) *Family {
	return declare(Family{exporterPrefix + name, kind, labels, help, byStateCollector})
}

// Families returns every family of Collector, Exporter, and StateCollector in the order of the documentation.
func Families() []Family {
	all := make([]Family, len(families))
	for i, family := range families {
		all[i] = *family
	}
	return all
}

// familiesOf returns the families that a collector exports.
func familiesOf(collector familyCollector) []*Family {
	return slices.DeleteFunc(slices.Clone(families), func(f *Family) bool { return f.collector != collector })
}

// descsOf returns the descriptions of the families that a collector exports.
func descsOf(collector familyCollector) map[*Family]*prometheus.Desc {
	descs := map[*Family]*prometheus.Desc{}
	for _, family := range familiesOf(collector) {
		descs[family] = family.desc()
	}
	return descs
}

// eventLabels identify an event of a target and the job that it belongs to.
var eventLabels = []string{"delivery_type", "purpose", "job_id", "target_project_id", "target_cluster_name"}

// The families of a cluster, exported by Collector with the first target of the cluster.
var (
	familyClusterInfo = clusterFamily("info",
		"Information about a cluster that has targets. Labels with unknown values are empty.",
		"project_name", "cluster_team", "cluster_environment")
	familyClusterExists = clusterFamily("exists",
		"Whether the last complete, consistent list of clusters contains the cluster. Absent if no such list has been read.")
	familyClusterCreated = clusterFamily("created_timestamp_seconds",
		"Unix time when the cluster was created. Absent if no list of clusters has reported it.")
	familyClusterBackup = clusterFamily("backup_enabled",
		"Whether cloud backup of the cluster is on. Absent if no list of clusters has reported it.")
	familyClusterPointInTime = clusterFamily("point_in_time_enabled",
		"Whether continuous cloud backup of the cluster is on. Absent for Flex clusters, and if no list of clusters has "+
			"reported it.")
)

// The families of a target, exported by Collector.
var (
	familyTargetInfo = targetFamily("target_info", "gauge",
		"Information about a target, which is a polled list of restore jobs.", "exporter", "credential", "source")
	familyJobs = targetFamily("jobs", "gauge",
		"Number of known restore jobs. Every status that is possible for the backup type is present, "+
			"even if the value is 0.",
		"delivery_type", "status")
	familyLastCreated = targetFamily("last_created_timestamp_seconds", "gauge",
		"Unix time when the newest restore job of this delivery type was created.", "delivery_type")
	familyLastSuccess = targetFamily("last_success_timestamp_seconds", "gauge",
		"Unix time when the latest successful restore job of this delivery type and purpose ended. "+
			"A download is successful if its archive was created.",
		eventLabels...)
	familyLastSuccessCreated = targetFamily("last_success_created_timestamp_seconds", "gauge",
		"Unix time when the latest successful restore job of this delivery type and purpose was created.",
		"delivery_type", "purpose")
	familyLastSuccessRecoveryPoint = targetFamily("last_success_recovery_point_timestamp_seconds", "gauge",
		"Unix time of the recovery point of the latest successful restore job. Absent if Atlas does not report it.",
		"delivery_type", "purpose")
	familyLastSuccessIndexesFailed = targetFamily("last_success_indexes_failed", "gauge",
		"Whether indexes could not be built after the latest successful restore job. Collection restores only. "+
			"Absent if Atlas does not report the status of the indexes.", "delivery_type", "purpose")
	familyLastFailure = targetFamily("last_failure_timestamp_seconds", "gauge",
		"Unix time when the latest failed restore job of this delivery type and purpose ended.", eventLabels...)
	familyLastDuration = targetFamily("last_duration_seconds", "gauge",
		"Duration of the latest successful restore job in seconds. Absent if Atlas does not report when "+
			"the job was created and finished.", "delivery_type", "purpose")
	familyOldestActive = targetFamily("oldest_active_created_timestamp_seconds", "gauge",
		"Unix time when the oldest pending or in-progress restore job was created. Absent if no job is "+
			"active.", eventLabels...)
	familyNextExpiry = targetFamily("next_expiry_timestamp_seconds", "gauge",
		"Unix time when the next ready download expires. Absent if no download is ready.", "job_id")
	familyUnexpectedJobs = targetFamily("unexpected_target_jobs", "gauge",
		"Number of restore jobs that are unfinished or were created in the last 24 hours, and whose "+
			"restore target is not in allowed_targets. Absent if allowed_targets is not set.")
	familyObjective = targetFamily("objective_seconds", "gauge",
		"Configured service-level objectives in seconds. duration: maximum duration of a restore. drill_age: maximum age of "+
			"the last drill. recovery_point_age: maximum age of a drill's recovery point when the drill was created. "+
			"expiry_notice: advance notice before a download expires.", "objective")
	familyDrillTargetsConfigured = targetFamily("drill_targets_configured", "gauge",
		"Whether drill_targets is set. "+
			"If not, each successful restore of a whole cluster counts as a drill, except for downloads.")
	familyPollInterval = targetFamily("poll_interval_seconds", "gauge",
		"Configured poll interval in seconds. Polls are more frequent while a restore is in progress, "+
			"and less frequent while polls fail.")
	familySeriesOmitted = targetFamily("job_series_omitted", "gauge",
		"Number of restore jobs without per-job series because of a limit: job_series.max_per_target for finished jobs, "+
			"1,000 for unfinished jobs.")
	familyPollSuccess = targetFamily("poll_success", "gauge",
		"Whether the last poll succeeded. Absent until the first poll has finished.")
	familyLastPoll = targetFamily("last_poll_timestamp_seconds", "gauge",
		"Unix time when the last poll ended, regardless of the result.")
	familyLastSuccessfulPoll = targetFamily("last_successful_poll_timestamp_seconds", "gauge",
		"Unix time when the last successful poll ended. Job metrics reflect this poll.")
	familyPollError = targetFamily("poll_error", "gauge",
		"Always 1, with the reason for the failure of the last poll. Absent if the last poll succeeded.", "reason")
	familyPollFailures = targetFamily("poll_failures_total", "counter",
		"Number of failed polls.")
	familyIntervalsMissed = targetFamily("poll_intervals_missed_total", "counter",
		"Number of intervals that passed without a poll being started.")
	familyListTruncated = targetFamily("list_truncated", "gauge",
		"Whether the list is longer than a full poll reads.")
	familyListInconsistent = targetFamily("list_inconsistent", "gauge",
		"Whether the last list contradicted its own totalCount or links, also after a second read. "+
			"No jobs are removed while the value is 1.")
)

// The families of a job, exported by Collector for unfinished jobs, and for finished jobs until job_series.max_age has
// passed.
var (
	familyJobInfo = jobFamily("info",
		"Information about a restore job. Labels with unknown values are empty.",
		"delivery_type", "snapshot_id", "target_project_id", "target_cluster_name", "batch_id")
	familyJobStatus = jobFamily("status",
		"Status of the restore job: 1 for the current status, 0 for the other possible ones.", "status")
	familyJobFailed = jobFamily("failed",
		"Whether Atlas flags the restore job as failed. Derived from the status for backup types without "+
			"this flag.")
	familyJobExpired = jobFamily("expired",
		"Whether Atlas flags the restore job as expired. Derived from the status for backup types "+
			"without this flag.")
	familyJobCancelled = jobFamily("cancelled",
		"Whether Atlas flags the restore job as cancelled. Failed jobs also have this flag. For backup types "+
			"without the flag, it is derived from the status.")
	familyJobCreated = jobFamily("created_timestamp_seconds",
		"Unix time when the restore job was created.")
	familyJobFinished = jobFamily("finished_timestamp_seconds",
		"Unix time when the restore job finished.")
	familyJobExpiry = jobFamily("expiry_timestamp_seconds",
		"Unix time when the download expires. For other restore jobs, expiry time reported by Atlas.")
	familyJobSnapshot = jobFamily("snapshot_timestamp_seconds",
		"Unix time when the restored snapshot was taken.")
	familyJobPointInTime = jobFamily("point_in_time_timestamp_seconds",
		"Unix time of the point in time to which data is restored.")
	familyJobUnexpectedTarget = jobFamily("unexpected_target",
		"Whether the restore target of the job is not in allowed_targets. Absent if allowed_targets is not set.")
	familyJobDownloadURLs = jobFamily("download_urls",
		"Number of download links currently available. 0 before the archive is ready and after the links "+
			"have expired. Downloads only.")
	familyJobMaxDownloads = jobFamily("max_downloads",
		"Maximum number of downloads of the archive. Legacy backup only.")
	familyJobRestoredDocuments = jobFamily("restored_documents",
		"Number of documents restored so far. Collection restores only.")
	familyJobTotalDocuments = jobFamily("total_documents",
		"Number of documents to restore, which may be an estimate. Collection restores only.")
	familyJobIndexFailures = jobFamily("index_failed_collections",
		"Number of collections whose indexes could not be built. Collection restores only.")
)

// The families of the exporter itself, exported by Exporter if events change them, and else by StateCollector.
var (
	familyBuildInfo = eventFamily("build_info", "gauge",
		"Version, revision, and Go version that the exporter was built from.",
		"version", "revision", "goversion")
	familyExporterInfo = stateFamily("info", "gauge",
		"Information about the exporter: its name, which replicas and shards share, and the index of its shard.",
		"exporter", "shard")
	familyWebInfo = stateFamily("web_info", "gauge",
		"URLs for links to the status page of the exporter and to Atlas. external_url is empty if --web.external-url is "+
			"not set.", "external_url", "atlas_url")
	familyReady = stateFamily("ready", "gauge",
		"Whether each list of projects and clusters has been read, and each target polled, as returned by /-/ready. "+
			"A failed poll counts as polled. A list whose request failed for a temporary reason does not count as read. "+
			"A reload that adds credentials or projects resets the value to 0 until their lists have been read.")
	familyTargets = stateFamily("targets", "gauge",
		"Number of targets.", "backup_type")
	familyShards = stateFamily("shards", "gauge",
		"Total number of shards. The label shard is the index of this exporter.", "shard")
	familyRequests = eventFamily("api_requests_total", "counter",
		"Number of requests to the Atlas API by HTTP status code, or \"error\" if there was no response.",
		"operation", "code")
	familyRequestDuration = eventFamily("api_request_duration_seconds", "histogram",
		"Duration of requests to the Atlas API in seconds, including reading the response.", "operation")
	familyRateLimit = stateFamily("api_rate_limit_remaining", "gauge",
		"Number of requests left in the rate limit of a project, according to the latest Atlas response "+
			"that reports it.", "project_id", "operation")
	familyFailedPolls = eventFamily("poll_failures_total", "counter",
		"Number of failed polls by reason.", "backup_type", "reason")
	familyPollSlots = stateFamily("poll_slots", "gauge",
		"Maximum number of concurrent polls.")
	familyPollSlotsInUse = stateFamily("poll_slots_in_use", "gauge",
		"Number of polls in progress.")
	familyOldestWaiting = stateFamily("oldest_waiting_poll_timestamp_seconds", "gauge",
		"Unix time when the oldest waiting poll became due. Absent if no poll is waiting.")
	familyConnectionsRejected = stateFamily("connections_rejected_total", "counter",
		"Number of connections to the endpoint that were rejected or closed because of the connection limit.")
	familyPanics = eventFamily("poll_panics_total", "counter",
		"Number of polls that panicked. Panics are recovered and logged.", "backup_type")
	familyUnknownValues = eventFamily("unknown_values_total", "counter",
		"Number of undocumented enum values in Atlas responses.", "field")
	familyMalformedJobs = eventFamily("malformed_jobs_total", "counter",
		"Number of items in lists of restore jobs that were omitted because they are not jobs or have no ID.", "backup_type")
	familyMalformedFields = stateFamily("malformed_fields_total", "counter",
		"Number of fields of restore jobs that were omitted because they are unreadable or implausible.", "field")
	familyCredentialSuccess = stateFamily("credential_success", "gauge",
		"Whether Atlas accepted the credential the last time it was used, regardless of its permissions. Absent before the "+
			"first response.", "credential")
	familyCredentialExpiry = stateFamily("credential_expiry_timestamp_seconds", "gauge",
		"Unix time when the credential expires, as configured. Absent if expires is not set.", "credential")
	familyTokenRequests = stateFamily("token_requests_total", "counter",
		"Number of access token requests by HTTP status code, or \"error\" if there was no response.", "credential", "code")
	familyDiscoverySuccess = stateFamily("discovery_success", "gauge",
		"Whether the last discovery succeeded. project_id is empty for the list of projects.",
		"credential", "project_id")
	familyDiscoveryTime = stateFamily("discovery_last_success_timestamp_seconds", "gauge",
		"Unix time when the last successful discovery ended. project_id is empty for the list of projects.",
		"credential", "project_id")
	familyInventorySuccess = stateFamily("inventory_success", "gauge",
		"Whether the last request for cluster settings of a project succeeded. Only for projects without discovery.",
		"credential", "project_id")
	familyReloadSuccess = eventFamily("config_last_reload_successful", "gauge",
		"Whether the last configuration reload succeeded.")
	familyReloadTime = eventFamily("config_last_reload_success_timestamp_seconds", "gauge",
		"Unix time when the active configuration was loaded.")
	familyLogDropped = stateFamily("log_messages_dropped_total", "counter",
		"Number of log messages dropped because nothing read the log output.")
)
