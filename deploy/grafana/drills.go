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
		WithPanel(drillCountsPanel(11)).
		WithPanel(oldRecoveryPointsPanel(4)).
		WithPanel(teamsPanel(24, 7)).
		WithRow(row("Clusters")).
		WithPanel(evidencePanel(24, 22))
}

const (
	hasDrill = `delivery_type=~"automated|point_in_time",backup_type!="collection"`
	inTime   = lastDrill + " >= on (" + clusterKey + ") (time() - " + drillAge + ")"
)

func drillCountsPanel(width uint32) cog.Builder[dashboard.Panel] {
	withObjective := withLabels(drillAge)
	number := func(name string, steps ...step) dashboard.DashboardFieldConfigSourceOverrides {
		return override(name, limits(thresholds(purple, steps...)))
	}
	return statPanel(frame{
		title: "Clusters by drill age", unit: count, width: width, height: 4, noValue: "No data",
		description: "Clusters with the objective drill_age: the sum of those that meet it, are overdue, and were never drilled. " +
			"Drill age met: regardless of the recovery point and the duration of the drill. Purple: nothing is known.",
		queries: []query{
			{counted(withObjective), "With objective"},
			{counted(withLabels("0 * (" + inTime + ") + 1")), "Drill age met"},
			{counted(condition("drills", "AtlasRestoreDrillOverdue")), "Overdue"},
			{counted(condition("drills", "AtlasRestoreNeverDrilled")), "Never drilled"},
		},
	}, thresholds(purple, step{0, green}, step{1, red}),
		mapping(map[string]dashboard.ValueMappingResult{unknownCount: result("?", purple)}),
		func(p *dashboard.Panel) {
			p.FieldConfig.Overrides = append(p.FieldConfig.Overrides, number("With objective", step{0, grey}),
				number("Drill age met", step{0, grey}, step{1, green}))
		})
}

// oldRecoveryPointsPanel is not part of the counts by drill age, because the clusters are among those.
func oldRecoveryPointsPanel(width uint32) cog.Builder[dashboard.Panel] {
	return statPanel(frame{
		title: "Recovery point too old", unit: count, width: width, height: 4, noValue: "No data",
		description: "Clusters whose last drill had a recovery point older than the objective recovery_point_age. The drill age of " +
			"such a cluster can be met. Purple: nothing is known.",
		queries: []query{{counted(condition("drills", "AtlasRestoreDrillRecoveryPointOld")), "Recovery point too old"}},
	}, thresholds(purple, step{0, green}, step{1, red}),
		mapping(map[string]dashboard.ValueMappingResult{unknownCount: result("?", purple)}))
}

func teamsPanel(width, height uint32) cog.Builder[dashboard.Panel] {
	const by = "count by (team, environment) "
	all := by + "(" + withLabels(drillAge) + ")"
	good := by + "(" + withLabels("0 * ("+inTime+") + 1") + ") or 0 * " + all
	return tablePanel(frame{
		title: "Teams", width: width, height: height, noValue: "No cluster with the objective drill_age is known.",
		description: "Clusters with the objective drill_age by team and environment, the team with the smallest share first. Drill age met: " +
			"regardless of the recovery point and the duration of the drill.",
		queries: []query{
			{"(" + good + ") / " + all, ""}, {all, ""}, {good, ""},
			{by + "(" + condition("drills", "AtlasRestoreDrillOverdue") + ")", ""},
			{by + "(" + condition("drills", "AtlasRestoreNeverDrilled") + ")", ""},
		},
	}, "Drill age met", false,
		column{"team", "Team", 90, nil}, column{"environment", "Environment", 96, nil},
		column{valueOf(0), "Drill age met", 110, []property{
			unit(percent), {Id: "decimals", Value: 0}, {Id: "min", Value: 0}, {Id: "max", Value: 1}, gauge(),
			limits(thresholds(red, step{1, green})),
		}},
		column{valueOf(1), "Clusters", 70, []property{unit(count)}}, column{valueOf(2), "Met", 70, []property{unit(count)}},
		column{valueOf(3), "Overdue", 70, []property{unit(count)}}, column{valueOf(4), "Never", 70, []property{unit(count)}},
	)
}

// evidencePanel is the table of drills. Its queries have the labels of the cluster in common.
func evidencePanel(width, height uint32) cog.Builder[dashboard.Panel] {
	row := func(expr string) string { return rows(withLabels(expr)) }
	perCluster := func(expr string) string { return row("max by (" + clusterKey + ") (" + expr + ")") }
	// A drill is a restore to a drill target. If none are configured, to any target.
	drill := "topk by (" + clusterKey + ") (1, " + target("last_success_timestamp_seconds", hasDrill, isDrill) + " or " +
		target("last_success_timestamp_seconds", hasDrill) + " unless on (" + targetKey + ") " +
		selector("mongodbatlas_restore_drill_targets_configured", scraped) + " == 1)"
	duration := target("last_duration_seconds", hasDrill) + " and on (job, instance, " + targetKey + ", delivery_type, purpose) " + drill
	target := row("max by (" + clusterKey + ", target_cluster_name) (0 * " + drill + " + 1)")
	failed := row("count by (" + clusterKey + ") (max_over_time(" + selector(failures, clusters, isDrill) +
		"[$__range]) > time() - $__range_s)")
	tooOld := drilledData + " - on (" + targetKey + ") " + objective("recovery_point_age") + " > 0"
	tooSlow := "(" + duration + ") - on (" + targetKey + ") group_left () " + objective("duration") + " > 0"
	over := func(f property, width int) []property {
		return []property{fixed(width), f, {Id: "decimals", Value: 1}, background(), limits(thresholds(transparent, step{0, red}))}
	}
	return tablePanel(frame{
		title: "Last drill of each cluster", width: width, height: height,
		noValue: "No cluster with the objective drill_age is known.",
		description: "Recovery point age: age of the recovery point when the drill was created. Ages are in days. Failed drills: in the time " +
			"range of the dashboard. The menu of the panel exports all rows as CSV (Inspect, Data).",
		queries: []query{
			{row(drillDue), ""}, {row(drillOver), ""}, {row("1000 * " + lastDrill), ""}, {row(drillAge + " / 86400"), ""},
			{perCluster(drilledData) + " / 86400", ""}, {perCluster(objective("recovery_point_age")) + " / 86400", ""},
			{perCluster(tooOld) + " / 86400", ""},
			{perCluster(duration), ""}, {perCluster(objective("duration")), ""}, {perCluster(tooSlow), ""},
			{target, ""}, {failed, ""},
		},
	}, "Due in", false, slices.Concat(clusterColumns(), dueColumns(0, 1), []column{
		{valueOf(2), "Last drill", 92, []property{unit(date)}},
		{valueOf(3), "Drill every", 0, []property{fixed(86), unit(days), {Id: "decimals", Value: 0}}},
		{valueOf(4), "Recovery point age", 0, []property{fixed(135), unit(days), {Id: "decimals", Value: 1}}},
		{valueOf(5), "Max. age", 0, []property{fixed(80), unit(days), {Id: "decimals", Value: 1}}},
		{valueOf(6), "Too old by", 0, over(unit(days), 90)},
		{valueOf(7), "Duration", 0, []property{fixed(80), unit(seconds), {Id: "decimals", Value: 1}}},
		{valueOf(8), "Max. dur.", 0, []property{fixed(80), unit(seconds), {Id: "decimals", Value: 1}}},
		{valueOf(9), "Too slow by", 0, over(unit(seconds), 98)},
		{"target_cluster_name", "Into", 0, []property{fixed(100), wrapped()}},
		{valueOf(11), "Failed drills", 0, []property{fixed(100), unit(count)}},
		{"team", "Team", 0, []property{fixed(90), wrapped()}}, {"environment", "Environment", 0, []property{fixed(105)}},
	})...)
}
