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

func (f flexJob) job(unknown *unknownValues) RestoreJob {
	delivery := f.delivery(unknown)
	return RestoreJob{
		ID:                f.ID,
		SnapshotID:        f.SnapshotID,
		TargetProjectID:   string(f.TargetProjectID),
		TargetClusterName: string(f.TargetDeploymentItemName),
		Created:           f.RestoreScheduledDate,
		Finished:          f.RestoreFinishedDate,
		Expiry:            f.ExpirationDate,
		Snapshot:          f.SnapshotFinishedDate,
		DownloadURLs:      f.SnapshotURL.count(),
		DeliveryType:      delivery,
		Status:            f.status(delivery, unknown),
	}
}

func (f flexJob) delivery(unknown *unknownValues) DeliveryType {
	switch f.DeliveryType {
	case "RESTORE":
		return DeliveryAutomated
	case "DOWNLOAD":
		return DeliveryDownload
	}
	unknown.add("delivery_type", f.DeliveryType)
	return DeliveryOther
}

// status ignores the expiration date, which RestoreJob.StatusAt applies to downloads only. Every automated restore has
// an expiration date six hours after its start, regardless of the result.
func (f flexJob) status(delivery DeliveryType, unknown *unknownValues) Status {
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
	unknown.add("status", f.Status)
	return StatusUnknown
}
