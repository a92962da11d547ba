package collector

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"atlas-restore-exporter/atlas"
	"atlas-restore-exporter/atlas/atlastest"
	"atlas-restore-exporter/internal/testutil"
)

// goldenTargets are a target of each backup type, each with jobs of many kinds.
var goldenTargets = []struct {
	list atlas.List
	kind atlastest.ClusterKind
	jobs func(hoursAgo func(int) time.Time) []atlastest.Job
}{
	{prod, atlastest.DedicatedCluster, func(hoursAgo func(int) time.Time) []atlastest.Job {
		return []atlastest.Job{
			{Created: hoursAgo(5), Takes: time.Hour},
			{Created: hoursAgo(4), Takes: 30 * time.Minute, Outcome: atlastest.Fails},
			{Created: hoursAgo(3), Delivery: "pointInTime", PointInTime: hoursAgo(9), TargetClusterName: "drill"},
			{Created: hoursAgo(2), Takes: 90 * time.Minute, Delivery: "download", Shards: 3},
			{Created: hoursAgo(6), Takes: 90 * time.Minute, Delivery: "download"},
			{Created: hoursAgo(1), Takes: 5 * time.Minute, Delivery: "download", Outcome: atlastest.IsCancelled},
			{Created: hoursAgo(80), Takes: time.Hour}, // too old for per-job series
			{Created: hoursAgo(7), Takes: time.Hour, TargetClusterName: "drill"},
			{Created: hoursAgo(8), Takes: time.Hour, TargetClusterName: "stranger"},
		}
	}},
	{team, atlastest.FlexCluster, func(hoursAgo func(int) time.Time) []atlastest.Job {
		return []atlastest.Job{
			{Created: hoursAgo(5), Takes: time.Hour},
			{Created: hoursAgo(4), Takes: time.Hour, Outcome: atlastest.Fails},
			{Created: hoursAgo(0), Queued: time.Minute},
			{Created: hoursAgo(1), Takes: time.Minute, Delivery: "DOWNLOAD", LinkLife: 4 * time.Hour},
			{Created: hoursAgo(2), Extra: map[string]any{"status": "PAUSED", "targetDeploymentItemName": "https://x"}},
		}
	}},
	{atlas.List{ProjectID: project, ClusterName: "coll", BackupType: atlas.Collection}, atlastest.DedicatedCluster,
		func(hoursAgo func(int) time.Time) []atlastest.Job {
			return []atlastest.Job{
				{Created: hoursAgo(1), Takes: 2 * time.Hour, Documents: 1000},
				{Created: hoursAgo(3), Takes: time.Hour, Documents: 10, PointInTime: hoursAgo(10)},
				{Created: hoursAgo(4), Takes: time.Hour, WriteStrategy: "OVERWRITE_EXISTING", FailedIndexes: 2},
				{Created: hoursAgo(5), Takes: time.Hour, TargetClusterName: "drill", WriteStrategy: "OVERWRITE_EXISTING"},
				{Created: hoursAgo(6), Takes: 5 * time.Hour, IndexesTake: 2 * time.Hour},
				{Created: hoursAgo(7), Takes: time.Hour, Extra: map[string]any{"indexStatus": nil}, TargetClusterName: "x"},
			}
		}},
	{atlas.List{ProjectID: project, ClusterName: "old", BackupType: atlas.Legacy}, atlastest.LegacyCluster,
		func(hoursAgo func(int) time.Time) []atlastest.Job {
			return []atlastest.Job{
				{Created: hoursAgo(1), Takes: time.Minute, BatchID: "5a66783b80eef5354c77ee13"},
				{Created: hoursAgo(1), Takes: time.Minute, BatchID: "5a66783b80eef5354c77ee13", Outcome: atlastest.Fails},
				{Created: hoursAgo(2), Takes: 90 * time.Minute, Delivery: "download"},
			}
		}},
	{atlas.List{ProjectID: project, ClusterName: "never", BackupType: atlas.Serverless}, atlastest.ServerlessInstance,
		func(func(int) time.Time) []atlastest.Job { return nil }},
}

func TestCollector_ExposesATargetOfEachBackupTypeAsInItsGoldenFile(t *testing.T) {
	for _, test := range goldenTargets {
		runInBubble(t, string(test.list.BackupType), func(t *testing.T) {
			w := newWorld(t, test.list)
			w.sim.ServerlessServed = true
			w.sim.AddCluster(project, test.list.ClusterName, test.kind)
			w.sim.ChangeCluster(project, test.list.ClusterName, func(cluster *atlastest.ClusterState) {
				cluster.Created = time.Now().Add(-1000 * time.Hour)
				cluster.BackupEnabled, cluster.PointInTimeEnabled = true, false
				cluster.Tags = map[string]string{"owner": "checkout"}
			})
			w.sim.SetProjectTags(project, map[string]string{"owner": "payments", "stage": "prod"})
			hoursAgo := func(n int) time.Time { return time.Now().Add(-time.Duration(n) * time.Hour) }
			w.sim.AddJobs(test.list, test.jobs(hoursAgo)...)
			w.poll()
			exposed := expose(t, []prometheus.Collector{NewCollector(w.manager)})
			testutil.EqualGolden(t, fmt.Sprintf("testdata/%s.prom", test.list.BackupType), exposed)
			if strings.Contains(exposed, "://") {
				t.Error("the exposition contains a link")
			}
		})
	}
}

func TestExporterAndStateCollector_ExposeTheExporterAsInTheGoldenFile(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld(t, prod, atlas.List{ProjectID: project, ClusterName: "prod", BackupType: atlas.Flex})
		w.poll()
		testutil.EqualGolden(t, "testdata/exporter.prom", expose(t, []prometheus.Collector{w.exporter, w.state}))
	})
}
