package atlas

// flexJob is a job of a Flex cluster.
type flexJob struct {
	ID                       string    `json:"id"`
	SnapshotID               string    `json:"snapshotId"`
	Status                   shared    `json:"status"`
	DeliveryType             shared    `json:"deliveryType"`
	TargetProjectID          shared    `json:"targetProjectId"`
	TargetDeploymentItemName shared    `json:"targetDeploymentItemName"`
	RestoreScheduledDate     Timestamp `json:"restoreScheduledDate"`
	RestoreFinishedDate      Timestamp `json:"restoreFinishedDate"`
	SnapshotFinishedDate     Timestamp `json:"snapshotFinishedDate"`
	ExpirationDate           Timestamp `json:"expirationDate"`
	SnapshotURL              wireLinks `json:"snapshotUrl"`
}

func (f flexJob) job(words *words) RestoreJob {
	delivery := f.delivery(words)
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
		status:            f.status(delivery, words),
	}
}

func (f flexJob) delivery(words *words) DeliveryType {
	switch f.DeliveryType {
	case "RESTORE":
		return DeliveryAutomated
	case "DOWNLOAD":
		return DeliveryDownload
	}
	words.add("delivery_type", f.DeliveryType)
	return DeliveryOther
}

// status ignores the expiration date of everything but downloads: every restore carries one, six hours after its
// start, and it means nothing for the outcome.
func (f flexJob) status(delivery DeliveryType, words *words) Status {
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
	words.add("status", f.Status)
	return StatusUnknown
}
