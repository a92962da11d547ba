package atlas

import (
	"cmp"
	"slices"
	"strings"
)

// dedicatedJob is a restore job of cloud backup or of a serverless instance. Jobs of serverless instances lack two of
// the fields. There is no status field: the status is derived from flags, dates and links.
type dedicatedJob struct {
	ID                string   `json:"id"`
	SnapshotID        string   `json:"snapshotId"`
	DeliveryType      interned `json:"deliveryType"`
	TargetGroupID     interned `json:"targetGroupId"`
	TargetClusterName interned `json:"targetClusterName"`

	Cancelled bool `json:"cancelled"`
	Failed    bool `json:"failed"`
	Expired   bool `json:"expired"`

	FinishedAt Timestamp `json:"finishedAt"`
	ExpiresAt  Timestamp `json:"expiresAt"`
	Timestamp  Timestamp `json:"timestamp"` // of the snapshot

	DesiredTimestamp      wireBSONTime `json:"desiredTimestamp"`
	PointInTimeUTCSeconds int64        `json:"pointInTimeUTCSeconds"`
	OplogTS               int64        `json:"oplogTs"`

	DeliveryURL                 wireLinks             `json:"deliveryUrl"`
	PrivateDownloadDeliveryURLs []dedicatedPrivateURL `json:"privateDownloadDeliveryUrls"`
	Components                  []struct {
		DownloadURL                 wireLinks             `json:"downloadUrl"`
		PrivateDownloadDeliveryURLs []dedicatedPrivateURL `json:"privateDownloadDeliveryUrls"`
	} `json:"components"`
}

type dedicatedPrivateURL struct {
	DeliveryURL wireLinks `json:"deliveryUrl"`
}

func (d dedicatedJob) job(found *findings) RestoreJob {
	delivery := d.delivery(found)
	links := d.links()
	d.FinishedAt = found.time("finished_at", d.FinishedAt)
	return RestoreJob{
		ID:                d.ID,
		SnapshotID:        d.SnapshotID,
		TargetProjectID:   string(d.TargetGroupID),
		TargetClusterName: string(d.TargetClusterName),
		Finished:          d.FinishedAt,
		Expiry:            found.expiry("expires_at", d.ExpiresAt),
		Snapshot:          found.time("timestamp", d.Timestamp),
		PointInTime: cmp.Or(
			found.time("desired_timestamp_date", d.DesiredTimestamp.Date),
			found.time("point_in_time_utc_seconds", Timestamp(d.PointInTimeUTCSeconds)),
			found.time("oplog_ts", Timestamp(d.OplogTS))),
		DownloadURLs:   links.count(),
		DeliveryType:   delivery,
		Status:         d.status(delivery, links, found),
		ExpiresUnready: delivery == DeliveryDownload && !d.Failed && !found.omits("failed"),
		HasFlags:       true,
		FailedFlag:     d.Failed,
		ExpiredFlag:    d.Expired,
		CancelledFlag:  d.Cancelled,
	}
}

func (d dedicatedJob) delivery(found *findings) DeliveryType {
	switch d.DeliveryType {
	case "automated":
		return DeliveryAutomated
	case "pointInTime":
		return DeliveryPointInTime
	case "download":
		return DeliveryDownload
	}
	found.addUnknown("delivery_type", d.DeliveryType)
	return DeliveryOther
}

// status checks failed first, because a recorded failed job has cancelled set too, although it was not cancelled. A
// ready download has no finishedAt. A finished automated restore stays completed after it expires. The status is
// unknown if a field that would decide it can't be read: the job may have failed, or may have finished.
func (d dedicatedJob) status(delivery DeliveryType, links wireLinks, found *findings) Status {
	download := delivery == DeliveryDownload
	switch {
	case d.Failed:
		return StatusFailed
	case found.omits("failed"):
		return StatusUnknown
	case download && d.Expired:
		return StatusExpired
	case found.omits("cancelled"), download && found.omits("expired"):
		return StatusUnknown
	case d.Cancelled:
		return StatusCancelled
	case download && links > 0:
		return StatusReady
	case d.FinishedAt != 0:
		return StatusCompleted
	case found.omits("finished_at"):
		return StatusUnknown
	case d.Expired:
		return StatusExpired
	case found.omits("expired"), found.omits("delivery_type"), download && found.omitsLinks():
		return StatusUnknown
	}
	return StatusInProgress
}

// omitsLinks reports whether a field of the current job that may contain a link is omitted.
func (f *findings) omitsLinks() bool {
	return slices.ContainsFunc(f.omitted[f.first:], func(field string) bool {
		return field == "delivery_url" || strings.HasPrefix(field, "private_download_delivery_urls") ||
			strings.HasPrefix(field, "components")
	})
}

// links returns the number of links of the job and its components. A download of a sharded cluster has at least one
// link for each shard.
func (d dedicatedJob) links() wireLinks {
	n := d.DeliveryURL
	for _, private := range d.PrivateDownloadDeliveryURLs {
		n += private.DeliveryURL
	}
	for _, component := range d.Components {
		n += component.DownloadURL
		for _, private := range component.PrivateDownloadDeliveryURLs {
			n += private.DeliveryURL
		}
	}
	return n
}
