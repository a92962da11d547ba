package report_test

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
)

// This file computes the rows of a report from the raw jobs of a cluster, in a different way than the report: from
// untyped JSON objects, and only by the definitions in the documentation of metrics and reports. It shares no code with
// the packages that read, classify, and judge restores.

type object = map[string]any

// oracle has the inputs of a report about one cluster.
type oracle struct {
	now, from, to int64
	created       int64 // of the cluster; zero if unknown
	project, name string
	drillTargets  []string // clusters of the project; nil if not configured
	allowed       []string // clusters of the project; nil if not configured
	objectives    map[string]int64
	signOffs      map[string]string // results by job ID
	lists         map[string][]object
}

// restored is a restore: one job, or the jobs of a batch.
type restored struct {
	object // the fields that are compared

	ids                          []string
	created, end, rp, finished   int64
	failed, succeeded, undecided bool
	collection, isDrill, counted bool
	purpose                      string
}

// text returns a field of an object, at a path with dots.
func text(o object, path string) string {
	key, rest, nested := strings.Cut(path, ".")
	if nested {
		inner, _ := o[key].(object)
		return text(inner, rest)
	}
	s, _ := o[key].(string)
	return s
}

// at returns a date as Unix time, if it is not later than the limit.
func at(date string, limit int64) int64 {
	t, err := time.Parse(time.RFC3339, date)
	if err != nil || t.Unix() > limit || t.Unix() < 0 {
		return 0
	}
	return t.Unix()
}

func secondsOfID(id string, limit int64) int64 {
	if len(id) != 24 {
		return 0
	}
	n, err := strconv.ParseInt(id[:8], 16, 64)
	if err != nil || n > limit {
		return 0
	}
	return n
}

func first(values ...int64) int64 {
	for _, value := range values {
		if value != 0 {
			return value
		}
	}
	return 0
}

func number(o object, key string, limit int64) int64 {
	n, _ := o[key].(int64)
	if n > limit {
		return 0
	}
	return n
}

// later reports whether the first of two restores comes last: by end, creation, and ID.
func later(a, b *restored) bool {
	if a.end != b.end {
		return a.end > b.end
	}
	if a.created != b.created {
		return a.created > b.created
	}
	return a.ids[0] > b.ids[0]
}

// batch returns the restore that consists of the jobs of a batch.
func batch(jobs []*restored) *restored {
	var chosen *restored
	whole := &restored{succeeded: true}
	for _, job := range jobs {
		whole.failed = whole.failed || job.failed
	}
	for _, job := range jobs {
		if (job.failed || !whole.failed) && (chosen == nil || later(job, chosen)) {
			chosen = job
		}
		whole.end = max(whole.end, job.end)
		whole.succeeded = whole.succeeded && job.succeeded
		whole.undecided = whole.undecided || job.undecided
		whole.ids = append(whole.ids, job.ids...)
	}
	unexpected := "false"
	for _, job := range jobs {
		if job.object["unexpected_target"] == "true" {
			unexpected = "true"
		}
	}
	whole.undecided = whole.undecided && !whole.failed
	whole.object = maps.Clone(chosen.object)
	whole.object["unexpected_target"] = unexpected
	whole.created, whole.finished, whole.rp, whole.purpose = chosen.created, chosen.finished, chosen.rp, chosen.purpose
	whole.isDrill = chosen.isDrill && whole.succeeded
	delete(whole.object, "status") // of one of the jobs
	return whole
}

// restores returns all restores of the lists.
func (o *oracle) restores() []*restored {
	var all []*restored
	for _, backupType := range slices.Sorted(maps.Keys(o.lists)) {
		batches := map[string][]*restored{}
		for _, job := range o.lists[backupType] {
			r := o.read(backupType, job)
			if r.created != 0 && r.created < o.created && !r.undecided {
				continue // of an earlier cluster of the same name
			}
			if id := text(job, "batchId"); id != "" {
				batches[id] = append(batches[id], r)
				continue
			}
			all = append(all, r)
		}
		for _, jobs := range batches {
			all = append(all, batch(jobs))
		}
	}
	for _, r := range all {
		r.object["validation"] = "not_validated"
		for _, id := range r.ids {
			if result := o.signOffs[id]; result == "fail" || (result == "pass" && r.object["validation"] != "fail") {
				r.object["validation"] = result
			}
		}
		r.counted = r.object["validation"] != "fail"
	}
	return all
}

// rows returns one line for each row of the report about the cluster, and one for each verdict on the cluster.
func (o *oracle) rows() []string {
	var rows []string
	all := o.restores()
	judged := map[string][]string{} // the verdicts on drills by objective
	for _, r := range all {
		list := o.listOf(r)
		if list == "" {
			continue
		}
		r.object["list"] = list
		r.object["requested"], r.object["finished"], r.object["recovery_point"] = utc(r.created), utc(r.finished), utc(r.rp)
		if r.undecided {
			r.object["ended"] = "null"
		} else {
			r.object["ended"] = utc(r.end)
		}
		r.object["followed_up_by"] = o.followUp(r, all)
		for _, objective := range []string{"duration", "recovery_point_age"} {
			value := r.value(objective)
			verdict := "no_objective"
			limit, set := o.objectives[objective]
			switch {
			case list != "drills":
			case !r.counted:
				verdict = "not_counted"
			case !set:
				judged[objective] = append(judged[objective], verdict)
			default:
				verdict = compare(value, limit)
				judged[objective] = append(judged[objective], verdict)
			}
			r.object[objective] = verdict
			if value != unknownValue {
				r.object[objective] = fmt.Sprint(verdict, " ", value)
			}
		}
		rows = append(rows, line(r.object))
	}
	for _, objective := range []string{"duration", "recovery_point_age"} {
		verdict := "no_objective"
		if _, set := o.objectives[objective]; set {
			verdict = "met"
			switch verdicts := judged[objective]; {
			case slices.Contains(verdicts, "missed"):
				verdict = "missed"
			case len(verdicts) == 0, slices.Contains(verdicts, "not_measurable"), o.onlyCollections():
				verdict = "not_measurable"
			}
		}
		rows = append(rows, objective+": "+verdict)
	}
	rows = append(rows, "drill_age: "+o.drillAge(all))
	slices.Sort(rows)
	return rows
}

const unknownValue = -1 << 62

// value returns the value of a restore for an objective.
func (r *restored) value(objective string) int64 {
	switch {
	case objective == "duration" && r.created != 0 && r.finished != 0 && r.finished >= r.created:
		return r.finished - r.created
	case objective == "recovery_point_age" && r.created != 0 && r.rp != 0:
		return r.created - r.rp
	}
	return unknownValue
}

func (o *oracle) onlyCollections() bool {
	_, collections := o.lists["collection"]
	return collections && len(o.lists) == 1
}

func compare(value, limit int64) string {
	switch {
	case value == unknownValue:
		return "not_measurable"
	case value > limit:
		return "missed"
	}
	return "met"
}

// listOf returns the list of the report that contains a restore; empty if it is not reported.
func (o *oracle) listOf(r *restored) string {
	switch {
	case r.undecided || r.end >= o.to:
		if r.created < o.to {
			return "unfinished_restores"
		}
		return ""
	case r.end < o.from:
		return ""
	case r.collection:
		return "collection_restores"
	case r.failed:
		return "failed_restores"
	case r.object["kind"] == "download":
		return "downloads"
	case r.isDrill:
		return "drills"
	}
	return "other_restores"
}

// followUp returns the end of the first later success with the same purpose, for a failed restore.
func (o *oracle) followUp(r *restored, all []*restored) string {
	next := int64(0)
	for _, other := range all {
		matches := other.succeeded && other.purpose == r.purpose && other.collection == r.collection
		if r.failed && matches && other.end > r.end && (next == 0 || other.end < next) {
			next = other.end
		}
	}
	return utc(next)
}

// drillAge checks each second at which the age can be greatest: just before a drill ends, and at the end of the period.
func (o *oracle) drillAge(all []*restored) string {
	limit, set := o.objectives["drill_age"]
	if !set {
		return "no_objective"
	}
	if o.onlyCollections() || o.created >= o.to {
		return "not_measurable"
	}
	ages, unknown := []int64{}, false
	start := max(o.from, o.created)
	times := []int64{o.to}
	for _, r := range all {
		if r.isDrill && r.counted && r.end > start && r.end < o.to {
			times = append(times, r.end)
		}
	}
	for _, end := range times {
		last := o.created
		for _, r := range all {
			if r.isDrill && r.counted && r.end != 0 && r.end < end {
				last = max(last, r.end)
			}
		}
		if last == 0 {
			unknown = true
			continue
		}
		ages = append(ages, end-last)
	}
	// A drill that ended at the start already counts there. The age before it is not part of the period.
	worst := int64(unknownValue)
	for _, age := range ages {
		worst = max(worst, age)
	}
	verdict := compare(worst, limit)
	if unknown && verdict != "missed" {
		return "not_measurable"
	}
	return fmt.Sprint(verdict, " ", worst)
}

func utc(seconds int64) string {
	if seconds == 0 {
		return "null"
	}
	return time.Unix(seconds, 0).UTC().Format(time.RFC3339)
}

// line returns the fields of an object in a fixed order.
func line(o object) string {
	var fields []string
	for _, key := range slices.Sorted(maps.Keys(o)) {
		fields = append(fields, fmt.Sprint(key, "=", o[key]))
	}
	return strings.Join(fields, " ")
}
