package status

import (
	"context"
	"time"

	"atlas-restore-exporter/atlas"
	"atlas-restore-exporter/collector/history"
	"atlas-restore-exporter/collector/poll"
)

const payments = "32b6e34b3d91647abb20e7b8"

// now is the current time of tests that don't depend on the clock.
var now = time.Date(2026, 3, 5, 12, 0, 0, 0, time.UTC)

// fakePoller is a Poller whose state doesn't change. It counts calls.
type fakePoller struct {
	snapshots   []*poll.Snapshot
	clusters    map[string]poll.Cluster // facts by name; others are not known
	discoveries []poll.DiscoveryStatus
	inventories []poll.DiscoveryStatus
	notReady    bool
	shard       poll.Shard
	overdue     int
	discovered  int
	afterPoll   func() // called before each call of done, if not nil
}

// States returns the states of all targets, whose projects are named Payments.
func (p *fakePoller) States() []poll.State {
	states := make([]poll.State, len(p.snapshots))
	for i, s := range p.snapshots {
		cluster := p.clusters[s.Target.ClusterName]
		cluster.ProjectName = "Payments"
		states[i] = poll.State{Snapshot: s, Cluster: &cluster}
	}
	return states
}

func (p *fakePoller) Discoveries() []poll.DiscoveryStatus { return p.discoveries }

func (p *fakePoller) Inventories() []poll.DiscoveryStatus { return p.inventories }

func (p *fakePoller) Ready() bool { return !p.notReady }

func (p *fakePoller) OverduePolls() (n int, since time.Time) {
	return p.overdue, now.Add(-5 * time.Minute)
}

func (p *fakePoller) Shard() poll.Shard { return p.shard }

func (p *fakePoller) DiscoverOnce(context.Context) { p.discovered++ }

func (p *fakePoller) PollOnce(_ context.Context, done func(*poll.Snapshot)) {
	for _, s := range p.snapshots {
		if p.afterPoll != nil {
			p.afterPoll()
		}
		done(s)
	}
}

func newTarget(cluster string, backupType atlas.BackupType) *poll.Target {
	return &poll.Target{
		List:       atlas.List{ProjectID: payments, ClusterName: cluster, BackupType: backupType},
		Credential: "default", Timeout: 30 * time.Second, StaleAfter: 10 * time.Minute,
	}
}

// succeeded returns the snapshot of a target whose last poll succeeded at now.
func succeeded(cluster string, backupType atlas.BackupType, jobs ...history.JobState) *poll.Snapshot {
	summary := &history.Summary{Known: len(jobs), Newest: jobs}
	for _, job := range jobs {
		summary.Counts[job.DeliveryType][job.Status]++
	}
	return &poll.Snapshot{Target: newTarget(cluster, backupType), Summary: summary, LastPoll: now, LastSuccess: now}
}

// failed returns the snapshot of a target whose only poll failed at now.
func failed(cluster string, backupType atlas.BackupType, err error) *poll.Snapshot {
	return &poll.Snapshot{
		Target: newTarget(cluster, backupType), LastPoll: now, Err: err, Reason: poll.ReasonOf(err, backupType),
		Failures: 1, ConsecutiveFailures: 1,
	}
}

// newJob returns a job that was created some time before now.
func newJob(id string, status atlas.Status, age time.Duration) history.JobState {
	return history.JobState{
		RestoreJob: &atlas.RestoreJob{ID: id, Created: atlas.TimestampOf(now.Add(-age))}, Status: status,
	}
}
