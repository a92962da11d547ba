package main

import (
	"slices"

	"github.com/grafana/grafana-foundation-sdk/go/cog"
	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
)

func drills() *dashboard.DashboardBuilder {
	printView := dashboard.NewDashboardLinkBuilder("Print view").Type(dashboard.DashboardLinkTypeLink).Icon("doc").
		Url("/d/atlas-restore-drills?kiosk&theme=light").IncludeVars(true).KeepTime(true)
	return newDashboard("atlas-restore-drills", "drills",
		"Evidence for auditors and service owners: the last drill of each cluster, its data, duration, and target.", "now-30d", true, printView).
		WithRow(row("Summary")).
		WithPanel(monitoringPanel()).
		WithPanel(drillCountsPanel(9)).
		WithPanel(drillFindingsPanel(6)).
		WithPanel(teamsPanel(24, 7)).
		WithRow(row("Clusters")).
		WithPanel(evidencePanel(24, 18))
}

const inTime = lastDrill + " >= on (" + clusterKey + ") (time() - " + drillAge + ")"

// newestSuccess is the last successful drill of each cluster: a restore to a drill target or, if none are configured, to any
// target.
var newestSuccess = "topk by (" + clusterKey + ") (1, " + target("last_success_timestamp_seconds", hasDrill, isDrill) + " or " +
	target("last_success_timestamp_seconds", hasDrill) + noTargets + ")"

// drillDuration is the duration of the last successful drill, and drillTooSlow the time beyond the objective.
var (
	drillDuration = target("last_duration_seconds", hasDrill) + " and on (job, instance, " + targetKey + ", delivery_type, purpose) " +
		newestSuccess
	drillTooSlow = "(" + drillDuration + ") - on (" + targetKey + ") group_left () " + objective("duration") + " > 0"
)

func drillCountsPanel(width uint32) cog.Builder[dashboard.Panel] {
	withObjective := withLabels(drillAge)
	number := func(name string, steps ...step) dashboard.DashboardFieldConfigSourceOverrides {
		return override(name, limits(thresholds(purple, steps...)))
	}
	return statPanel(frame{
		title: "Clusters by age of the last success", unit: count, width: width, height: tilesHeight, noValue: "No data",
		description: "Clusters with the objective drill_age: the sum of those that meet it, are overdue, were never drilled, " +
			"or are not drillable. Not drillable: never drilled, and backups are off or the backup type no longer exists in Atlas. " +
			"Drill age met: regardless of the recovery point and the duration of the drill, and of later failed drills. Was: at " +
			"the last poll. Purple question mark: nothing is known.",
		queries: []query{
			{atLastPoll(counted(withObjective)), "{{was}}With objective"},
			{atLastPoll(counted(withLabels("0 * (" + inTime + ") + 1"))), "{{was}}Drill age met"},
			{atLastPoll(counted(condition("drills", "AtlasRestoreDrillOverdue"))), "{{was}}Overdue"},
			{atLastPoll(counted(drillable())), "{{was}}Never drilled"},
			{atLastPoll(counted(notDrillable)), "{{was}}Not drillable"},
		},
	}, thresholds(purple, step{0, green}, step{1, yellow}),
		mapping(map[string]dashboard.ValueMappingResult{unknownCount: result("?", purple)}),
		func(p *dashboard.Panel) {
			p.FieldConfig.Overrides = append(p.FieldConfig.Overrides, number("With objective", step{0, grey}),
				number("Drill age met", step{0, grey}, step{1, green}), pastProperties())
		})
}

// drillFindingsPanel is not part of the counts by drill age, because the clusters are among those.
func drillFindingsPanel(width uint32) cog.Builder[dashboard.Panel] {
	return statPanel(frame{
		title: "Findings in these clusters", unit: count, width: width, height: tilesHeight, noValue: "No data",
		description: "Clusters whose newest drill failed, and whose last successful drill had a recovery point older than the objective " +
			"recovery_point_age. The drill age of such a cluster can be met. No objective: clusters without drill_age, which are not in the " +
			"other counts. Was: at the last poll.",
		queries: []query{
			{atLastPoll(counted(failing)), "{{was}}Newest drill failed"},
			{atLastPoll(counted(condition("drills", "AtlasRestoreDrillRecoveryPointOld"))), "{{was}}Recovery point too old"},
			{atLastPoll(counted(selector(labels, chosen) + " unless on (" + clusterKey + ") " + drillAge)), "{{was}}No objective"},
		},
	}, thresholds(purple, step{0, green}, step{1, yellow}),
		mapping(map[string]dashboard.ValueMappingResult{unknownCount: result("?", purple)}),
		func(p *dashboard.Panel) {
			p.FieldConfig.Overrides = append(p.FieldConfig.Overrides,
				override("No objective", limits(thresholds(purple, step{0, grey}))), pastProperties())
		})
}

// notDrillable are the clusters with the objective drill_age that were never drilled and can't be drilled.
var notDrillable = withLabels(neverDone + " and on (" + clusterKey + ") (" + noBackup + " or " + ended + ")")

// failing are the clusters with the objective drill_age whose newest drill failed.
var failing = withLabels(newestFailed + " and on (" + clusterKey + ") " + drillAge)

func teamsPanel(width, height uint32) cog.Builder[dashboard.Panel] {
	const by = "count by (team, environment) "
	all := by + "(" + withLabels(drillAge) + ")"
	onTime := withLabels("0 * (" + inTime + ") + 1")
	goodOnes := withLabels("0 * (" + inTime + ") + 1 unless on (" + clusterKey + ") " + condition("drills", "AtlasRestoreDrillRecoveryPointOld") +
		" unless on (" + clusterKey + ") (" + drillTooSlow + ") unless on (" + clusterKey + ") " + newestFailed)
	good := by + "(" + goodOnes + ") or 0 * " + all
	return tablePanel(frame{
		title: "Teams", width: width, height: height, noValue: "No cluster with the objective drill_age is known.",
		description: "Clusters with the objective drill_age by team and environment, the team with the smallest share first. All objectives " +
			"met: age, recovery point age, and duration of the last successful drill, and the newest drill did not fail. Not drillable: " +
			"never drilled, and backups are off or the backup type no longer exists.",
		queries: []query{
			{"(" + good + ") / " + all, ""}, {all, ""}, {good, ""}, {by + "(" + onTime + ") or 0 * " + all, ""},
			{by + "(" + condition("drills", "AtlasRestoreDrillOverdue") + ")", ""},
			{by + "(" + drillable() + ")", ""},
			{by + "(" + notDrillable + ")", ""},
			{by + "(" + failing + ")", ""},
		},
	}, "All objectives met", false,
		column{"team", "Team", 90, nil}, column{"environment", "Environment", 96, nil},
		column{valueOf(0), "All objectives met", 110, []property{
			unit(percent), {Id: "decimals", Value: 0}, {Id: "min", Value: 0}, {Id: "max", Value: 1}, gauge(),
			limits(thresholds(yellow, step{1, green})),
		}},
		column{valueOf(1), "Clusters", 70, []property{unit(count)}}, column{valueOf(2), "All met", 70, []property{unit(count)}},
		column{valueOf(3), "Age met", 70, []property{unit(count)}},
		column{valueOf(7), "Newest failed", 70, []property{unit(count)}},
		column{valueOf(4), "Overdue", 70, []property{unit(count)}}, column{valueOf(5), "Never", 70, []property{unit(count)}},
		column{valueOf(6), "Not drillable", 70, []property{unit(count)}},
	)
}

// evidencePanel is the table of drills. Its queries have the labels of the cluster in common.
func evidencePanel(width, height uint32) cog.Builder[dashboard.Panel] {
	row := func(expr string) string { return rows(withLabels(expr)) }
	perCluster := func(expr string) string { return row("max by (" + clusterKey + ") (" + expr + ")") }
	drill := row("max by (" + clusterKey + ", target_cluster_name, job_id) (0 * " + newestSuccess + " + 1)")
	failed := row("count by (" + clusterKey + ") (max_over_time(" + selector(failures, clusters, isDrill) +
		"[$__range]) > time() - $__range_s)")
	tooOld := drilledData + " - on (" + targetKey + ") " + objective("recovery_point_age") + " > 0"
	over := func(f property, width int) []property {
		return []property{fixed(width), f, {Id: "decimals", Value: 1}, background(), limits(thresholds(transparent, step{0, yellow}))}
	}
	const period = "${__from:date:iso} to ${__to:date:iso}" // with times and UTC: the range can be shorter than a day
	return tablePanel(frame{
		title: "Last successful drill of each cluster, and failed drills from " + period, width: width, height: height,
		noValue: "No cluster with the objective drill_age is known.",
		description: "Last success, and the columns from recovery point age to job ID: the last successful drill. Newest drill: its " +
			"result. Recovery point age: when the drill was created. Failed: failed drills in the time range of the dashboard. Ages are in days. The " +
			"command report lists all drills of a period. The menu of the panel exports all rows as CSV (Inspect, Data).",
		queries: []query{
			{row(drillDue), ""}, {row(drillOver), ""}, {row("1000 * " + lastDrill), ""}, {row(newestDrill), ""}, {failed, ""},
			{row(drillAge + " / 86400"), ""},
			{perCluster(drilledData) + " / 86400", ""}, {perCluster(objective("recovery_point_age")) + " / 86400", ""},
			{perCluster(tooOld) + " / 86400", ""},
			{perCluster(drillDuration), ""}, {perCluster(objective("duration")), ""}, {perCluster(drillTooSlow), ""},
			{drill, ""},
		},
	}, "Due in", false, slices.Concat(clusterColumns(), []column{
		dueColumn(0),
		{valueOf(2), "Last success", 94, []property{unit(date)}},
		newestDrillColumn(3),
		{valueOf(4), "Failed", 0, []property{fixed(60), unit(count), colorText(), limits(thresholds(grey, step{1, red}))}},
		overdueColumn(1),
		{valueOf(5), "Drill every", 0, []property{fixed(84), unit(days), {Id: "decimals", Value: 0}}},
		{valueOf(6), "Recovery point age", 0, []property{fixed(135), unit(days), {Id: "decimals", Value: 1}}},
		{valueOf(7), "Max. age", 0, []property{fixed(74), unit(days), {Id: "decimals", Value: 1}}},
		{valueOf(8), "Too old by", 0, over(unit(days), 84)},
		{valueOf(9), "Duration", 0, []property{fixed(78), unit(seconds), {Id: "decimals", Value: 1}}},
		{valueOf(10), "Max. dur.", 0, []property{fixed(76), unit(seconds), {Id: "decimals", Value: 1}}},
		{valueOf(11), "Too slow by", 0, over(unit(seconds), 92)},
		{"target_cluster_name", "Into", 0, []property{fixed(96)}},
		jobColumn(),
	})...)
}
