package atlas

// collectionJob is a collection-level restore job of a dedicated cluster. Atlas has no downloads of collections, and no
// delivery type: a job with a point in time is a point-in-time restore.
type collectionJob struct {
	ID                    string    `json:"id"`
	SnapshotID            string    `json:"snapshotId"`
	State                 interned  `json:"state"`
	TargetGroupID         interned  `json:"targetGroupId"`
	TargetClusterName     interned  `json:"targetClusterName"`
	CreatedAt             Timestamp `json:"createdAt"`
	FinishedAt            Timestamp `json:"finishedAt"`
	PointInTimeUTCSeconds int64     `json:"pointInTimeUtcSeconds"` // "Utc" here, "UTC" in dedicatedJob
	OplogTS               int64     `json:"oplogTs"`
	RestoredDocuments     Count     `json:"restoredDocuments"`
	TotalDocuments        Count     `json:"totalDocuments"`
}

func (c collectionJob) job(unknown *unknownValues) RestoreJob {
	pointInTime := firstNonZero(Timestamp(c.PointInTimeUTCSeconds), Timestamp(c.OplogTS))
	delivery := DeliveryAutomated
	if pointInTime != 0 {
		delivery = DeliveryPointInTime
	}
	return RestoreJob{
		ID:                c.ID,
		SnapshotID:        c.SnapshotID,
		TargetProjectID:   string(c.TargetGroupID),
		TargetClusterName: string(c.TargetClusterName),
		Created:           c.CreatedAt,
		Finished:          c.FinishedAt,
		PointInTime:       pointInTime,
		RestoredDocuments: c.RestoredDocuments,
		TotalDocuments:    c.TotalDocuments,
		DeliveryType:      delivery,
		Status:            c.status(unknown),
	}
}

func (c collectionJob) status(unknown *unknownValues) Status {
	switch c.State {
	case "FAILED":
		return StatusFailed
	case "CANCELED":
		return StatusCancelled
	case "SUCCESSFUL":
		return StatusCompleted
	case "IN_PROGRESS", "FINALIZING":
		return StatusInProgress
	case "INITIALIZING":
		return StatusPending
	}
	unknown.add("state", c.State)
	return StatusUnknown
}
