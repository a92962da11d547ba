package main

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/grafana/grafana-foundation-sdk/go/cog"
	"github.com/grafana/grafana-foundation-sdk/go/common"
	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
	"github.com/grafana/grafana-foundation-sdk/go/stat"
	"github.com/grafana/grafana-foundation-sdk/go/timeseries"
)

func row(title string) cog.Builder[dashboard.RowPanel] {
	return dashboard.NewRowBuilder(title).Collapsed(false)
}

func now() *dashboard.DashboardBuilder {
	return newDashboard("atlas-restore-now", "now",
		"Backup restores of all clusters: failed, too slow, expiring, and unexpected ones, and drills.", "now-24h", true).
		WithRow(row("State")).
		WithPanel(monitoringPanel(5)).
		WithPanel(oldestPollPanel(4)).
		WithPanel(countsPanel(15)).
		WithPanel(openPanel(24, 11)).
		WithRow(row("Running restores and copies of data")).
		WithPanel(runningPanel(10, 8)).
		WithPanel(copiesPanel(14, 8)).
		WithRow(row("Drills")).
		WithPanel(drillsDuePanel(14, 9)).
		WithPanel(perDayPanel(10, 9)).
		WithRow(row("History")).
		WithPanel(clusterTimelinePanel(24, 10))
}

// monitoringPanel is the first panel of each dashboard.
func monitoringPanel(width uint32) cog.Builder[dashboard.Panel] {
	const textSize = 26
	return statPanel(frame{
		title: "Monitoring", unit: count, width: width, height: 4, noValue: "No data",
		description: "Whether the other panels can be relied on. “No exporter”: Prometheus scrapes none. “Rules not loaded”: the " +
			"recorded series do not exist; load deploy/prometheus/rules.yaml. “Incomplete”: some clusters can't be polled.",
		queries: []query{{monitoring, ""}},
	}, thresholds(red), mapping(map[string]dashboard.ValueMappingResult{
		strconv.Itoa(monitoringWorks):      result("Up to date", green),
		strconv.Itoa(monitoringIncomplete): result("Incomplete", orange),
		strconv.Itoa(noExporter):           result("No exporter", red),
		strconv.Itoa(noRules):              result("Rules not loaded", red),
	}), func(p *dashboard.Panel) {
		p.Options.(*stat.Options).Text = &common.VizTextDisplayOptions{ValueSize: cog.ToPtr[float64](textSize)}
	})
}

func oldestPollPanel(width uint32) cog.Builder[dashboard.Panel] {
	const minutes, hour = 900, 3600
	return statPanel(frame{
		title: "Age of the oldest data", unit: seconds, width: width, height: 4, noValue: "No data",
		description: "Time since the last successful poll of the target that was polled least recently.",
		queries:     []query{{"floor(" + oldestPoll + ")", ""}},
	}, thresholds(grey, step{0, green}, step{minutes, orange}, step{hour, red}), nil, func(p *dashboard.Panel) {
		p.FieldConfig.Defaults.Decimals = cog.ToPtr[float64](0)
	})
}

// countsPanel is one panel with several values, because a phone shows one panel below the other.
func countsPanel(width uint32) cog.Builder[dashboard.Panel] {
	minor := func(p *dashboard.Panel) {
		for _, name := range []string{"Expiring", "Drills due"} {
			p.FieldConfig.Overrides = append(p.FieldConfig.Overrides, dashboard.DashboardFieldConfigSourceOverrides{
				Matcher:    dashboard.MatcherConfig{Id: "byName", Options: name},
				Properties: []property{limits(thresholds(purple, step{0, green}, step{1, orange}))},
			})
		}
	}
	return statPanel(frame{
		title: "Open problems by kind", unit: count, width: width, height: 4, noValue: "No data",
		description: "Failed restores and drills without a later success; restores that exceed their objective, or a day without " +
			"one; downloads that expire soon; restores into targets that are not allowed; clusters whose drill is overdue or that " +
			"were never drilled. Purple: nothing is known, because no exporter is scraped or no rules are loaded.",
		queries: []query{
			{counted(condition("restores", "AtlasRestoreFailed")), "Failed"},
			{counted(condition("restores", "AtlasRestore(TooSlow|Stuck)")), "Too slow"},
			{counted(condition("security", "AtlasRestoreUnexpectedTarget")), "Unexpected target"},
			{counted(condition("restores", "AtlasRestoreDownloadExpiresSoon")), "Expiring"},
			{counted(condition("drills", "AtlasRestore(DrillOverdue|NeverDrilled)")), "Drills due"},
		},
	}, thresholds(purple, step{0, green}, step{1, red}),
		mapping(map[string]dashboard.ValueMappingResult{unknownCount: result("?", purple)}), minor)
}

// openPanel is the table of open problems.
func openPanel(width, height uint32) cog.Builder[dashboard.Panel] {
	kinds := map[string]dashboard.ValueMappingResult{}
	for i, p := range alertConditions {
		kinds[strconv.Itoa(i+1)] = result(p.text, p.color)
	}
	return tablePanel(frame{
		title: "Open problems", width: width, height: height,
		noValue: "The list of open problems is empty. The panel Monitoring shows whether the data are reliable.",
		description: "Conditions of restores, drills, and polls that have alerts, the most urgent first. When: since when, or when the link of a " +
			"download expires. Over limit: time beyond the objective. The alerts use the same series.",
		queries: []query{
			{eachCondition(func(rank int, _ alertCondition) string { return fmt.Sprintf("0 * %s + %d", value, rank) }), ""},
			{eachCondition(func(_ int, p alertCondition) string { return milliseconds(p.when) }), ""},
			{"floor(" + eachCondition(func(_ int, p alertCondition) string { return p.over }) + ")", ""},
		},
	}, "Condition", false, append([]column{
		{valueOf(0), "Condition", 145, []property{unit(count), mapped(mapping(kinds)), background(), alignLeft()}},
		clusterColumn(),
		{valueOf(1), "When", 110, []property{unit(fromNow)}},
		{valueOf(2), "Over limit", 110, []property{unit(seconds), {Id: "decimals", Value: 1}}},
		projectColumn(),
		{"target_cluster_name", "Into", 130, nil},
		{"target_project", "Of project", 215, nil},
		{"backup_type", "Backup", 90, nil},
		{"team", "Team", 100, nil},
	}, append(linkColumns(), jobColumn())...)...)
}

// runningPanel is the table of running restores.
func runningPanel(width, height uint32) cog.Builder[dashboard.Panel] {
	const most = 0.75
	base := withLabels("floor(time() - " + active + ")")
	limit := objective("duration")
	share := withLabels("(time() - " + active + ") / on (" + targetKey + ") group_left () " + limit + " or (time() - " + active +
		") / 86400 unless on (" + targetKey + ") " + limit)
	return tablePanel(frame{
		title: "Running restores", width: width, height: height, noValue: "No running restore is known.",
		description: "Oldest running restore of each kind, by the share of its objective that has passed; without an objective, of " +
			"a day. From 100 % on, the restore is too slow.",
		queries: []query{{share, ""}, {base, ""}},
	}, "Of objective", true,
		clusterColumn(),
		column{valueOf(0), "Of objective", 180, []property{
			unit(percent), {Id: "decimals", Value: 0}, {Id: "min", Value: 0}, {Id: "max", Value: 1}, gauge(),
			limits(thresholds(blue, step{most, orange}, step{1, red})),
		}},
		column{valueOf(1), "Running for", 115, []property{unit(seconds), {Id: "decimals", Value: 1}}},
		projectColumn(),
		column{"target_cluster_name", "Into", 120, nil},
		column{"purpose", "Purpose", 90, []property{mapped(purposes())}},
		column{"backup_type", "Backup", 90, nil},
		hidden("project_id"),
	)
}

func purposes() []dashboard.ValueMapping {
	return mapping(map[string]dashboard.ValueMappingResult{
		"drill": result("Drill", ""), "in_place": result("In place", ""), "other": result("Other", ""),
	})
}

// copyKinds are the kinds of copies. The index of a kind is its value.
var copyKinds = []struct{ text, color string }{
	{"Unexpected target", red}, {"Other project", yellow}, {"Open download", orange}, {"Past download", grey},
}

// copiesPanel is the table of copies that leave the project.
func copiesPanel(width, height uint32) cog.Builder[dashboard.Panel] {
	perJob := "max by (" + jobKey + ") "
	onJob := " on (" + jobKey + ") "
	info := "max by (" + jobKey + ", target_project_id, target_cluster_name) (" + target("job_info", `target_project_id!=""`) + ")"
	createdAt := perJob + "(" + target("job_created_timestamp_seconds") + ")"
	abroad := "((" + elsewhere(info) + ") *" + onJob + "group_left () " + createdAt + ") > time() - 7 * 86400"
	ready := createdAt + " and" + onJob + "(" + target("job_status", `status="ready"`) + " == 1)"
	// Recorded series remain if the exporter is down.
	kinds := []string{
		selector(unexpected, clusters), abroad, ready + " or" + onJob + "(" + selector(downloads, clusters) + " and" + onJob +
			selector(nextExpiry, clusters) + " > time())", selector(downloads, clusters),
	}
	kindOrTime := func(expr func(kind int, series string) string) string {
		var terms []string
		for i, series := range kinds {
			terms = append(terms, expr(i, "("+series+")"))
		}
		return withTarget(withLabels(strings.Join(terms, " or"+onJob)))
	}
	expiry := perJob + "(" + target("job_expiry_timestamp_seconds") + " and" + onJob + target("job_info", `delivery_type="download"`) +
		") or " + perJob + "(" + selector(nextExpiry, clusters) + ")"
	mappings := map[string]dashboard.ValueMappingResult{}
	for i, kind := range copyKinds {
		mappings[strconv.Itoa(i)] = result(kind.text, kind.color)
	}
	return tablePanel(frame{
		title: "Copies of data", width: width, height: height, noValue: "No copy is known.",
		description: "Downloads that are open or were created in the last 24 hours, and restores into other projects or unexpected " +
			"targets in the last 7 days. All users with the link of a download can read the data until the link expires.",
		queries: []query{
			{kindOrTime(func(kind int, series string) string { return fmt.Sprintf("0 * %s + %d", series, kind) }), ""},
			{milliseconds(kindOrTime(func(_ int, series string) string { return series })), ""},
			{milliseconds(withTarget(withLabels(expiry))), ""},
		},
	}, "Copy", false, append([]column{
		{valueOf(0), "Copy", 145, []property{unit(count), mapped(mapping(mappings)), background(), alignLeft()}},
		clusterColumn(),
		{valueOf(1), "Created", 120, []property{unit(fromNow)}},
		{valueOf(2), "Link expires", 130, []property{unit(fromNow)}},
		{"target_cluster_name", "Into", 130, nil},
		{"target_project", "Of project", 215, nil},
		projectColumn(),
	}, append(linkColumns(), jobColumn())...)...)
}

// neverDue is the value of clusters that were never drilled: they are the most urgent.
const neverDue = -1e9

// drillDue is the number of seconds until a drill is due: negative if it is overdue.
var drillDue = lastDrill + " + on (" + clusterKey + ") " + drillAge + " - time() or " + drillAge + " * 0 - 1e9 unless on (" +
	clusterKey + ") " + lastDrill

// dueIn is the column of drillDue.
func dueIn(index int) column {
	const week = 7 * 86400
	return column{valueOf(index), "Due in", 130, []property{
		unit(age), {Id: "decimals", Value: 0}, colorText(),
		mapped(mapping(map[string]dashboard.ValueMappingResult{fmt.Sprintf("%.0f", neverDue): result("Never drilled", red)})),
		limits(thresholds(red, step{0, orange}, step{week, green})),
	}}
}

func drillsDuePanel(width, height uint32) cog.Builder[dashboard.Panel] {
	return tablePanel(frame{
		title: "Drills", width: width, height: height, noValue: "No cluster with the objective drill_age is known.",
		description: "When the next drill of each cluster with the objective drill_age is due. Clusters that were never drilled " +
			"come first.",
		queries: []query{{withLabels(drillDue), ""}, {withLabels("1000 * " + lastDrill), ""}},
	}, "Due in", false,
		clusterColumn(), dueIn(0), column{valueOf(1), "Last drill", 130, []property{unit(fromNow)}}, projectColumn(),
		column{"team", "Team", 110, nil}, column{"environment", "Environment", 120, nil}, hidden("project_id"),
	)
}

// perDayPanel counts the jobs that ended in the day after each point: Grafana evaluates the query at the start of each day.
func perDayPanel(width, height uint32) cog.Builder[dashboard.Panel] {
	perDay := func(series string) string {
		return "count(max_over_time(" + selector(series, clusters) + "[1d] offset -1d) > time())"
	}
	return linePanel(frame{
		title: "Failures and successes per day", unit: count, width: width, height: height,
		description: "Restores, drills, and downloads that ended on each day (UTC). Absent if there were none.",
		queries:     []query{{perDay(failures), "failed"}, {perDay(successes), "succeeded"}},
	}, func(b *timeseries.PanelBuilder) {
		bars(b)
		b.BarAlignment(common.BarAlignmentAfter)
		smallLegend(b)
		b.Interval("1d").TimeFrom("now-14d")
	}, colored("failed", red), colored("succeeded", green))
}

func clusterTimelinePanel(width, height uint32) cog.Builder[dashboard.Panel] {
	state := func(status, series string) string {
		return fmt.Sprintf("0 * %s + %d", series, statusValue(status))
	}
	worst := "max by (" + clusterKey + ") (" + state("failed", condition("restores", "AtlasRestoreFailed")) + ") or " +
		"max by (" + clusterKey + ") (" + state("in_progress", selector(active, clusters)) + ") or " +
		"max by (" + clusterKey + ") (" + state("ready", selector(nextExpiry, clusters)) + ")"
	return timelinePanel(frame{
		title: "Restores by cluster", unit: count, width: width, height: height, noValue: "No data",
		description: "Clusters with a running restore, a download that is ready, or a failed restore without a later success. If " +
			"several apply, failed comes first, then in progress.",
		queries: []query{{withLabels(worst), "{{cluster_name}} ({{project}})"}},
	})
}
