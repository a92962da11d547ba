package atlas

// legacyJob is a restore job of legacy backup. A restore of a sharded cluster is a batch of jobs, one for each shard
// and one for the config servers. Jobs have no finish time.
type legacyJob struct {
	ID         string       `json:"id"`
	BatchID    interned     `json:"batchId"`
	SnapshotID string       `json:"snapshotId"`
	StatusName interned     `json:"statusName"`
	Created    Timestamp    `json:"created"`
	Timestamp  wireBSONTime `json:"timestamp"` // of the snapshot
	Delivery   struct {
		MethodName        interned  `json:"methodName"`
		StatusName        interned  `json:"statusName"`
		TargetGroupID     interned  `json:"targetGroupId"`
		TargetClusterName interned  `json:"targetClusterName"`
		Expires           Timestamp `json:"expires"`
		MaxDownloads      Count     `json:"maxDownloads"`
		URL               wireLinks `json:"url"` // older form of urlV2, for the same archive
		URLV2             wireLinks `json:"urlV2"`
	} `json:"delivery"`
}

func (l legacyJob) job(found *findings) RestoreJob {
	delivery := l.delivery(found)
	return RestoreJob{
		ID:                l.ID,
		BatchID:           string(l.BatchID),
		SnapshotID:        l.SnapshotID,
		TargetProjectID:   string(l.Delivery.TargetGroupID),
		TargetClusterName: string(l.Delivery.TargetClusterName),
		Created:           found.time("created", l.Created),
		Expiry:            found.expiry("delivery_expires", l.Delivery.Expires),
		Snapshot:          found.time("timestamp_date", l.Timestamp.Date),
		MaxDownloads:      l.Delivery.MaxDownloads,
		DownloadURLs:      max(l.Delivery.URL, l.Delivery.URLV2).count(),
		DeliveryType:      delivery,
		Status:            l.status(delivery, found),
	}
}

func (l legacyJob) delivery(found *findings) DeliveryType {
	switch l.Delivery.MethodName {
	case "AUTOMATED_RESTORE":
		return DeliveryAutomated
	case "HTTP":
		if l.Delivery.TargetClusterName != "" { // responses report automated restores in this way
			return DeliveryAutomated
		}
		if found.omits("delivery_target_cluster_name") { // a restore to a cluster must not look like a download
			return DeliveryOther
		}
		return DeliveryDownload
	case "CLIENT_PIT_HTTP", "QUERY":
		return DeliveryDownload
	case "SCP", "CLIENT_PIT_SCP", "THIRD_PARTY_COPY":
		return DeliveryOther
	}
	found.addUnknown("delivery_method_name", l.Delivery.MethodName)
	return DeliveryOther
}

func (l legacyJob) status(delivery DeliveryType, found *findings) Status {
	switch l.StatusName {
	case "BROKEN":
		return StatusFailed
	case "KILLED":
		return StatusCancelled
	case "IN_PROGRESS":
		return StatusInProgress
	case "FINISHED":
		return l.deliveryStatus(delivery, found)
	}
	found.addUnknown("status_name", l.StatusName)
	return StatusUnknown
}

// deliveryStatus returns the status of a job whose snapshot is prepared. From then on, the status depends on the
// delivery.
func (l legacyJob) deliveryStatus(delivery DeliveryType, found *findings) Status {
	name := l.Delivery.StatusName
	if name == "FAILED" || name == "INTERRUPTED" {
		return StatusFailed
	}
	if found.omits("delivery_status_name") { // the delivery may have failed
		return StatusUnknown
	}
	if delivery == DeliveryAutomated {
		return StatusCompleted
	}
	switch name {
	case "EXPIRED":
		return StatusExpired
	case "MAX_DOWNLOADS_EXCEEDED": // all allowed downloads are done
		return StatusCompleted
	case "READY":
		return StatusReady
	case "NOT_STARTED", "PENDING", "IN_PROGRESS":
		return StatusInProgress
	}
	found.addUnknown("delivery_status_name", name)
	return StatusUnknown
}
