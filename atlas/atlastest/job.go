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

// Outcome is how a job ends.
type Outcome int

// The outcomes.
const (
	Succeeds Outcome = iota
	Fails
	IsCancelled
)

// Job is the life of a restore job: what Atlas says of it follows from this and the time.
type Job struct {
	ID      string // an object id made from Created where empty
	Created time.Time
	// Delivery is the word that Atlas uses for it; empty stands for a restore into a cluster. Legacy backup has method
	// names, and "download" for what Atlas writes as HTTP without a target.
	Delivery string
	Queued   time.Duration // how long it waits before it runs; Flex and collection-level restores
	Takes    time.Duration // from creation to its outcome; zero stands for ever
	Outcome  Outcome
	LinkLife time.Duration // how long a download can be fetched; zero stands for an hour

	TargetProjectID, TargetClusterName string
	SnapshotID                         string
	SnapshotTaken                      time.Time // a day before Created where zero
	PointInTime                        time.Time
	Shards                             int    // of a dedicated download: one link each, in components
	BatchID                            string // of a sharded legacy restore
	Documents                          int64  // of a collection-level restore

	// Extra overrides fields of the answer; a nil value removes one. Raw, if set, is the whole answer.
	Extra map[string]any
	Raw   json.RawMessage
}

// Order is the order of a list.
type Order int

// The orders. Newest first is what was recorded of Flex clusters; none is documented.
const (
	NewestFirst Order = iota
	OldestFirst
	Shuffled // another order, the same at each request
)

// at returns the jobs that exist at an instant, in the list's order.
func (l *list) at(now time.Time) []*Job {
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
			return strings.Compare(shuffle(a.ID), shuffle(b.ID))
		default:
			return b.Created.Compare(a.Created)
		}
	})
	return jobs
}

func shuffle(id string) string {
	hash := fnv.New64a()
	_, _ = hash.Write([]byte(id))
	return string(hash.Sum(nil))
}

func serialHex(serial int) string {
	sum := sha256.Sum256(fmt.Append(nil, "atlastest", serial))
	return hex.EncodeToString(sum[:])
}

// complete fills in what was left out.
func (j *Job) complete(name atlas.List, serial int) {
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
	if j.Delivery == "" {
		j.Delivery = map[atlas.BackupType]string{
			atlas.Dedicated: "automated", atlas.Serverless: "automated", atlas.Flex: "RESTORE", atlas.Legacy: "HTTP",
		}[name.BackupType]
	}
	if j.TargetClusterName == "" && !j.download() {
		j.TargetClusterName = name.ClusterName
	}
	if j.TargetProjectID == "" && !j.download() {
		j.TargetProjectID = name.ProjectID
	}
}

func (j *Job) download() bool {
	return slices.Contains([]string{"download", "DOWNLOAD", "CLIENT_PIT_HTTP", "QUERY"}, j.Delivery)
}

// The stages of a job's life.
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

func (j *Job) ends() time.Time { return j.Created.Add(j.Takes) }

// linkExpires returns until when an archive can be fetched.
func (j *Job) linkExpires() time.Time { return j.ends().Add(j.LinkLife) }

// render returns the job as Atlas writes it at an instant.
func (j *Job) render(name atlas.List, now time.Time) any {
	if j.Raw != nil {
		return j.Raw
	}
	var wire map[string]any
	switch name.BackupType {
	case atlas.Dedicated, atlas.Serverless:
		wire = j.dedicated(name, now)
	case atlas.Flex:
		wire = j.flex(name, now)
	case atlas.Collection:
		wire = j.collection(now)
	case atlas.Legacy:
		wire = j.legacy(name, now)
	}
	maps.Copy(wire, j.Extra)
	maps.DeleteFunc(wire, func(_ string, value any) bool { return value == nil })
	return wire
}

func date(t time.Time) string { return t.UTC().Format(time.RFC3339) }

// url is a link of the kind that Atlas gives for archives.
func (j *Job) url(part string) string {
	return "https://restore-" + j.ID + ".example.net:27017/" + serialHex(int(j.Created.Unix()))[:32] + "/" + part + ".tar.gz"
}

// dedicated has what 854 recorded jobs have. What a download looks like once its link has expired is not known; here
// it is flagged, and the link is gone.
func (j *Job) dedicated(name atlas.List, now time.Time) map[string]any {
	path := "/api/atlas/v2/groups/" + name.ProjectID + "/clusters/" + name.ClusterName
	wire := map[string]any{
		"id": j.ID, "deliveryType": j.Delivery, "snapshotId": j.SnapshotID, "timestamp": date(j.SnapshotTaken),
		"cancelled": false, "failed": false, "expired": false, "deliveryUrl": []string{},
		"desiredTimestamp": map[string]any{"date": nil, "increment": nil, "time": nil},
		"links": []any{
			link(path+"/backup/restoreJobs/"+j.ID, "self"),
			link(path+"/backup/snapshots/"+j.SnapshotID, "https://cloud.mongodb.com/snapshot"),
			link(path, "https://cloud.mongodb.com/cluster"),
			link("/api/atlas/v2/groups/"+name.ProjectID, "https://cloud.mongodb.com/group"),
		},
	}
	if !j.PointInTime.IsZero() {
		wire["pointInTimeUTCSeconds"] = j.PointInTime.Unix()
	}
	if !j.download() {
		wire["targetClusterName"], wire["targetGroupId"] = j.TargetClusterName, j.TargetProjectID
		wire["targetDeploymentItemName"] = "atlas-" + j.ID[:6] + "-shard-0"
	}
	if j.stage(now) != ended {
		return wire
	}
	switch {
	case j.Outcome == Fails:
		wire["failed"], wire["cancelled"], wire["finishedAt"] = true, true, date(j.ends())
	case j.Outcome == IsCancelled:
		wire["cancelled"], wire["finishedAt"] = true, date(j.ends())
	case !j.download():
		wire["finishedAt"] = date(j.ends())
	case now.Before(j.linkExpires()):
		wire["expiresAt"] = date(j.linkExpires())
		j.offer(wire)
	default:
		wire["expiresAt"], wire["expired"] = date(j.linkExpires()), true
	}
	return wire
}

// offer puts the links into a download: one, or one a shard.
func (j *Job) offer(wire map[string]any) {
	if j.Shards == 0 {
		wire["deliveryUrl"] = []string{j.url(j.SnapshotID)}
		return
	}
	var components []any
	for i := range j.Shards {
		shard := fmt.Sprintf("shard-%d", i)
		components = append(components, map[string]any{"replicaSetName": shard, "downloadUrl": j.url(shard)})
	}
	wire["components"] = components
}

// flex has what 11,085 recorded jobs have; no download was recorded.
func (j *Job) flex(name atlas.List, now time.Time) map[string]any {
	wire := map[string]any{
		"id": j.ID, "deliveryType": j.Delivery, "snapshotId": j.SnapshotID, "instanceName": name.ClusterName,
		"projectId": name.ProjectID, "restoreScheduledDate": date(j.Created),
		"snapshotFinishedDate": date(j.SnapshotTaken), "expirationDate": date(j.Created.Add(6 * time.Hour)),
		"status": [...]string{"PENDING", "RUNNING", "COMPLETED"}[j.stage(now)],
	}
	if !j.download() {
		wire["targetDeploymentItemName"], wire["targetProjectId"] = j.TargetClusterName, j.TargetProjectID
	}
	if j.stage(now) != ended {
		return wire
	}
	wire["restoreFinishedDate"] = date(j.ends())
	if j.Outcome != Succeeds {
		wire["status"] = "FAILED"
	} else if j.download() {
		wire["snapshotUrl"], wire["expirationDate"] = j.url(j.SnapshotID), date(j.linkExpires())
	}
	return wire
}

// collection has what the documented example has; none was recorded.
func (j *Job) collection(now time.Time) map[string]any {
	wire := map[string]any{
		"id": j.ID, "snapshotId": j.SnapshotID, "createdAt": date(j.Created), "collectionSuffix": "",
		"databaseSuffix": "", "databases": []any{}, "collections": []any{
			map[string]any{"sourceNamespace": "sales.orders", "targetNamespace": "sales.orders"},
		},
		"indexStatus": map[string]any{
			"failedCollectionCount": 0, "state": [...]string{"NOT_STARTED", "IN_PROGRESS", "SUCCESSFUL"}[j.stage(now)],
		},
		"indexStrategy": "ALL", "writeStrategy": "CREATE_NEW", "targetClusterName": j.TargetClusterName,
		"targetGroupId": j.TargetProjectID, "totalDocuments": j.Documents, "restoredDocuments": 0,
		"state": [...]string{"INITIALIZING", "IN_PROGRESS", "SUCCESSFUL"}[j.stage(now)],
	}
	if !j.PointInTime.IsZero() {
		wire["pointInTimeUtcSeconds"] = j.PointInTime.Unix()
	}
	switch {
	case j.stage(now) == running && j.Takes > 0:
		done := float64(now.Sub(j.Created)) / float64(j.Takes)
		wire["restoredDocuments"] = int64(done * float64(j.Documents))
	case j.stage(now) == ended:
		wire["finishedAt"], wire["restoredDocuments"] = date(j.ends()), j.Documents
		if j.Outcome != Succeeds {
			wire["state"] = map[Outcome]string{Fails: "FAILED", IsCancelled: "CANCELED"}[j.Outcome]
			wire["errorMessage"], wire["restoredDocuments"] = "a namespace could not be restored", j.Documents/2
		}
	}
	return wire
}

// legacy has what the sample of the older API version has. An automated restore reports HTTP and a target.
func (j *Job) legacy(name atlas.List, now time.Time) map[string]any {
	delivery := map[string]any{"methodName": j.Delivery, "statusName": "NOT_STARTED"}
	if j.Delivery == "download" {
		delivery["methodName"] = "HTTP"
	}
	wire := map[string]any{
		"id": j.ID, "snapshotId": j.SnapshotID, "created": date(j.Created), "clusterName": name.ClusterName,
		"groupId": name.ProjectID, "clusterId": "7c88887880eef52e5f4d0e2d", "encryptionEnabled": false,
		"timestamp": map[string]any{"date": date(j.SnapshotTaken), "increment": 1},
		"hashes":    []any{}, "links": []any{}, "delivery": delivery, "statusName": "IN_PROGRESS",
	}
	if j.BatchID != "" {
		wire["batchId"] = j.BatchID
	}
	if j.download() {
		delivery["expirationHours"], delivery["maxDownloads"] = max(int(j.LinkLife.Hours()), 1), 1
	} else {
		delivery["targetClusterName"], delivery["targetGroupId"] = j.TargetClusterName, j.TargetProjectID
	}
	if j.stage(now) != ended {
		return wire
	}
	wire["statusName"] = map[Outcome]string{Succeeds: "FINISHED", Fails: "BROKEN", IsCancelled: "KILLED"}[j.Outcome]
	if !j.download() || j.Outcome != Succeeds {
		return wire
	}
	delivery["expires"] = date(j.linkExpires())
	delivery["urlV2"], delivery["authHeader"], delivery["authValue"] = j.url(j.SnapshotID), "X-Auth", serialHex(1)
	delivery["statusName"] = "READY"
	if !now.Before(j.linkExpires()) {
		delivery["statusName"] = "EXPIRED"
	}
	return wire
}
