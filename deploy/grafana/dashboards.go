package main

import "strings"

// dashboards returns the dashboards by the name of their file.
func dashboards() map[string]object {
	return map[string]object{"fleet": fleet(), "cluster": cluster(), "exporter": exporter()}
}

const (
	own    = `job=~"$job",instance=~"$instance"`
	chosen = own + `,project_id=~"$project",cluster_name=~"$cluster"`
	// perCluster removes the labels of the exporter, so that two replicas don't count twice.
	perCluster = "max by (project_id, cluster_name) "
	perTarget  = "max by (project_id, cluster_name, backup_type) "
	perKind    = "max by (project_id, cluster_name, backup_type, delivery_type, purpose) "
	drills     = `,delivery_type=~"automated|point_in_time",backup_type!="collection"`
)

// m returns a selector of a target metric with the matchers of all variables, and more.
func m(name string, more ...string) string {
	return "mongodbatlas_restore_" + name + "{" + chosen + strings.Join(more, "") + "}"
}

// e returns a selector of a metric of the exporter.
func e(name string) string { return "mongodbatlas_restore_exporter_" + name + "{" + own + "}" }

func orZero(expr string) string { return expr + " or vector(0)" }

// failing are the kinds of restores of which the last one failed, with when it did.
var failing = perKind + "(" + m("last_failure_timestamp_seconds") + ") > (" + perKind + "(" + m("last_success_timestamp_seconds") +
	") or " + perKind + "(" + m("last_failure_timestamp_seconds") + ") * 0)"

// overdue are the clusters whose last drill is too long ago, with how long ago it is.
var overdue = "time() - " + perCluster + "(" + m("last_success_timestamp_seconds", drills) + ") > on (project_id, cluster_name) " +
	perCluster + "(" + m("objective_seconds", `,objective="drill_age"`) + ")"

// neverDrilled are the clusters that have an objective, and whose restore jobs were read, but no drill.
var neverDrilled = perCluster + "(" + m("objective_seconds", `,objective="drill_age"`) + ") and on (project_id, cluster_name) " +
	m("last_successful_poll_timestamp_seconds") + " unless on (project_id, cluster_name) " +
	perCluster + "(" + m("last_success_timestamp_seconds", drills) + ")"

// durationObjective is how long a restore of each list may take.
var durationObjective = perTarget + "(" + m("objective_seconds", `,objective="duration"`) + ")"

// stuck are the restores that run for longer than is promised or, without a promise, for more than a day.
var stuck = "(time() - " + perKind + "(" + m("oldest_active_created_timestamp_seconds") + ") > on (project_id, cluster_name, backup_type) group_left () " +
	durationObjective + ") or (time() - " + perKind + "(" + m("oldest_active_created_timestamp_seconds") + ") > 86400 unless on (project_id, cluster_name, backup_type) " +
	durationObjective + ")"

func byStatus(statuses string) string {
	return "sum by (status) (max by (project_id, cluster_name, backup_type, delivery_type, status) (" + m("jobs", `,status=~"`+statuses+`"`) + "))"
}

func projectAndCluster(multi bool) []object {
	return variables(
		variable("project", "Project", `label_values(mongodbatlas_restore_target_info{job=~"$job"}, project_id)`, multi),
		variable("cluster", "Cluster", `label_values(mongodbatlas_restore_target_info{job=~"$job",project_id=~"$project"}, cluster_name)`, multi),
	)
}

func fleet() object {
	return dashboard("atlas-restore-fleet", "Atlas restores: fleet",
		"Backup restore jobs of all clusters: who is failing, stuck, overdue, or offers a download.", projectAndCluster(true),
		row{
			stat("Last restore failed", "Clusters and kinds of restores of which the last one failed.", "none", 4, orZero("count("+failing+")"), "red"),
			stat("Running", "Restores that are pending or in progress.", "none", 3, orZero("sum("+byStatus("pending|in_progress")+")"), "blue"),
			stat("Too slow", "Restores that run for longer than their objective, or without one for more than a day.", "none", 3, orZero("count("+stuck+")"), "red"),
			stat("Ready to download", "Archives that can be fetched now by whoever has the link.", "none", 4, orZero("sum("+byStatus("ready")+")"), "orange"),
			stat("Drills overdue", "Clusters whose last successful restore is older than objectives.drill_age, or that have none.", "none", 4,
				orZero("count("+overdue+" or "+neverDrilled+")"), "orange"),
			stat("Unexpected targets", "Restores that write into what allowed_targets does not name.", "none", 3,
				orZero("sum("+perTarget+"("+m("unexpected_target_jobs")+"))"), "red"),
			stat("Can't be polled", "Lists of restore jobs that can't be read at present.", "none", 3,
				orZero("sum("+perTarget+"("+m("poll_success")+" == bool 0))"), "red"),
		},
		row{
			table("Last restore failed", "When the last restore failed that none has succeeded after.", "dateTimeFromNow", "failed", 12,
				"("+failing+") * 1000", "cluster_name", "backup_type", "delivery_type", "project_id"),
			table("Running", "For how long the oldest restore of each kind has been running.", "s", "for", 12,
				"time() - "+perKind+"("+m("oldest_active_created_timestamp_seconds")+")", "cluster_name", "backup_type", "delivery_type", "project_id"),
		},
		row{
			table("Last drill", "How long ago the last successful restore into a cluster ended, longest first.", "s", "ago", 12,
				"sort_desc(time() - "+perCluster+"("+m("last_success_timestamp_seconds", drills)+"))", "cluster_name", "project_id"),
			table("Never drilled", "Clusters with an objective for drills, and no restore that succeeded.", "s", "objective", 12,
				neverDrilled, "cluster_name", "project_id"),
		},
		row{
			table("Downloads", "When the next link expires. Atlas does not tell whether the archive was fetched.", "dateTimeFromNow", "expires", 12,
				perTarget+"("+m("next_expiry_timestamp_seconds")+") * 1000", "cluster_name", "backup_type", "project_id"),
			table("Can't be polled", "Why a list can't be read at present.", "none", "lists", 12,
				"max by (project_id, cluster_name, backup_type, reason) ("+m("poll_error")+")",
				"cluster_name", "reason", "backup_type", "project_id"),
		},
		row{
			series("Restores under way, and ready", "Jobs that are not over, by status.", "none", 12,
				target{byStatus("pending|in_progress|ready"), "{{status}}"}),
			series("Known jobs that failed", "Over all known jobs: a step up is a failure.", "none", 12,
				target{"sum by (backup_type) (max by (project_id, cluster_name, backup_type, delivery_type) (" + m("jobs", `,status="failed"`) + "))", "{{backup_type}}"}),
		},
		row{
			series("Durations", "How long the last completed restore took.", "s", 12,
				target{perKind + "(" + m("last_duration_seconds") + ")", "{{cluster_name}} {{backup_type}} {{delivery_type}}"}),
			series("Durations against objectives", "How long the last completed restore, and the oldest that still runs, took of what is promised: more than 100 % is too long.", "percentunit", 12,
				target{perKind + "(" + m("last_duration_seconds") + ") / on (project_id, cluster_name, backup_type) group_left () " + durationObjective, "{{cluster_name}} {{backup_type}} {{delivery_type}}"},
				target{"(time() - " + perKind + "(" + m("oldest_active_created_timestamp_seconds") + ")) / on (project_id, cluster_name, backup_type) group_left () " + durationObjective, "{{cluster_name}} {{backup_type}} {{delivery_type}}, running"}),
		},
	)
}

// jobs is every job with its status and what it does, with when it was created.
const jobs = "max by (backup_type, job_id, status, delivery_type, target_project_id, target_cluster_name) (" +
	"mongodbatlas_restore_job_created_timestamp_seconds{" + chosen + "} * on (job, instance, project_id, cluster_name, backup_type, job_id) group_left (status) " +
	"(mongodbatlas_restore_job_status{" + chosen + "} == 1) * on (job, instance, project_id, cluster_name, backup_type, job_id) " +
	"group_left (delivery_type, target_project_id, target_cluster_name) mongodbatlas_restore_job_info{" + chosen + "}) * 1000"

func cluster() object {
	age := func(name string, more ...string) string { return "time() - max(" + m(name, more...) + ")" }
	times := func(title, description, name string) panel {
		return table(title, description, "dateTimeAsIso", "at", 8, "sort_desc(max by (job_id) ("+m(name)+") * 1000)", "job_id")
	}
	return dashboard("atlas-restore-cluster", "Atlas restores: cluster",
		"The backup restore jobs of one cluster.", projectAndCluster(false),
		row{
			stat("Last drill", "How long ago the last successful restore into a cluster ended.", "s", 5, age("last_success_timestamp_seconds", drills), "text"),
			stat("Last failure", "How long ago the last restore failed.", "s", 5, age("last_failure_timestamp_seconds"), "text"),
			stat("Running", "Restores that are pending or in progress.", "none", 4, orZero("sum("+byStatus("pending|in_progress")+")"), "blue"),
			stat("Ready to download", "Archives that can be fetched now.", "none", 5, orZero("sum("+byStatus("ready")+")"), "orange"),
			stat("Last read", "How long ago the restore jobs were last read from Atlas.", "s", 5, "time() - min("+perTarget+"("+m("last_successful_poll_timestamp_seconds")+"))", "text"),
		},
		row{
			tall(table("Jobs", "Jobs that are not over, and those that ended a short time ago, by when they were created.", "dateTimeAsIso", "created", 24,
				"sort_desc("+jobs+")", "status", "delivery_type", "backup_type", "target_cluster_name", "target_project_id", "job_id")),
		},
		row{
			times("Finished", "When the jobs of the table above finished.", "job_finished_timestamp_seconds"),
			times("Expiry", "When jobs, or their downloads, expire.", "job_expiry_timestamp_seconds"),
			times("Snapshot", "When the snapshots were taken that the jobs restore.", "job_snapshot_timestamp_seconds"),
		},
		row{
			series("Jobs by status", "All known jobs of the cluster.", "none", 12, target{byStatus(".+"), "{{status}}"}),
			series("Duration", "How long the last completed restore took, and what is promised.", "s", 12,
				target{perKind + "(" + m("last_duration_seconds") + ")", "{{backup_type}} {{delivery_type}}"},
				target{perTarget + "(" + m("objective_seconds", `,objective="duration"`) + ")", "objective {{backup_type}}"}),
		},
	)
}

// tall makes a panel half as high again.
func tall(p panel) panel {
	p.height += p.height / 2
	return p
}

func exporter() object {
	rate := func(selector, by string) string {
		return "sum by (" + by + ") (rate(" + selector + "[$__rate_interval]))"
	}
	return dashboard("atlas-restore-exporter", "Atlas restores: exporter",
		"The health of atlas-restore-exporter itself: what it asks of Atlas, and what that costs.", variables(),
		row{
			stat("Exporters down", "Exporters that Prometheus can't scrape.", "none", 4, orZero("count(up{"+own+"} == 0)"), "red"),
			stat("Lists polled", "Lists of restore jobs that are polled.", "none", 4, "count("+perTarget+"(mongodbatlas_restore_target_info{"+own+"}))", "blue"),
			stat("Lists that fail", "Lists of restore jobs that no exporter can read at present.", "none", 4, orZero("count("+perTarget+"(mongodbatlas_restore_poll_success{"+own+"}) == 0)"), "red"),
			stat("Credentials refused", "Credentials that Atlas refuses for their own sake.", "none", 4, orZero("count("+e("credential_success")+" == 0)"), "red"),
			stat("Searches that fail", "Searches for projects or clusters that fail at present. What was found before is polled as ever.", "none", 4, orZero("count("+e("discovery_success")+" == 0)"), "red"),
			stat("Jobs not understood", "Jobs and words in Atlas' answers that could not be read, in the last day.", "none", 4,
				"sum(increase("+e("malformed_jobs_total")+"[1d])) + sum(increase("+e("unknown_values_total")+"[1d]))", "orange"),
		},
		row{
			series("Requests to Atlas", "By HTTP status.", "reqps", 12, target{rate(e("api_requests_total"), "code"), "{{code}}"}),
			series("Requests to Atlas by what is asked", "Lists, single jobs, projects, and searches for clusters.", "reqps", 12, target{rate(e("api_requests_total"), "operation") + " > 0", "{{operation}}"}),
		},
		row{
			series("Latency of Atlas", "95 of 100 requests are answered within this time.", "s", 12,
				target{"histogram_quantile(0.95, " + rate(e("api_request_duration_seconds_bucket"), "le, operation") + ") > 0", "{{operation}}"}),
			series("Failed polls", "By reason.", "cps", 12, target{rate(e("poll_failures_total"), "reason"), "{{reason}}"}),
		},
		row{
			series("Requests left", "What Atlas said is left of each project's requests.", "none", 12, target{"min by (project_id) (" + e("api_rate_limit_remaining") + ")", "{{project_id}}"}),
			series("Requests for access tokens", "An account may have 100 live tokens, and one is enough.", "cps", 12,
				target{rate(e("token_requests_total"), "credential, code"), "{{credential}} {{code}}"}),
		},
		row{
			series("Memory", "Resident memory.", "bytes", 8, target{"process_resident_memory_bytes{" + own + "}", "{{instance}}"}),
			series("CPU", "Processor time in seconds per second.", "none", 8, target{"rate(process_cpu_seconds_total{" + own + "}[$__rate_interval])", "{{instance}}"}),
			series("Scrapes", "How long a scrape takes.", "s", 8, target{"scrape_duration_seconds{" + own + "}", "{{instance}}"}),
		},
	)
}
