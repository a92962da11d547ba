package atlas

// flexJob is a restore job of a Flex cluster.
type flexJob struct {
	ID                       string    `json:"id"`
	SnapshotID               string    `json:"snapshotId"`
	Status                   interned  `json:"status"`
	DeliveryType             interned  `json:"deliveryType"`
	TargetProjectID          interned  `json:"targetProjectId"`
	TargetDeploymentItemName interned  `json:"targetDeploymentItemName"`
	RestoreScheduledDate     Timestamp `json:"restoreScheduledDate"`
	RestoreFinishedDate      Timestamp `json:"restoreFinishedDate"`
	SnapshotFinishedDate     Timestamp `json:"snapshotFinishedDate"`
	ExpirationDate           Timestamp `json:"expirationDate"`
	SnapshotURL              wireLinks `json:"snapshotUrl"`
}

func (f flexJob) job(found *findings) RestoreJob {
	delivery := f.delivery(found)
	status := f.status(delivery, found)
	return RestoreJob{
		ID:                f.ID,
		SnapshotID:        f.SnapshotID,
		TargetProjectID:   string(f.TargetProjectID),
		TargetClusterName: string(f.TargetDeploymentItemName),
		Created:           found.time("restore_scheduled_date", f.RestoreScheduledDate),
		Finished:          found.time("restore_finished_date", f.RestoreFinishedDate),
		Expiry:            found.expiry("expiration_date", f.ExpirationDate),
		Snapshot:          found.time("snapshot_finished_date", f.SnapshotFinishedDate),
		DownloadURLs:      f.SnapshotURL.count(),
		DeliveryType:      delivery,
		Status:            status,
		ExpiresUnready:    delivery == DeliveryDownload && status == StatusCompleted,
	}
}

func (f flexJob) delivery(found *findings) DeliveryType {
	switch f.DeliveryType {
	case "RESTORE":
		return DeliveryAutomated
	case "DOWNLOAD":
		return DeliveryDownload
	}
	found.addUnknown("delivery_type", f.DeliveryType)
	return DeliveryOther
}

// status ignores the expiration date, which RestoreJob.StatusAt applies to finished downloads only. Every automated
// restore has an expiration date six hours after its start, regardless of the result.
func (f flexJob) status(delivery DeliveryType, found *findings) Status {
	switch f.Status {
	case "FAILED":
		return StatusFailed
	case "COMPLETED":
		if delivery == DeliveryDownload && f.SnapshotURL > 0 {
			return StatusReady
		}
		return StatusCompleted
	case "RUNNING":
		return StatusInProgress
	case "PENDING", "QUEUED":
		return StatusPending
	}
	found.addUnknown("status", f.Status)
	return StatusUnknown
}
