package atlas

import (
	"math"
	"strconv"
	"time"
)

// BackupType is the Atlas backup product to which a restore job belongs. A cluster has a separate list for each of its
// backup types.
type BackupType string

// The backup types.
const (
	Dedicated  BackupType = "dedicated"  // cloud backup of a dedicated (M10 and larger) cluster
	Collection BackupType = "collection" // collection-level restores of a dedicated cluster
	Flex       BackupType = "flex"       // Flex clusters
	Serverless BackupType = "serverless" // serverless instances, retired by Atlas in January 2026
	Legacy     BackupType = "legacy"     // the backup product before cloud backup
)

// BackupTypes returns all backup types, in the order in which they are displayed.
func BackupTypes() []BackupType {
	return []BackupType{Dedicated, Collection, Flex, Serverless, Legacy}
}

// DeliveryType is the way in which a restore job delivers the backup.
type DeliveryType uint8

// The delivery types. DeliveryOther is the zero value and means that the value in the response is not known.
const (
	DeliveryOther DeliveryType = iota
	DeliveryAutomated
	DeliveryPointInTime
	DeliveryDownload

	DeliveryCount // number of delivery types
)

var deliveryNames = [DeliveryCount]string{"other", "automated", "point_in_time", "download"}

func (d DeliveryType) String() string { return deliveryNames[d] }

// Status is the state of a restore job.
type Status uint8

// The statuses. StatusUnknown is the zero value and means that the value in the response is not known.
const (
	StatusUnknown Status = iota
	StatusPending
	StatusInProgress
	StatusReady // the download is available
	StatusCompleted
	StatusFailed
	StatusExpired
	StatusCancelled

	StatusCount // number of statuses
)

var statusNames = [StatusCount]string{
	"unknown", "pending", "in_progress", "ready", "completed", "failed", "expired", "cancelled",
}

func (s Status) String() string { return statusNames[s] }

// Active reports whether the job is pending or in progress.
func (s Status) Active() bool { return s == StatusPending || s == StatusInProgress }

// Unfinished reports whether the job is expected to change: it is active, or its download is available.
func (s Status) Unfinished() bool { return s.Active() || s == StatusReady }

// IndexStatus is the status of the indexes of a collection-level restore.
type IndexStatus uint8

// The index statuses. IndexesAbsent is the zero value and means that the response has none.
const (
	IndexesAbsent  IndexStatus = iota
	IndexesPending             // not started or in progress
	IndexesDone                // also if no indexes are restored
	IndexesFailed
)

// Timestamp is a Unix time in seconds, which is the resolution of Atlas. Zero means that it is absent.
type Timestamp int64

// TimestampOf converts t. Times before 1970 are treated as absent.
func TimestampOf(t time.Time) Timestamp { return Timestamp(max(t.Unix(), 0)) }

// Time returns the timestamp in UTC.
func (t Timestamp) Time() time.Time { return time.Unix(int64(t), 0).UTC() }

// Count is an optional nonnegative number. The zero value means that it is absent.
type Count struct{ plusOne int64 }

// CountOf returns a Count with the value n. The largest int64 is stored as the next smaller number.
func CountOf(n int64) Count { return Count{min(n, math.MaxInt64-1) + 1} }

// Value returns the number, or false if it is absent.
func (c Count) Value() (n int64, ok bool) { return max(c.plusOne-1, 0), c.plusOne > 0 }

// RestoreJob is a restore job of any backup type. Every string is safe as a label value: short, printable, and without
// links. Download links are counted but not kept.
type RestoreJob struct {
	ID      string
	BatchID string // shared by the jobs of a sharded restore; legacy backup only

	SnapshotID        string
	TargetProjectID   string // project and cluster that the job restores to; empty for downloads
	TargetClusterName string

	Created     Timestamp
	Finished    Timestamp
	Expiry      Timestamp // when the download link, or the job, expires
	Snapshot    Timestamp // when the snapshot was taken
	PointInTime Timestamp // the time to which the data is restored
	// RecoveryPoint is the time of the restored data: PointInTime, else Snapshot, else (collection-level restores only)
	// the creation time of the snapshot's ID.
	RecoveryPoint Timestamp

	RestoredDocuments Count // collection-level restores only
	TotalDocuments    Count // collection-level restores only
	MaxDownloads      Count // legacy backup only

	IndexFailures Count // number of collections whose indexes could not be built; collection-level restores only

	DownloadURLs uint16 // number of download links, at most 65,535
	Indexes      IndexStatus
	// WritesCopies is set if a collection-level restore creates new collections, even if its target is its source.
	WritesCopies bool
	DeliveryType DeliveryType

	// Status is the status in the response. Use StatusAt to take the expiry into account.
	Status Status
	// ExpiresUnready is set if the status becomes StatusExpired at Expiry even if it isn't StatusReady.
	ExpiresUnready bool

	// FailedFlag, ExpiredFlag and CancelledFlag are the flags in the response. They are valid only if HasFlags is set.
	// For backup types without flags, the method Flags derives them from the status.
	HasFlags                               bool
	FailedFlag, ExpiredFlag, CancelledFlag bool
}

// StatusAt returns the status at the given time. Atlas may report an expired download as ready or completed.
func (j *RestoreJob) StatusAt(now time.Time) Status {
	if j.Expires() && j.Expiry <= TimestampOf(now) {
		return StatusExpired
	}
	return j.Status
}

// Expires reports whether the status becomes StatusExpired at Expiry.
func (j *RestoreJob) Expires() bool {
	return j.Expiry != 0 && (j.ExpiresUnready || j.Status == StatusReady)
}

// Flags returns the flags in the response. For backup types without flags, it derives them from the given status.
func (j *RestoreJob) Flags(status Status) (failed, expired, cancelled bool) {
	if j.HasFlags {
		return j.FailedFlag, j.ExpiredFlag, j.CancelledFlag
	}
	return status == StatusFailed, status == StatusExpired, status == StatusCancelled
}

// End returns the finish time or, if it is absent, the creation time.
func (j *RestoreJob) End() Timestamp {
	if j.Finished != 0 {
		return j.Finished
	}
	return j.Created
}

// timeOfID returns the creation time in the first eight hex digits of an object ID, or zero. For 11,083 of 11,085
// recorded Flex jobs it equals the creation time in the response; for the other two it differs by a second.
func timeOfID(id string) Timestamp {
	if len(id) != 24 {
		return 0
	}
	seconds, err := strconv.ParseUint(id[:8], 16, 32)
	if err != nil {
		return 0
	}
	return Timestamp(seconds)
}
