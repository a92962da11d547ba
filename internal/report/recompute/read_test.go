package recompute

import (
	"bytes"
	"encoding/json"
	"strconv"
	"time"
)

const day = 24 * time.Hour

// job is a restore job as metrics.md reads it. A zero time or an empty text is not reported, or was omitted.
type job struct {
	id, backup, kind  string
	state, delivery   string // Flex status, collection state, or legacy statusName, and delivery.statusName
	failed, cancelled bool
	expired, linked   bool
	finishOmitted     bool // finishedAt is unreadable or implausible
	batch             string

	created, finished, expires, recovery time.Time

	targetProject, targetCluster string
	createNew, indexesFailed     bool
}

// readJob returns false for an item of a list that is not a job.
func readJob(backup string, raw json.RawMessage, date time.Time) (job, bool) {
	o := decode(raw)
	j := job{id: o.text("id"), backup: backup}
	if j.id == "" {
		return j, false
	}
	j.readTimes(o, date)
	j.failed, j.cancelled, j.expired = o.is("failed"), o.is("cancelled"), o.is("expired")
	j.linked = hasLink(o)
	switch backup {
	case "dedicated", "serverless", "collection":
		j.targetProject, j.targetCluster = o.text("targetGroupId"), o.text("targetClusterName")
	case "flex":
		j.targetProject, j.targetCluster = o.text("targetProjectId"), o.text("targetDeploymentItemName")
		j.state = o.text("status")
	case "legacy":
		j.targetProject, j.targetCluster = o.text("delivery", "targetGroupId"), o.text("delivery", "targetClusterName")
		j.state, j.delivery, j.batch = o.text("statusName"), o.text("delivery", "statusName"), o.text("batchId")
	}
	if backup == "collection" {
		j.state, j.createNew = o.text("state"), o.text("writeStrategy") == "CREATE_NEW"
		count, counted := o.number("indexStatus", "failedCollectionCount")
		j.indexesFailed = o.text("indexStatus", "state") == "FAILED" || counted && count > 0
	}
	j.kind = kindOf(backup, o, j.targetCluster)
	if j.kind == "download" { // "A download has no target."
		j.targetProject, j.targetCluster = "", ""
	}
	return j, true
}

// readTimes reads the points in time. Each may be at most a day after the given time, an expiry at most 400 days.
// Otherwise it is omitted, which leaves the next source. The given time is that of the reading: no Date header is
// later.
func (j *job) readTimes(o object, date time.Time) {
	usual := func(candidates ...time.Time) time.Time {
		for _, t := range candidates {
			if !t.IsZero() && !t.After(date.Add(day)) {
				return t
			}
		}
		return time.Time{}
	}
	j.created = usual(o.time("created"), idTime(j.id))
	switch j.backup {
	case "flex":
		j.created = usual(o.time("restoreScheduledDate"), idTime(j.id))
		j.recovery = usual(o.time("snapshotFinishedDate"))
	case "collection":
		j.created = usual(o.time("createdAt"), idTime(j.id))
		j.recovery = usual(o.seconds("pointInTimeUtcSeconds"), o.seconds("oplogTs"), idTime(o.text("snapshotId")))
	case "legacy":
		j.recovery = usual(o.time("timestamp", "date"))
	default:
		j.created = usual(idTime(j.id))
		j.recovery = usual(o.time("desiredTimestamp", "date"), o.seconds("pointInTimeUTCSeconds"), o.seconds("oplogTs"),
			o.time("timestamp"))
	}
	j.finished = usual(o.time("finishedAt"), o.time("restoreFinishedDate"))
	j.finishOmitted = o["finishedAt"] != nil && j.finished.IsZero()
	for _, t := range []time.Time{o.time("expiresAt"), o.time("expirationDate"), o.time("delivery", "expires")} {
		if !t.IsZero() && !t.After(date.Add(400*day)) {
			j.expires = t
		}
	}
}

// kindOf returns the delivery type.
func kindOf(backup string, o object, targetCluster string) string {
	if backup == "collection" {
		_, utc := o.number("pointInTimeUtcSeconds")
		if _, oplog := o.number("oplogTs"); utc || oplog {
			return "point_in_time"
		}
		return "automated"
	}
	name := o.text("deliveryType")
	if backup == "legacy" {
		name = o.text("delivery", "methodName")
	}
	switch name {
	case "automated", "RESTORE", "AUTOMATED_RESTORE":
		return "automated"
	case "pointInTime":
		return "point_in_time"
	case "HTTP":
		if targetCluster != "" {
			return "automated"
		}
		return "download"
	case "download", "DOWNLOAD", "CLIENT_PIT_HTTP", "QUERY":
		return "download"
	}
	return "other"
}

// hasLink returns whether a job has "a non-empty URL in deliveryUrl, components[].downloadUrl, a
// privateDownloadDeliveryUrls entry (of the job or of a component), or snapshotUrl".
func hasLink(o object) bool {
	for _, url := range o.list("deliveryUrl") {
		if text, _ := url.(string); text != "" {
			return true
		}
	}
	for _, entry := range o.list("privateDownloadDeliveryUrls") {
		fields, _ := entry.(map[string]any)
		if object(fields).text("deliveryUrl") != "" {
			return true
		}
	}
	for _, entry := range o.list("components") {
		component, _ := entry.(map[string]any)
		if object(component).text("downloadUrl") != "" || hasLink(component) {
			return true
		}
	}
	return o.text("snapshotUrl") != ""
}

// object is a decoded JSON object. Its methods return a zero value if a field is absent or unreadable.
type object map[string]any

func decode(raw []byte) object {
	decoder := json.NewDecoder(bytes.NewReader(raw))
	decoder.UseNumber()
	var o map[string]any
	if decoder.Decode(&o) != nil {
		return nil
	}
	return o
}

func (o object) at(path []string) any {
	var v any = map[string]any(o)
	for _, name := range path {
		fields, _ := v.(map[string]any)
		v = fields[name]
	}
	return v
}

func (o object) text(path ...string) string {
	text, _ := o.at(path).(string)
	return text
}

func (o object) is(path ...string) bool {
	value, _ := o.at(path).(bool)
	return value
}

func (o object) list(path ...string) []any {
	list, _ := o.at(path).([]any)
	return list
}

func (o object) number(path ...string) (int64, bool) {
	number, _ := o.at(path).(json.Number)
	value, err := strconv.ParseInt(string(number), 10, 64)
	return value, err == nil
}

// time reads a date in whole seconds.
func (o object) time(path ...string) time.Time {
	t, err := time.Parse(time.RFC3339, o.text(path...))
	if err != nil {
		return time.Time{}
	}
	return t.UTC().Truncate(time.Second)
}

func (o object) seconds(path ...string) time.Time {
	if seconds, ok := o.number(path...); ok {
		return time.Unix(seconds, 0).UTC()
	}
	return time.Time{}
}

// idTime returns the Unix time in the first 8 hex digits of an ID.
func idTime(id string) time.Time {
	if len(id) < 8 {
		return time.Time{}
	}
	seconds, err := strconv.ParseUint(id[:8], 16, 32)
	if err != nil {
		return time.Time{}
	}
	return time.Unix(int64(seconds), 0).UTC()
}
