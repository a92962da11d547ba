package main

import (
	"fmt"
	"strings"
)

// Matchers of the variables. The values of the variable project are project IDs, because the labels of raw series
// contain no names. Its texts are names.
const (
	scraped  = `job=~"$job",instance=~"$instance"`
	clusters = `project_id=~"$project",cluster_name=~"$cluster"`
	chosen   = clusters + `,team=~"$team",environment=~"$environment"`
)

// Label sets.
const (
	clusterKey = "project_id, cluster_name"
	targetKey  = clusterKey + ", backup_type"
	jobKey     = targetKey + ", job_id"
)

// Recorded series.
const (
	labels         = "cluster:mongodbatlas_restore:labels"
	known          = "target:mongodbatlas_restore:known"
	allShards      = "exporter:mongodbatlas_restore_exporter_ready:min" // absent unless all shards are scraped
	unpolled       = "target:mongodbatlas_restore_restores:unpolled"
	active         = "target:mongodbatlas_restore_active:created"
	nextExpiry     = "target:mongodbatlas_restore_next_expiry:min"
	lastPoll       = "target:mongodbatlas_restore_successful_poll:seen"
	pollError      = "target:mongodbatlas_restore_poll_error:reason"
	gone           = pollError + `{backup_type="serverless",reason="gone"}`
	lastDrill      = "cluster:mongodbatlas_restore_last_drill:timestamp"
	drillAge       = "cluster:mongodbatlas_restore_drill_age_objective:seconds"
	noBackup       = "cluster:mongodbatlas_restore_cluster_backup:missing"
	clusterCreated = "cluster:mongodbatlas_restore_cluster_created:timestamp"
	pollInterval   = "target:mongodbatlas_restore_poll_interval_seconds:max"
	drilledData    = "target:mongodbatlas_restore_drill_recovery_point_age:seconds"
	failures       = "target:mongodbatlas_restore_last_failure:reported"
	downloads      = "job:mongodbatlas_restore_download:created"
	unexpected     = "job:mongodbatlas_restore_unexpected_target:created"
)

// stale are the targets that should be polled, but are not. Those whose backup type ended are current while an exporter is
// scraped.
var stale = "(" + unpolled + " unless on (" + targetKey + ") (" + gone + " and on (" + targetKey + ") " +
	target("target_info") + "))"

// kept returns the series of a selector and, of targets that are not polled, the last values of a duration.
func kept(series, duration string) string {
	return "(" + series + " or last_over_time(" + series + "[" + duration + "]) and on (" + targetKey + ") " + unpolled + ")"
}

// selector returns a selector.
func selector(name string, matchers ...string) string {
	return name + "{" + strings.Join(matchers, ",") + "}"
}

// target returns a selector of a metric of the chosen clusters.
func target(name string, more ...string) string {
	return selector("mongodbatlas_restore_"+name, append([]string{scraped, clusters}, more...)...)
}

// exporterMetric returns a selector of a metric of the exporter itself.
func exporterMetric(name string, more ...string) string {
	return selector("mongodbatlas_restore_exporter_"+name, append([]string{scraped}, more...)...)
}

// objective returns the objective of a name per target.
func objective(name string) string {
	return fmt.Sprintf(`target:mongodbatlas_restore_objective_seconds:max{%s,objective=%q}`, clusters, name)
}

// withLabels adds the labels of the chosen clusters and removes all other clusters.
func withLabels(expr string) string {
	return withProject("(" + expr + ") * on (" + clusterKey + ") group_left (project_name, team, environment, external_url, " +
		"atlas_url) " + selector(labels, chosen))
}

// withProject adds the label project: the name of the project, or its ID if the name is unknown.
func withProject(expr string) string { return named(expr, "project", "project_name", "project_id") }

// named adds a label with the value of another label or, if it is empty, of a third one.
func named(expr, label, name, id string) string {
	return fmt.Sprintf(`label_replace(label_join(%s, "named", ";", %q, %q), %q, "$1$2", "named", "(.+);[^;]*|;(.*)")`,
		expr, name, id, label)
}

// withTarget adds the labels target_project, the name of the project of the target, and into_project: the name, or the ID if the
// name is unknown.
func withTarget(expr string) string {
	const names = `label_replace(label_replace(topk by (project_id) (1, group by (project_id, project_name) (` + labels +
		`{project_name!=""})), "target_project_id", "$1", "project_id", "(.*)"), "target_name", "$1", "project_name", "(.*)")`
	joined := "(" + expr + ") * on (target_project_id) group_left (target_name) " + names +
		" or (" + expr + ") unless on (target_project_id) " + names
	text := `label_replace(label_replace(` + joined + `, "target_project", "unknown project", "target_project_id", ".+"), ` +
		`"target_project", "$1", "target_name", "(.+)")`
	return named(text, "into_project", "target_name", "target_project_id")
}

// rows adds the labels of the columns and links of a table to a series with the labels of clusters: where is the name of the
// cluster and its project. A link without an address is empty.
func rows(expr string) string {
	where := fmt.Sprintf(`label_replace(label_join(%s, "named", ";", "project_id", "cluster_name", "project_name"), `+
		`"where", "$1$4 ($2$3)", "named", "[^;]*;([^;]*);(.+)|([^;]*);([^;]*);")`, expr)
	links := `label_join(` + where + `, "named", ";", "project_id", "cluster_name", "external_url", "atlas_url")`
	const cluster = `"named", "([^;]*);([^;]*);`
	return `label_replace(label_replace(` + links + `, "status_page", "$3/?project=$1&cluster=$2", ` + cluster + `([^;]+);[^;]*"), ` +
		`"atlas_page", "$3/v2/$1#/clusters/backup/$2", ` + cluster + `[^;]*;([^;]+)")`
}

// into adds the label of the column Into: the name of the target, and its project if it is known.
func into(expr string) string {
	return `label_replace(label_join(label_replace(` + expr + `, "into_cluster", "$1", "target_cluster_name", "(.*)"), "named", ` +
		`";", "target_cluster_name", "target_project"), "into_cluster", "$1 ($2)", "named", "([^;]*);(.+)")`
}

// arrow adds the target of a restore to the label of the column Cluster. A download has no target.
func arrow(expr string) string {
	joined := `label_join(` + into(expr) + `, "named", ";", "where", "delivery_type", "into_cluster")`
	return `label_replace(label_replace(` + joined + `, "where", "$1 → $2", "named", "(.*);[^;]*;(.+)"), ` +
		`"where", "$1 → download", "named", "(.*);download;")`
}

// elsewhere returns the series whose target is in another project. PromQL can't compare labels: a copy of the series
// has the ID of the source project as its target.
func elsewhere(expr string) string {
	return fmt.Sprintf(`%s unless on (%s, target_project_id) label_replace(%s, "target_project_id", "$1", "project_id", "(.*)")`,
		expr, jobKey, expr)
}

// monitored is 0 if the rules are evaluated and an exporter polls a chosen cluster successfully. Otherwise, it is absent:
// then nothing is known.
var monitored = "0 * count(" + selector(labels, chosen) + " and on (" + clusterKey + ") " +
	selector("mongodbatlas_restore_poll_success", scraped) + " == 1)"

// counted returns the number of series. It is 0 only if the data are reliable, and unknownCount otherwise.
func counted(expr string) string {
	return "count(" + expr + ") or " + monitored + " or -1 * absent(" + monitored + ")"
}

const unknownCount = "-1"

// atLastPoll adds the label was to a value if no exporter is scraped: then the value is the last known one.
func atLastPoll(expr string) string {
	known := noneUp + " and on () group(" + selector(labels, chosen) + ")"
	return "(" + expr + `) * on () group_left (was) (label_replace(` + known + `, "was", "` + wasPrefix + `", "", "") or on () vector(1))`
}

// wasPrefix starts the names of values that are the last known ones.
const wasPrefix = "Was: "

// States of the panel Monitoring.
const (
	monitoringWorks = iota
	monitoringIncomplete
	noExporter
	noRules
	exporterDown
	noCluster
)

// ofChosen restricts the series of targets or clusters to the chosen clusters.
func ofChosen(expr string) string {
	return expr + " and on (" + clusterKey + ") " + selector(labels, chosen)
}

// noneUp is 1 if none of the exporters of the chosen clusters is scraped.
var noneUp = "absent(" + selector(labels, chosen) + " and on (exporter) " + exporterMetric("info") + ")"

// monitoring is the state of the data source of a dashboard. It has a value in every case. The label detail is the reason.
// Targets that can't be polled and targets without an exporter are those of the alerts.
var monitoring = func() string {
	because := func(state int, expr, detail string) string {
		return fmt.Sprintf(`label_replace(%d * %s, "detail", %q, "", "")`, state, expr, detail)
	}
	counted := func(state int, expr, detail string) string {
		return fmt.Sprintf(`label_replace(0 * count_values("n", count(%s)) + %d, "detail", %q, "n", "(.*)")`, expr, state, detail)
	}
	ended := `0 * count_values("n", count(` + ofChosen(known) + `)) * on () group_left (ended) count_values("ended", count(` +
		condition("polling", "AtlasRestoreTargetGone") + `))`
	return strings.Join([]string{
		counted(noExporter, ofChosen(known)+" and on () "+noneUp, "Not polled: $1"),
		because(noExporter, "absent("+exporterMetric("build_info")+")", "Not polled"),
		because(noRules, "absent("+labels+")", "No recorded series"),
		because(noCluster, "absent("+selector(labels, chosen)+")", "Variables"),
		counted(exporterDown, ofChosen(known+" unless on ("+targetKey+") "+target("target_info")+" unless on (exporter) "+
			allShards), "Not polled: $1"),
		counted(monitoringIncomplete, "count by ("+targetKey+") ("+
			condition("polling", "AtlasRestoreDataStale|AtlasRestoreCannotPoll")+")", "Not polled: $1"),
		`label_replace(label_join(` + ended + `, "detail", ", ended: ", "n", "ended"), "detail", "Targets: $1", "detail", "(.*)")`,
		counted(monitoringWorks, ofChosen(known), "Targets: $1"),
	}, " or on () ")
}()

// polled is the time of the last successful poll of each target. The recorded series can be five minutes late: it is used
// only for targets whose last poll was not scraped in the last hour.
var polled = "(max by (" + targetKey + ") (max_over_time(" + target("last_successful_poll_timestamp_seconds") + "[1h])) and on (" +
	targetKey + ") " + lastPoll + " or on (" + targetKey + ") " + lastPoll + ")"

// pollAge is the time since the oldest last successful poll of a target. It is absent if nothing is polled: then lastKnown is
// the time of the last poll.
var (
	pollAge = "max(clamp_min(time() - " + polled + " unless on (" + targetKey + ") " + gone + ", 0) and on (" +
		clusterKey + ") " + selector(labels, chosen) + ") unless on () " + noneUp
	lastKnown = "max(" + ofChosen(polled) + ") and on () " + noneUp
)

// wholeMinutes rounds a number of seconds down.
func wholeMinutes(expr string) string { return "60 * floor((" + expr + ") / 60)" }

// milliseconds converts a Unix time for Grafana.
func milliseconds(seconds string) string {
	if seconds == "" {
		return ""
	}
	return "1000 * (" + seconds + ")"
}
