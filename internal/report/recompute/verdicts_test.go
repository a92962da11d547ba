package recompute

import (
	"maps"
	"math"
	"slices"
	"time"
)

// since returns the whole seconds between two times. It returns false if one is unknown.
func since(end, start time.Time) (int64, bool) {
	return end.Unix() - start.Unix(), !end.IsZero() && !start.IsZero()
}

// duration: "(finished − created) [...]; absent unless it has both times, or if negative".
func duration(r *restore) (int64, bool) {
	seconds, known := since(r.finished, r.created)
	return seconds, known && seconds >= 0
}

// recoveryPointAge is the "age of a drill's recovery point when the drill was created". A negative age is no miss.
func recoveryPointAge(r *restore) (int64, bool) {
	return since(r.created, r.recovery)
}

// judge compares a value with an objective.
func (c *clusterInput) judge(objective string, value int64, known bool) row {
	out := row{"verdict": "no_objective", "objective_seconds": nil, "value_seconds": nil, "missed_by_seconds": nil,
		"reason": false}
	if known {
		out["value_seconds"] = value
	}
	limit, ok := c.Objectives[objective]
	if !ok {
		return out
	}
	out["objective_seconds"] = limit
	switch {
	case !known:
		out["verdict"], out["reason"] = "not_measurable", true
	case value > limit:
		out["verdict"], out["missed_by_seconds"] = "missed", value-limit
	default:
		out["verdict"] = "met"
	}
	return out
}

// judgeDrill judges one restore. The verdict is given for drills that ended in the period only.
func (s *clusterState) judgeDrill(r *restore, objective string, measure func(*restore) (int64, bool)) row {
	value, known := measure(r)
	out := s.judge(objective, value, known)
	switch {
	case s.place(r) != "drills":
		out["verdict"], out["objective_seconds"], out["missed_by_seconds"], out["reason"] = "no_objective", nil, nil, false
	case !s.counts(r):
		out["verdict"], out["missed_by_seconds"], out["reason"] = "not_counted", nil, true
	}
	return out
}

// judgeDrills judges an objective of each counted drill in the period: "the cluster meets them if each drill in the
// period does".
func (s *clusterState) judgeDrills(objective string, measure func(*restore) (int64, bool)) row {
	worst, anyKnown, allKnown := int64(math.MinInt64), false, true
	for _, r := range s.restores {
		if !s.counts(r) || s.place(r) != "drills" {
			continue
		}
		value, known := measure(r)
		if known {
			worst, anyKnown = max(worst, value), true
		}
		allKnown = allKnown && known
	}
	out := s.judge(objective, worst, anyKnown)
	if out["verdict"] == "met" && (!allKnown || s.incomplete) {
		out["verdict"], out["reason"] = "not_measurable", true
	}
	return out
}

// judgeDrillAge: the objective is met if, from the creation of the cluster on, the latest drill was at no time of the
// period older. The value is the worst age.
func (s *clusterState) judgeDrillAge() row {
	var ends []time.Time
	for _, r := range s.restores {
		if s.counts(r) && !r.ended.IsZero() && r.ended.Before(s.To) {
			ends = append(ends, r.ended)
		}
	}
	slices.SortFunc(ends, time.Time.Compare)
	// Within a gap, the age grows until the next drill ends. Before the first drill, the age is that of the cluster.
	worst, known, gap := int64(0), true, false
	last, start := s.Created, s.From
	if s.Created.After(start) {
		start = s.Created
	}
	for _, next := range append(ends, s.To) {
		if next.After(start) {
			if age, ok := since(next, last); ok {
				worst, gap = max(worst, age), true
			} else {
				known = false
			}
		}
		last = next
	}
	out := s.judge("drill_age", worst, gap)
	if s.Lists["collection"] != nil && len(s.Lists) == 1 { // no list contains drills
		out = s.judge("drill_age", 0, false)
	}
	if out["verdict"] == "met" && !known || out["verdict"] == "missed" && s.incomplete {
		out["verdict"], out["missed_by_seconds"], out["reason"] = "not_measurable", nil, true
	}
	return out
}

// report adds the rows of a cluster.
func (s *clusterState) report(out *rows) {
	lists := map[string]map[string]row{}
	for _, name := range listNames {
		lists[name] = map[string]row{}
		out.restores[s.Name+" "+name] = lists[name]
	}
	for _, r := range s.restores {
		if place := s.place(r); place != "" {
			lists[place][r.id] = s.restoreRow(r)
		}
	}
	age := s.judgeDrillAge()
	speed := s.judgeDrills("duration", duration)
	recovery := s.judgeDrills("recovery_point_age", recoveryPointAge)
	verdicts := []any{age["verdict"], speed["verdict"], recovery["verdict"]}
	verdict := "no_objective"
	for _, worse := range []string{"met", "not_measurable", "missed"} {
		if slices.Contains(verdicts, any(worse)) {
			verdict = worse
		}
	}
	out.clusters[s.Name] = row{
		"project_id": s.Project, "team": s.Team, "environment": "", "created": date(s.Created),
		"backup_enabled":            s.backup(),
		"continuous_backup_enabled": s.continuousBackup(), "backup_types": slices.Sorted(maps.Keys(s.Lists)),
		"verdict": verdict, "drill_age": age, "duration": speed, "recovery_point_age": recovery,
	}
	if out.teams[s.Team] == nil {
		out.teams[s.Team] = newCounts()
	}
	for _, counts := range []row{out.summary, out.teams[s.Team]} {
		counts.add("clusters")
		counts.add(map[string]string{"no_objective": "no_objectives"}[verdict])
		counts.add(verdict)
	}
	for _, drill := range lists["drills"] {
		out.summary.add("drills")
		out.summary.add("drills_signed_off_" + drill["validation"].(string))
		out.summary.add("drills_" + drill["validation"].(string))
	}
	for _, failed := range lists["failed_restores"] {
		out.summary.add("failed_restores")
		if failed["followed_up_by"] != nil {
			out.summary.add("failed_restores_followed_up")
		}
	}
}

// backup is not reported for serverless instances: Atlas doesn't list them any more.
func (s *clusterState) backup() any {
	if s.Lists["serverless"] != nil {
		return nil
	}
	return s.Backup
}

// continuousBackup is not reported for Flex clusters and serverless instances.
func (s *clusterState) continuousBackup() any {
	if s.Lists["flex"] != nil || s.Lists["serverless"] != nil {
		return nil
	}
	return s.PointInTime
}

var listNames = []string{"drills", "failed_restores", "downloads", "other_restores", "collection_restores",
	"unfinished_restores"}

func newCounts() row {
	return row{"clusters": 0, "met": 0, "missed": 0, "not_measurable": 0, "no_objectives": 0}
}

// add increments a number, if the row has it.
func (r row) add(name string) {
	if n, ok := r[name].(int); ok {
		r[name] = n + 1
	}
}
