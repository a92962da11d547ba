package main

import (
	"fmt"
	"slices"
	"strings"
)

// condition returns the series of alerts of a group of rules.
func condition(group, names string, more ...string) string {
	return selector("alert:mongodbatlas_restore_"+group+":labeled",
		append([]string{fmt.Sprintf("condition=~%q", names), chosen}, more...)...)
}

// Severities of conditions, the most urgent first. Copies of data come first, because a link has a deadline.
const (
	leak     = iota // data in an unexpected target
	deadline        // a link that expires
	critical
	warning
	info
)

// Titles of counts of open problems.
const (
	failedTile        = "Failed restores"
	slowTile          = "Too slow"
	unexpectedTile    = "Unexpected target"
	expiringTile      = "Links expiring"
	failingDrillsTile = "Failing drills"
	dueTile           = "Drills due"
	otherTile         = "Other"
)

// alertCondition is a condition of the alerts: a kind of row in the table of open problems. Its expressions are
// optional. They contain value for its series.
type alertCondition struct {
	group, condition, matcher string
	other                     func() string // the series, if it is not that of the alert
	text, color               string
	tile                      string // the count that contains the condition
	severity                  int
	foreign                   bool   // whether the name of the target project is important
	since                     string // Unix time of the start, unless only the time of its discovery is known
	until                     string // Unix time when a link expires
	limit                     string // seconds
	over                      string // seconds beyond the limit, if they are not the time since the start
	failures                  string // number of failures since the start
	overSinceStart            bool   // whether the seconds beyond the limit are the time since the start
}

// value represents the series of the condition in its expressions.
const value = "VALUE"

var (
	sinceDrill    = sameCluster("0 * "+value, "+", lastDrill)
	limitDrill    = sameCluster("0 * "+value, "+", drillAge)
	limitDuration = sameTarget("0 * "+value, "+", objective("duration"))
	limitNotice   = sameTarget("0 * "+value, "+", objective("expiry_notice"))
	limitPoint    = sameCluster("0 * "+value, "+", "max by ("+clusterKey+") ("+objective("recovery_point_age")+")")
	limitPoll     = sameTarget("0 * "+value, "+", "(3600 + 3 * "+pollInterval+")")
)

func sameCluster(left, operator, right string) string {
	return left + " " + operator + " on (" + clusterKey + ") group_left () " + right
}

func sameTarget(left, operator, right string) string {
	return left + " " + operator + " on (" + targetKey + ") group_left () " + right
}

// firing is the time when an alert started, for conditions whose facts contain no time.
func firing(key, alert string) string {
	return "0 * " + value + " + on (" + key + ") group_left () max by (" + key + ") (ALERTS_FOR_STATE{alertname=\"" + alert + "\"})"
}

const (
	isDrill  = `purpose="drill"`
	notDrill = `purpose!="drill"`
)

// firstFailure is the time of the first failure since the last success of the same kind, as far as Prometheus has data, and
// failureCount the number of failures since then.
var firstFailure, failureCount = func() (first, number string) {
	const (
		kind     = targetKey + ", kind, purpose, into"
		success  = "target:mongodbatlas_restore_last_success:latest"
		failures = "max_over_time(target:mongodbatlas_restore_last_failure:latest{" + clusters + "}[7d])"
	)
	of := func(aggregation string) string {
		return "0 * " + value + " + on (" + kind + ") group_left () " + aggregation + " by (" + kind + ") (" + failures + " > on (" + kind +
			") group_left () " + success + " or " + failures + " unless on (" + kind + ") " + success + ")"
	}
	return "(" + of("min") + " or " + value + ")", of("count")
}()

// stuckAfter is the time after which a restore without an objective is stuck.
const stuckAfter = " + 86400"

// alertConditions are all conditions. Their order is that of the rows of the same severity and environment.
var alertConditions = []alertCondition{
	{group: "security", condition: "AtlasRestoreUnexpectedTarget", text: "Unexpected target", tile: unexpectedTile, color: red, since: value,
		severity: leak, foreign: true},
	{group: "restores", condition: "AtlasRestoreFailed", matcher: notDrill, text: "Restore failed", tile: failedTile, color: red,
		severity: critical, since: firstFailure, failures: failureCount},
	{group: "restores", condition: "AtlasRestoreTooSlow", matcher: notDrill, text: "Restore too slow", tile: slowTile, color: red,
		severity: critical, since: sameTarget(value, "+", objective("duration")), limit: limitDuration, overSinceStart: true},
	{group: "restores", condition: "AtlasRestoreStuck", matcher: notDrill, text: "Restore stuck", tile: slowTile, color: red,
		severity: critical, since: value + stuckAfter, limit: "0 * " + value + stuckAfter, overSinceStart: true},
	{group: "polling", condition: "AtlasRestoreDataStale", text: "Last poll too old", tile: otherTile, color: red,
		severity: critical, since: sameTarget(value, "+", "(3600 + 3 * "+pollInterval+")"), limit: limitPoll, overSinceStart: true},
	{other: expiringLinks, text: "Download expires", tile: expiringTile, color: orange, severity: deadline,
		since: sinceNotice, until: value, limit: limitNotice},
	{group: "restores", condition: "AtlasRestoreFailed", matcher: isDrill, text: "Drill failed", tile: failingDrillsTile, color: yellow,
		severity: warning, since: firstFailure, failures: failureCount},
	{group: "restores", condition: "AtlasRestoreTooSlow", matcher: isDrill, text: "Drill too slow", tile: slowTile, color: yellow,
		severity: warning, since: sameTarget(value, "+", objective("duration")), limit: limitDuration, overSinceStart: true},
	{group: "restores", condition: "AtlasRestoreStuck", matcher: isDrill, text: "Drill stuck", tile: slowTile, color: yellow,
		severity: warning, since: value + stuckAfter, limit: "0 * " + value + stuckAfter, overSinceStart: true},
	{group: "drills", condition: "AtlasRestoreNoBackup", text: "No backup", tile: otherTile, color: yellow, severity: warning},
	{group: "drills", condition: "AtlasRestoreNeverDrilled", text: "Never drilled", tile: dueTile, color: yellow, severity: warning,
		since: sameCluster(value, "+", clusterCreated), limit: limitDrill, overSinceStart: true, other: drillable},
	{group: "drills", condition: "AtlasRestoreDrillOverdue", text: "Drill overdue", tile: dueTile, color: yellow, severity: warning,
		since: sameCluster(value, "+", drillAge), limit: limitDrill, overSinceStart: true},
	{group: "drills", condition: "AtlasRestoreDrillRecoveryPointOld", text: "Recovery point too old", tile: otherTile, color: yellow,
		severity: warning, since: sinceDrill, limit: limitPoint,
		over: sameCluster(value, "-", "max by ("+clusterKey+") ("+objective("recovery_point_age")+")")},
	{group: "results", condition: "AtlasRestoreMissedObjective", text: "Objective missed", tile: otherTile, color: yellow, severity: warning,
		since: endOfJob, limit: limitDuration, over: sameTarget(value, "-", objective("duration"))},
	{group: "results", condition: "AtlasRestoreIndexesFailed", text: "Indexes missing", tile: otherTile, color: yellow, severity: warning,
		since: value},
	{group: "polling", condition: "AtlasRestoreCannotPoll", text: "Can't be polled", tile: otherTile, color: yellow, severity: warning,
		since: sameTarget("0 * "+value, "+", lastPoll)},
	{group: "polling", condition: "AtlasRestoreUnknownStatus", text: "Unknown status", tile: otherTile, color: purple, severity: warning,
		since: firing(targetKey, "AtlasRestoreUnknownStatus")},
	{group: "restores", condition: "AtlasRestoreTargetVanished", text: "Not monitored", tile: otherTile, color: yellow, severity: warning,
		since: value},
	{group: "polling", condition: "AtlasRestoreTargetGone", text: "Backup type ended", tile: otherTile, color: grey, severity: info},
	{group: "drills", condition: "AtlasRestoreClusterDeleted", text: "Cluster deleted", tile: otherTile, color: grey, severity: info,
		since: firing(clusterKey, "AtlasRestoreClusterDeleted")},
}

// drillable are the clusters that were never drilled, except those that can't be drilled: they have a condition of their own.
func drillable() string {
	return condition("drills", "AtlasRestoreNeverDrilled") + " unless on (" + clusterKey + ") (" + noBackup + " or " + ended + ")"
}

// endOfJob is the time when the last successful job of a kind ended.
var endOfJob = "0 * " + value + " + on (" + jobKey + ") group_left () max by (" + jobKey + ") " +
	kept(target("last_success_timestamp_seconds"), "1h")

// key returns the labels that decide whether a row is current: whether its target, or any target of its cluster, is polled.
func (p *alertCondition) key() string {
	switch p.group {
	case "drills":
		return clusterKey
	case "polling":
		return "" // the condition itself is about polls
	}
	return targetKey
}

// series returns the series of the condition.
func (p *alertCondition) series() string {
	if p.other != nil {
		return "(" + p.other() + ")"
	}
	if p.matcher == "" {
		return condition(p.group, p.condition)
	}
	return condition(p.group, p.condition, p.matcher)
}

// each returns the union of an expression of each condition with the same key. An expression that is empty is left out. With
// chosenOnly, only the condition of the variable is included.
func each(key string, chosenOnly bool, expr func(rank int, p *alertCondition) string) string {
	var terms []string
	for i := range alertConditions {
		p := &alertConditions[i]
		e := expr(i+1, p)
		if e == "" || p.key() != key {
			continue
		}
		series := p.series()
		if p.foreign && chosenOnly {
			series = "(" + withTarget(series) + ")"
		}
		e = strings.ReplaceAll(e, value, series)
		if chosenOnly {
			e = fmt.Sprintf("(%s) and on () (floor(vector($condition)) == %d or vector($condition) == %s)", e, i+1, allConditions)
		}
		terms = append(terms, e)
	}
	if terms == nil {
		return ""
	}
	return "(" + strings.Join(terms, " or ") + ")"
}

// every returns the union of an expression of each condition.
func every(expr func(rank int, p *alertCondition) string) string {
	all := []string{each(targetKey, false, expr), each(clusterKey, false, expr), each("", false, expr)}
	return strings.Join(slices.DeleteFunc(all, func(e string) bool { return e == "" }), " or ")
}

// allConditions is the value of the variable condition that includes each condition. Otherwise, it is the rank of a condition.
const allConditions = "0"

// past is added to the rank of a row whose target is not polled: the row shows the state at the last poll.
const past = 0.5

// openRanks returns the rank of each row of the table of open problems. The conditions of targets are current if the target is polled, those of
// clusters if all targets of the cluster are.
func openRanks(chosenOnly bool) string {
	rank := func(rank int, _ *alertCondition) string { return fmt.Sprintf("0 * %s + %d", value, rank) }
	targets, ofClusters := each(targetKey, chosenOnly, rank), each(clusterKey, chosenOnly, rank)
	isPast := func(key, ranks string) string {
		return fmt.Sprintf("(%s + %g and on (%s) %s)", ranks, past, key, stale)
	}
	return strings.Join([]string{
		isPast(targetKey, targets), targets, isPast(clusterKey, ofClusters), ofClusters, each("", chosenOnly, rank),
	}, " or ")
}

// identified adds the label key: the cluster, target, job, and condition of a row of the table of open problems.
func identified(expr string) string {
	return `label_join(` + expr + `, "key", "/", "project_id", "cluster_name", "backup_type", "job_id", "condition")`
}

// values returns the greatest value of each row of the table of open problems.
func values(expr string) string { return "max by (key) (" + identified(expr) + ")" }

// other makes the labels of a series different, so that values returns the greater of two series.
func other(expr string) string { return `label_replace(` + expr + `, "other", "1", "", "")` }

// openOrder returns the position of each row of the table of open problems: by severity, production first, by condition, and by time.
func openOrder() string {
	const bySeverity, byRank, later = 1e14, 1e11, "1e13"
	order := every(func(rank int, p *alertCondition) string {
		time := p.until
		if time == "" {
			time = p.since
		}
		if time == "" {
			time = "0 * " + value
		}
		position := fmt.Sprintf("%.0f", bySeverity*float64(p.severity)+byRank*float64(rank))
		return fmt.Sprintf("(0 * %s + %s or "+other("(%s) + %s")+")", value, position, time, position)
	})
	return "(" + order + ") + on (" + clusterKey + ") group_left () (" + later + " * " +
		selector(labels, chosen, `environment!~"(?i)prod.*"`) + " or 0 * " + selector(labels, chosen) + ")"
}

// openOver returns the seconds beyond the limit of each row of the table of open problems. They end at the last poll.
func openOver() string {
	growing := func(_ int, p *alertCondition) string {
		if p.overSinceStart {
			return "(" + p.since + ")"
		}
		return ""
	}
	return until(targetKey, each(targetKey, false, growing)) + " or " + until(clusterKey, each(clusterKey, false, growing)) +
		" or time() - " + each("", false, growing) + " or " +
		every(func(_ int, p *alertCondition) string { return p.over })
}

// until returns the seconds from the values of an expression until now or, if the target is not polled, until the last poll.
func until(key, expr string) string {
	return "(max by (" + key + ") (" + polled + " and on (" + targetKey + ") " + stale + ") - on (" + key + ") group_right () " + expr +
		" or time() - " + expr + ")"
}

// openPerCondition returns the numbers of open problems by the label rank, and with the label value of the variable condition.
func openPerCondition() string {
	rank := func(rank int, _ *alertCondition) string {
		return fmt.Sprintf(`label_replace(%s, "rank", "%02d", "", "")`, value, rank)
	}
	targets, ofClusters := each(targetKey, false, rank), each(clusterKey, false, rank)
	isPast := func(operator string) string {
		on := func(key string) string { return " " + operator + " on (" + key + ") " + stale }
		return targets + on(targetKey) + " or " + ofClusters + on(clusterKey)
	}
	counts := "count by (rank) (" + isPast("unless") + " or " + each("", false, rank) + ") or count by (rank) (label_replace(" +
		isPast("and") + `, "rank", "$1.5", "rank", "(.*)"))`
	return `label_replace(` + counts + `, "value", "$1", "rank", "0?([0-9]+).*")`
}

// openOf returns the union of the series of the conditions of a count.
func openOf(tile string) string {
	var terms []string
	for i := range alertConditions {
		if p := &alertConditions[i]; p.tile == tile {
			terms = append(terms, p.series())
		}
	}
	return strings.Join(terms, " or ")
}
