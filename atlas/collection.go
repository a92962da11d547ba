package atlas

// collectionJob is a collection-level restore of a dedicated cluster. Atlas has no download of single collections.
type collectionJob struct {
	ID                    string    `json:"id"`
	SnapshotID            string    `json:"snapshotId"`
	State                 shared    `json:"state"`
	TargetGroupID         shared    `json:"targetGroupId"`
	TargetClusterName     shared    `json:"targetClusterName"`
	CreatedAt             Timestamp `json:"createdAt"`
	FinishedAt            Timestamp `json:"finishedAt"`
	PointInTimeUTCSeconds int64     `json:"pointInTimeUtcSeconds"` // "Utc" here, "UTC" in dedicatedJob
	OplogTS               int64     `json:"oplogTs"`
	RestoredDocuments     Count     `json:"restoredDocuments"`
	TotalDocuments        Count     `json:"totalDocuments"`
}

func (c collectionJob) job(words *words) RestoreJob {
	pointInTime := firstGiven(Timestamp(c.PointInTimeUTCSeconds), Timestamp(c.OplogTS))
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
		status:            c.status(words),
	}
}

func (c collectionJob) status(words *words) Status {
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
	words.add("state", c.State)
	return StatusUnknown
}
