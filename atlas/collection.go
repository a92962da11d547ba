package atlas

import "cmp"

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
	WriteStrategy         interned  `json:"writeStrategy"`
	IndexStatus           struct {
		State                 interned `json:"state"`
		FailedCollectionCount Count    `json:"failedCollectionCount"`
	} `json:"indexStatus"`
}

func (c collectionJob) job(found *findings) RestoreJob {
	pointInTime := cmp.Or(
		found.time("point_in_time_utc_seconds", Timestamp(c.PointInTimeUTCSeconds)),
		found.time("oplog_ts", Timestamp(c.OplogTS)))
	delivery := DeliveryAutomated
	recoveryPoint := pointInTime
	if pointInTime != 0 {
		delivery = DeliveryPointInTime
	} else {
		recoveryPoint = found.time(fieldSnapshotIDTime, timeOfID(c.SnapshotID))
	}
	return RestoreJob{
		ID:                c.ID,
		SnapshotID:        c.SnapshotID,
		TargetProjectID:   string(c.TargetGroupID),
		TargetClusterName: string(c.TargetClusterName),
		Created:           found.time("created_at", c.CreatedAt),
		Finished:          found.time("finished_at", c.FinishedAt),
		PointInTime:       pointInTime,
		RecoveryPoint:     recoveryPoint,
		RestoredDocuments: c.RestoredDocuments,
		TotalDocuments:    c.TotalDocuments,
		Indexes:           c.indexes(found),
		IndexFailures:     c.IndexStatus.FailedCollectionCount,
		WritesCopies:      c.writesCopies(found),
		DeliveryType:      delivery,
		Status:            c.status(found),
	}
}

// indexes returns IndexesDone for an undocumented state, because only FAILED reports a failure.
func (c collectionJob) indexes(found *findings) IndexStatus {
	switch c.IndexStatus.State {
	case "NOT_STARTED", "IN_PROGRESS":
		return IndexesPending
	case "FAILED":
		return IndexesFailed
	case "SUCCESSFUL", "NOT_RESTORED":
		return IndexesDone
	case "":
		if _, ok := c.IndexStatus.FailedCollectionCount.Value(); ok {
			return IndexesDone
		}
		return IndexesAbsent
	}
	found.addUnknown("index_status_state", c.IndexStatus.State)
	return IndexesDone
}

func (c collectionJob) writesCopies(found *findings) bool {
	switch c.WriteStrategy {
	case "CREATE_NEW":
		return true
	case "OVERWRITE_EXISTING", "":
		return false
	}
	found.addUnknown("write_strategy", c.WriteStrategy)
	return false
}

func (c collectionJob) status(found *findings) Status {
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
	found.addUnknown("state", c.State)
	return StatusUnknown
}
