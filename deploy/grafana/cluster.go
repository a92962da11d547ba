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
		WithPanel(openPanel(24, 9, false)).
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
	running := "max by (" + jobKey + ") (" + target("job_status", `status=~"pending|in_progress"`) + " == 1) or on (" + jobKey + ") " +
		selector(active, clusters) + " and on (" + targetKey + ") " + stale
	return statPanel(frame{
		title: "Restores and drills", unit: count, width: width, height: tilesHeight, noValue: "No data",
		description: "Failed restores and failing drills: without a later success. Running: pending jobs and jobs in progress. Next " +
			"expiry: the time until the first of all links expires. Drill age: of the last successful drill. Newest drill: its " +
			"result. Due in: absent if the objective is not set. Was: at the last poll; now, no exporter is scraped. Purple " +
			"question mark: nothing is known.",
		queries: []query{
			{atLastPoll(counted(openOf(failedTile))), "{{was}}" + failedTile},
			{atLastPoll(counted(openOf(failingDrillsTile))), "{{was}}" + failingDrillsTile},
			{atLastPoll(counted(running)), "{{was}}Running"},
			nextExpiryOf(readyLinks),
			{atLastPoll("max(" + until(clusterKey, selector(lastDrill, clusters)) + ") / 86400"), "{{was}}Drill age"},
			{"max(" + ofChosen("("+newestDrill+")") + ")", "Newest drill"},
			{atLastPoll("max(" + ofChosen("(("+drillDue+") >= 0 or ("+drillDue+") < -1e5)") + ")"), "{{was}}Drill due in"},
			{atLastPoll("max(" + ofChosen("("+drillOver+")") + ")"), "{{was}}Drill overdue by"},
		},
	}, thresholds(purple, step{0, green}, step{1, red}),
		mapping(map[string]dashboard.ValueMappingResult{unknownCount: result("?", purple)}),
		func(p *dashboard.Panel) {
			const valueSize = 16 // texts must fit on a phone
			p.Options.(*stat.Options).Text.ValueSize = new(float64(valueSize))
			p.FieldConfig.Overrides = append(p.FieldConfig.Overrides,
				override(failingDrillsTile, limits(thresholds(purple, step{0, green}, step{1, yellow}))),
				override("Running", limits(thresholds(purple, step{0, grey}, step{1, blue}))),
				overridePast("Drill age", unit(days), property{Id: "decimals", Value: 1}, limits(thresholds(grey))),
				override("Newest drill", outcomeMappings()...),
				overridePast("Drill due in", dueProperties(green)...),
				overridePast("Drill overdue by", unit(days), property{Id: "decimals", Value: 0}, limits(thresholds(yellow))),
				nextExpiryProperties(), pastProperties())
		})
}

// jobTimelinePanel shows jobs from their creation until three steps after their end, and the time until a poll sees the end.
func jobTimelinePanel(width, height uint32) cog.Builder[dashboard.Panel] {
	ended := "(" + perJob("job_finished_timestamp_seconds") + " or " + perJob("job_created_timestamp_seconds") + ") > time() - 3 * $__interval_ms / 1000 - 60"
	var states []string
	for i, s := range jobStatuses() {
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
		description: "Status of each job. The status at its end is shown for a short time only, so that the length of a bar is the duration. The " +
			"row is named by delivery type, target, and the end of the job ID.",
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
	const first = "1e12"
	open := "on (job_id) (" + condition("restores", "AtlasRestore(Failed|TooSlow|Stuck)") + " or " + condition("results", ".+") + " or " +
		condition("security", "AtlasRestoreUnexpectedTarget") + ")"
	created := perJob("job_created_timestamp_seconds")
	openFirst := created + " + " + first + " and " + open + " or " + created
	return joinedTable(frame{
		title: "Jobs", width: width, height: height,
		noValue: "The list of jobs is empty. The panel Monitoring shows whether the data are reliable.",
		description: "Unfinished jobs, and jobs that ended a short time ago (job_series.max_age). Jobs that are open problems come " +
			"first, then the newest. Recovery point: the point in time or the snapshot that was restored. Took: for a running job, " +
			"the time until now. Progress: Atlas reports it for collection restores only. Was: at the last poll; now, the target " +
			"can't be polled. Atlas reports neither the reason of a failure nor the creator of a job.",
		queries: []query{
			{milliseconds(rows(into(withTarget(withLabels(createdAt))))), ""},
			{"floor(" + took + ")", ""}, {milliseconds(recovery), ""}, {milliseconds(perJob("job_expiry_timestamp_seconds")), ""}, {progress, ""},
			{openFirst, ""},
		},
	}, joinByKey, joinOptions("job_id"), "Order", true,
		slices.Concat([]column{
			{"status", "Status", 82, []property{mapped(append(statusMappings(), staleMappings()...)), background()}},
			{"into_cluster", "Into", 96, nil},
			{valueOf(0), "Created", 92, []property{unit(date)}},
			{valueOf(1), "Took", 0, []property{fixed(82), unit(daysTime)}},
			{valueOf(2), "Recovery point", 96, []property{unit(date)}},
			{valueOf(3), "Expires", 92, []property{unit(date)}},
			{valueOf(4), "Progress", 0, []property{fixed(80), unit(percent), {Id: "decimals", Value: 0}}},
			{"delivery_type", "Delivery", 96, nil},
			{"backup_type", "Backup", 0, []property{fixed(85)}},
		}, linkColumns(), []column{orderColumn(5), jobColumn()})...)
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
	const join = " and on (job, instance, " + jobKey + ") "
	// A job has a point when its end is first seen. After a restart of the exporter, many jobs are first seen.
	finished := target("job_finished_timestamp_seconds")
	seen := "((" + finished + " unless on (" + jobKey + ") " + finished + " offset $__interval) > time() - $__interval_ms / 1000 - 600)"
	duration := func(status, labels string) string {
		return "max by (" + labels + ") (((" + seen + join + target("job_status", `status`+status) + " == 1) - on (job, instance, " + jobKey + ") " +
			target("job_created_timestamp_seconds") + ") * on (job, instance, " + jobKey + ") group_left (delivery_type) " +
			target("job_info") + ") / 60"
	}
	return linePanel(frame{
		title: "Durations of finished jobs, in minutes", unit: count, width: width, height: height,
		description: "Duration of each job when its end was first seen, by kind; failed jobs are red. The dashed line is the " +
			"objective. The scale is logarithmic.",
		queries: []query{
			{duration(`!="failed"`, "backup_type, delivery_type"), "{{backup_type}} {{delivery_type}}"},
			{duration(`="failed"`, "backup_type, delivery_type"), "failed: {{backup_type}} {{delivery_type}}"},
			{"max by (backup_type) (" + objective("duration") + ") / 60", "objective: {{backup_type}}"},
		},
	}, func(b *timeseries.PanelBuilder) {
		points(b)
		b.Min(0.1).OverrideByFieldType("number", []property{{Id: "custom.axisLabel", Value: "minutes"}})
		b.Legend(common.NewVizLegendOptionsBuilder().DisplayMode(common.LegendDisplayModeList).
			Placement(common.LegendPlacementBottom).ShowLegend(true).Calcs([]string{"lastNotNull"}))
		b.ScaleDistribution(common.NewScaleDistributionConfigBuilder().Type(common.ScaleDistributionLog).Log(10))
		b.OverrideByRegexp("/^failed:/", []property{{Id: "color", Value: map[string]string{"mode": "fixed", "fixedColor": red}}})
		b.OverrideByRegexp("/^objective:/", []property{
			{Id: "custom.drawStyle", Value: "line"}, {Id: "custom.showPoints", Value: "never"},
			{Id: "custom.lineStyle", Value: map[string]any{"fill": "dash", "dash": []int{10, 10}}},
			{Id: "color", Value: map[string]string{"mode": "fixed", "fixedColor": orange}},
			{Id: "custom.fillOpacity", Value: 0},
		})
	}, greens)
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
	}, "merge", map[string]any{}, "Backup type", false,
		column{"backup_type", "Backup type", 85, nil},
		column{valueOf(0), "Poll", 60, []property{mapped(mapping(map[string]dashboard.ValueMappingResult{
			"0": result("Failed", red), "1": result("Works", green),
		})), colorText()}},
		column{valueOf(1), "Duration", 75, []property{unit(age)}},
		column{valueOf(2), "Drill age", 75, []property{unit(days)}},
		column{valueOf(3), "Recovery point age", 0, []property{fixed(140), unit(days)}},
		column{valueOf(4), "Backup", 0, []property{fixed(72), mapped(switched), colorText()}},
		column{valueOf(5), "Point in time", 0, []property{fixed(100), mapped(switched), colorText()}},
	)
}
