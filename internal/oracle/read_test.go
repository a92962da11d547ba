package oracle

import (
	"bytes"
	"encoding/json"
	"slices"
	"strconv"
	"time"
)

const day = 24 * time.Hour

// job is one reading of one restore job. A nil pointer or an empty string is a value that Atlas does not report.
type job struct {
	id           string
	backupType   string
	deliveryType string
	state        string // Flex status, collection state, legacy statusName
	delivery     string // legacy delivery.statusName
	wireDelivery string // deliveryType or methodName as Atlas reports it

	failed, cancelled, expired *bool           // flags of dedicated and serverless jobs
	unreadable                 map[string]bool // fields that decide the status, but are not of the right type

	created, finished, expiry, snapshot, pointInTime, recovery *time.Time

	targetProject, targetCluster string
	snapshotID, batchID          string
	createNew                    bool // collection only: writeStrategy is CREATE_NEW
	links                        int

	maxDownloads, restored, total *int64

	hasIndexStatus bool
	indexState     string
	indexFailed    *int64
}

// readJob reads a list item. "Only the job ID is required. Any other field that can't be read, or an implausible
// time, is omitted [...]; the rest of the job is reported." An omitted value is treated as an absent one.
func readJob(backupType string, o object, date time.Time) job {
	j := job{id: o.text("id"), backupType: backupType, snapshotID: o.text("snapshotId")}
	readTimes(&j, o, date)
	readDelivery(&j, o)
	j.links = countLinks(o)
	switch backupType {
	case "dedicated", "serverless":
		j.failed, j.cancelled, j.expired = o.flag("failed"), o.flag("cancelled"), o.flag("expired")
		j.unreadable = map[string]bool{}
		for _, name := range []string{"failed", "cancelled", "expired"} {
			j.unreadable[name] = o[name] != nil && o.flag(name) == nil
		}
		// Dates before 1970 are absent values; an implausible date was omitted.
		finished := o.date("finishedAt")
		j.unreadable["finishedAt"] = o["finishedAt"] != nil && (finished == nil || finished.After(date.Add(day)))
		j.unreadable["deliveryType"] = isUnreadableText(o["deliveryType"])
		j.unreadable["links"] = hasUnreadableLinks(o)
	case "flex":
		j.state = o.text("status")
	case "collection":
		j.state = o.text("state")
		j.createNew = o.text("writeStrategy") == "CREATE_NEW"
		j.restored, j.total = o.integer("restoredDocuments"), o.integer("totalDocuments")
		_, j.hasIndexStatus = o["indexStatus"].(map[string]any)
		j.indexState = o.text("indexStatus", "state")
		j.indexFailed = o.integer("indexStatus", "failedCollectionCount")
	case "legacy":
		j.state = o.text("statusName")
		j.delivery = o.text("delivery", "statusName")
		j.unreadable = map[string]bool{"delivery": j.delivery == "" && isUnreadableText(o.at("delivery", "statusName"))}
		j.batchID = o.text("batchId")
		j.maxDownloads = o.integer("delivery", "maxDownloads")
	}
	return j
}

// readTimes reads the points in time. "A created, finished, snapshot, or recovery time is implausible if it is more
// than a day, an expiry time if it is more than 400 days, after the Date header of the response". See Poll.date.
func readTimes(j *job, o object, date time.Time) {
	usual := func(t *time.Time) *time.Time { return plausible(t, date.Add(day)) }
	var created, finished, expiry, snapshot *time.Time
	var points []*time.Time
	switch j.backupType {
	case "dedicated", "serverless":
		finished, expiry, snapshot = o.date("finishedAt"), o.date("expiresAt"), o.date("timestamp")
		// "point in time: desiredTimestamp.date, else pointInTimeUTCSeconds / pointInTimeUtcSeconds, else oplogTs"
		points = []*time.Time{o.date("desiredTimestamp", "date"), o.unix("pointInTimeUTCSeconds"), o.unix("oplogTs")}
	case "collection":
		created, finished = o.date("createdAt"), o.date("finishedAt")
		points = []*time.Time{o.unix("pointInTimeUtcSeconds"), o.unix("oplogTs")}
	case "flex":
		created, finished = o.date("restoreScheduledDate"), o.date("restoreFinishedDate")
		expiry, snapshot = o.date("expirationDate"), o.date("snapshotFinishedDate")
	case "legacy":
		created, expiry, snapshot = o.date("created"), o.date("delivery", "expires"), o.date("timestamp", "date")
	}
	// "created: legacy created, Flex restoreScheduledDate, collection createdAt; otherwise, or if the field is absent,
	// the Unix time encoded in the first 8 hex digits of the job ID."
	j.created = usual(created)
	if j.created == nil {
		j.created = usual(idTime(j.id))
	}
	j.finished, j.snapshot = usual(finished), usual(snapshot)
	j.expiry = plausible(expiry, date.Add(400*day))
	for _, point := range points {
		if j.pointInTime == nil {
			j.pointInTime = usual(point)
		}
	}
	// "recovery point: the point in time, else the snapshot time, else (collection) the Unix time encoded in the first
	// 8 hex digits of snapshotId"
	j.recovery = j.pointInTime
	if j.recovery == nil {
		j.recovery = j.snapshot
	}
	if j.recovery == nil && j.backupType == "collection" {
		j.recovery = usual(idTime(j.snapshotID))
	}
}

// countLinks counts the links: "A link is a non-empty URL in deliveryUrl, components[].downloadUrl, a
// privateDownloadDeliveryUrls entry (of the job or of a component), or snapshotUrl".
func countLinks(o object) int {
	n := 0
	count := func(o object, name string) { // each field may be a link or a list of links
		for _, url := range append(o.list(name), o[name]) {
			if text, _ := url.(string); text != "" {
				n++
			}
		}
	}
	count(o, "deliveryUrl")
	private := func(o object) {
		for _, entry := range o.list("privateDownloadDeliveryUrls") {
			fields, _ := entry.(map[string]any)
			count(fields, "deliveryUrl")
		}
	}
	private(o)
	for _, component := range o.list("components") {
		fields, _ := component.(map[string]any)
		count(fields, "downloadUrl")
		private(fields)
	}
	count(o, "snapshotUrl")
	if n == 0 && (o.text("delivery", "url") != "" || o.text("delivery", "urlV2") != "") {
		n = 1 // two forms of one link
	}
	return n
}

// hasUnreadableLinks returns whether a field that may contain a link of a dedicated job is of another type.
func hasUnreadableLinks(o object) bool {
	isLink := func(v any) bool { _, ok := v.(string); return v == nil || ok }
	areLinks := func(v any) bool {
		list, ok := v.([]any)
		return isLink(v) || ok && !slices.ContainsFunc(list, func(v any) bool { return !isLink(v) })
	}
	areObjects := func(v any, readable func(object) bool) bool {
		list, ok := v.([]any)
		return v == nil || ok && !slices.ContainsFunc(list, func(v any) bool {
			fields, ok := v.(map[string]any)
			return v != nil && (!ok || !readable(fields))
		})
	}
	private := func(o object) bool {
		return areObjects(o["privateDownloadDeliveryUrls"], func(o object) bool { return areLinks(o["deliveryUrl"]) })
	}
	component := func(o object) bool { return areLinks(o["downloadUrl"]) && private(o) }
	return !areLinks(o["deliveryUrl"]) || !private(o) || !areObjects(o["components"], component)
}

// object is a decoded JSON object. Its methods return nothing if a field is absent, null, or of another type.
type object map[string]any

func decode(raw json.RawMessage) object {
	decoder := json.NewDecoder(bytes.NewReader(raw))
	decoder.UseNumber()
	var v any
	if decoder.Decode(&v) != nil {
		return nil
	}
	fields, _ := v.(map[string]any)
	return fields
}

func (o object) at(path ...string) any {
	var v any = map[string]any(o)
	for _, name := range path {
		fields, _ := v.(map[string]any)
		v = fields[name]
	}
	return v
}

func (o object) text(path ...string) string {
	text, _ := o.at(path...).(string)
	return text
}

func isUnreadableText(value any) bool {
	_, ok := value.(string)
	return value != nil && !ok
}

func (o object) list(path ...string) []any {
	list, _ := o.at(path...).([]any)
	return list
}

func (o object) flag(path ...string) *bool {
	if b, ok := o.at(path...).(bool); ok {
		return &b
	}
	return nil
}

func (o object) integer(path ...string) *int64 {
	number, ok := o.at(path...).(json.Number)
	if !ok {
		return nil
	}
	i, err := strconv.ParseInt(number.String(), 10, 64)
	if err != nil {
		return nil
	}
	return &i
}

func (o object) date(path ...string) *time.Time {
	t, err := time.Parse(time.RFC3339, o.text(path...))
	if err != nil {
		return nil
	}
	return &t
}

// unix reads a point in time in Unix seconds. Atlas returns these fields only if they are greater than 0.
func (o object) unix(path ...string) *time.Time {
	i := o.integer(path...)
	if i == nil || *i <= 0 {
		return nil
	}
	t := time.Unix(*i, 0).UTC()
	return &t
}

// idTime returns "the Unix time encoded in the first 8 hex digits" of an ID.
func idTime(id string) *time.Time {
	if len(id) < 8 {
		return nil
	}
	seconds, err := strconv.ParseUint(id[:8], 16, 32)
	if err != nil {
		return nil
	}
	t := time.Unix(int64(seconds), 0).UTC()
	return &t
}

// plausible omits implausible times. 1970 and earlier is not a time, but an absent value.
func plausible(t *time.Time, latest time.Time) *time.Time {
	if t == nil || t.Unix() <= 0 || t.After(latest) {
		return nil
	}
	return t
}
