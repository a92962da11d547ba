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
		WithPanel(openPanel(20, 11, true)).
		WithPanel(conditionsPanel(4, 11)).
		WithRow(row("Running restores and drills")).
		WithPanel(runningPanel(12, 9)).
		WithPanel(drillsDuePanel(12, 9)).
		WithRow(row("Copies of data")).
		WithPanel(copiesPanel(24, 8)).
		WithRow(row("History")).
		WithPanel(clusterTimelinePanel(16, 10)).
		WithPanel(perDayPanel(8, 10))
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
		title: "Monitoring", unit: count, width: 9, height: 4, noValue: "No data",
		description: "Whether the other panels can be relied on. “No exporter”: Prometheus scrapes none of these clusters, and all " +
			"panels show the last known state. “Exporter down”: this applies to some clusters. “Incomplete”: some targets can't be " +
			"polled. “Rules not loaded”: load deploy/prometheus/rules.yaml. Ended: the backup type no longer exists in Atlas. " +
			"Last poll: time since the last successful poll of the target that was polled least recently.",
		queries: []query{
			{monitoring, "{{detail}}"}, {"floor(" + pollAge + ")", "Last poll"}, {milliseconds(lastKnown), lastState},
		},
	}, thresholds(red), nil, func(p *dashboard.Panel) {
		p.Options.(*stat.Options).Text.ValueSize = new(float64(textSize))
		p.FieldConfig.Defaults.Decimals = new(float64(0))
		p.FieldConfig.Overrides = append(p.FieldConfig.Overrides,
			dashboard.DashboardFieldConfigSourceOverrides{
				Matcher: dashboard.MatcherConfig{Id: "byFrameRefID", Options: "A"}, Properties: []property{stateMappings},
			},
			override("Last poll", unit(seconds),
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

// countsPanel is one panel with several values, because a phone shows one panel below the other.
func countsPanel(width uint32) cog.Builder[dashboard.Panel] {
	const firstExpiry = "Next expiry"
	minor := func(p *dashboard.Panel) {
		for _, name := range []string{"Expiring", "Drills due"} {
			p.FieldConfig.Overrides = append(p.FieldConfig.Overrides,
				override(name, limits(thresholds(purple, step{0, green}, step{1, orange}))))
		}
		p.FieldConfig.Overrides = append(p.FieldConfig.Overrides,
			override(firstExpiry, unit(seconds), property{Id: "decimals", Value: 0}, limits(thresholds(orange))))
	}
	return statPanel(frame{
		title: "Restores and drills", unit: count, width: width, height: 4, noValue: "No data",
		description: "Failed restores and failed drills without a later success; restores that exceed their objective, or a day without " +
			"one; downloads that expire soon, and the time until the next one expires; restores into targets that are " +
			"not allowed; clusters whose drill is overdue or that were never drilled. Purple: nothing is known, because no exporter is scraped or no rules are loaded.",
		queries: []query{
			{counted(condition("restores", "AtlasRestoreFailed", notDrill)), "Failed restores"},
			{counted(condition("restores", "AtlasRestoreFailed", isDrill)), "Failed drills"},
			{counted(condition("restores", "AtlasRestore(TooSlow|Stuck)")), "Too slow"},
			{counted(condition("security", "AtlasRestoreUnexpectedTarget")), "Unexpected target"},
			{counted(condition("results", "AtlasRestoreDownloadExpiresSoon")), "Expiring"},
			{"floor(min(" + condition("results", "AtlasRestoreDownloadExpiresSoon") + " > time()) - time())", firstExpiry},
			{counted(condition("drills", "AtlasRestore(DrillOverdue|NeverDrilled)")), "Drills due"},
		},
	}, thresholds(purple, step{0, green}, step{1, red}),
		mapping(map[string]dashboard.ValueMappingResult{unknownCount: result("?", purple)}), minor)
}

// conditionMappings maps the ranks of conditions to texts and colors.
func conditionMappings() []dashboard.ValueMapping {
	conditions := map[string]dashboard.ValueMappingResult{}
	var ranges []dashboard.ValueMapping
	for i := range alertConditions {
		r := result(alertConditions[i].text, alertConditions[i].color)
		conditions[strconv.Itoa(i+1)] = r
		if alertConditions[i].soonestFirst {
			ranges = append(ranges, ranked(i+1, r))
		}
	}
	return append(mapping(conditions), ranges...)
}

// conditionsPanel counts the open problems of each condition. If there are many, it leads to each condition.
func conditionsPanel(width, height uint32) cog.Builder[dashboard.Panel] {
	const ofCondition = "/d/atlas-restore-now?${datasource:queryparam}&${team:queryparam}&${environment:queryparam}" +
		"&${project:queryparam}&${cluster:queryparam}&${__url_time_range}&var-condition="
	return tablePanel(frame{
		title: "Conditions", width: width, height: height,
		noValue:     "No condition is known.",
		description: "Number of open problems of each condition. A click on a condition restricts the table of open problems to it.",
		queries:     []query{{openPerCondition(false), ""}, {openPerCondition(true), ""}},
	}, "Condition", false,
		column{valueOf(0), "Condition", 92, []property{
			unit(count), mapped(conditionMappings()), background(), alignLeft(),
			link("Only this condition", ofCondition+"${__value.raw}", false),
		}},
		column{valueOf(1), "Open", 0, []property{fixed(48), unit(count)}},
	)
}

// openPanel is the table of open problems. With chosenOnly, the variable condition restricts it.
func openPanel(width, height uint32, chosenOnly bool) cog.Builder[dashboard.Panel] {
	each := func(expr func(rank int, p *alertCondition) string) string {
		return rows(into(eachCondition(chosenOnly, expr)))
	}
	return tablePanel(frame{
		title: "Open problems", width: width, height: height,
		noValue: "The list of open problems is empty. The panel Monitoring shows whether the data are reliable.",
		description: "Conditions of restores, drills, and polls that have alerts, the most urgent first. Since / until: the start, or when the link of a " +
			"download expires. Over limit: time beyond the objective. The alerts use the same series.",
		queries: []query{
			{each(func(rank int, p *alertCondition) string {
				if p.soonestFirst {
					return ordered(rank, p.when)
				}
				return fmt.Sprintf("0 * %s + %d", value, rank)
			}), ""},
			{each(func(_ int, p *alertCondition) string { return milliseconds(p.when) }), ""},
			{wholeMinutes(each(func(_ int, p *alertCondition) string { return p.over })), ""},
		},
	}, "Condition", false, slices.Concat([]column{
		{valueOf(0), "Condition", 90, []property{unit(count), mapped(conditionMappings()), background(), alignLeft()}},
	}, clusterColumns(), []column{
		{valueOf(1), "Since / until", 92, []property{unit(date)}},
		{valueOf(2), "Over limit", 78, []property{unit(daysTime)}},
		intoColumn(215),
		{"backup_type", "Backup", 0, []property{fixed(80)}},
	}, linkColumns(), []column{jobColumn()})...)
}

// runningPanel is the table of running restores.
func runningPanel(width, height uint32) cog.Builder[dashboard.Panel] {
	const most = 0.75
	limit := objective("duration")
	share := "(time() - " + active + ") / on (" + targetKey + ") group_left () " + limit + " or (time() - " + active +
		") / 86400 unless on (" + targetKey + ") " + limit
	state := "0 * " + active + " + 1 and on (" + targetKey + ") " + unpolled + " or 0 * ((" + share + ") >= 1) + 2 or 0 * " + active
	return tablePanel(frame{
		title: "Running restores", width: width, height: height, noValue: "No running restore is known.",
		description: "Oldest running restore of each kind, by the share of its objective that has passed; without an objective, of " +
			"a day. From 100 % on, the restore is too slow. Was running: at the last poll; now, the target can't be polled.",
		queries: []query{
			{rows(withLabels(share)), ""}, {rows(withLabels(wholeMinutes("time() - " + active))), ""}, {rows(withLabels(state)), ""},
			{rows(withLabels("0 * " + active + " + on (" + targetKey + ") group_left () floor(time() - " + polled + ")")), ""},
		},
	}, "Of objective", true, slices.Concat([]column{
		{valueOf(2), "State", 0, []property{fixed(76), wrapped(), unit(count), alignLeft(), background(), mapped(mapping(
			map[string]dashboard.ValueMappingResult{
				"0": result("Running", blue), "1": result("Was running", purple), "2": result("Too slow", red),
			},
		))}},
	}, clusterColumns(), []column{
		{valueOf(0), "Of objective", 104, []property{
			unit(percent), {Id: "decimals", Value: 0}, {Id: "min", Value: 0}, {Id: "max", Value: 1}, gauge(),
			limits(thresholds(blue, step{most, orange}, step{1, red})),
		}},
		{valueOf(1), "For", 0, []property{fixed(84), wrapped(), unit(daysTime)}},
		{valueOf(3), "Last poll", 0, []property{fixed(80), unit(seconds), {Id: "decimals", Value: 0}}},
		{"target_cluster_name", "Into", 90, nil},
		{"purpose", "Purpose", 0, []property{fixed(75), mapped(purposes())}},
	})...)
}

func purposes() []dashboard.ValueMapping {
	return mapping(map[string]dashboard.ValueMappingResult{
		"drill": result("Drill", ""), "in_place": result("In place", ""), "other": result("Other", ""),
	})
}

// copyKinds are the kinds of copies. The index of a kind is its value.
var copyKinds = []struct{ text, color string }{
	{"Unexpected target", red}, {"Other project", yellow}, {"Open download", orange}, {"Was open", purple}, {"Past download", grey},
}

// Kinds that are sorted by the time when their link expires.
const openDownload, wasOpen = 2, 3

// copiesPanel is the table of copies that leave the project.
func copiesPanel(width, height uint32) cog.Builder[dashboard.Panel] {
	perJob := "max by (" + jobKey + ") "
	onJob := " on (" + jobKey + ") "
	keptHour := func(name string, more ...string) string { return kept(target(name, more...), "1h") }
	info := "max by (" + jobKey + ", target_project_id, target_cluster_name) (" + keptHour("job_info", `target_project_id!=""`) + ")"
	createdAt := perJob + "(" + keptHour("job_created_timestamp_seconds") + ")"
	abroad := "((" + elsewhere(info) + ") *" + onJob + "group_left () " + createdAt + ") > time() - 7 * 86400"
	// Recorded series remain if the exporter is down.
	recorded := selector(downloads, clusters)
	ready := "(" + createdAt + " and" + onJob + "(" + keptHour("job_status", `status="ready"`) + " == 1) or" + onJob +
		"(" + recorded + " and" + onJob + selector(nextExpiry, clusters) + "))"
	notPolled := " on (" + targetKey + ") " + unpolled
	ended := keptHour("job_status", `status=~"expired|failed|cancelled"`) + " == 1"
	kinds := []string{
		selector(unexpected, clusters), abroad, ready + " unless" + notPolled,
		"(" + ready + " or" + onJob + "(" + recorded + " unless" + onJob + "(" + ended + "))) and" + notPolled, recorded,
	}
	kindOrTime := func(expr func(kind int, series string) string) string {
		var terms []string
		for i, series := range kinds {
			terms = append(terms, expr(i, "("+series+")"))
		}
		return rows(into(withTarget(withLabels(strings.Join(terms, " or"+onJob)))))
	}
	expiry := perJob + "(" + keptHour("job_expiry_timestamp_seconds") + " and" + onJob +
		keptHour("job_info", `delivery_type="download"`) + ") or " + perJob + "(" + selector(nextExpiry, clusters) + ")"
	var mappings []dashboard.ValueMapping
	for i, kind := range copyKinds {
		mappings = append(mappings, ranked(i, result(kind.text, kind.color)))
	}
	return tablePanel(frame{
		title: "Copies of data", width: width, height: height, noValue: "No copy is known.",
		description: "Downloads that are open or were created in the last 24 hours, and restores into other projects or unexpected " +
			"targets in the last 7 days. All users with the link of a download can read the data until the link expires. Was open: " +
			"not known to be past at the last poll; now, the target can't be polled.",
		queries: []query{
			{kindOrTime(func(kind int, series string) string {
				plain := fmt.Sprintf("0 * %s + %d", series, kind)
				if kind != openDownload && kind != wasOpen {
					return plain
				}
				return ordered(kind, "(("+expiry+") and"+onJob+series+")") + " or" + onJob + plain
			}), ""},
			{milliseconds(kindOrTime(func(_ int, series string) string { return series })), ""},
			{milliseconds(rows(into(withTarget(withLabels(expiry))))), ""},
			{wholeMinutes(rows(into(withTarget(withLabels("(" + expiry + ") - time() > 0"))))), ""},
		},
	}, "Copy", false, slices.Concat([]column{
		{valueOf(0), "Copy", 88, []property{unit(count), mapped(mappings), background(), alignLeft()}},
	}, clusterColumns(), []column{
		{valueOf(2), "Link expires", 92, []property{unit(date)}},
		{valueOf(3), "Time left", 80, []property{unit(daysTime)}},
		{valueOf(1), "Created", 92, []property{unit(date)}},
		intoColumn(330),
	}, linkColumns(), []column{jobColumn()})...)
}

// neverDue is the value of clusters that were never drilled: they are the most urgent.
const neverDue = -1e6

// drillDue is the number of days until a drill is due: negative if it is overdue. drillOver is the number of days since then.
var (
	drillDue = "(" + lastDrill + " + on (" + clusterKey + ") " + drillAge + " - time()) / 86400 or " + drillAge +
		" * 0 - 1e6 unless on (" + clusterKey + ") " + lastDrill
	drillOver = "(time() - " + lastDrill + " - on (" + clusterKey + ") " + drillAge + ") / 86400 > 0"
)

// dueProperties are the properties of drillDue.
func dueProperties() []property {
	const week = 7
	return []property{
		unit(days), {Id: "decimals", Value: 0}, limits(thresholds(red, step{0, orange}, step{week, green})),
		mapped(append(
			mapping(map[string]dashboard.ValueMappingResult{fmt.Sprintf("%.0f", neverDue): result("Never drilled", red)}),
			between(neverDue+1, 0, result("Overdue", red)))),
	}
}

// dueColumns are the columns of drillDue and drillOver.
func dueColumns(due, over int) []column {
	return []column{
		{valueOf(due), "Due in", 84, append(dueProperties(), colorText())},
		{valueOf(over), "Overdue by", 0, []property{
			fixed(88), unit(days), {Id: "decimals", Value: 0}, colorText(), limits(thresholds(grey, step{0, red})),
		}},
	}
}

func drillsDuePanel(width, height uint32) cog.Builder[dashboard.Panel] {
	return tablePanel(frame{
		title: "Drills", width: width, height: height, noValue: "No cluster with the objective drill_age is known.",
		description: "When the next drill of each cluster with the objective drill_age is due. Clusters that were never drilled " +
			"come first.",
		queries: []query{
			{rows(withLabels(drillDue)), ""}, {rows(withLabels(drillOver)), ""}, {rows(withLabels("1000 * " + lastDrill)), ""},
		},
	}, "Due in", false, slices.Concat(clusterColumns(), dueColumns(0, 1), []column{
		{valueOf(2), "Last drill", 92, []property{unit(date)}},
		{"team", "Team", 80, nil},
	})...)
}

// perDayPanel counts the jobs that ended in the day after each point: Grafana evaluates the query at the start of each day.
func perDayPanel(width, height uint32) cog.Builder[dashboard.Panel] {
	// Not the recorded series, which contain successes only of targets with failures.
	perDay := func(name string) string {
		return "count(count by (" + jobKey + ") (max_over_time(" + target(name) + "[1d] offset -1d) > time()))"
	}
	return linePanel(frame{
		title: "Failures and successes per day", unit: count, width: width, height: height,
		description: "Restores, drills, and downloads that ended on each day (UTC). Absent if there were none.",
		queries: []query{
			{perDay("last_failure_timestamp_seconds"), "failed"}, {perDay("last_success_timestamp_seconds"), "succeeded"},
		},
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
	states := []struct{ status, series string }{
		{"failed", condition("restores", "AtlasRestoreFailed")},
		{"in_progress", selector(active, clusters)},
		{"ready", selector(nextExpiry, clusters) + " > time()"},
	}
	notPolled := " on (" + targetKey + ") " + unpolled
	var current, last []string
	for _, s := range states {
		current = append(current, "max by ("+clusterKey+") ("+state(s.status, "("+s.series+")")+" unless"+notPolled+")")
		last = append(last, "max by ("+clusterKey+") ("+state("unknown", "("+s.series+")")+" and"+notPolled+")")
	}
	worst := strings.Join(slices.Concat(current[:1], last, current[1:]), " or ")
	return timelinePanel(frame{
		title: "Restores by cluster", unit: count, width: width, height: height, noValue: "No data",
		description: "Clusters with a running restore, a download that is ready, or a failed restore without a later success. If " +
			"several apply, failed comes first, then unknown: the state at the last poll, because the target could not be polled.",
		queries: []query{{withLabels(worst), "{{cluster_name}} ({{project}})"}},
	})
}
