package recompute

import (
	"encoding/json"
	"time"
)

// spec describes one restore of a history.
type spec struct {
	created, finished time.Time
	outcome           string // succeeded, failed, cancelled, active, expired, undocumented
	delivery          string // automated, point_in_time, download, other
	project, cluster  string // target
	recovery          time.Time
}

// addJobs adds a restore, and often retries of a failed one.
func (h *history) addJobs(c *clusterInput, l *list, backup string) {
	s := spec{created: h.createdAt()}
	s.finished = s.created.Add(pick(h, h.upTo(20*time.Minute), h.upTo(2*time.Hour), h.upTo(8*time.Hour), h.upTo(3*day),
		30*time.Minute, time.Hour))
	h.moveToBorder(&s)
	s.outcome = pick(h, "succeeded", "succeeded", "succeeded", "succeeded", "succeeded", "succeeded", "failed", "failed",
		"cancelled", "active", "expired", "undocumented")
	s.delivery = pick(h, "automated", "automated", "automated", "point_in_time", "download", "other")
	s.recovery = s.created.Add(-pick(h, h.upTo(3*day), h.upTo(6*time.Hour), 6*time.Hour, day, 2*day))
	if h.chance(4) { // clocks that differ
		s.recovery = s.created.Add(h.upTo(time.Hour))
	}
	if h.chance(4) {
		s.finished = s.created.Add(-h.upTo(time.Hour))
	}
	switch h.IntN(8) {
	case 0, 1:
		s.project, s.cluster = project, c.Name
	case 2, 3, 4:
		s.project, s.cluster = drillProject, "drill"
	case 5:
		s.project, s.cluster = project, pick(h, "cluster-0", "cluster-1", "cluster-2")
	case 6:
		s.project, s.cluster = drillProject, pick(h, "other", c.Name)
	}
	if s.finished.After(h.Now) && s.outcome != "undocumented" {
		s.outcome = "active"
	}
	h.addJob(l, backup, &s)
	for s.outcome == "failed" && h.chance(60) { // a retry
		s.created = s.finished.Add(h.upTo(day))
		s.finished = s.created.Add(h.upTo(5 * time.Hour))
		if s.finished.After(h.Now) {
			return
		}
		s.outcome = pick(h, "succeeded", "succeeded", "failed", "cancelled")
		h.addJob(l, backup, &s)
	}
}

// createdAt chooses when a job is created: anywhere, near a border of the period, on a leap day, or just now.
func (h *history) createdAt() time.Time {
	t := h.From.Add(-60 * day).Add(h.upTo(h.Now.Sub(h.From) + 60*day))
	switch h.IntN(8) {
	case 0:
		t = h.From.Add(h.upTo(4*time.Hour) - 3*time.Hour)
	case 1:
		t = h.To.Add(h.upTo(4*time.Hour) - 3*time.Hour)
	case 2:
		t = time.Date(t.Year()/4*4, 2, 29, 0, 0, 0, 0, time.UTC).Add(h.upTo(day - time.Second))
	case 3:
		t = h.Now.Add(-h.upTo(14 * day))
	}
	t = t.Truncate(time.Second)
	if t.After(h.Now) {
		return h.Now.Add(-h.upTo(2 * day))
	}
	return t
}

// moveToBorder moves some jobs so that they are created or finish exactly at, or just before, a border.
func (h *history) moveToBorder(s *spec) {
	if !h.chance(15) {
		return
	}
	border := pick(h, h.From, h.To).Add(-pick(h, 0, time.Second))
	if h.chance(50) {
		border = border.Add(s.finished.Sub(s.created))
	}
	if border.After(h.Now) {
		return
	}
	s.created, s.finished = border.Add(s.created.Sub(s.finished)), border
}

// addJob adds a restore to a list: one job, or the jobs of a legacy batch.
func (h *history) addJob(l *list, backup string, s *spec) {
	switch backup {
	case "flex":
		h.add(l, h.flex(s))
	case "collection":
		h.add(l, h.collection(s))
	case "legacy":
		if !h.chance(35) {
			h.add(l, h.legacy(s))
			return
		}
		h.batches++
		batch := h.id(s.created)
		one := *s
		for range 1 + h.IntN(4) {
			f := h.legacy(&one)
			f["batchId"] = batch
			h.add(l, f)
			one.created = one.created.Add(h.upTo(time.Minute))
			if h.chance(15) && one.created.Before(h.Now) {
				one.outcome = pick(h, "succeeded", "failed", "cancelled", "active", "expired")
			}
		}
	default:
		h.add(l, h.dedicated(s))
	}
}

// add encodes a job. Some have no dates, unreadable ones, or implausible ones, and some no target.
func (h *history) add(l *list, f fields) {
	if h.chance(20) {
		h.invalidate(f)
	}
	raw, err := json.Marshal(f)
	if err != nil {
		panic(err)
	}
	l.Items = append(l.Items, raw)
}

func (h *history) dedicated(s *spec) fields {
	f := fields{
		"id": h.id(s.created), "deliveryType": "automated", "cancelled": false, "failed": false, "expired": false,
		"snapshotId": h.id(s.recovery), "timestamp": h.format(s.recovery), "deliveryUrl": []string{},
		"desiredTimestamp": fields{"date": nil, "increment": nil, "time": nil},
	}
	if s.delivery != "download" {
		f["targetGroupId"], f["targetClusterName"] = s.project, s.cluster
	}
	switch s.delivery {
	case "point_in_time":
		f["deliveryType"] = "pointInTime"
		f["timestamp"] = h.format(s.recovery.Add(-h.upTo(day)))
		if h.chance(50) {
			f["desiredTimestamp"] = fields{"date": h.format(s.recovery), "increment": 1}
		} else {
			f[pick(h, "pointInTimeUTCSeconds", "oplogTs")] = s.recovery.Unix()
		}
	case "download":
		f["deliveryType"] = "download"
	case "other":
		f["deliveryType"] = "stream"
	}
	switch s.outcome {
	case "succeeded":
		f["finishedAt"] = h.format(s.finished)
		if s.delivery == "download" {
			h.link(f, s)
		}
	case "failed":
		f["failed"], f["cancelled"], f["finishedAt"] = true, h.chance(50), h.format(s.finished)
	case "cancelled":
		f["cancelled"], f["finishedAt"] = true, h.format(s.finished)
	case "expired":
		f["expired"] = true
		if h.chance(60) {
			f["expiresAt"] = h.format(s.finished)
		}
	}
	return f
}

// link makes a download ready, or expired if its expiry has passed.
func (h *history) link(f fields, s *spec) {
	if h.chance(15) {
		return // finished without a link
	}
	delete(f, "finishedAt")
	expiry := s.finished.Add(time.Hour)
	if h.chance(25) {
		expiry = h.Now.Add(h.upTo(40*day) - 20*day)
	}
	f["expiresAt"] = h.format(expiry)
	url := "https://restore.example/archive"
	switch h.IntN(3) {
	case 0:
		f["deliveryUrl"] = []string{url}
	case 1:
		f["components"] = []fields{{"replicaSetName": "shard0", "downloadUrl": url}}
	case 2:
		f["privateDownloadDeliveryUrls"] = []fields{{"endpointId": "vpce-00000000000000000", "deliveryUrl": url}}
	}
}

func (h *history) flex(s *spec) fields {
	f := fields{
		"id": h.id(s.created), "deliveryType": "RESTORE", "restoreScheduledDate": h.format(s.created),
		"snapshotFinishedDate": h.format(s.recovery), "snapshotId": h.id(s.recovery), "projectId": project,
		"expirationDate": h.format(s.created.Add(6 * time.Hour)), "targetProjectId": s.project,
		"targetDeploymentItemName": s.cluster,
	}
	switch s.delivery {
	case "download":
		f["deliveryType"] = "DOWNLOAD"
		if h.chance(30) {
			f["expirationDate"] = h.format(h.Now.Add(h.upTo(10*day) - 5*day))
		}
		if h.chance(80) {
			f["snapshotUrl"] = "https://restore.example/archive"
		}
	case "other":
		f["deliveryType"] = "STREAM"
	}
	switch s.outcome {
	case "succeeded", "expired":
		f["status"], f["restoreFinishedDate"] = "COMPLETED", h.format(s.finished)
	case "failed", "cancelled":
		f["status"], f["restoreFinishedDate"] = "FAILED", h.format(s.finished)
	case "active":
		f["status"] = pick(h, "PENDING", "QUEUED", "RUNNING")
	default:
		f["status"] = "PAUSED"
	}
	return f
}

func (h *history) collection(s *spec) fields {
	f := fields{
		"id": h.id(s.created), "createdAt": h.format(s.created), "snapshotId": h.id(s.recovery),
		"targetGroupId": s.project, "targetClusterName": s.cluster,
		"writeStrategy": pick(h, "CREATE_NEW", "OVERWRITE_EXISTING"),
	}
	if s.delivery == "point_in_time" {
		f[pick(h, "pointInTimeUtcSeconds", "oplogTs")] = s.recovery.Unix()
	}
	switch s.outcome {
	case "succeeded", "expired":
		f["state"], f["finishedAt"] = "SUCCESSFUL", h.format(s.finished)
		f["indexStatus"] = fields{"state": pick(h, "SUCCESSFUL", "SUCCESSFUL", "FAILED"),
			"failedCollectionCount": pick(h, 0, 0, 2)}
	case "failed":
		f["state"], f["finishedAt"] = "FAILED", h.format(s.finished)
	case "cancelled":
		f["state"], f["finishedAt"] = "CANCELED", h.format(s.finished)
	case "active":
		f["state"] = pick(h, "INITIALIZING", "IN_PROGRESS", "FINALIZING")
	default:
		f["state"] = "ROLLBACK"
	}
	return f
}

func (h *history) legacy(s *spec) fields {
	delivery := fields{"methodName": pick(h, "HTTP", "AUTOMATED_RESTORE"), "statusName": "READY",
		"targetGroupId": s.project, "targetClusterName": s.cluster}
	f := fields{
		"id": h.id(s.created), "created": h.format(s.created), "statusName": "FINISHED", "snapshotId": h.id(s.recovery),
		"timestamp": fields{"date": h.format(s.recovery), "increment": 1}, "delivery": delivery,
	}
	switch s.delivery {
	case "download":
		delivery["methodName"] = "HTTP"
		delete(delivery, "targetGroupId")
		delete(delivery, "targetClusterName")
		delivery["expires"] = h.format(s.finished.Add(pick(h, time.Hour, 20*day)))
	case "other":
		delivery["methodName"] = "SCP"
	}
	switch s.outcome {
	case "failed":
		if h.chance(50) {
			f["statusName"] = "BROKEN"
		} else {
			delivery["statusName"] = pick(h, "FAILED", "INTERRUPTED")
		}
	case "cancelled":
		f["statusName"] = "KILLED"
	case "active":
		f["statusName"] = "IN_PROGRESS"
		delivery["statusName"] = "NOT_STARTED"
	case "expired":
		delivery["statusName"] = pick(h, "EXPIRED", "MAX_DOWNLOADS_EXCEEDED", "PENDING")
	case "undocumented":
		f["statusName"] = "SUSPENDED"
	}
	return f
}
