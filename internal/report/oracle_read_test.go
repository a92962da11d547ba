package report_test

import (
	"slices"
	"strconv"
)

// values are the values of a job that depend on its wire format.
type values struct {
	status, kind, project, cluster                      string
	created, finished, expiry, snapshot, recoveredUntil int64
	copies, indexesFailed                               bool
}

// limits are the latest plausible times.
type limits struct{ now, soon, expiry int64 }

func (l limits) expired(expiry int64) bool { return expiry != 0 && expiry <= l.now }

// wireFormats return the values of a job by backup type.
var wireFormats = map[string]func(object, limits) values{
	"dedicated": dedicatedValues, "serverless": dedicatedValues, "flex": flexValues, "collection": collectionValues,
	"legacy": legacyValues,
}

func dedicatedValues(job object, l limits) values {
	kinds := map[string]string{"automated": "automated", "pointInTime": "point_in_time", "download": "download"}
	v := values{
		kind: kinds[text(job, "deliveryType")], project: text(job, "targetGroupId"), cluster: text(job, "targetClusterName"),
		finished: at(text(job, "finishedAt"), l.soon), expiry: at(text(job, "expiresAt"), l.expiry),
		snapshot: at(text(job, "timestamp"), l.soon),
		recoveredUntil: first(at(text(job, "desiredTimestamp.date"), l.soon), number(job, "pointInTimeUTCSeconds", l.soon),
			number(job, "oplogTs", l.soon)),
	}
	urls, _ := job["deliveryUrl"].([]any)
	flag := func(key string) bool { return job[key] == true }
	switch {
	case flag("failed"):
		v.status = "failed"
	case v.kind == "download" && (flag("expired") || l.expired(v.expiry)):
		v.status = "expired"
	case flag("cancelled"):
		v.status = "cancelled"
	case v.kind == "download" && len(urls) > 0:
		v.status = "ready"
	case v.finished != 0:
		v.status = "completed"
	case text(job, "finishedAt") != "": // implausible
		v.status = "unknown"
	case flag("expired"):
		v.status = "expired"
	default:
		v.status = "in_progress"
	}
	return v
}

func flexValues(job object, l limits) values {
	statuses := map[string]string{
		"FAILED": "failed", "COMPLETED": "completed", "RUNNING": "in_progress", "PENDING": "pending", "QUEUED": "pending",
	}
	v := values{
		kind:   map[string]string{"RESTORE": "automated", "DOWNLOAD": "download"}[text(job, "deliveryType")],
		status: statuses[text(job, "status")], project: text(job, "targetProjectId"),
		cluster: text(job, "targetDeploymentItemName"), created: at(text(job, "restoreScheduledDate"), l.soon),
		finished: at(text(job, "restoreFinishedDate"), l.soon), expiry: at(text(job, "expirationDate"), l.expiry),
		snapshot: at(text(job, "snapshotFinishedDate"), l.soon),
	}
	switch {
	case v.status != "completed" || v.kind != "download":
	case l.expired(v.expiry):
		v.status = "expired"
	case text(job, "snapshotUrl") != "":
		v.status = "ready"
	}
	return v
}

func collectionValues(job object, l limits) values {
	statuses := map[string]string{
		"FAILED": "failed", "CANCELED": "cancelled", "SUCCESSFUL": "completed", "IN_PROGRESS": "in_progress",
		"FINALIZING": "in_progress", "INITIALIZING": "pending",
	}
	v := values{
		kind: "automated", status: statuses[text(job, "state")], project: text(job, "targetGroupId"),
		cluster: text(job, "targetClusterName"), created: at(text(job, "createdAt"), l.soon),
		finished:       at(text(job, "finishedAt"), l.soon),
		recoveredUntil: first(number(job, "pointInTimeUtcSeconds", l.soon), number(job, "oplogTs", l.soon)),
		snapshot:       secondsOfID(text(job, "snapshotId"), l.soon),
		copies:         text(job, "writeStrategy") == "CREATE_NEW",
		indexesFailed:  text(job, "indexStatus.state") == "FAILED",
	}
	if v.recoveredUntil != 0 {
		v.kind = "point_in_time"
	}
	return v
}

func legacyValues(job object, l limits) values {
	kinds := map[string]string{
		"AUTOMATED_RESTORE": "automated", "HTTP": "download", "QUERY": "download", "CLIENT_PIT_HTTP": "download",
	}
	statuses := map[string]string{"BROKEN": "failed", "KILLED": "cancelled", "IN_PROGRESS": "in_progress"}
	v := values{
		kind: kinds[text(job, "delivery.methodName")], status: statuses[text(job, "statusName")],
		project: text(job, "delivery.targetGroupId"), cluster: text(job, "delivery.targetClusterName"),
		created: at(text(job, "created"), l.soon), snapshot: at(text(job, "timestamp.date"), l.soon),
		expiry: at(text(job, "delivery.expires"), l.expiry),
	}
	if text(job, "delivery.methodName") == "HTTP" && v.cluster != "" {
		v.kind = "automated"
	}
	switch delivery := text(job, "delivery.statusName"); {
	case text(job, "statusName") != "FINISHED":
	case delivery == "FAILED" || delivery == "INTERRUPTED":
		v.status = "failed"
	case v.kind == "automated":
		v.status = "completed"
	case delivery == "READY" && l.expired(v.expiry):
		v.status = "expired"
	default:
		v.status = map[string]string{
			"EXPIRED": "expired", "MAX_DOWNLOADS_EXCEEDED": "completed", "READY": "ready", "NOT_STARTED": "in_progress",
			"PENDING": "in_progress", "IN_PROGRESS": "in_progress",
		}[delivery]
	}
	return v
}

// read derives the values of one job.
func (o *oracle) read(backupType string, job object) *restored {
	v := wireFormats[backupType](job, limits{o.now, o.now + dayLength, o.now + 400*dayLength})
	if v.kind == "" {
		v.kind = "other"
	}
	if v.status == "" {
		v.status = "unknown"
	}
	if v.kind == "download" {
		v.project, v.cluster = "", ""
	}
	r := &restored{
		ids: []string{text(job, "id")}, collection: backupType == "collection", finished: v.finished,
		rp: first(v.recoveredUntil, v.snapshot), failed: v.status == "failed", purpose: o.purpose(&v),
	}
	r.created = first(v.created, secondsOfID(r.ids[0], o.now+dayLength))
	r.end = first(r.finished, r.created)
	if v.status == "expired" && v.kind == "download" && v.expiry != 0 {
		r.end = v.expiry
	}
	if r.failed {
		r.end = first(r.end, r.rp)
	}
	r.succeeded = v.status == "completed" || (v.kind == "download" && (v.status == "ready" || v.status == "expired"))
	r.undecided = slices.Contains([]string{"in_progress", "pending", "ready"}, v.status) ||
		(v.status == "unknown" && r.created != 0 && r.created > o.now-7*dayLength)
	r.isDrill = !r.collection && v.status == "completed" && (v.kind == "automated" || v.kind == "point_in_time") &&
		(o.drillTargets == nil || r.purpose == "drill")
	unexpected := o.allowed != nil && v.kind != "download" && !o.inProject(&v, o.allowed)
	r.object = object{
		"job_id": r.ids[0], "backup_type": backupType, "kind": v.kind, "purpose": r.purpose, "status": v.status,
		"target_project_id": v.project, "target_cluster_name": v.cluster, "batch_id": text(job, "batchId"),
		"in_place":          strconv.FormatBool(r.purpose == "in_place"),
		"unexpected_target": strconv.FormatBool(unexpected), "indexes_failed": strconv.FormatBool(v.indexesFailed),
	}
	return r
}

func (o *oracle) purpose(v *values) string {
	switch {
	case v.kind == "download":
	case v.project == o.project && v.cluster == o.name && !v.copies:
		return "in_place"
	case o.inProject(v, o.drillTargets):
		return "drill"
	}
	return "other"
}

// inProject reports whether the target is one of these clusters of the project.
func (o *oracle) inProject(v *values, clusters []string) bool {
	return v.project == o.project && slices.Contains(clusters, v.cluster)
}
