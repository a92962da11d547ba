package collector

import (
	"fmt"
	"sync"
	"time"

	"atlas-restore-exporter/atlas"
)

// fleet is a Source of many targets with many jobs, without an Atlas behind it.
type fleet struct {
	mu        sync.Mutex
	snapshots []*Snapshot
	histories []*History
	at        time.Time
}

// newFleet returns so many targets with so many restores each that have series of their own.
func newFleet(targets, jobs int) *fleet {
	f := &fleet{at: time.Now()}
	for i := range targets {
		list := atlas.List{ProjectID: fmt.Sprintf("%024x", i/10), ClusterName: fmt.Sprintf("cluster-%d", i), BackupType: atlas.Dedicated}
		target := target(list)
		target.JobSeries.MaxPerTarget = jobs
		history := NewHistory(wide)
		reading := newReading()
		reading.Sweep, reading.Whole = true, true
		for j := range jobs {
			job := f.job(i*jobs+j, atlas.TimestampOf(f.at)-atlas.Timestamp(j*60))
			reading.Jobs[job.ID] = job
		}
		history.Merge(reading, f.at)
		f.histories = append(f.histories, history)
		f.snapshots = append(f.snapshots, &Snapshot{
			Target: &target, Summary: history.Summarize(&target, f.at), LastPoll: f.at, LastSuccess: f.at,
		})
	}
	return f
}

func (f *fleet) job(serial int, created atlas.Timestamp) atlas.RestoreJob {
	return atlas.RestoreJob{
		ID: fmt.Sprintf("%08x%016x", int64(created), serial), SnapshotID: fmt.Sprintf("%024x", serial),
		TargetProjectID: project, TargetClusterName: "restore-drill", Created: created, Finished: created + 30,
		Snapshot: created - 3600, DeliveryType: atlas.DeliveryAutomated,
	}
}

// change publishes news of some targets, spread evenly.
func (f *fleet) change(n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.snapshots = append([]*Snapshot(nil), f.snapshots...)
	for i := range n {
		at := i * len(f.snapshots) / n
		next := *f.snapshots[at]
		summary := *next.Summary
		next.Summary = &summary
		f.snapshots[at] = &next
	}
}

// Snapshots implements Source.
func (f *fleet) Snapshots() []*Snapshot {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.snapshots
}

// ProjectName implements Source.
func (*fleet) ProjectName(string) string { return "Payments" }
