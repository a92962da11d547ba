package atlastest

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"hash/fnv"
	"maps"
	"slices"
	"strings"
	"time"

	"atlas-restore-exporter/atlas"
)

// Outcome is the result of a job.
type Outcome int

// The outcomes.
const (
	Succeeds Outcome = iota
	Fails
	IsCancelled
)

// Job describes the life of a restore job. Its status in a response depends on the time of the request.
type Job struct {
	ID      string // if empty, an object ID is generated from Created
	Created time.Time
	// Delivery is the delivery type in the wire format, or the method name of legacy backup. "download" for legacy
	// backup is method HTTP without a target. If empty, the job restores to a cluster.
	Delivery string
	Queued   time.Duration // time before the job starts; Flex and collection-level restores only
	Takes    time.Duration // time from creation to the outcome; if zero, the job never finishes
	Outcome  Outcome
	LinkLife time.Duration // lifetime of a download; if zero, one hour

	TargetProjectID, TargetClusterName string
	SnapshotID                         string
	SnapshotTaken                      time.Time // if zero, a day before Created
	PointInTime                        time.Time
	Shards                             int    // of a dedicated download; each has a component with a link
	BatchID                            string // sharded legacy restores only

	// The following fields apply to collection-level restores only.
	Documents     int64
	WriteStrategy string        // if empty, CREATE_NEW
	IndexesTake   time.Duration // time from the end of the job until its indexes are built
	FailedIndexes int           // number of collections whose indexes can't be built

	// Extra overrides fields of the response; a nil value removes the field. Raw, if set, is the whole job.
	Extra map[string]any
	Raw   json.RawMessage
}

// Order is the order of a list.
type Order int

// The orders. The order of Atlas is not documented. Recorded lists of Flex clusters are sorted newest first.
const (
	NewestFirst Order = iota
	OldestFirst
	Shuffled // the same order for each request
)

// at returns the jobs that exist at the given time, in the order of the list.
func (l *jobList) at(now time.Time) []*Job {
	var jobs []*Job
	for _, job := range l.jobs {
		if !job.Created.After(now) {
			jobs = append(jobs, job)
		}
	}
	slices.SortStableFunc(jobs, func(a, b *Job) int {
		switch l.order {
		case OldestFirst:
			return a.Created.Compare(b.Created)
		case Shuffled:
			return strings.Compare(shuffleKey(a.ID), shuffleKey(b.ID))
		default:
			return b.Created.Compare(a.Created)
		}
	})
	return jobs
}

func shuffleKey(id string) string {
	hash := fnv.New64a()
	_, _ = hash.Write([]byte(id))
	return string(hash.Sum(nil))
}

// serialHex returns 64 pseudorandom hex digits.
func serialHex(serial int) string {
	sum := sha256.Sum256(fmt.Append(nil, "atlastest", serial))
	return hex.EncodeToString(sum[:])
}

// setDefaults sets the fields that are empty.
func (j *Job) setDefaults(list atlas.List, serial int) {
	if j.Created.IsZero() {
		j.Created = time.Now()
	}
	if j.ID == "" {
		j.ID = fmt.Sprintf("%08x", j.Created.Unix()) + serialHex(serial)[:16]
	}
	if j.SnapshotTaken.IsZero() {
		j.SnapshotTaken = j.Created.Add(-24 * time.Hour)
	}
	if j.SnapshotID == "" {
		j.SnapshotID = fmt.Sprintf("%08x", j.SnapshotTaken.Unix()) + serialHex(serial)[16:32]
	}
	if j.LinkLife == 0 {
		j.LinkLife = time.Hour
	}
	if j.WriteStrategy == "" {
		j.WriteStrategy = "CREATE_NEW"
	}
	if j.Delivery == "" {
		j.Delivery = map[atlas.BackupType]string{
			atlas.Dedicated: "automated", atlas.Serverless: "automated", atlas.Flex: "RESTORE", atlas.Legacy: "HTTP",
		}[list.BackupType]
	}
	if j.TargetClusterName == "" && !j.isDownload() {
		j.TargetClusterName = list.ClusterName
	}
	if j.TargetProjectID == "" && !j.isDownload() {
		j.TargetProjectID = list.ProjectID
	}
}

func (j *Job) isDownload() bool {
	return slices.Contains([]string{"download", "DOWNLOAD", "CLIENT_PIT_HTTP", "QUERY"}, j.Delivery)
}

// The stages of a job.
const (
	queued = iota
	running
	ended
)

func (j *Job) stage(now time.Time) int {
	switch age := now.Sub(j.Created); {
	case j.Takes > 0 && age >= j.Takes:
		return ended
	case age >= j.Queued:
		return running
	}
	return queued
}

func (j *Job) finished() time.Time { return j.Created.Add(j.Takes) }

// linkExpires returns the time when the download expires.
func (j *Job) linkExpires() time.Time { return j.finished().Add(j.LinkLife) }

// render returns the job in the wire format of the list, at the given time.
func (j *Job) render(list atlas.List, now time.Time) any {
	if j.Raw != nil {
		return j.Raw
	}
	var wire map[string]any
	switch list.BackupType {
	case atlas.Dedicated, atlas.Serverless:
		wire = j.dedicated(list, now)
	case atlas.Flex:
		wire = j.flex(list, now)
	case atlas.Collection:
		wire = j.collection(now)
	case atlas.Legacy:
		wire = j.legacy(list, now)
	}
	maps.Copy(wire, j.Extra)
	maps.DeleteFunc(wire, func(_ string, value any) bool { return value == nil })
	return wire
}

func date(t time.Time) string { return t.UTC().Format(time.RFC3339) }

// downloadLink returns a realistic download link.
func (j *Job) downloadLink(part string) string {
	token := serialHex(int(j.Created.Unix()))[:32]
	return "https://restore-" + j.ID + ".example.net:27017/" + token + "/" + part + ".tar.gz"
}

// dedicated has the fields of 854 recorded jobs. No expired download was recorded. The simulator assumes that it has
// the flag expired and no link.
func (j *Job) dedicated(list atlas.List, now time.Time) map[string]any {
	path := "/api/atlas/v2/groups/" + list.ProjectID + "/clusters/" + list.ClusterName
	wire := map[string]any{
		"id": j.ID, "deliveryType": j.Delivery, "snapshotId": j.SnapshotID, "timestamp": date(j.SnapshotTaken),
		"cancelled": false, "failed": false, "expired": false, "deliveryUrl": []string{},
		"desiredTimestamp": map[string]any{"date": nil, "increment": nil, "time": nil},
		"links": []any{
			link(path+"/backup/restoreJobs/"+j.ID, "self"),
			link(path+"/backup/snapshots/"+j.SnapshotID, "https://cloud.mongodb.com/snapshot"),
			link(path, "https://cloud.mongodb.com/cluster"),
			link("/api/atlas/v2/groups/"+list.ProjectID, "https://cloud.mongodb.com/group"),
		},
	}
	if !j.PointInTime.IsZero() {
		wire["pointInTimeUTCSeconds"] = j.PointInTime.Unix()
	}
	if !j.isDownload() {
		wire["targetClusterName"], wire["targetGroupId"] = j.TargetClusterName, j.TargetProjectID
		wire["targetDeploymentItemName"] = "atlas-" + j.ID[:6] + "-shard-0"
	}
	if j.stage(now) != ended {
		return wire
	}
	switch {
	case j.Outcome == Fails:
		wire["failed"], wire["cancelled"], wire["finishedAt"] = true, true, date(j.finished())
	case j.Outcome == IsCancelled:
		wire["cancelled"], wire["finishedAt"] = true, date(j.finished())
	case !j.isDownload():
		wire["finishedAt"] = date(j.finished())
	case now.Before(j.linkExpires()):
		wire["expiresAt"] = date(j.linkExpires())
		j.addLinks(wire)
	default:
		wire["expiresAt"], wire["expired"] = date(j.linkExpires()), true
	}
	return wire
}

// addLinks adds the link of a download, or one link for each shard.
func (j *Job) addLinks(wire map[string]any) {
	if j.Shards == 0 {
		wire["deliveryUrl"] = []string{j.downloadLink(j.SnapshotID)}
		return
	}
	var components []any
	for i := range j.Shards {
		shard := fmt.Sprintf("shard-%d", i)
		components = append(components, map[string]any{"replicaSetName": shard, "downloadUrl": j.downloadLink(shard)})
	}
	wire["components"] = components
}

// flex has the fields of 11,085 recorded jobs. No download was recorded.
func (j *Job) flex(list atlas.List, now time.Time) map[string]any {
	wire := map[string]any{
		"id": j.ID, "deliveryType": j.Delivery, "snapshotId": j.SnapshotID, "instanceName": list.ClusterName,
		"projectId": list.ProjectID, "restoreScheduledDate": date(j.Created),
		"snapshotFinishedDate": date(j.SnapshotTaken), "expirationDate": date(j.Created.Add(6 * time.Hour)),
		"status": [...]string{"PENDING", "RUNNING", "COMPLETED"}[j.stage(now)],
	}
	if !j.isDownload() {
		wire["targetDeploymentItemName"], wire["targetProjectId"] = j.TargetClusterName, j.TargetProjectID
	}
	if j.stage(now) != ended {
		return wire
	}
	wire["restoreFinishedDate"] = date(j.finished())
	if j.Outcome != Succeeds {
		wire["status"] = "FAILED"
	} else if j.isDownload() {
		wire["snapshotUrl"], wire["expirationDate"] = j.downloadLink(j.SnapshotID), date(j.linkExpires())
	}
	return wire
}

// collection has the fields of the documented example. No job was recorded.
func (j *Job) collection(now time.Time) map[string]any {
	wire := map[string]any{
		"id": j.ID, "snapshotId": j.SnapshotID, "createdAt": date(j.Created), "collectionSuffix": "",
		"databaseSuffix": "", "databases": []any{}, "collections": []any{
			map[string]any{"sourceNamespace": "sales.orders", "targetNamespace": "sales.orders"},
		},
		"indexStatus":   j.indexStatus(now),
		"indexStrategy": "ALL", "writeStrategy": j.WriteStrategy, "targetClusterName": j.TargetClusterName,
		"targetGroupId": j.TargetProjectID, "totalDocuments": j.Documents, "restoredDocuments": 0,
		"state": [...]string{"INITIALIZING", "IN_PROGRESS", "SUCCESSFUL"}[j.stage(now)],
	}
	if !j.PointInTime.IsZero() {
		wire["pointInTimeUtcSeconds"] = j.PointInTime.Unix()
	}
	switch {
	case j.stage(now) == running && j.Takes > 0:
		progress := float64(now.Sub(j.Created)) / float64(j.Takes)
		wire["restoredDocuments"] = int64(progress * float64(j.Documents))
	case j.stage(now) == ended:
		wire["finishedAt"], wire["restoredDocuments"] = date(j.finished()), j.Documents
		if j.Outcome != Succeeds {
			wire["state"] = map[Outcome]string{Fails: "FAILED", IsCancelled: "CANCELED"}[j.Outcome]
			wire["errorMessage"], wire["restoredDocuments"] = "a namespace could not be restored", j.Documents/2
		}
	}
	return wire
}

// indexStatus returns the index status of a collection-level restore. The states are documented. The simulator assumes
// that a job can succeed before its indexes are built, and even if they fail.
func (j *Job) indexStatus(now time.Time) map[string]any {
	state, failed := [...]string{"NOT_STARTED", "IN_PROGRESS", "SUCCESSFUL"}[j.stage(now)], 0
	switch {
	case j.stage(now) != ended:
	case j.Outcome != Succeeds:
		state = "NOT_RESTORED"
	case now.Before(j.finished().Add(j.IndexesTake)):
		state = "IN_PROGRESS"
	case j.FailedIndexes > 0:
		state, failed = "FAILED", j.FailedIndexes
	}
	return map[string]any{"state": state, "failedCollectionCount": failed}
}

// legacy has the fields of the sample of the older API version. An automated restore has the method HTTP
// and a target.
func (j *Job) legacy(list atlas.List, now time.Time) map[string]any {
	delivery := map[string]any{"methodName": j.Delivery, "statusName": "NOT_STARTED"}
	if j.Delivery == "download" {
		delivery["methodName"] = "HTTP"
	}
	wire := map[string]any{
		"id": j.ID, "snapshotId": j.SnapshotID, "created": date(j.Created), "clusterName": list.ClusterName,
		"groupId": list.ProjectID, "clusterId": "7c88887880eef52e5f4d0e2d", "encryptionEnabled": false,
		"timestamp": map[string]any{"date": date(j.SnapshotTaken), "increment": 1},
		"hashes":    []any{}, "links": []any{}, "delivery": delivery, "statusName": "IN_PROGRESS",
	}
	if j.BatchID != "" {
		wire["batchId"] = j.BatchID
	}
	if j.isDownload() {
		delivery["expirationHours"], delivery["maxDownloads"] = max(int(j.LinkLife.Hours()), 1), 1
	} else {
		delivery["targetClusterName"], delivery["targetGroupId"] = j.TargetClusterName, j.TargetProjectID
	}
	if j.stage(now) != ended {
		return wire
	}
	wire["statusName"] = map[Outcome]string{Succeeds: "FINISHED", Fails: "BROKEN", IsCancelled: "KILLED"}[j.Outcome]
	if !j.isDownload() || j.Outcome != Succeeds {
		return wire
	}
	delivery["expires"] = date(j.linkExpires())
	delivery["urlV2"], delivery["authHeader"], delivery["authValue"] = j.downloadLink(j.SnapshotID), "X-Auth", serialHex(1)
	delivery["statusName"] = "READY"
	if !now.Before(j.linkExpires()) {
		delivery["statusName"] = "EXPIRED"
	}
	return wire
}
