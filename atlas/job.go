package atlas

import (
	"math"
	"strconv"
	"time"
)

// BackupType says which of Atlas' backup products a restore job belongs to, and so which list it stands in.
type BackupType string

// The backup types whose restore jobs can be read.
const (
	Dedicated  BackupType = "dedicated"  // cloud backup of a dedicated (M10 and larger) cluster
	Collection BackupType = "collection" // collection-level restores of a dedicated cluster
	Flex       BackupType = "flex"       // Flex clusters
	Serverless BackupType = "serverless" // serverless instances, retired by Atlas in January 2026
	Legacy     BackupType = "legacy"     // the backup product before cloud backup
)

// BackupTypes lists every backup type, in the order in which they are shown.
func BackupTypes() []BackupType {
	return []BackupType{Dedicated, Collection, Flex, Serverless, Legacy}
}

// DeliveryType says what a restore job does with the backup.
type DeliveryType uint8

// The delivery types. DeliveryOther is the zero value: a word that is not known here.
const (
	DeliveryOther DeliveryType = iota
	DeliveryAutomated
	DeliveryPointInTime
	DeliveryDownload

	DeliveryCount // how many delivery types there are
)

var deliveryNames = [DeliveryCount]string{"other", "automated", "point_in_time", "download"}

func (d DeliveryType) String() string { return deliveryNames[d] }

// Status is what has become of a restore job.
type Status uint8

// The statuses. StatusUnknown is the zero value: Atlas used a word that is not known here.
const (
	StatusUnknown Status = iota
	StatusPending
	StatusInProgress
	StatusReady // an archive can be downloaded now
	StatusCompleted
	StatusFailed
	StatusExpired
	StatusCancelled

	StatusCount // how many statuses there are
)

var statusNames = [StatusCount]string{
	"unknown", "pending", "in_progress", "ready", "completed", "failed", "expired", "cancelled",
}

func (s Status) String() string { return statusNames[s] }

// Active reports whether Atlas still works on the job.
func (s Status) Active() bool { return s == StatusPending || s == StatusInProgress }

// Open reports whether the job can be expected to change: it is active, or offers a download.
func (s Status) Open() bool { return s.Active() || s == StatusReady }

// Timestamp is an instant in Unix seconds, the resolution that Atlas gives. Zero means that Atlas gave none.
type Timestamp int64

// TimestampOf returns t in whole seconds, or zero for instants that Atlas can't have meant (1970 and before).
func TimestampOf(t time.Time) Timestamp { return Timestamp(max(t.Unix(), 0)) }

// Time returns the instant in UTC.
func (t Timestamp) Time() time.Time { return time.Unix(int64(t), 0).UTC() }

// Count is a number, of at least 0, that Atlas may leave out. The zero value is "not given".
type Count struct{ plusOne int64 }

// CountOf returns n as a number that was given. The largest there is counts as the one before.
func CountOf(n int64) Count { return Count{min(n, math.MaxInt64-1) + 1} }

// Value returns the number, and whether Atlas gave one.
func (c Count) Value() (n int64, given bool) { return max(c.plusOne-1, 0), c.plusOne > 0 }

// RestoreJob is a restore job of any backup type, in one shape.
//
// Every string is safe as a label value: bounded, printable, never a link. The job carries no link, only how many
// there were.
type RestoreJob struct {
	ID      string
	BatchID string // the sharded restore that this job is a part of; legacy backup only

	SnapshotID        string
	TargetProjectID   string // the project and cluster that the job writes into; empty for downloads
	TargetClusterName string

	Created     Timestamp
	Finished    Timestamp
	Expiry      Timestamp // when the download link, or the job, expires
	Snapshot    Timestamp // when the restored snapshot was taken
	PointInTime Timestamp // the instant that was restored to

	RestoredDocuments Count // collection-level restores only, as the next
	TotalDocuments    Count
	MaxDownloads      Count // legacy backup only

	DownloadURLs uint16 // how many links the answer held, as far as there is room
	DeliveryType DeliveryType

	// status is StatusReady for as long as Atlas lists a link; only StatusAt knows whether it has expired.
	status Status

	// The three flags as Atlas reports them. Backup types without such flags leave flagged false, and Flags derives
	// them from the status.
	flagged                    bool
	failed, expired, cancelled bool
}

// StatusAt returns the job's status at an instant: a download is ready until its link expires, and Atlas has not been
// seen to say so by itself.
func (j *RestoreJob) StatusAt(now time.Time) Status {
	if j.status == StatusReady && j.Expiry != 0 && j.Expiry <= TimestampOf(now) {
		return StatusExpired
	}
	return j.status
}

// Flags returns the three flags as Atlas reports them or, for the backup types whose jobs carry none, as they follow
// from the status.
func (j *RestoreJob) Flags(status Status) (failed, expired, cancelled bool) {
	if j.flagged {
		return j.failed, j.expired, j.cancelled
	}
	return status == StatusFailed, status == StatusExpired, status == StatusCancelled
}

// End returns when the job ended: when it finished or, where Atlas does not tell, when it was created.
func (j *RestoreJob) End() Timestamp {
	if j.Finished != 0 {
		return j.Finished
	}
	return j.Created
}

// createdFromID returns the creation time that the first eight hex digits of an object id hold. For 11,083 of 11,085
// recorded Flex jobs it is the second that Atlas itself names, for the others one off.
func createdFromID(id string) Timestamp {
	if len(id) != 24 {
		return 0
	}
	seconds, err := strconv.ParseUint(id[:8], 16, 32)
	if err != nil {
		return 0
	}
	return Timestamp(seconds)
}
