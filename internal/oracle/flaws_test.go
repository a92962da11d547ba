package oracle

import (
	"slices"
	"time"
)

// flaw is a lasting error in one field of a job: the field is removed or has another value in every list. IDs are
// flawed in the same way, by the time that they encode.
type flaw struct {
	path   []string
	remove bool
	value  any
}

// apply changes the field. A field whose parent is not there remains absent, as does a field that is not reported yet.
func (d flaw) apply(f fields) {
	for _, name := range d.path[:len(d.path)-1] {
		f, _ = f[name].(fields)
	}
	name := d.path[len(d.path)-1]
	if _, ok := f[name]; !ok {
		return
	}
	if d.remove {
		delete(f, name)
		return
	}
	f[name] = d.value
}

// paths are the fields that may be flawed, by backup type and kind of value.
var paths = map[string]map[string][][]string{
	"dedicated": {
		"time": {{"finishedAt"}, {"expiresAt"}, {"timestamp"}, {"desiredTimestamp", "date"}},
		"text": {{"deliveryType"}, {"snapshotId"}, {"targetGroupId"}, {"targetClusterName"}},
		"flag": {{"failed"}, {"cancelled"}, {"expired"}},
		"unix": {{"oplogTs"}, {"pointInTimeUTCSeconds"}},
		"list": {{"deliveryUrl"}, {"components"}, {"privateDownloadDeliveryUrls"}, {"desiredTimestamp"}},
	},
	"flex": {
		"time": {{"restoreScheduledDate"}, {"restoreFinishedDate"}, {"snapshotFinishedDate"}, {"expirationDate"}},
		"text": {{"deliveryType"}, {"status"}, {"snapshotId"}, {"targetProjectId"}, {"targetDeploymentItemName"},
			{"snapshotUrl"}},
	},
	"collection": {
		"time": {{"createdAt"}, {"finishedAt"}},
		"text": {{"state"}, {"snapshotId"}, {"targetGroupId"}, {"targetClusterName"}, {"writeStrategy"}},
		"unix": {{"pointInTimeUtcSeconds"}, {"oplogTs"}},
		"list": {{"indexStatus"}, {"restoredDocuments"}, {"totalDocuments"}},
	},
	"legacy": {
		"time": {{"created"}, {"delivery", "expires"}, {"timestamp", "date"}},
		"text": {{"statusName"}, {"batchId"}, {"snapshotId"}, {"delivery", "methodName"}, {"delivery", "statusName"},
			{"delivery", "targetGroupId"}, {"delivery", "targetClusterName"}},
		"list": {{"delivery"}, {"timestamp"}, {"delivery", "maxDownloads"}},
	},
}

// addFlaws adds lasting errors to some jobs.
func (g *generator) addFlaws(j *simJob) {
	kinds := paths[g.s.BackupType]
	if g.s.BackupType == "serverless" {
		kinds = paths["dedicated"]
	}
	if g.chance(8) { // an ID with a time in the future
		j.id = g.hex(g.futureTime(day))
		if g.chance(50) {
			g.hideTimes(j, kinds)
			return
		}
	}
	if !g.chance(90) || !g.hostile && !g.chance(25) {
		return
	}
	for range 1 + g.IntN(4) {
		switch pick(g, "time", "time", "time", "text", "text", "text", "flag", "unix", "unix", "list", "list") {
		case "time":
			path := pick(g, kinds["time"]...)
			j.flaws = append(j.flaws, g.timeFlaw(path))
		case "text":
			g.addFlaw(j, kinds["text"], 7, fields{"value": "x"}, []any{"x"}, true)
		case "flag":
			g.addFlaw(j, kinds["flag"], "true", 1, []any{}, fields{})
		case "unix":
			g.addFlaw(j, kinds["unix"], "1785500000", fields{}, true, 0, 2000000000, 1999999999)
		case "list":
			g.addFlaw(j, kinds["list"], "https://restore.example/x", 7.5, true)
		}
	}
}

// addFlaw removes a field, or sets it to null or to one of the values.
func (g *generator) addFlaw(j *simJob, paths [][]string, values ...any) {
	if len(paths) == 0 {
		return
	}
	d := flaw{path: pick(g, paths...)}
	switch g.IntN(4) {
	case 0:
		d.remove = true
	case 1: // null
	default:
		d.value = pick(g, values...)
	}
	j.flaws = append(j.flaws, d)
}

func (g *generator) timeFlaw(path []string) flaw {
	limit := day
	switch path[len(path)-1] {
	case "expiresAt", "expirationDate", "expires":
		limit = 400 * day
	}
	d := flaw{path: path}
	switch g.IntN(8) {
	case 0:
		d.remove = true
	case 1: // null
	case 2:
		d.value = pick[any](g, 1785500000, true, fields{"date": nil}, []any{})
	case 3:
		d.value = pick[any](g, "yesterday", "2026-08-10", "2026-08-10 03:35:05", "", "2026-13-10T03:35:05Z")
	case 4:
		d.value = "1970-01-01T00:00:00Z"
	default:
		d.value = date(g.futureTime(limit))
	}
	return d
}

// futureTime returns a time that is about the limit, or long, after the time with which one of the polls compares it.
func (g *generator) futureTime(limit time.Duration) time.Time {
	i := g.IntN(len(g.nows))
	poll := Poll{Now: g.nows[i], Date: g.dates[i]}
	return poll.date().Add(limit).Add(pick(g, -time.Hour, 0, time.Second, 9*day, 900*day))
}

// hideTimes removes every time of a job except its expiry, and from half of the jobs the snapshot time too.
func (g *generator) hideTimes(j *simJob, kinds map[string][][]string) {
	j.id = g.hex(g.last().Add(900 * day))
	keepSnapshot := g.chance(45)
	for _, path := range slices.Concat(kinds["time"], kinds["unix"]) {
		switch path[len(path)-1] {
		case "expiresAt", "expirationDate", "expires":
			continue
		case "timestamp", "snapshotFinishedDate", "date":
			if keepSnapshot {
				continue
			}
		}
		j.flaws = append(j.flaws, flaw{path: path, remove: true})
	}
	if !keepSnapshot && g.s.BackupType == "collection" {
		j.flaws = append(j.flaws, flaw{path: []string{"snapshotId"}, remove: true})
	}
	if g.s.BackupType != "legacy" && g.chance(70) {
		j.outcome, j.started = "failed", j.created
		j.finished = pick(g, g.nows...).Add(-g.between(0, 50*time.Second))
	}
}
