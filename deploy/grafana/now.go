package main

import (
	"fmt"
	"slices"
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
		WithVariable(conditionVariable()).
		WithRow(row("State")).
		WithPanel(monitoringPanel()).
		WithPanel(countsPanel(15)).
		WithPanel(openPanel(24, 19, true)).
		WithRow(row("Running restores and drills")).
		WithPanel(runningPanel(13, 11)).
		WithPanel(drillsDuePanel(11, 11)).
		WithRow(row("Copies of data")).
		WithPanel(copiesPanel(24, 10)).
		WithRow(row("History and conditions")).
		WithPanel(clusterTimelinePanel(12, 14)).
		WithPanel(perDayPanel(7, 14)).
		WithPanel(conditionsPanel(5, 14))
}

// conditionVariable restricts the table of open problems to a condition.
func conditionVariable() cog.Builder[dashboard.VariableModel] {
	var conditions []string
	for i := range alertConditions {
		conditions = append(conditions, fmt.Sprintf("%s : %d", alertConditions[i].text, i+1))
	}
	return dashboard.NewCustomVariableBuilder("condition").Label("Condition").
		Values(dashboard.StringOrMap{String: new(strings.Join(conditions, ", "))}).
		IncludeAll(true).AllValue(allConditions).Current(allSelected())
}

// monitoringPanel is the first panel of each dashboard.
func monitoringPanel() cog.Builder[dashboard.Panel] {
	const minutes, hour = 900, 3600
	const textSize, lastState = 24, "Last known state"
	stateMappings := mapped(mapping(map[string]dashboard.ValueMappingResult{
		strconv.Itoa(monitoringWorks):      result("Up to date", green),
		strconv.Itoa(monitoringIncomplete): result("Incomplete", orange),
		strconv.Itoa(exporterDown):         result("Exporter down", red),
		strconv.Itoa(noExporter):           result("No exporter", red),
		strconv.Itoa(noRules):              result("Rules not loaded", red),
		strconv.Itoa(noCluster):            result("No cluster selected", purple),
	}))
	return statPanel(frame{
		title: "Monitoring", unit: count, width: 9, height: tilesHeight, noValue: "No data",
		description: "Whether the other panels can be relied on. “No exporter”: Prometheus scrapes none of these clusters, and all " +
			"panels show the last known state. “Exporter down”: this applies to some clusters. “Incomplete”: some targets can't be " +
			"polled. “Rules not loaded”: load deploy/prometheus/rules.yaml. Ended: the backup type no longer exists in Atlas. " +
			"Oldest poll: time since the last successful poll of the target that was polled least recently; ended targets are not counted.",
		queries: []query{
			{monitoring, "{{detail}}"}, {"floor(" + pollAge + ")", "Oldest poll"}, {milliseconds(lastKnown), lastState},
		},
	}, thresholds(red), nil, func(p *dashboard.Panel) {
		p.Options.(*stat.Options).Text.ValueSize = new(float64(textSize))
		p.FieldConfig.Defaults.Decimals = new(float64(0))
		p.FieldConfig.Overrides = append(p.FieldConfig.Overrides,
			dashboard.DashboardFieldConfigSourceOverrides{
				Matcher: dashboard.MatcherConfig{Id: "byFrameRefID", Options: "A"}, Properties: []property{stateMappings},
			},
			override("Oldest poll", unit(seconds),
				limits(thresholds(grey, step{0, green}, step{minutes, orange}, step{hour, red}))),
			override(lastState, unit(date)))
	})
}

// override sets properties of the series of a legend.
func override(legend string, properties ...property) dashboard.DashboardFieldConfigSourceOverrides {
	return dashboard.DashboardFieldConfigSourceOverrides{
		Matcher: dashboard.MatcherConfig{Id: "byName", Options: legend}, Properties: properties,
	}
}

// countsPanel is one panel with several values, because a phone shows one panel below the other. The sum of the counts is the
// number of open problems.
func countsPanel(width uint32) cog.Builder[dashboard.Panel] {
	number := func(tile string) query { return query{atLastPoll(counted(openOf(tile))), "{{was}}" + tile} }
	return statPanel(frame{
		title: "Counts of open problems", unit: count, width: width, height: tilesHeight, noValue: "No data",
		description: "Numbers of rows in the table of open problems. Failed restores and failing drills: without a later success. Too slow: " +
			"beyond the objective, or a day without one. Links expiring: links of downloads that expire soon. Next expiry: the " +
			"time until the first of all links expires. Drills due: overdue, or never drilled. Was: no exporter is scraped, and " +
			"the number is that of the last poll. Purple question mark: nothing is known.",
		queries: []query{
			number(failedTile), number(slowTile), number(unexpectedTile), number(expiringTile), nextExpiryOf(readyLinks),
			number(failingDrillsTile), number(dueTile), number(otherTile),
		},
	}, thresholds(purple, step{0, green}, step{1, red}),
		mapping(map[string]dashboard.ValueMappingResult{unknownCount: result("?", purple)}),
		func(p *dashboard.Panel) {
			for _, t := range []struct{ tile, color string }{
				{expiringTile, orange}, {failingDrillsTile, yellow}, {dueTile, yellow}, {otherTile, orange},
			} {
				p.FieldConfig.Overrides = append(p.FieldConfig.Overrides,
					override(t.tile, limits(thresholds(purple, step{0, green}, step{1, t.color}))))
			}
			p.FieldConfig.Overrides = append(p.FieldConfig.Overrides, nextExpiryProperties(), pastProperties())
		})
}

const nextExpiryTile = "Next expiry"

// nextExpiryOf is the time until the first of all links expires.
func nextExpiryOf(links string) query {
	return query{atLastPoll("floor(min(" + ofChosen("(("+links+") > time())") + ") - time())"), "{{was}}" + nextExpiryTile}
}

func nextExpiryProperties() dashboard.DashboardFieldConfigSourceOverrides {
	const hour = 3600
	return overridePast(nextExpiryTile, unit(seconds), property{Id: "decimals", Value: 0}, limits(thresholds(orange, step{hour, grey})))
}

// overridePast sets properties of a value, whether it is current or the last known one.
func overridePast(title string, properties ...property) dashboard.DashboardFieldConfigSourceOverrides {
	return dashboard.DashboardFieldConfigSourceOverrides{
		Matcher: dashboard.MatcherConfig{Id: "byRegexp", Options: "/^(" + wasPrefix + ")?" + title + "$/"}, Properties: properties,
	}
}

// pastProperties colors the values that are the last known ones.
func pastProperties() dashboard.DashboardFieldConfigSourceOverrides {
	return dashboard.DashboardFieldConfigSourceOverrides{
		Matcher:    dashboard.MatcherConfig{Id: "byRegexp", Options: "/^" + wasPrefix + "/"},
		Properties: []property{limits(thresholds(purple))},
	}
}

// conditionMappings maps the ranks of conditions to texts and colors.
func conditionMappings(format string) []dashboard.ValueMapping {
	conditions := map[string]dashboard.ValueMappingResult{}
	for i := range alertConditions {
		p := &alertConditions[i]
		rank := fmt.Sprintf(format, i+1)
		conditions[rank] = result(p.text, p.color)
		conditions[rank+".5"] = result(wasPrefix+p.text, purple)
	}
	return mapping(conditions)
}

// conditionsPanel counts the open problems of each condition. If there are many, it leads to each condition.
func conditionsPanel(width, height uint32) cog.Builder[dashboard.Panel] {
	const ofCondition = "/d/atlas-restore-now?${datasource:queryparam}&${team:queryparam}&${environment:queryparam}" +
		"&${project:queryparam}&${cluster:queryparam}&${__url_time_range}&var-condition="
	return tablePanel(frame{
		title: "Conditions", width: width, height: height,
		noValue:     "No condition is known.",
		description: "Number of open problems of each condition. A click on a condition restricts the table of open problems to it.",
		queries:     []query{{openPerCondition(), ""}},
	}, "Condition", false,
		column{"rank", "Condition", 92, []property{
			mapped(conditionMappings("%02d")), background(), link("Only this condition", ofCondition+"${__data.fields.value}", false),
		}},
		hidden("value"),
		column{valueOf(0), "Open", 0, []property{fixed(60), unit(count)}},
	)
}

// openPanel is the table of open problems. With chosenOnly, the variable condition restricts it. Without, it has room for the
// limits and the numbers of failures.
func openPanel(width, height uint32, chosenOnly bool) cog.Builder[dashboard.Panel] {
	f := frame{
		title: "Open problems", width: width, height: height,
		noValue: "The list of open problems is empty. The panel Monitoring shows whether the data are reliable.",
		description: "Conditions that have alerts: unexpected targets and links that expire first, then by severity and production. Since: when the " +
			"condition started. –: only the time of its discovery is known. " +
			"Over limit: time beyond the limit. Arrow: target of the restore. Was: the state at the last poll; now, the target " +
			"can't be polled. Atlas reports neither the reason of a failure nor the creator of a restore.",
		queries: []query{
			{identified(arrow(rows(openRanks(chosenOnly)))), ""},
			{milliseconds(values(every(func(_ int, p *alertCondition) string { return p.since }))), ""},
			{wholeMinutes(values(openOver())), ""},
			{values(every(func(_ int, p *alertCondition) string {
				if p.until == "" {
					return ""
				}
				return "floor(" + p.until + " - time() > 0)"
			})), ""},
			{values(openOrder()), ""},
		},
	}
	var more []column
	if !chosenOnly {
		f.queries = append(f.queries, query{values(every(func(_ int, p *alertCondition) string { return p.limit })), ""},
			query{values(every(func(_ int, p *alertCondition) string { return p.failures })), ""})
		more = []column{
			{valueOf(5), "Limit", 0, []property{fixed(100), unit(daysTime)}}, {valueOf(6), "Failures", 0, []property{fixed(70), unit(count)}},
		}
	}
	return joinedTable(f, joinByKey, joinOptions("key"), "Order", false, slices.Concat([]column{
		{valueOf(0), "Condition", 88, []property{unit(count), mapped(conditionMappings("%d")), background(), alignLeft()}},
	}, clusterColumns(), []column{
		{valueOf(1), "Since", 88, []property{unit(date)}},
		{valueOf(2), "Over limit", 0, []property{fixed(90), wrapped(), unit(daysTime)}},
		{valueOf(3), "Time left", 0, []property{fixed(84), unit(daysTime)}},
		{"team", "Team", 0, []property{fixed(90)}},
	}, more, linkColumns(), []column{orderColumn(4), jobColumn()})...)
}

// runningPanel is the table of running restores.
func runningPanel(width, height uint32) cog.Builder[dashboard.Panel] {
	const most, running, wasRunning, tooSlow, noProgress = 0.75, 0, 1, 2, 3
	limit := objective("duration")
	elapsed := until(targetKey, active)
	share := elapsed + " / on (" + targetKey + ") group_left () " + limit + " or " + elapsed + " / 86400 unless on (" + targetKey + ") " + limit
	documents := target("job_restored_documents")
	unchanged := "changes(" + documents + "[15m]) == 0 and " + documents + " offset 15m"
	progress := "max by (" + jobKey + ") (" + kept(documents, "1h") + " / " + kept(target("job_total_documents"), "1h") + ")"
	state := func(value int, of string) string { return fmt.Sprintf("0 * %s + %d", of, value) }
	states := state(wasRunning, active) + " and on (" + targetKey + ") " + stale + " or " +
		state(noProgress, active) + " and on (" + jobKey + ") (" + unchanged + ") or " + state(tooSlow, "(("+share+") >= 1)") +
		" or " + state(running, active)
	row := func(expr string) string { return arrow(rows(purposes(withLabels(expr)))) }
	return tablePanel(frame{
		title: "Running restores", width: width, height: height, noValue: "No running restore is known.",
		description: "Oldest running restore of each kind, by the share of its objective that has passed; without an objective, of " +
			"a day. From 100% on, the restore is too slow. Progress: Atlas reports it for collection restores only; no progress: " +
			"unchanged for 15 minutes. Was running: at the last poll; now, the target can't be polled, and times end at that poll.",
		queries: []query{
			{row(share), ""}, {row(wholeMinutes(elapsed)), ""}, {row(states), ""},
			{row("0 * " + active + " + on (" + targetKey + ") group_left () floor(time() - " + polled + ")"), ""},
			{row("0 * " + active + " + on (" + jobKey + ") group_left () " + progress), ""},
		},
	}, "Of objective", true, slices.Concat([]column{
		{valueOf(2), "State", 0, []property{fixed(78), wrapped(), unit(count), alignLeft(), background(), mapped(mapping(
			map[string]dashboard.ValueMappingResult{
				"0": result("Running", blue), "1": result("Was running", purple), "2": result("Too slow", red),
				"3": result("No progress", red),
			},
		))}},
	}, clusterColumns(), []column{
		{valueOf(0), "Of objective", 0, []property{
			fixed(110), unit(percent), {Id: "decimals", Value: 0}, {Id: "min", Value: 0}, {Id: "max", Value: 1}, gauge(),
			limits(thresholds(blue, step{most, orange}, step{1, red})),
		}},
		{valueOf(1), "For", 0, []property{fixed(78), wrapped(), unit(daysTime)}},
		{valueOf(4), "Progress", 0, []property{fixed(78), unit(percent), {Id: "decimals", Value: 0}}},
		{valueOf(3), "Last poll", 0, []property{fixed(80), unit(seconds), {Id: "decimals", Value: 0}}},
		{"purpose", "Purpose", 0, []property{fixed(88), mapped(mapping(map[string]dashboard.ValueMappingResult{
			"drill": result("Drill", ""), "in_place": result("In place", ""), "other": result("Other", ""),
			"download": result("Download", ""), "collection": result("Collection", ""),
		}))}},
	})...)
}

// purposes adds the purposes of downloads and of collection restores that create new collections.
func purposes(expr string) string {
	return `label_replace(label_replace(label_join(` + expr + `, "named", ";", "backup_type", "purpose", "delivery_type"), ` +
		`"purpose", "collection", "named", "collection;other;.*"), "purpose", "download", "named", ".*;download")`
}

// perDayPanel counts the jobs that ended in the day after each point: Grafana evaluates the query at the start of each day.
func perDayPanel(width, height uint32) cog.Builder[dashboard.Panel] {
	const unknown = "not monitored"
	// Not the recorded series, which contain successes only of targets with failures.
	perDay := func(name string) string {
		return "count(count by (" + jobKey + ") (max_over_time(" + target(name) + "[1d] offset -1d) > time()))"
	}
	return linePanel(frame{
		title: "Failed and successful jobs per day", unit: count, width: width, height: height,
		description: "Restores, drills, and downloads that ended on each day (UTC), stacked. Gray: Prometheus has no data of that day. " +
			"Neither: no job ended.",
		queries: []query{
			{perDay("last_failure_timestamp_seconds"), "failed"}, {perDay("last_success_timestamp_seconds"), "succeeded"},
			{"absent(count_over_time(" + exporterMetric("build_info") + "[1d] offset -1d))", unknown},
		},
	}, func(b *timeseries.PanelBuilder) {
		bars(b)
		b.BarAlignment(common.BarAlignmentAfter).BarMaxWidth(14) // the same for a single day
		smallLegend(b)
		b.Interval("1d").TimeFrom("now-14d")
		b.OverrideByName(unknown, []property{
			{Id: "custom.axisPlacement", Value: "hidden"}, {Id: "max", Value: 1}, {Id: "custom.fillOpacity", Value: 15},
			{Id: "custom.stacking", Value: map[string]string{"mode": "none"}}, {Id: "custom.lineWidth", Value: 0},
		})
	}, colored("failed", red), colored("succeeded", green), colored(unknown, grey))
}

func clusterTimelinePanel(width, height uint32) cog.Builder[dashboard.Panel] {
	state := func(status, series string) string {
		return fmt.Sprintf("0 * %s + %d", series, statusValue(status))
	}
	states := []struct{ status, series string }{
		{"failed", condition("restores", "AtlasRestoreFailed", notDrill)},
		{"too_slow", condition("restores", "AtlasRestore(TooSlow|Stuck)")},
		{"drill_failed", condition("restores", "AtlasRestoreFailed", isDrill)},
		{"in_progress", selector(active, clusters)},
		{"ready", selector(nextExpiry, clusters) + " > time()"},
	}
	notPolled := " on (" + targetKey + ") " + stale
	var current, last []string
	for _, s := range states {
		current = append(current, "max by ("+clusterKey+") ("+state(s.status, "("+s.series+")")+" unless"+notPolled+")")
		last = append(last, "max by ("+clusterKey+") ("+state("unknown", "("+s.series+")")+" and"+notPolled+")")
	}
	worst := "(" + strings.Join(slices.Concat(current[:3], last, current[3:]), " or ") + ")"
	const onCluster, legend = " on (" + clusterKey + ") ", "{{cluster_name}} ({{project}})"
	openAtEnd := func(purpose ...string) string {
		return onCluster + "(" + condition("restores", "AtlasRestore(Failed|TooSlow|Stuck)", purpose...) + " @ end())"
	}
	return timelinePanel(frame{
		title: "Restores by cluster", unit: count, width: width, height: height, noValue: "No data",
		description: "Clusters with a running restore, a download that is ready, or a failed restore without a later success. Clusters with a " +
			"failed or slow restore come first, then those with such a drill. If several states apply, the first of these is shown: failed, too slow, " +
			"drill failed, unknown. Unknown: the state at the last poll, because the target could not be polled.",
		queries: []query{
			{withLabels(worst + " and" + openAtEnd(notDrill)), legend},
			{withLabels(worst + " and" + openAtEnd(isDrill) + " unless" + openAtEnd(notDrill)), legend},
			{withLabels(worst + " unless" + openAtEnd()), legend},
		},
	})
}
