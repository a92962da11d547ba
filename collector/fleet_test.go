package collector

import (
	"fmt"
	"slices"
	"sync"
	"time"

	"atlas-restore-exporter/atlas"
	"atlas-restore-exporter/collector/history"
	"atlas-restore-exporter/collector/poll"
)

// fleet is a Source of many targets with many jobs, without a simulated Atlas API.
type fleet struct {
	mu        sync.Mutex
	snapshots []*poll.Snapshot
}

// newFleet returns a fleet with a number of targets, and of jobs with per-job series for each of them.
func newFleet(targets, jobs int) *fleet {
	f, now := &fleet{}, time.Now()
	for i := range targets {
		target := target(atlas.List{
			ProjectID: fmt.Sprintf("%024x", i/10), ClusterName: fmt.Sprintf("cluster-%d", i), BackupType: atlas.Dedicated,
		})
		target.Policy.JobSeries.MaxPerTarget = jobs
		page := &atlas.Page{Last: true}
		for j := range jobs {
			page.Jobs = append(page.Jobs, fleetJob(i*jobs+j, atlas.TimestampOf(now)-atlas.Timestamp(j*60)))
		}
		known := history.New(target.Policy)
		reading := known.Read(now, true)
		reading.Add(page)
		known.Merge(reading, now)
		f.snapshots = append(f.snapshots, &poll.Snapshot{
			Target: &target, Summary: known.Summarize(now), LastPoll: now, LastSuccess: now,
		})
	}
	return f
}

func fleetJob(serial int, created atlas.Timestamp) atlas.RestoreJob {
	return atlas.RestoreJob{
		ID: fmt.Sprintf("%08x%016x", int64(created), serial), SnapshotID: fmt.Sprintf("%024x", serial),
		TargetProjectID: project, TargetClusterName: "restore-drill", Created: created, Finished: created + 30,
		Snapshot: created - 3600, DeliveryType: atlas.DeliveryAutomated, Status: atlas.StatusCompleted,
	}
}

// publish replaces the snapshot of a target by a changed copy.
func (f *fleet) publish(i int, change func(*poll.Snapshot)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.snapshots = slices.Clone(f.snapshots)
	next := *f.snapshots[i]
	change(&next)
	f.snapshots[i] = &next
}

// publishSummaries publishes new summaries of n targets, spread evenly.
func (f *fleet) publishSummaries(n int) {
	for i := range n {
		f.publish(i*len(f.snapshots)/n, renewSummary)
	}
}

// renewSummary replaces the summary by an equal one, as a poll does that finds news.
func renewSummary(s *poll.Snapshot) {
	summary := *s.Summary
	s.Summary = &summary
}

// Snapshots implements Source.
func (f *fleet) Snapshots() []*poll.Snapshot {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.snapshots
}

// ProjectName implements Source.
func (*fleet) ProjectName(string) string { return "Payments" }
