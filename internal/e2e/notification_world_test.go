package e2e

import (
	"fmt"
	"strings"
)

// notificationWorld is a set of series that lets every alert fire, as the input of promtool.
type notificationWorld struct{ series strings.Builder }

// Times of the world, in minutes, and a project.
const (
	worldMinutes = 120 // until the evaluation
	worldChange  = 40  // when exporters and targets disappear

	sandbox = "32b6e34b3d91647abb20e7bb"
)

// addSeries adds a series. The values are in the notation of promtool: "1x180" is 1, repeated.
func (w *notificationWorld) addSeries(series, values string) {
	_, _ = fmt.Fprintf(&w.series, "      - {series: '%s', values: '%s'}\n", series, values)
}

// add adds a series of the exporter.
func (w *notificationWorld) add(name, labels, values string) {
	w.addSeries("mongodbatlas_restore_"+name+"{"+labels+"}", values)
}

// always returns the values of a series that does not change.
func always(value int64) string { return fmt.Sprintf("%dx%d", value, worldMinutes) }

// until returns the values of a series that ends at worldChange.
func until(value int64) string { return fmt.Sprintf("%dx%d stale", value, worldChange) }

// before returns a time before the evaluation, as the values of a series. If it is negative, the time is in the future.
func before(minutes int64) string { return always((worldMinutes - minutes) * 60) }

// exporter adds an instance of an exporter.
func (w *notificationWorld) exporter(instance, name string, shards int64, values func(int64) string) {
	labels := fmt.Sprintf(`job="atlas-restore",instance=%q`, instance)
	w.add("exporter_info", labels+fmt.Sprintf(`,exporter=%q,shard="0"`, name), values(1))
	w.add("exporter_build_info", labels, values(1))
	w.add("exporter_shards", labels+`,shard="0"`, values(shards))
	w.add("exporter_ready", labels, values(1))
	w.add("exporter_web_info", labels+fmt.Sprintf(`,external_url=%q,atlas_url="https://cloud.mongodb.com"`, externalURL),
		values(1))
}

// production are the labels that the scrape of an exporter adds.
const production = `job="atlas-restore",instance="restores-0:10058"`

// target adds a target that is polled successfully, and returns its labels.
func (w *notificationWorld) target(cluster, backupType string) (labels string) {
	labels = fmt.Sprintf(`project_id=%q,cluster_name=%q,backup_type=%q,%s`, payments, cluster, backupType, production)
	w.add("target_info", labels+`,exporter="production",credential="default",source="config"`, always(1))
	w.add("poll_success", labels, always(1))
	w.add("poll_interval_seconds", labels, always(60))
	w.add("last_successful_poll_timestamp_seconds", labels, fmt.Sprintf("0+60x%d", worldMinutes))
	w.add("cluster_info", fmt.Sprintf(`project_id=%q,cluster_name=%q,project_name="Payments",cluster_team="payments",`+
		`cluster_environment="production",%s`, payments, cluster, production), always(1))
	return labels
}

// failing adds a target whose polls fail for a reason, since a time before the evaluation.
func (w *notificationWorld) failing(cluster, backupType, reason string, minutes int64) {
	labels := fmt.Sprintf(`project_id=%q,cluster_name=%q,backup_type=%q,%s`, payments, cluster, backupType, production)
	w.add("target_info", labels+`,exporter="production",credential="default",source="config"`, always(1))
	w.add("poll_success", labels, fmt.Sprintf("1x%d 0x%d", worldMinutes-minutes, minutes))
	w.add("poll_error", labels+fmt.Sprintf(`,reason=%q`, reason), fmt.Sprintf("_x%d 1x%d", worldMinutes-minutes, minutes))
	w.add("poll_interval_seconds", labels, always(60))
	w.add("last_successful_poll_timestamp_seconds", labels, fmt.Sprintf("0+60x%d %dx%d", worldMinutes-minutes,
		(worldMinutes-minutes)*60, minutes))
	w.add("cluster_info", fmt.Sprintf(`project_id=%q,cluster_name=%q,project_name="Payments",cluster_team="payments",`+
		`cluster_environment="production",%s`, payments, cluster, production), always(1))
}

// job returns the labels of a restore of a target.
func job(target, delivery, purpose, id, targetCluster string) string {
	return target + fmt.Sprintf(`,delivery_type=%q,purpose=%q,job_id=%q,target_project_id=%q,target_cluster_name=%q`,
		delivery, purpose, id, payments, targetCluster)
}

// build returns the input series.
func (w *notificationWorld) build() string {
	w.exporter("restores-0:10058", "production", 1, always)
	w.restores()
	w.events()
	w.drills()
	w.polls()
	w.credentials()
	w.exporters()
	return w.series.String()
}

func (w *notificationWorld) restores() {
	orders := w.target("orders", "dedicated")
	w.add("last_failure_timestamp_seconds",
		job(orders, "automated", "in_place", "65c0f3a41e8b7d0012345601", "orders"), before(48))
	w.add("oldest_active_created_timestamp_seconds",
		job(orders, "automated", "in_place", "65c0f3a41e8b7d0012345602", "orders"), before(12))
	ledger := w.target("ledger", "dedicated")
	w.add("objective_seconds", ledger+`,objective="duration"`, always(4*3600))
	w.add("oldest_active_created_timestamp_seconds",
		job(ledger, "point_in_time", "in_place", "65c0f3a41e8b7d0012345603", "ledger"), before(5*60+20))
	archive := w.target("archive", "dedicated")
	w.add("oldest_active_created_timestamp_seconds",
		job(archive, "automated", "drill", "65c0f3a41e8b7d0012345604", "restore-drill"), before(26*60))
	reports := w.target("reports", "dedicated")
	w.add("objective_seconds", reports+`,objective="duration"`, always(4*3600))
	w.add("last_success_timestamp_seconds",
		job(reports, "automated", "in_place", "65c0f3a41e8b7d0012345605", "reports"), before(10))
	w.add("last_duration_seconds", reports+`,delivery_type="automated",purpose="in_place"`, always(5*3600+12*60))
}

func (w *notificationWorld) events() {
	catalog := w.target("catalog", "collection")
	w.add("last_success_timestamp_seconds",
		job(catalog, "automated", "in_place", "65c0f3a41e8b7d0012345606", "catalog"), before(34))
	w.add("last_success_indexes_failed", catalog+`,delivery_type="automated",purpose="in_place"`, always(1))
	invoices := w.target("invoices", "dedicated")
	w.add("objective_seconds", invoices+`,objective="expiry_notice"`, always(3600))
	w.add("next_expiry_timestamp_seconds", invoices+`,job_id="65c0f3a41e8b7d0012345607"`, before(-40))
	customers := w.target("customers", "dedicated")
	w.add("job_created_timestamp_seconds", customers+`,job_id="65c0f3a41e8b7d0012345608"`, before(25))
	w.add("job_download_urls", customers+`,job_id="65c0f3a41e8b7d0012345608"`, always(1))
	payroll := w.target("payroll", "dedicated")
	w.add("unexpected_target_jobs", payroll, always(1))
	w.add("job_created_timestamp_seconds", payroll+`,job_id="65c0f3a41e8b7d0012345609"`, before(3))
	w.add("job_unexpected_target", payroll+`,job_id="65c0f3a41e8b7d0012345609"`, always(1))
	w.add("job_status", payroll+`,job_id="65c0f3a41e8b7d0012345609",status="in_progress"`, always(1))
	w.add("job_info", payroll+`,job_id="65c0f3a41e8b7d0012345609",delivery_type="automated",`+
		`target_project_id="6f0e0d0c0b0a090807060504",target_cluster_name="copy"`, always(1))
	wallet := fmt.Sprintf(`project_id=%q,cluster_name="wallet",%s,`, payments, production)
	w.add("target_info", wallet+`backup_type="dedicated",exporter="production",credential="default",source="config"`,
		until(1))
	w.add("cluster_info", wallet+`project_name="Payments",cluster_team="payments",cluster_environment="production"`,
		until(1))
}

func (w *notificationWorld) drills() {
	const day = 24 * 60
	cluster := func(name string) string {
		return fmt.Sprintf(`project_id=%q,cluster_name=%q,%s`, payments, name, production)
	}
	billing := w.target("billing", "dedicated")
	w.add("objective_seconds", billing+`,objective="drill_age"`, always(90*day*60))
	w.add("last_success_timestamp_seconds",
		job(billing, "automated", "drill", "65c0f3a41e8b7d001234560a", "restore-drill"), before(97*day))
	products := w.target("products", "dedicated")
	w.add("objective_seconds", products+`,objective="drill_age"`, always(90*day*60))
	w.add("cluster_created_timestamp_seconds", cluster("products"), before(200*day))
	audit := w.target("audit", "dedicated")
	w.add("objective_seconds", audit+`,objective="recovery_point_age"`, always(2*day*60))
	const drill = `,delivery_type="automated",purpose="drill"`
	w.add("last_success_created_timestamp_seconds", audit+drill, before(90))
	w.add("last_success_recovery_point_timestamp_seconds", audit+drill, before(4*day))
	sessions := w.target("sessions", "dedicated")
	w.add("objective_seconds", sessions+`,objective="duration"`, always(4*3600))
	w.add("cluster_backup_enabled", cluster("sessions"), always(0))
	w.target("retired", "dedicated")
	w.add("cluster_exists", cluster("retired"), always(0))
}

func (w *notificationWorld) polls() {
	w.failing("fraud", "dedicated", "forbidden", 30)
	w.failing("risk", "dedicated", "timeout", 100)
	w.failing("sessions-old", "serverless", "gone", 100)
	loyalty := w.target("loyalty", "dedicated")
	w.add("jobs", loyalty+`,delivery_type="automated",status="unknown"`, always(2))
	w.add("job_status", loyalty+`,job_id="65c0f3a41e8b7d001234560b",status="unknown"`, always(1))
	w.add("job_status", loyalty+`,job_id="65c0f3a41e8b7d001234560c",status="unknown"`, always(1))
	w.add("exporter_malformed_jobs_total", production+`,backup_type="dedicated"`, fmt.Sprintf("0+1x%d", worldMinutes))
	w.add("exporter_api_requests_total", production+`,operation="dedicated_list",code="429"`,
		fmt.Sprintf("0+5x%d", worldMinutes))
}

func (w *notificationWorld) credentials() {
	w.add("exporter_credential_success", production+`,credential="acquired-company"`, always(0))
	w.add("target_info", fmt.Sprintf(`project_id=%q,cluster_name="mergers",backup_type="dedicated",%s,`+
		`exporter="production",credential="acquired-company",source="config"`, otherProject, production), always(1))
	w.add("cluster_info", fmt.Sprintf(`project_id=%q,cluster_name="mergers",project_name="Mergers",%s`, otherProject,
		production), always(1))
	w.add("exporter_credential_expiry_timestamp_seconds", production+`,credential="default"`, before(-10*24*60))
	w.add("exporter_discovery_success", production+`,credential="analytics",project_id=""`, always(1))
	w.add("exporter_discovery_last_success_timestamp_seconds", production+`,credential="analytics",project_id=""`,
		before(5))
	w.add("exporter_discovery_success", production+`,credential="analytics",project_id="`+otherProject+`"`, always(0))
	w.add("exporter_discovery_success", production+`,credential="partner",project_id=""`, always(0))
	for _, cluster := range []string{"tmp-1", "tmp-2", "tmp-3"} {
		w.add("target_info", fmt.Sprintf(`project_id=%q,cluster_name=%q,backup_type="dedicated",%s,`+
			`exporter="production",credential="default",source="discovery"`, sandbox, cluster, production), until(1))
		w.add("cluster_info", fmt.Sprintf(`project_id=%q,cluster_name=%q,project_name="Sandbox",%s`, sandbox, cluster,
			production), until(1))
	}
}

func (w *notificationWorld) exporters() {
	w.add("exporter_config_last_reload_successful", production, always(0))
	w.add("exporter_config_last_reload_success_timestamp_seconds", production, before(26*60))
	w.add("exporter_oldest_waiting_poll_timestamp_seconds", production,
		fmt.Sprintf("_x30 %d+60x%d", 30*60-400, worldMinutes))
	w.add("exporter_api_rate_limit_remaining",
		production+fmt.Sprintf(`,operation="dedicated_list",project_id=%q`, payments),
		always(0))
	w.exporter("restores-1:10058", "production", 1, until)
	w.exporter("analytics-0:10058", "analytics", 3, always)
	w.exporter("staging-0:10058", "staging", 1, until)
	w.add("target_info", fmt.Sprintf(`project_id=%q,cluster_name="orders-staging",backup_type="dedicated",`+
		`job="atlas-restore",instance="staging-0:10058",exporter="staging",credential="staging",source="config"`,
		limitedProject), until(1))
	w.add("cluster_info", fmt.Sprintf(`project_id=%q,cluster_name="orders-staging",project_name="Staging",`+
		`job="atlas-restore",instance="staging-0:10058"`, limitedProject), until(1))
	w.addSeries(`up{job="atlas-restore",instance="restores-1:10058"}`,
		fmt.Sprintf("1x%d 0x%d", worldChange, worldMinutes-worldChange))
	w.addSeries(`up{job="atlas-restore",instance="staging-0:10058"}`,
		fmt.Sprintf("1x%d 0x%d", worldChange, worldMinutes-worldChange))
	w.addSeries(`prometheus_rule_group_iterations_missed_total{job="prometheus",instance="prometheus-0:9090",`+
		`rule_group="rules.yaml;atlas-restore-restores"}`, fmt.Sprintf("0+1x%d", worldMinutes))
}
