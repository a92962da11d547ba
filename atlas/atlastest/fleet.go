package atlastest

import (
	"context"
	"time"

	"atlas-restore-exporter/atlas"
)

// The credential and the projects of a Fleet.
const (
	FleetClientID     = "mdb_sa_id_demo"
	FleetClientSecret = "mdb_sa_sk_demo" //nolint:gosec // opens nothing but the simulator
	FleetPayments     = "5f3a1b2c4d5e6f7a8b9c0d1e"
	FleetAnalytics    = "6a1b2c3d4e5f60718293a4b5"
)

// Fleet is a small organization in which everything that can become of a restore job is to be seen, and which keeps
// changing.
type Fleet struct {
	*Server
	Lists []atlas.List // what there is to poll
}

// NewFleet returns a fleet as it is now.
func NewFleet() *Fleet {
	f := &Fleet{Server: New()}
	f.AddServiceAccount(FleetClientID, FleetClientSecret)
	f.AddProject(FleetPayments, "Payments")
	f.AddProject(FleetAnalytics, "Analytics")
	f.add(FleetPayments, "prod-eu", DedicatedCluster, atlas.Dedicated, drilled(120, 7))
	f.add(FleetPayments, "prod-eu", DedicatedCluster, atlas.Collection, []Job{
		{Created: ago(50 * time.Hour), Takes: 40 * time.Minute, Documents: 1_200_000},
	})
	f.add(FleetPayments, "prod-us", DedicatedCluster, atlas.Dedicated, append(drilled(60, 7),
		Job{Created: ago(9 * time.Hour)}, // stuck
	))
	f.add(FleetPayments, "orders", DedicatedCluster, atlas.Dedicated, append(drilled(40, 14),
		Job{Created: ago(5 * time.Hour), Takes: 27 * time.Minute, Outcome: Fails},
		Job{Created: ago(30 * time.Minute), Takes: 10 * time.Minute, Delivery: "download", LinkLife: time.Hour, Shards: 3},
		Job{Created: ago(26 * time.Hour), Takes: 20 * time.Minute, Delivery: "pointInTime", PointInTime: ago(30 * time.Hour)},
	))
	f.add(FleetPayments, "archive", LegacyCluster, atlas.Legacy, []Job{
		{Created: ago(40 * 24 * time.Hour), Takes: time.Hour, BatchID: "5a66783b80eef5354c77ee13"},
		{Created: ago(40 * 24 * time.Hour), Takes: time.Hour, BatchID: "5a66783b80eef5354c77ee13"},
		{Created: ago(20 * time.Hour), Takes: time.Hour, Delivery: "download", LinkLife: 48 * time.Hour},
		{Created: ago(60 * time.Hour), Takes: time.Hour, Delivery: "download", LinkLife: 24 * time.Hour},
	})
	f.add(FleetAnalytics, "events", FlexCluster, atlas.Flex, append(drilled(1200, 1),
		Job{Created: ago(3 * time.Hour), Takes: 3 * time.Minute, Delivery: "DOWNLOAD", LinkLife: 4 * time.Hour},
	))
	f.add(FleetAnalytics, "reports", FlexCluster, atlas.Flex, append(drilled(10, 30),
		Job{Created: ago(2 * time.Hour), Takes: 6 * time.Minute, TargetProjectID: "6f0e0d0c0b0a090807060504", TargetClusterName: "somewhere-else"},
	))
	f.add(FleetAnalytics, "never-drilled", DedicatedCluster, atlas.Dedicated, nil)
	f.AddCluster(FleetAnalytics, "sandbox", FreeCluster)                             // has no backups
	f.add(FleetAnalytics, "old-function", ServerlessInstance, atlas.Serverless, nil) // answers as what is gone does
	return f
}

func ago(d time.Duration) time.Time { return time.Now().Add(-d) }

// drilled returns restores into a cluster for drills, so many of them, so many days apart, the newest half a day old.
// Every ninth failed.
func drilled(n, days int) []Job {
	jobs := make([]Job, n)
	for i := range jobs {
		age := time.Duration(n-1-i)*time.Duration(days)*24*time.Hour + 12*time.Hour
		jobs[i] = Job{Created: ago(age), Takes: time.Duration(4+i%7) * time.Minute, TargetClusterName: "restore-drill"}
		if i%9 == 4 {
			jobs[i].Outcome = Fails
		}
	}
	return jobs
}

func (f *Fleet) add(projectID, name string, kind ClusterKind, backupType atlas.BackupType, jobs []Job) {
	list := atlas.List{ProjectID: projectID, ClusterName: name, BackupType: backupType}
	if f.projects[projectID].clusters[name] == nil {
		f.AddCluster(projectID, name, kind)
	}
	f.AddJobs(list, jobs...)
	f.Lists = append(f.Lists, list)
}

// Run has people and drills start restores until ctx ends, one in each interval.
func (f *Fleet) Run(ctx context.Context, interval time.Duration) {
	dedicated := func(cluster string) atlas.List {
		return atlas.List{ProjectID: FleetPayments, ClusterName: cluster, BackupType: atlas.Dedicated}
	}
	collection := atlas.List{ProjectID: FleetPayments, ClusterName: "prod-eu", BackupType: atlas.Collection}
	flex := atlas.List{ProjectID: FleetAnalytics, ClusterName: "events", BackupType: atlas.Flex}
	next := []struct {
		list atlas.List
		job  Job
	}{
		{flex, Job{Queued: interval / 2, Takes: 2 * interval}},
		{dedicated("prod-eu"), Job{Takes: 3 * interval, TargetClusterName: "restore-drill"}},
		{collection, Job{Queued: interval / 2, Takes: 4 * interval, Documents: 800_000}},
		{dedicated("orders"), Job{Takes: 2 * interval, Delivery: "download", LinkLife: 6 * interval}},
		{dedicated("orders"), Job{Takes: 2 * interval, Outcome: Fails}},
		{dedicated("prod-us"), Job{Takes: 2 * interval, Delivery: "download", Outcome: IsCancelled}},
	}
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	for i := 0; ; i++ {
		f.AddJobs(next[i%len(next)].list, next[i%len(next)].job)
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}
