package atlas

// dedicatedJob is a job of cloud backup, and of serverless instances, whose jobs are the same less two fields. It has
// no word for its status: that follows from flags, dates and links.
type dedicatedJob struct {
	ID                string `json:"id"`
	SnapshotID        string `json:"snapshotId"`
	DeliveryType      shared `json:"deliveryType"`
	TargetGroupID     shared `json:"targetGroupId"`
	TargetClusterName shared `json:"targetClusterName"`

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

func (d dedicatedJob) job(words *words) RestoreJob {
	delivery := d.delivery(words)
	links := d.links()
	return RestoreJob{
		ID:                d.ID,
		SnapshotID:        d.SnapshotID,
		TargetProjectID:   string(d.TargetGroupID),
		TargetClusterName: string(d.TargetClusterName),
		Finished:          d.FinishedAt,
		Expiry:            d.ExpiresAt,
		Snapshot:          d.Timestamp,
		PointInTime: firstGiven(
			d.DesiredTimestamp.Date, Timestamp(d.PointInTimeUTCSeconds), Timestamp(d.OplogTS)),
		DownloadURLs: links.count(),
		DeliveryType: delivery,
		status:       d.status(delivery, links),
		flagged:      true,
		failed:       d.Failed,
		expired:      d.Expired,
		cancelled:    d.Cancelled,
	}
}

func (d dedicatedJob) delivery(words *words) DeliveryType {
	switch d.DeliveryType {
	case "automated":
		return DeliveryAutomated
	case "pointInTime":
		return DeliveryPointInTime
	case "download":
		return DeliveryDownload
	}
	words.add("delivery_type", d.DeliveryType)
	return DeliveryOther
}

// status tests failed first: a recorded failed job says that it is cancelled too, though nobody cancelled it. A ready
// download has no finishedAt, and what an automated restore has restored stays restored, whatever expires.
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

// links counts the links of the job and of its components: a download of a sharded cluster has one or more a shard.
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
