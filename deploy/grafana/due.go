package main

import (
	"fmt"
	"slices"

	"github.com/grafana/grafana-foundation-sdk/go/cog"
	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
)

// Values of the column Due in of clusters that were never drilled, or whose newest drill failed: they are the most urgent.
const (
	neverDrilled = -1e6
	neverNoData  = -9e5 // and has no backup
	neverEnded   = -8e5 // and has no backup type that exists in Atlas
	repeatNow    = -7e5 // not due yet, but the newest drill failed
)

// drillDue is the number of days until a drill is due: negative if it is overdue. drillOver is the number of days since then.
// Both end at the last poll.
var (
	sinceDue  = until(clusterKey, "("+lastDrill+" + on ("+clusterKey+") "+drillAge+")") + " / 86400"
	neverDone = "(" + drillAge + " unless on (" + clusterKey + ") " + lastDrill + ")"
	drillDue  = fmt.Sprintf("0 * (%s <= 0 and on (%s) %s) - %.0f or -1 * %[1]s", sinceDue, clusterKey, newestFailed, -repeatNow) +
		neverBecause(ended, neverEnded) + neverBecause(noBackup, neverNoData) + neverBecause(drillAge, neverDrilled)
	drillOver = sinceDue + " > 0"
	// ended are the clusters whose backup types no longer exist in Atlas.
	ended = "(" + gone + " unless on (" + clusterKey + ") (" + known + " unless on (" + targetKey + ") " + gone + "))"
)

func neverBecause(reason string, value float64) string {
	return fmt.Sprintf(" or 0 * (%s and on (%s) %s) - %.0f", neverDone, clusterKey, reason, -value)
}

// dueProperties are the properties of drillDue. onTime is the color if the drill is not due within a week.
func dueProperties(onTime string) []property {
	const week = 7
	text := func(value float64) string { return fmt.Sprintf("%.0f", value) }
	return []property{
		unit(days), {Id: "decimals", Value: 0}, limits(thresholds(yellow, step{week, onTime})),
		mapped(append(mapping(map[string]dashboard.ValueMappingResult{
			text(neverDrilled): result("Never", yellow), text(neverNoData): result("No backup", yellow),
			text(neverEnded): result("Ended", grey), text(repeatNow): result("Repeat", yellow),
		}), between(repeatNow+1, 0, result("Overdue", yellow)))),
	}
}

// dueColumn is the column of drillDue, and overdueColumn that of drillOver.
func dueColumn(due int) column {
	return column{valueOf(due), "Due in", 0, append(dueProperties(transparent), fixed(84), background())}
}

func overdueColumn(over int) column {
	return column{valueOf(over), "Overdue by", 0, []property{
		fixed(86), unit(days), {Id: "decimals", Value: 0}, background(), limits(thresholds(transparent, step{0, yellow})),
	}}
}

const (
	hasDrill  = `delivery_type=~"automated|point_in_time",backup_type!="collection"`
	noTargets = " unless on (" + targetKey + ") mongodbatlas_restore_drill_targets_configured{" + scraped + "} == 1"
)

// failedDrill is the time when the newest failed drill of each cluster ended. A drill is a restore to a drill target. If none
// are configured, to any target.
var failedDrill = "max by (" + clusterKey + ") (" + kept(target("last_failure_timestamp_seconds", hasDrill, isDrill), "1h") +
	" or " + kept(target("last_failure_timestamp_seconds", hasDrill), "1h") + noTargets + ")"

// newestFailed are the clusters whose newest drill failed.
var newestFailed = "(" + failedDrill + " > on (" + clusterKey + ") " + lastDrill + " or " + failedDrill + " unless on (" + clusterKey + ") " +
	lastDrill + ")"

// newestDrill is the outcome of the newest drill of each cluster: 0 if it failed, else 1. At the last poll, plus 2. Without a
// drill, 4 if the cluster is not polled.
var newestDrill = func() string {
	onCluster := " on (" + clusterKey + ") "
	outcome := "0 * " + newestFailed + " or" + onCluster + "0 * " + lastDrill + " + 1"
	return "(" + outcome + ") + 2 and" + onCluster + stale + " or" + onCluster + "(0 * " + neverDone + " + 4 and" + onCluster + stale + ")" +
		" or" + onCluster + "(" + outcome + ")"
}()

func outcomeMappings() []property {
	return []property{unit(count), mapped(mapping(map[string]dashboard.ValueMappingResult{
		"0": result("Failed", red), "1": result("Completed", green),
		"2": result(wasPrefix+"failed", purple), "3": result(wasPrefix+"completed", purple),
		"4": result("Not polled", purple),
	}))}
}

func newestDrillColumn(index int) column {
	return column{valueOf(index), "Newest drill", 0, append(outcomeMappings(), fixed(88), wrapped(), colorText())}
}

func drillsDuePanel(width, height uint32) cog.Builder[dashboard.Panel] {
	return tablePanel(frame{
		title: "Drills", width: width, height: height, noValue: "No cluster with the objective drill_age is known.",
		description: "When the next drill of each cluster with the objective drill_age is due. Clusters that were never drilled " +
			"come first, then those whose newest drill failed (repeat). No backup, ended: never drilled, and can't be drilled now, because backups are off or the backup type no longer exists. " +
			"Last success: the last successful drill. Newest drill: its result. Was: at the last poll.",
		queries: []query{
			{rows(withLabels(drillDue)), ""}, {rows(withLabels(drillOver)), ""}, {rows(withLabels("1000 * " + lastDrill)), ""},
			{rows(withLabels(newestDrill)), ""},
		},
	}, "Due in", false, slices.Concat(clusterColumns(), []column{
		dueColumn(0),
		{valueOf(2), "Last success", 94, []property{unit(date)}},
		newestDrillColumn(3),
		overdueColumn(1),
	})...)
}
