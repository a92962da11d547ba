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
	mu     sync.Mutex
	states []poll.State
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
		known := history.New(target.List, target.Policy)
		reading := known.Read(now, true)
		reading.Add(page)
		known.Merge(reading, now)
		snapshot := poll.Snapshot{Target: &target, Summary: known.Summarize(now), LastPoll: now, LastSuccess: now}
		f.states = append(f.states, poll.State{Snapshot: &snapshot, Cluster: fleetCluster(&target), First: true})
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

func fleetCluster(target *poll.Target) *poll.Cluster {
	backup := true
	return &poll.Cluster{
		ProjectID: target.ProjectID, Name: target.ClusterName, ProjectName: "Payments", Team: "checkout", Environment: "prod",
		Exists: &backup, Created: 1_600_000_000, BackupEnabled: &backup, PointInTimeEnabled: &backup,
	}
}

// publish replaces the snapshot of a target by a changed copy.
func (f *fleet) publish(i int, change func(*poll.Snapshot)) {
	f.publishState(i, func(s *poll.State) {
		next := *s.Snapshot
		change(&next)
		s.Snapshot = &next
	})
}

// publishCluster replaces the facts about the cluster of a target by a changed copy.
func (f *fleet) publishCluster(i int, change func(*poll.Cluster)) {
	f.publishState(i, func(s *poll.State) {
		next := *s.Cluster
		change(&next)
		s.Cluster = &next
	})
}

func (f *fleet) publishState(i int, change func(*poll.State)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.states = slices.Clone(f.states)
	change(&f.states[i])
}

// publishSummaries publishes new summaries of n targets, spread evenly.
func (f *fleet) publishSummaries(n int) {
	for i := range n {
		f.publish(i*len(f.states)/n, renewSummary)
	}
}

// renewSummary replaces the summary by an equal one, as a poll does that finds news.
func renewSummary(s *poll.Snapshot) {
	summary := *s.Summary
	s.Summary = &summary
}

// States implements Source.
func (f *fleet) States() []poll.State {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.states
}
