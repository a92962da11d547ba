package atlas

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

func (d dedicatedJob) job(unknown *unknownValues) RestoreJob {
	delivery := d.delivery(unknown)
	links := d.links()
	return RestoreJob{
		ID:                d.ID,
		SnapshotID:        d.SnapshotID,
		TargetProjectID:   string(d.TargetGroupID),
		TargetClusterName: string(d.TargetClusterName),
		Finished:          d.FinishedAt,
		Expiry:            d.ExpiresAt,
		Snapshot:          d.Timestamp,
		PointInTime: firstNonZero(
			d.DesiredTimestamp.Date, Timestamp(d.PointInTimeUTCSeconds), Timestamp(d.OplogTS)),
		DownloadURLs:  links.count(),
		DeliveryType:  delivery,
		Status:        d.status(delivery, links),
		HasFlags:      true,
		FailedFlag:    d.Failed,
		ExpiredFlag:   d.Expired,
		CancelledFlag: d.Cancelled,
	}
}

func (d dedicatedJob) delivery(unknown *unknownValues) DeliveryType {
	switch d.DeliveryType {
	case "automated":
		return DeliveryAutomated
	case "pointInTime":
		return DeliveryPointInTime
	case "download":
		return DeliveryDownload
	}
	unknown.add("delivery_type", d.DeliveryType)
	return DeliveryOther
}

// status checks failed first, because a recorded failed job has cancelled set too, although it was not cancelled. A
// ready download has no finishedAt. A finished automated restore stays completed after it expires.
func (d dedicatedJob) status(delivery DeliveryType, links wireLinks) Status {
	download := delivery == DeliveryDownload
	switch {
	case d.Failed:
		return StatusFailed
	case download && d.Expired:
		return StatusExpired
	case d.Cancelled:
		return StatusCancelled
	case download && links > 0:
		return StatusReady
	case d.FinishedAt != 0:
		return StatusCompleted
	case d.Expired:
		return StatusExpired
	}
	return StatusInProgress
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
