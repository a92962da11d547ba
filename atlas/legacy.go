package atlas

// legacyJob is a job of the backup product before cloud backup. A sharded restore is a batch of them, one a shard and
// one for the config servers. It does not say when it finished.
type legacyJob struct {
	ID         string       `json:"id"`
	BatchID    shared       `json:"batchId"`
	SnapshotID string       `json:"snapshotId"`
	StatusName shared       `json:"statusName"`
	Created    Timestamp    `json:"created"`
	Timestamp  wireBSONTime `json:"timestamp"` // of the snapshot
	Delivery   struct {
		MethodName        shared    `json:"methodName"`
		StatusName        shared    `json:"statusName"`
		TargetGroupID     shared    `json:"targetGroupId"`
		TargetClusterName shared    `json:"targetClusterName"`
		Expires           Timestamp `json:"expires"`
		MaxDownloads      Count     `json:"maxDownloads"`
		URL               wireLinks `json:"url"` // the older form of the next, to the same archive
		URLV2             wireLinks `json:"urlV2"`
	} `json:"delivery"`
}

func (l legacyJob) job(words *words) RestoreJob {
	delivery := l.delivery(words)
	return RestoreJob{
		ID:                l.ID,
		BatchID:           string(l.BatchID),
		SnapshotID:        l.SnapshotID,
		TargetProjectID:   string(l.Delivery.TargetGroupID),
		TargetClusterName: string(l.Delivery.TargetClusterName),
		Created:           l.Created,
		Expiry:            l.Delivery.Expires,
		Snapshot:          l.Timestamp.Date,
		MaxDownloads:      l.Delivery.MaxDownloads,
		DownloadURLs:      max(l.Delivery.URL, l.Delivery.URLV2).count(),
		DeliveryType:      delivery,
		status:            l.status(delivery, words),
	}
}

func (l legacyJob) delivery(words *words) DeliveryType {
	switch l.Delivery.MethodName {
	case "AUTOMATED_RESTORE":
		return DeliveryAutomated
	case "HTTP":
		if l.Delivery.TargetClusterName != "" { // this is how answers write an automated restore
			return DeliveryAutomated
		}
		return DeliveryDownload
	case "CLIENT_PIT_HTTP", "QUERY":
		return DeliveryDownload
	case "SCP", "CLIENT_PIT_SCP", "THIRD_PARTY_COPY":
		return DeliveryOther
	}
	words.add("delivery_method_name", l.Delivery.MethodName)
	return DeliveryOther
}

func (l legacyJob) status(delivery DeliveryType, words *words) Status {
	switch l.StatusName {
	case "BROKEN":
		return StatusFailed
	case "KILLED":
		return StatusCancelled
	case "IN_PROGRESS":
		return StatusInProgress
	case "FINISHED":
		return l.deliveryStatus(delivery, words)
	}
	words.add("status_name", l.StatusName)
	return StatusUnknown
}

// deliveryStatus returns the status of a job whose snapshot was made ready: what counts from then on is its delivery.
func (l legacyJob) deliveryStatus(delivery DeliveryType, words *words) Status {
	name := l.Delivery.StatusName
	if name == "FAILED" || name == "INTERRUPTED" {
		return StatusFailed
	}
	if delivery == DeliveryAutomated {
		return StatusCompleted
	}
	switch name {
	case "EXPIRED":
		return StatusExpired
	case "MAX_DOWNLOADS_EXCEEDED": // it was fetched as often as allowed
		return StatusCompleted
	case "READY":
		return StatusReady
	case "NOT_STARTED", "PENDING", "IN_PROGRESS":
		return StatusInProgress
	}
	words.add("delivery_status_name", name)
	return StatusUnknown
}
