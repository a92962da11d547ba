package history

import (
	"flag"
	"slices"
	"testing"
	"time"

	"atlas-restore-exporter/atlas"
)

// TestMain lets random tests draw the same values in each run, unless -rapid.seed is given; 0 means a random seed.
func TestMain(m *testing.M) {
	flag.Parse()
	given := false
	flag.Visit(func(f *flag.Flag) { given = given || f.Name == "rapid.seed" })
	if !given {
		_ = flag.Set("rapid.seed", "1")
	}
	m.Run()
}

const (
	day     = 24 * time.Hour
	project = "32b6e34b3d91647abb20e7b8"
)

var (
	noon       = time.Date(2026, 8, 10, 12, 0, 0, 0, time.UTC)
	wideLimits = Limits{MaxAge: 400 * day, MaxJobs: 5000}
	prodList   = atlas.List{ProjectID: project, ClusterName: "prod", BackupType: atlas.Legacy}
)

// ago returns a time before noon.
func ago(d time.Duration) atlas.Timestamp { return atlas.TimestampOf(noon.Add(-d)) }

// job returns a job of the given age at noon that restores in place. Jobs that completed or failed took a minute; a
// ready job is a download without expiry.
func job(id string, age time.Duration, status atlas.Status, changes ...func(*atlas.RestoreJob)) atlas.RestoreJob {
	j := atlas.RestoreJob{
		ID: id, SnapshotID: "snapshot", Created: ago(age), Snapshot: ago(age + day), RecoveryPoint: ago(age + day),
		Status: status, DeliveryType: atlas.DeliveryAutomated, TargetProjectID: project, TargetClusterName: "prod",
	}
	switch status {
	case atlas.StatusCompleted, atlas.StatusFailed:
		j.Finished = ago(age - time.Minute)
	case atlas.StatusReady:
		j.DeliveryType, j.DownloadURLs, j.TargetProjectID, j.TargetClusterName = atlas.DeliveryDownload, 1, "", ""
	default:
	}
	for _, change := range changes {
		change(&j)
	}
	return j
}

func inBatch(id string) func(*atlas.RestoreJob) {
	return func(j *atlas.RestoreJob) { j.BatchID = id }
}

func into(projectID, clusterName string) func(*atlas.RestoreJob) {
	return func(j *atlas.RestoreJob) { j.TargetProjectID, j.TargetClusterName = projectID, clusterName }
}

func expiringAt(t atlas.Timestamp) func(*atlas.RestoreJob) {
	return func(j *atlas.RestoreJob) { j.Expiry = t }
}

// newHistory returns an empty history that limits only the known jobs.
func newHistory(limits Limits) *History { return New(prodList, Policy{Limits: limits}) }

// readList returns a full poll of a list of these jobs, one per page. The list is long enough for incremental polls.
// Jobs that are not in the list don't exist.
func readList(h *History, now time.Time, jobs ...atlas.RestoreJob) *Reading {
	r := h.Read(now, true)
	for i := range max(len(jobs), 3) {
		page := atlas.Page{TotalCount: atlas.CountOf(int64(len(jobs))), Last: i+1 >= max(len(jobs), 3)}
		if i < len(jobs) {
			page.Jobs, page.Items = jobs[i:i+1], 1
		}
		r.Add(&page)
	}
	if pending, err := r.Pending(); err == nil {
		r.notFound = pending
	}
	return r
}

// mergeList merges a full poll of a list of these jobs at noon.
func mergeList(h *History, jobs ...atlas.RestoreJob) { h.Merge(readList(h, noon, jobs...), noon) }

// mergeNewest merges an incremental poll of one page with these jobs at noon.
func mergeNewest(t *testing.T, h *History, jobs ...atlas.RestoreJob) {
	t.Helper()
	r := h.Read(noon, false)
	if r.Full() {
		t.Fatal("the poll is a full poll")
	}
	r.Add(&atlas.Page{Jobs: jobs})
	h.Merge(r, noon)
}

// knownIDs returns the IDs of the known jobs, newest first.
func knownIDs(h *History) []string {
	var ids []string
	for _, job := range h.newestFirst() {
		ids = append(ids, job.ID)
	}
	return ids
}

func expectKnown(t *testing.T, h *History, want ...string) {
	t.Helper()
	if got := knownIDs(h); !slices.Equal(got, want) {
		t.Errorf("known jobs are %q, want %q", got, want)
	}
}

// latest returns the latest automated in-place restores at noon.
func latest(h *History) Latest {
	return h.Summarize(noon).Latest[atlas.DeliveryAutomated][PurposeInPlace]
}

// event returns the expected event of a job.
func event(job *atlas.RestoreJob, end atlas.Timestamp) Event {
	return Event{
		End: end, Created: job.Created, Finished: job.Finished, RecoveryPoint: job.RecoveryPoint, JobID: job.ID,
		TargetProjectID: job.TargetProjectID, TargetClusterName: job.TargetClusterName, Indexes: job.Indexes,
	}
}

func expectLatest(t *testing.T, h *History, want Latest) {
	t.Helper()
	if got := latest(h); got != want {
		t.Errorf("latest restores are %+v\nwant %+v", got, want)
	}
}

// expectLastCreated checks the creation time of the newest automated restore.
func expectLastCreated(t *testing.T, h *History, want atlas.Timestamp) {
	t.Helper()
	if got := h.Summarize(noon).LastCreated[atlas.DeliveryAutomated]; got != want {
		t.Errorf("the newest job was created at %v, want %v", got.Time(), want.Time())
	}
}
