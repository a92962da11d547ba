package recompute

import (
	"bytes"
	"encoding/json"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

// situations counts how often the histories contain a situation.
type situations map[string]int

// required are the situations that the histories must contain at least 20 times.
var required = []string{
	"batch: failed in part",
	"batch: neither failed nor succeeded",
	"batch: succeeded",
	"batch: unfinished in part",
	"cluster: created after the period",
	"cluster: created in the period",
	"cluster: creation unknown",
	"cluster: only collection restores",
	"cluster: without objectives",
	"date: 29 February of a common year",
	"date: fraction of a second",
	"date: implausible",
	"date: missing finish time",
	"date: not at UTC",
	"drill: finished before it was created",
	"drill: recovery point unknown",
	"drill: requested before its cluster was created",
	"drill: signed off as fail",
	"drill: signed off as pass",
	"drill_age: met",
	"drill_age: missed",
	"drill_age: not_measurable",
	"duration: met",
	"duration: missed",
	"duration: not_measurable",
	"failure: followed up after the period",
	"failure: followed up",
	"failure: not followed up",
	"leap day: a restore ended",
	"leap day: border of the period",
	"list: denied",
	"list: jobs without an ID",
	"period: end is the time of generation",
	"period: not at UTC",
	"recovery_point_age: met",
	"recovery_point_age: missed",
	"recovery_point_age: not_measurable",
	"restore in collection_restores",
	"restore in downloads",
	"restore in drills",
	"restore in failed_restores",
	"restore in other_restores",
	"restore in unfinished_restores",
	"restore: at the source cluster",
	"restore: end unknown",
	"restore: ended a second before the end",
	"restore: ended a second before the start",
	"restore: ended at the end",
	"restore: ended at the start",
	"restore: requested at the end",
	"restore: spans the end",
	"restore: spans the start",
	"restore: unexpected target",
	"sign-off: job in no list that was read",
	"sign-off: outside the period",
}

func (s situations) check(t *testing.T) {
	for _, name := range required {
		if s[name] < 20 {
			t.Errorf("%d times: %s", s[name], name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(s)) {
		t.Logf("%6d %s", s[name], name)
	}
}

func (s situations) count(name string, is bool) {
	if is {
		s[name]++
	}
}

// observe counts the situations of a history and its rows.
func (s situations) observe(h *history, want *rows) {
	isLeap := func(t time.Time) bool { return t.Month() == time.February && t.Day() == 29 }
	s.count("leap day: border of the period", isLeap(h.From) || isLeap(h.To))
	s.count("period: end is the time of generation", h.To.Equal(h.Now))
	s.count("period: not at UTC", strings.Contains(h.toGiven, "T") && !strings.HasSuffix(h.toGiven, "Z"))
	unresolved := want.signOffs["unresolved_job_ids"].([]string)
	s.count("sign-off: job in no list that was read", len(unresolved) > 0)
	s.count("sign-off: outside the period", want.signOffs["ignored_outside_period"] != 0)
	for _, c := range h.Clusters {
		s.count("cluster: created after the period", !c.Created.Before(h.To))
		s.count("cluster: created in the period", c.Created.After(h.From) && c.Created.Before(h.To))
		s.count("cluster: creation unknown", c.Created.IsZero())
		s.count("cluster: only collection restores", c.Lists["collection"] != nil && len(c.Lists) == 1)
		s.count("cluster: without objectives", len(c.Objectives) == 0)
		for _, objective := range []string{"drill_age", "duration", "recovery_point_age"} {
			s[objective+": "+want.clusters[c.Name][objective].(row)["verdict"].(string)]++
		}
		state := &clusterState{clusterInput: c, input: &h.input}
		for backup, l := range c.Lists {
			s.count("list: denied", l.Denied)
			s.count("list: jobs without an ID", want.targets[c.Name+" "+backup]["malformed_jobs"] != 0)
			var jobs []job
			for _, item := range l.Items {
				s.observeItem(h, item)
				if j, ok := readJob(backup, item, h.Now); ok {
					jobs = append(jobs, j)
				}
			}
			for _, r := range restoresOf(jobs, h.Now) {
				s.observeRestore(state, r)
			}
		}
		for _, name := range listNames {
			for _, r := range want.restores[c.Name+" "+name] {
				s["restore in "+name]++
				s.observeRow(h, name, r)
			}
		}
	}
}

var (
	otherZone = regexp.MustCompile(`T[0-9:.]{8,12}[+-]\d\d:\d\d"`)
	fraction  = regexp.MustCompile(`T\d\d:\d\d:\d\d\.`)
)

func (s situations) observeItem(h *history, item json.RawMessage) {
	s.count("date: not at UTC", otherZone.Match(item))
	s.count("date: fraction of a second", fraction.Match(item))
	s.count("date: 29 February of a common year", bytes.Contains(item, []byte("2027-02-29")))
	o := decode(item)
	for _, path := range dates {
		if t := o.time(path...); path[0] != "expiresAt" && path[0] != "expirationDate" && path[0] != "delivery" {
			s.count("date: implausible", t.After(h.Now.Add(day)))
		}
	}
}

func (s situations) observeRestore(c *clusterState, r *restore) {
	s.count("restore: end unknown", r.ended.IsZero() && !r.unfinished)
	if r.batch != "" && len(r.jobs) > 1 {
		failed := slices.ContainsFunc(r.jobs, func(j job) bool { return j.status(c.Now) != "failed" })
		finished := slices.ContainsFunc(r.jobs, func(j job) bool { return !j.isUnfinished(c.Now) })
		s.count("batch: failed in part", r.outcome == "failed" && failed)
		s.count("batch: succeeded", r.succeeded)
		s.count("batch: unfinished in part", r.unfinished && finished)
		s.count("batch: neither failed nor succeeded", !r.unfinished && r.outcome != "failed" && !r.succeeded)
	}
	s.count("restore: requested at the end", r.created.Equal(c.To))
	if r.unfinished {
		return
	}
	s.count("restore: ended at the start", r.ended.Equal(c.From))
	s.count("restore: ended at the end", r.ended.Equal(c.To))
	s.count("restore: ended a second before the start", r.ended.Equal(c.From.Add(-time.Second)))
	s.count("restore: ended a second before the end", r.ended.Equal(c.To.Add(-time.Second)))
	s.count("restore: spans the start", r.created.Before(c.From) && r.ended.After(c.From))
	s.count("restore: spans the end", r.created.Before(c.To) && r.ended.After(c.To))
	if c.place(r) == "drills" {
		s.count("drill: requested before its cluster was created", r.created.Before(c.Created))
		s.count("drill: finished before it was created", !r.finished.IsZero() && r.finished.Before(r.created))
		s.count("drill: recovery point unknown", r.recovery.IsZero())
	}
}

func (s situations) observeRow(h *history, list string, r row) {
	ended, _ := r["ended"].(string)
	s.count("leap day: a restore ended", strings.Contains(ended, "-02-29T"))
	s.count("restore: at the source cluster", r["in_place"] == true)
	s.count("restore: unexpected target", r["unexpected_target"] == true)
	s.count("date: missing finish time", r["status"] == "completed" && r["finished"] == nil)
	switch list {
	case "drills":
		s.count("drill: signed off as "+r["validation"].(string), r["validation"] != "not_validated")
	case "failed_restores", "collection_restores":
		followUp, ok := r["followed_up_by"].(row)
		s.count("failure: followed up", ok)
		s.count("failure: not followed up", !ok && r["status"] == "failed")
		s.count("failure: followed up after the period", ok && followUp["ended"].(string) >= date(h.To).(string))
	}
}
