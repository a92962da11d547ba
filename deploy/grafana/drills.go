package main

import (
	"github.com/grafana/grafana-foundation-sdk/go/cog"
	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
)

func drills() *dashboard.DashboardBuilder {
	printView := dashboard.NewDashboardLinkBuilder("Print view").Type(dashboard.DashboardLinkTypeLink).Icon("doc").
		Url("/d/atlas-restore-drills?kiosk&theme=light").IncludeVars(true).KeepTime(true)
	return newDashboard("atlas-restore-drills", "drills",
		"Evidence for auditors and service owners: the last drill of each cluster, its data, duration, and target.", "now-30d", true, printView).
		WithRow(row("Summary")).
		WithPanel(monitoringPanel(5)).
		WithPanel(oldestPollPanel(4)).
		WithPanel(drillCountsPanel(15)).
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
		return dashboard.DashboardFieldConfigSourceOverrides{
			Matcher:    dashboard.MatcherConfig{Id: "byName", Options: name},
			Properties: []property{limits(thresholds(purple, steps...))},
		}
	}
	return statPanel(frame{
		title: "Clusters", unit: count, width: width, height: 4, noValue: "No data",
		description: "Clusters with the objective drill_age: all, drilled in time, overdue, never drilled; and clusters whose last " +
			"drill used data older than the objective recovery_point_age. Purple: nothing is known.",
		queries: []query{
			{counted(withObjective), "With objective"},
			{counted(withLabels("0 * (" + inTime + ") + 1")), "In time"},
			{counted(condition("drills", "AtlasRestoreDrillOverdue")), "Overdue"},
			{counted(condition("drills", "AtlasRestoreNeverDrilled")), "Never drilled"},
			{counted(condition("drills", "AtlasRestoreDrillRecoveryPointOld")), "Old data"},
		},
	}, thresholds(purple, step{0, green}, step{1, orange}),
		mapping(map[string]dashboard.ValueMappingResult{unknownCount: result("?", purple)}),
		func(p *dashboard.Panel) {
			p.FieldConfig.Overrides = append(p.FieldConfig.Overrides, number("With objective", step{0, grey}),
				number("In time", step{0, grey}, step{1, green}),
				dashboard.DashboardFieldConfigSourceOverrides{
					Matcher:    dashboard.MatcherConfig{Id: "byName", Options: "Never drilled"},
					Properties: []property{limits(thresholds(purple, step{0, green}, step{1, red}))},
				})
		})
}

func teamsPanel(width, height uint32) cog.Builder[dashboard.Panel] {
	const by = "count by (team, environment) "
	all := by + "(" + withLabels(drillAge) + ")"
	good := by + "(" + withLabels("0 * ("+inTime+") + 1") + ") or 0 * " + all
	return tablePanel(frame{
		title: "Teams", width: width, height: height, noValue: "No cluster with the objective drill_age is known.",
		description: "Clusters with the objective drill_age by team and environment, the team with the smallest share first.",
		queries: []query{
			{"(" + good + ") / " + all, ""}, {all, ""}, {good, ""},
			{by + "(" + condition("drills", "AtlasRestoreDrillOverdue") + ")", ""},
			{by + "(" + condition("drills", "AtlasRestoreNeverDrilled") + ")", ""},
		},
	}, "Drilled in time", false,
		column{"team", "Team", 160, nil}, column{"environment", "Environment", 130, nil},
		column{valueOf(0), "Drilled in time", 200, []property{
			unit(percent), {Id: "decimals", Value: 0}, {Id: "min", Value: 0}, {Id: "max", Value: 1}, gauge(),
			limits(thresholds(red, step{1, green})),
		}},
		column{valueOf(1), "Clusters", 90, []property{unit(count)}}, column{valueOf(2), "In time", 90, []property{unit(count)}},
		column{valueOf(3), "Overdue", 90, []property{unit(count)}}, column{valueOf(4), "Never", 90, []property{unit(count)}},
	)
}

// evidencePanel is the table of drills. Its queries have the labels of the cluster in common.
func evidencePanel(width, height uint32) cog.Builder[dashboard.Panel] {
	perCluster := func(expr string) string { return withLabels("max by (" + clusterKey + ") (" + expr + ")") }
	// A drill is a restore to a drill target. If none are configured, to any target.
	drill := "topk by (" + clusterKey + ") (1, " + target("last_success_timestamp_seconds", hasDrill, isDrill) + " or " +
		target("last_success_timestamp_seconds", hasDrill) + " unless on (" + targetKey + ") " +
		selector("mongodbatlas_restore_drill_targets_configured", scraped) + " == 1)"
	duration := target("last_duration_seconds", hasDrill) + " and on (job, instance, " + targetKey + ", delivery_type, purpose) " + drill
	into := withLabels("max by (" + clusterKey + ", target_cluster_name) (0 * " + drill + " + 1)")
	failed := withLabels("count by (" + clusterKey + ") (max_over_time(" + selector(failures, clusters, isDrill) +
		"[$__range]) > time() - $__range_s)")
	return tablePanel(frame{
		title: "Last drill of each cluster", width: width, height: height,
		noValue: "No cluster with the objective drill_age is known.",
		description: "Data age: age of the recovery point when the drill was created. Failed drills: in the time range of the " +
			"dashboard. The menu of the panel exports all rows as CSV (Inspect, Data).",
		queries: []query{
			{withLabels(drillDue), ""}, {withLabels("1000 * " + lastDrill), ""}, {withLabels(drillAge), ""},
			{perCluster(drilledData), ""}, {perCluster(objective("recovery_point_age")), ""},
			{perCluster(duration), ""}, {perCluster(objective("duration")), ""}, {into, ""}, {failed, ""},
		},
	}, "Due in", false,
		clusterColumn(), projectColumn(), dueIn(0),
		column{valueOf(1), "Last drill", 165, []property{unit(date)}},
		column{valueOf(2), "Drill every", 100, []property{unit(age)}},
		column{valueOf(3), "Data age", 105, []property{unit(age)}},
		column{valueOf(4), "Max. data age", 115, []property{unit(age)}},
		column{valueOf(5), "Duration", 105, []property{unit(age)}},
		column{valueOf(6), "Max. duration", 110, []property{unit(age)}},
		column{"target_cluster_name", "Into", 120, nil},
		column{valueOf(8), "Failed drills", 105, []property{unit(count)}},
		column{"team", "Team", 110, nil}, column{"environment", "Environment", 115, nil}, hidden("project_id"),
	)
}
