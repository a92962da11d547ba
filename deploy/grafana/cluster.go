package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/grafana/grafana-foundation-sdk/go/cog"
	"github.com/grafana/grafana-foundation-sdk/go/common"
	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
	"github.com/grafana/grafana-foundation-sdk/go/stat"
	"github.com/grafana/grafana-foundation-sdk/go/timeseries"
)

func cluster() *dashboard.DashboardBuilder {
	return newDashboard("atlas-restore-cluster", "cluster", "Restore jobs, drills, and copies of one cluster.", "now-24h", false).
		WithRow(row("State of ${cluster} (${project:text})")).
		WithPanel(monitoringPanel()).
		WithPanel(clusterStatePanel(15)).
		WithPanel(openPanel(24, 6, false)).
		WithRow(row("Jobs")).
		WithPanel(jobTimelinePanel(24, 9)).
		WithPanel(jobsPanel(24, 12)).
		WithRow(row("Durations and settings")).
		WithPanel(durationsPanel(12, 8)).
		WithPanel(factsPanel(12, 8))
}

// perJob returns a metric without the labels of the exporter.
func perJob(name string, more ...string) string {
	return "max by (job_id) (" + target(name, more...) + ")"
}

func clusterStatePanel(width uint32) cog.Builder[dashboard.Panel] {
	running := selector(active, clusters)
	notPolled := " on (" + targetKey + ") " + unpolled
	return statPanel(frame{
		title: "Restores and drills", unit: count, width: width, height: 4, noValue: "No data",
		description: "Failed and running restores of the cluster, the age of the last drill, and when the next one is due. Purple: " +
			"nothing is known. Was running: at the last poll; now, the target can't be polled. A drill that is absent was never " +
			"run, or its objective is not set.",
		queries: []query{
			{counted(condition("restores", "AtlasRestoreFailed", notDrill)), "Failed restores"},
			{counted(condition("restores", "AtlasRestoreFailed", isDrill)), "Failed drills"},
			{counted(running + " unless" + notPolled), "Running"},
			{"count(" + running + " and" + notPolled + ")", "Was running"},
			{"(time() - max(" + selector(lastDrill, clusters) + ")) / 86400", "Drill age"},
			{"max(" + ofChosen("("+drillDue+" >= 0 or "+drillDue+" == -1e6)") + ")", "Drill due in"},
			{"max(" + ofChosen("("+drillOver+")") + ")", "Drill overdue by"},
		},
	}, thresholds(purple, step{0, green}, step{1, red}),
		mapping(map[string]dashboard.ValueMappingResult{unknownCount: result("?", purple)}),
		func(p *dashboard.Panel) {
			const valueSize = 20 // durations must fit on a phone
			p.Options.(*stat.Options).Text.ValueSize = new(float64(valueSize))
			p.FieldConfig.Overrides = append(p.FieldConfig.Overrides,
				override("Running", limits(thresholds(purple, step{0, grey}, step{1, blue}))),
				override("Was running", limits(thresholds(purple))),
				override("Drill age", unit(days), property{Id: "decimals", Value: 1}, limits(thresholds(grey))),
				override("Drill due in", dueProperties()...),
				override("Drill overdue by", unit(days), property{Id: "decimals", Value: 0}, limits(thresholds(red))))
		})
}

// jobTimelinePanel shows jobs from their creation until 15 minutes after their end.
func jobTimelinePanel(width, height uint32) cog.Builder[dashboard.Panel] {
	ended := "(" + perJob("job_finished_timestamp_seconds") + " or " + perJob("job_created_timestamp_seconds") + ") > time() - 900"
	var states []string
	for i, s := range statuses[1:] {
		state := fmt.Sprintf("%d * (%s == 1)", i+1, perJob("job_status", fmt.Sprintf("status=%q", s.name)))
		switch s.name {
		case "completed", "failed", "expired", "cancelled":
			state += " and on (job_id) " + ended
		}
		states = append(states, state)
	}
	info := "max by (job_id, delivery_type, target_cluster_name) (" + target("job_info") + ")"
	expr := "(" + strings.Join(states, " or ") + ") * on (job_id) group_left (delivery_type, target_cluster_name) " + info
	// The end of a job ID distinguishes jobs. The whole ID is in the table of jobs.
	expr = `label_replace(` + expr + `, "job", "$1", "job_id", ".*(.{6})")`
	return timelinePanel(frame{
		title: "Status of jobs", unit: count, width: width, height: height, noValue: "No data",
		description: "Status of each job until 15 minutes after its end. The row is named by delivery type, target, and the end of " +
			"the job ID.",
		queries: []query{{expr, "{{delivery_type}} {{target_cluster_name}} …{{job}}"}},
	})
}

func jobsPanel(width, height uint32) cog.Builder[dashboard.Panel] {
	const labelsOfJob = "job_id, backup_type, delivery_type, target_project_id, target_cluster_name, status, project_id, cluster_name"
	join := " * on (job, instance, " + jobKey + ") group_left "
	keptRange := func(name string) string { return kept(target(name), "$__range") }
	perJob := func(name string) string { return "max by (job_id) (" + keptRange(name) + ")" }
	status := "(" + keptRange("job_status") + " == 1)"
	// An exporter that was replaced can have exported an earlier status.
	finished := "(" + kept(target("job_status", `status=~"completed|failed|expired|cancelled"`), "$__range") + " == 1)"
	stale := `label_replace(` + status + " and on (" + targetKey + ") " + unpolled +
		" unless on (" + jobKey + ") " + finished + " or " + finished + " and on (" + targetKey + ") " + unpolled +
		`, "status", "was_$1", "status", "(pending|in_progress|ready)")`
	createdAt := "max by (" + labelsOfJob + ") (" + keptRange("job_created_timestamp_seconds") +
		join + "(status) (" + stale + " or " + status + " unless on (" + targetKey + ") " + unpolled + ")" +
		join + "(delivery_type, target_project_id, target_cluster_name) " + keptRange("job_info") + ")"
	took := perJob("job_finished_timestamp_seconds") + " - " + perJob("job_created_timestamp_seconds") + " or time() - " +
		perJob("job_created_timestamp_seconds") + " and on (job_id) " + target("job_status", `status=~"pending|in_progress"`) + " == 1"
	recovery := perJob("job_point_in_time_timestamp_seconds") + " or " + perJob("job_snapshot_timestamp_seconds")
	progress := perJob("job_restored_documents") + " / " + perJob("job_total_documents")
	return joinedTable(frame{
		title: "Jobs", width: width, height: height,
		noValue: "The list of jobs is empty. The panel Monitoring shows whether the data are reliable.",
		description: "Unfinished jobs, and jobs that ended a short time ago (job_series.max_age), newest first. Recovery point: the " +
			"point in time or the snapshot that was restored. Took: for a running job, the time until now. Was: at the last poll; now, the " +
			"target can't be polled.",
		queries: []query{
			{milliseconds(rows(into(withTarget(withLabels(createdAt))))), ""},
			{"floor(" + took + ")", ""}, {milliseconds(recovery), ""}, {milliseconds(perJob("job_expiry_timestamp_seconds")), ""}, {progress, ""},
		},
	}, "joinByField", map[string]any{"byField": "job_id", "mode": "outer"}, "Created", true,
		slices.Concat([]column{
			{"status", "Status", 82, []property{mapped(append(statusMappings(), staleMappings()...)), background()}},
			{"into_cluster", "Into", 96, nil},
			{valueOf(0), "Created", 92, []property{unit(date)}},
			{valueOf(1), "Took", 0, []property{fixed(78), unit(seconds), {Id: "decimals", Value: 1}}},
			{valueOf(2), "Recovery point", 96, []property{unit(date)}},
			{valueOf(3), "Expires", 92, []property{unit(date)}},
			{valueOf(4), "Progress", 0, []property{fixed(80), unit(percent), {Id: "decimals", Value: 0}}},
			{"delivery_type", "Delivery", 96, nil},
			{"backup_type", "Backup", 0, []property{fixed(85)}},
		}, linkColumns(), []column{jobColumn()})...)
}

// staleMappings are the statuses of unfinished jobs of targets that are not polled.
func staleMappings() []dashboard.ValueMapping {
	return mapping(map[string]dashboard.ValueMappingResult{
		"was_pending": result("Was pending", purple), "was_in_progress": result("Was in progress", purple),
		"was_ready": result("Was ready", purple),
	})
}

// durationsPanel shows a point per job and the objective as a line.
func durationsPanel(width, height uint32) cog.Builder[dashboard.Panel] {
	byKind := func(name string) string {
		return "max by (" + jobKey + ", delivery_type) (" + target(name) + " * on (job, instance, " + jobKey +
			") group_left (delivery_type) " + target("job_info") + ")"
	}
	// A point is repeated for two minutes, because a poll can see the end of a job that late.
	ended := perJob("job_finished_timestamp_seconds") + " > time() - $__interval_ms / 1000 - 120"
	duration := "max by (backup_type, delivery_type) ((" + byKind("job_finished_timestamp_seconds") + " - " +
		byKind("job_created_timestamp_seconds") + ") and on (job_id) " + ended + ")"
	return linePanel(frame{
		title: "Durations", unit: seconds, width: width, height: height,
		description: "Duration of the jobs that finished at each point, by kind, and the objective as a line. The scale is logarithmic.",
		queries: []query{
			{duration, "{{backup_type}} {{delivery_type}}"},
			{"max by (backup_type) (" + objective("duration") + ")", "objective {{backup_type}}"},
		},
	}, func(b *timeseries.PanelBuilder) {
		points(b)
		smallLegend(b)
		b.ScaleDistribution(common.NewScaleDistributionConfigBuilder().Type(common.ScaleDistributionLog).Log(10))
		b.OverrideByRegexp("objective.*", []property{
			{Id: "custom.drawStyle", Value: "line"}, {Id: "custom.showPoints", Value: "never"},
			{Id: "custom.lineStyle", Value: map[string]any{"fill": "dash", "dash": []int{10, 10}}},
			{Id: "color", Value: map[string]string{"mode": "fixed", "fixedColor": red}},
			{Id: "custom.fillOpacity", Value: 0},
		})
	})
}

func factsPanel(width, height uint32) cog.Builder[dashboard.Panel] {
	switched := mapping(map[string]dashboard.ValueMappingResult{"0": result("Off", orange), "1": result("On", green)})
	perTarget := func(name string) string {
		return withLabels("max by (" + targetKey + ") (" + target(name) + ")")
	}
	perCluster := func(name string) string {
		return withLabels("max by (" + clusterKey + ") (" + target(name) + ") * on (" + clusterKey +
			") group_right () group by (" + targetKey + ") (" + target("target_info") + ")")
	}
	goal := func(name string) string { return withLabels("max by (" + targetKey + ") (" + objective(name) + ")") }
	return joinedTable(frame{
		title: "Targets and objectives", width: width, height: height, noValue: "No target is known.",
		description: "Backup types that are polled, with their objectives, and whether backups are on in Atlas.",
		queries: []query{
			{perTarget("poll_success"), ""}, {goal("duration"), ""}, {goal("drill_age") + " / 86400", ""},
			{goal("recovery_point_age") + " / 86400", ""},
			{perCluster("cluster_backup_enabled"), ""}, {perCluster("cluster_point_in_time_enabled"), ""},
		},
	}, "merge", map[string]any{}, "Backup", false,
		column{"backup_type", "Backup", 85, nil},
		column{valueOf(0), "Poll", 60, []property{mapped(mapping(map[string]dashboard.ValueMappingResult{
			"0": result("Failed", red), "1": result("Works", green),
		})), colorText()}},
		column{valueOf(1), "Duration", 80, []property{unit(age)}},
		column{valueOf(2), "Drill age", 80, []property{unit(days)}},
		column{valueOf(3), "Recovery point age", 0, []property{fixed(135), unit(days)}},
		column{valueOf(4), "Backup on", 80, []property{mapped(switched), colorText()}},
		column{valueOf(5), "Point in time", 80, []property{mapped(switched), colorText()}},
	)
}
