package oracle

import "time"

// fields is a JSON object before it is encoded.
type fields = map[string]any

// render returns a job as Atlas reports it at the given time.
func render(backupType string, j *simJob, now time.Time) fields {
	switch backupType {
	case "flex":
		return renderFlex(j, now)
	case "collection":
		return renderCollection(j, now)
	case "legacy":
		return renderLegacy(j, now)
	}
	return renderSnapshotRestore(backupType, j, now)
}

func date(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05Z") }

func (j *simJob) isFinished(now time.Time) bool { return !now.Before(j.finished) }

func (j *simJob) isExpired(now time.Time) bool { return !j.expires.IsZero() && !now.Before(j.expires) }

// option returns one of n forms of a job. The name separates independent choices.
func (j *simJob) option(name string, n int) int {
	h := uint32(j.style)
	for _, c := range name {
		h = h*16777619 ^ uint32(c)
	}
	return int(h>>7) % n
}

func (j *simJob) setTarget(f fields, project, cluster string) {
	if j.project != "" {
		f[project] = j.project
	}
	if j.cluster != "" {
		f[cluster] = j.cluster
	}
}

// renderSnapshotRestore renders a dedicated or serverless job.
func renderSnapshotRestore(backupType string, j *simJob, now time.Time) fields {
	f := fields{
		"id": j.id, "deliveryType": j.delivery, "cancelled": false, "failed": false, "expired": false,
		"deliveryUrl": []any{}, "desiredTimestamp": fields{"increment": nil, "time": nil, "date": nil},
		"snapshotId": j.snapshotID, "timestamp": date(j.snapshot), "links": []any{},
	}
	if !j.point.IsZero() {
		switch j.option("point", 3) {
		case 0:
			f["desiredTimestamp"] = fields{"increment": 1, "time": nil, "date": date(j.point)}
			f["oplogTs"] = j.point.Unix() + 7
		case 1:
			f["pointInTimeUTCSeconds"] = j.point.Unix()
		case 2:
			f["oplogTs"], f["oplogInc"] = j.point.Unix(), 1
			f["pointInTimeUTCSeconds"] = 0
		}
	}
	if j.delivery != "download" || j.option("download target", 4) == 0 {
		j.setTarget(f, "targetGroupId", "targetClusterName")
		f["targetDeploymentItemName"] = "atlas-72ck1q"
	}
	if !j.isFinished(now) {
		return f
	}
	switch j.outcome {
	case "success", "unknown":
		if j.delivery == "download" {
			finishDownload(backupType, j, f, now)
		} else {
			f["finishedAt"] = date(j.finished)
			f["expired"] = j.isExpired(now)
		}
	case "failed":
		f["failed"], f["cancelled"] = true, j.option("cancelled", 4) != 0
		f["expired"] = j.option("expired", 5) == 0
		if j.option("finished", 4) != 0 {
			f["finishedAt"] = date(j.finished)
		}
	case "cancelled":
		f["cancelled"] = true
		if j.option("finished", 2) != 0 {
			f["finishedAt"] = date(j.finished)
		}
	case "expired":
		f["expired"] = true
	}
	if j.delivery != "download" && !j.expires.IsZero() && j.option("expiry of restore", 3) == 0 {
		f["expiresAt"] = date(j.expires)
	}
	return f
}

// finishDownload adds the links and the expiry of a download. The response after the expiry is unknown.
func finishDownload(backupType string, j *simJob, f fields, now time.Time) {
	if j.option("finished", 4) == 0 {
		f["finishedAt"] = date(j.finished)
	}
	if j.option("no link", 6) == 0 { // completed
		f["finishedAt"] = date(j.finished)
		f["deliveryUrl"] = []any{""}
		return
	}
	if !j.expires.IsZero() {
		f["expiresAt"] = date(j.expires)
	}
	if j.isExpired(now) {
		switch j.option("after expiry", 6) {
		case 0, 3:
			return // without a link
		case 1:
			f["expired"] = true
			return
		case 2:
			f["expired"] = true
			delete(f, "expiresAt")
			return
		}
	}
	form := j.option("links", 5)
	if backupType == "serverless" {
		form = j.option("links", 2)
	}
	private := []any{fields{"endpointId": "vpce-0123456789abcdef0", "deliveryUrl": "https://private.example/" + j.id}}
	switch form {
	case 0:
		f["deliveryUrl"] = []any{"https://restore.example/" + j.id}
	case 1:
		f["deliveryUrl"] = []any{"https://restore.example/a", "", "https://restore.example/b"}
	case 2:
		f["components"] = []any{
			fields{"replicaSetName": "shard-0", "downloadUrl": "https://restore.example/0"},
			fields{"replicaSetName": "shard-1", "downloadUrl": "", "privateDownloadDeliveryUrls": private},
			fields{"replicaSetName": "config", "downloadUrl": nil},
		}
	case 3:
		f["privateDownloadDeliveryUrls"] = private
	case 4:
		f["deliveryUrl"] = nil
		f["components"] = []any{fields{"replicaSetName": "shard-0", "privateDownloadDeliveryUrls": private}}
	}
}

func renderFlex(j *simJob, now time.Time) fields {
	f := fields{
		"id": j.id, "deliveryType": j.delivery, "instanceName": sourceCluster, "projectId": sourceProject,
		"restoreScheduledDate": date(j.created), "snapshotFinishedDate": date(j.snapshot), "snapshotId": j.snapshotID,
	}
	if j.delivery != "DOWNLOAD" || j.option("download target", 4) == 0 {
		j.setTarget(f, "targetProjectId", "targetDeploymentItemName")
	}
	if !j.expires.IsZero() && (j.delivery != "DOWNLOAD" || j.isFinished(now)) {
		f["expirationDate"] = date(j.expires)
	}
	switch {
	case now.Before(j.started):
		f["status"] = []string{"PENDING", "QUEUED"}[j.option("pending", 2)]
		return f
	case !j.isFinished(now):
		f["status"] = "RUNNING"
		return f
	}
	switch j.outcome {
	case "unknown":
		f["status"] = "PAUSED"
	case "failed":
		f["status"] = "FAILED"
		f["restoreFinishedDate"] = date(j.finished)
	default:
		f["status"] = "COMPLETED"
		f["restoreFinishedDate"] = date(j.finished)
		if j.delivery == "DOWNLOAD" && j.option("no link", 3) != 0 {
			if !j.isExpired(now) || j.option("after expiry", 2) == 0 {
				f["snapshotUrl"] = "https://restore.example/" + j.id
			}
		}
	}
	return f
}

func renderCollection(j *simJob, now time.Time) fields {
	f := fields{
		"id": j.id, "createdAt": date(j.created), "snapshotId": j.snapshotID, "restoredDocuments": 0,
		"totalDocuments": 20000 + j.option("total", 1000), "collectionSuffix": "", "databaseSuffix": "",
		"indexStrategy": "ALL", "collections": []any{fields{"sourceNamespace": "a.b", "targetNamespace": "a.b"}},
	}
	if w := j.option("write strategy", 3); w < 2 {
		f["writeStrategy"] = []string{"CREATE_NEW", "OVERWRITE_EXISTING"}[w]
	}
	if !j.point.IsZero() {
		if j.option("point", 2) == 0 {
			f["pointInTimeUtcSeconds"] = j.point.Unix()
		} else {
			f["oplogTs"], f["oplogInc"] = j.point.Unix(), 1
		}
	}
	j.setTarget(f, "targetGroupId", "targetClusterName")
	switch {
	case now.Before(j.started):
		f["state"] = "INITIALIZING"
		return f
	case !j.isFinished(now):
		f["state"] = []string{"IN_PROGRESS", "FINALIZING"}[j.option("running", 2)]
		f["restoredDocuments"] = j.option("restored", 20000)
		return f
	}
	f["restoredDocuments"] = f["totalDocuments"]
	switch j.option("index status", 7) {
	case 0: // no indexStatus
	case 1:
		f["indexStatus"] = fields{"state": "FAILED", "failedCollectionCount": 2}
	case 2:
		f["indexStatus"] = fields{"state": "FAILED"}
	case 3:
		f["indexStatus"] = fields{"state": "SUCCESSFUL", "failedCollectionCount": 1}
	case 4:
		f["indexStatus"] = fields{"state": "IN_PROGRESS", "failedCollectionCount": 0}
	case 5:
		f["indexStatus"] = fields{"state": "NOT_STARTED"}
	default:
		f["indexStatus"] = fields{"state": "SUCCESSFUL", "failedCollectionCount": 0}
	}
	f["finishedAt"] = date(j.finished)
	switch j.outcome {
	case "failed":
		f["state"], f["errorMessage"] = "FAILED", "restore failed"
		if j.option("finished", 3) == 0 {
			delete(f, "finishedAt")
		}
	case "cancelled":
		f["state"] = "CANCELED"
	case "unknown":
		f["state"] = "PAUSED"
	default:
		f["state"] = "SUCCESSFUL"
	}
	return f
}

func renderLegacy(j *simJob, now time.Time) fields {
	delivery := fields{"methodName": j.delivery, "expirationHours": 48, "statusName": "NOT_STARTED"}
	f := fields{
		"id": j.id, "created": date(j.created), "clusterId": otherProject, "clusterName": sourceCluster,
		"groupId": sourceProject, "snapshotId": j.snapshotID, "encryptionEnabled": false, "delivery": delivery,
		"timestamp": fields{"date": date(j.snapshot), "increment": 1}, "hashes": []any{}, "statusName": "IN_PROGRESS",
	}
	if j.batch != "" {
		f["batchId"] = j.batch
	}
	if j.delivery != "HTTP" || j.option("download", 2) == 0 {
		j.setTarget(delivery, "targetGroupId", "targetClusterName")
	}
	if j.option("max downloads", 3) != 0 {
		delivery["maxDownloads"] = 1 + j.option("downloads", 5)
	}
	if now.Before(j.started) {
		return f
	}
	if !j.expires.IsZero() {
		delivery["expires"] = date(j.expires)
	}
	if !j.isFinished(now) {
		_, intoCluster := delivery["targetClusterName"]
		intoCluster = intoCluster || j.delivery == "AUTOMATED_RESTORE"
		if !intoCluster && j.option("finished early", 9) != 0 { // the archive is being prepared
			f["statusName"] = "FINISHED"
			delivery["statusName"] = []string{"NOT_STARTED", "PENDING", "IN_PROGRESS"}[j.option("stage", 3)]
		}
		return f
	}
	f["statusName"] = "FINISHED"
	switch j.outcome {
	case "failed":
		if form := j.option("failed", 6); form < 4 {
			delivery["statusName"] = []string{"FAILED", "INTERRUPTED"}[form%2]
		} else {
			f["statusName"] = "BROKEN"
		}
	case "cancelled":
		f["statusName"] = "KILLED"
	case "unknown":
		if j.option("unknown", 2) == 0 {
			delivery["statusName"] = "PAUSED"
		} else {
			f["statusName"] = "PAUSED"
		}
	default:
		delivery["statusName"] = "READY"
		switch {
		case j.delivery == "AUTOMATED_RESTORE" && j.option("automated", 3) == 0:
			delivery["statusName"] = []string{"NOT_STARTED", "PAUSED", ""}[j.option("automated status", 3)]
		case j.isExpired(now) && j.option("after expiry", 2) == 0:
			delivery["statusName"] = "EXPIRED"
		case j.option("downloaded", 5) == 0:
			delivery["statusName"] = "MAX_DOWNLOADS_EXCEEDED"
		}
		delivery["url"] = "https://restore.example/" + j.id
	}
	return f
}
