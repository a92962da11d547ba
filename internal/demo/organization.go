package demo

import (
	"context"
	"slices"
	"time"

	"atlas-restore-exporter/atlas"
	"atlas-restore-exporter/atlas/atlastest"
	"atlas-restore-exporter/internal/config"
)

// The credential and the projects of the organization.
const (
	clientID     = "mdb_sa_id_demo"
	clientSecret = "mdb_sa_sk_demo" //nolint:gosec // only the simulator accepts it
	paymentsID   = "5f3a1b2c4d5e6f7a8b9c0d1e"
	analyticsID  = "6a1b2c3d4e5f60718293a4b5"
	complianceID = "6b2c3d4e5f60718293a4b5c6" // not discovered
)

const day = 24 * time.Hour

// organization is a small simulated Atlas organization. It contains restore jobs of every backup type, delivery type
// and outcome, so that every metric has a value.
type organization struct {
	*atlastest.Server
	lists    []atlas.List     // all targets
	signOffs []config.SignOff // of drills
}

// newOrganization returns an organization whose history ends now.
func newOrganization() *organization {
	o := &organization{Server: atlastest.New()}
	o.AddServiceAccount(clientID, clientSecret)
	o.addPayments()
	o.addAnalytics()
	o.addCompliance()
	return o
}

func (o *organization) addPayments() {
	o.AddProject(paymentsID, "Payments")
	o.SetProjectTags(paymentsID, map[string]string{"team": "payments", "env": "production"})
	euDrills := drills(120, 7)
	o.review(euDrills, o.addCluster(paymentsID, "prod-eu", atlastest.DedicatedCluster, atlas.Dedicated, euDrills))
	o.addCluster(paymentsID, "prod-eu", atlastest.DedicatedCluster, atlas.Collection, []atlastest.Job{
		{Created: ago(50 * time.Hour), Takes: 40 * time.Minute, Documents: 1_200_000},
	})
	usDrills := drills(60, 7)
	usDrills[len(usDrills)-1].SnapshotTaken = ago(180 * day) // a drill of an old snapshot
	o.addCluster(paymentsID, "prod-us", atlastest.DedicatedCluster, atlas.Dedicated, append(usDrills,
		atlastest.Job{Created: ago(9 * time.Hour)}, // never finishes
	))
	o.addCluster(paymentsID, "orders", atlastest.DedicatedCluster, atlas.Dedicated, append(drills(40, 14),
		atlastest.Job{Created: ago(5 * time.Hour), Takes: 27 * time.Minute, Outcome: atlastest.Fails},
		atlastest.Job{
			Created: ago(30 * time.Minute), Takes: 10 * time.Minute, Delivery: "download", LinkLife: time.Hour, Shards: 3,
		},
		atlastest.Job{
			Created: ago(26 * time.Hour), Takes: 20 * time.Minute, Delivery: "pointInTime", PointInTime: ago(30 * time.Hour),
		},
	))
	o.addCluster(paymentsID, "billing", atlastest.DedicatedCluster, atlas.Dedicated, []atlastest.Job{
		{Created: ago(120 * day), Takes: 20 * time.Minute, TargetClusterName: "restore-drill"}, // the next drill is overdue
		{Created: ago(150 * time.Minute), Takes: 210 * time.Minute},
	})
	o.addCluster(paymentsID, "orders", atlastest.DedicatedCluster, atlas.Collection, []atlastest.Job{{
		Created: ago(7 * time.Hour), Takes: 25 * time.Minute, Documents: 300_000,
		Extra: map[string]any{"indexStatus": map[string]any{"state": "FAILED", "failedCollectionCount": 2}},
	}})
}

func (o *organization) addAnalytics() {
	o.AddProject(analyticsID, "Analytics")
	o.SetProjectTags(analyticsID, map[string]string{"team": "data", "env": "production"})
	o.addCluster(analyticsID, "events", atlastest.FlexCluster, atlas.Flex, append(drills(1200, 1),
		atlastest.Job{Created: ago(3 * time.Hour), Takes: 3 * time.Minute, Delivery: "DOWNLOAD", LinkLife: 4 * time.Hour},
	))
	o.addCluster(analyticsID, "reports", atlastest.FlexCluster, atlas.Flex, append(drills(10, 30),
		atlastest.Job{
			Created: ago(2 * time.Hour), Takes: 6 * time.Minute,
			TargetProjectID: "6f0e0d0c0b0a090807060504", TargetClusterName: "somewhere-else",
		},
	))
	o.addCluster(analyticsID, "never-drilled", atlastest.DedicatedCluster, atlas.Dedicated, nil)
	o.addCluster(analyticsID, "scratch", atlastest.DedicatedCluster, atlas.Dedicated, nil)
	o.ChangeCluster(analyticsID, "scratch", func(c *atlastest.ClusterState) {
		c.BackupEnabled, c.Tags = false, map[string]string{"env": "development"}
	})
	o.AddCluster(analyticsID, "sandbox", atlastest.FreeCluster) // has no backups
	// Atlas removed the API of serverless instances, so polling this target fails.
	o.addCluster(analyticsID, "old-function", atlastest.ServerlessInstance, atlas.Serverless, nil)
}

func (o *organization) addCompliance() {
	o.AddProject(complianceID, "Compliance")
	const batchID = "5a66783b80eef5354c77ee13"
	o.addCluster(complianceID, "archive", atlastest.LegacyCluster, atlas.Legacy, []atlastest.Job{
		{Created: ago(40 * day), Takes: time.Hour, BatchID: batchID},
		{Created: ago(40 * day), Takes: time.Hour, BatchID: batchID},
		{Created: ago(20 * time.Hour), Takes: time.Hour, Delivery: "download", LinkLife: 2 * day},
		{Created: ago(60 * time.Hour), Takes: time.Hour, Delivery: "download", LinkLife: day},
	})
}

func ago(d time.Duration) time.Time { return time.Now().Add(-d) }

// drills returns n finished restores into the cluster restore-drill, the given number of days apart. The newest one is
// half a day old, and every ninth one failed.
func drills(n, days int) []atlastest.Job {
	jobs := make([]atlastest.Job, n)
	for i := range jobs {
		jobs[i] = atlastest.Job{
			Created:           ago(time.Duration((n-1-i)*days)*day + 12*time.Hour),
			Takes:             time.Duration(4+i%7) * time.Minute,
			TargetClusterName: "restore-drill",
		}
		if i%9 == 4 {
			jobs[i].Outcome = atlastest.Fails
		}
	}
	return jobs
}

// addCluster adds restore jobs to a cluster, and the cluster, which is several years old, if the organization does not
// contain it. It returns the IDs of the jobs.
func (o *organization) addCluster(
	projectID, name string, kind atlastest.ClusterKind, backupType atlas.BackupType, jobs []atlastest.Job,
) (ids []string) {
	exists := slices.ContainsFunc(o.lists, func(l atlas.List) bool {
		return l.ProjectID == projectID && l.ClusterName == name
	})
	if !exists {
		o.AddCluster(projectID, name, kind)
		o.ChangeCluster(projectID, name, func(c *atlastest.ClusterState) {
			c.Created, c.PointInTimeEnabled = ago(4*365*day), kind == atlastest.DedicatedCluster
		})
	}
	list := atlas.List{ProjectID: projectID, ClusterName: name, BackupType: backupType}
	o.lists = append(o.lists, list)
	return o.AddJobs(list, jobs...)
}

// review adds sign-offs of successful drills in the period of the report: of most of them, and one as fail.
func (o *organization) review(jobs []atlastest.Job, ids []string) {
	for i, job := range jobs {
		if job.Outcome != atlastest.Succeeds || time.Since(job.Created) > reportDays*day || i%4 == 1 {
			continue
		}
		signOff := config.SignOff{
			JobID: ids[i], Reviewer: "Ada Lovelace", Date: job.Created.Add(day).UTC().Format(time.DateOnly), Pass: true,
			Notes: "number of documents and checksums of 20 collections compared",
		}
		if i == len(jobs)-4 {
			signOff.Pass, signOff.Notes = false, "a collection of reference data is missing"
		}
		o.signOffs = append(o.signOffs, signOff)
	}
}

// createJobs creates a restore job in each interval until ctx ends.
func (o *organization) createJobs(ctx context.Context, interval time.Duration) {
	dedicated := func(cluster string) atlas.List {
		return atlas.List{ProjectID: paymentsID, ClusterName: cluster, BackupType: atlas.Dedicated}
	}
	collection := atlas.List{ProjectID: paymentsID, ClusterName: "prod-eu", BackupType: atlas.Collection}
	flex := atlas.List{ProjectID: analyticsID, ClusterName: "events", BackupType: atlas.Flex}
	jobs := []struct {
		list atlas.List
		job  atlastest.Job
	}{
		{flex, atlastest.Job{Queued: interval / 2, Takes: 2 * interval}},
		{dedicated("prod-eu"), atlastest.Job{Takes: 3 * interval, TargetClusterName: "restore-drill"}},
		{collection, atlastest.Job{Queued: interval / 2, Takes: 4 * interval, Documents: 800_000}},
		{dedicated("orders"), atlastest.Job{Takes: 2 * interval, Delivery: "download", LinkLife: 6 * interval}},
		{dedicated("orders"), atlastest.Job{
			Takes: 2 * interval, Outcome: atlastest.Fails, TargetClusterName: "restore-drill",
		}},
		{dedicated("prod-us"), atlastest.Job{Takes: 2 * interval, Delivery: "download", Outcome: atlastest.IsCancelled}},
	}
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	for i := 0; ; i++ {
		next := jobs[i%len(jobs)]
		o.AddJobs(next.list, next.job)
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}
