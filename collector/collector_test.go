package collector

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"atlas-restore-exporter/atlas"
	"atlas-restore-exporter/atlas/atlastest"
	"atlas-restore-exporter/internal/golden"
)

// TestExposition compares the whole exposition of a target of each kind to golden files. The clock of the bubble starts
// at the beginning of the year 2000.
func TestExposition(t *testing.T) {
	hours := func(n int) time.Time { return time.Now().Add(-time.Duration(n) * time.Hour) }
	for _, test := range []struct {
		list atlas.List
		kind atlastest.ClusterKind
		jobs func() []atlastest.Job
	}{
		{prod, atlastest.DedicatedCluster, func() []atlastest.Job {
			return []atlastest.Job{
				{Created: hours(5), Takes: time.Hour},
				{Created: hours(4), Takes: 30 * time.Minute, Outcome: atlastest.Fails},
				{Created: hours(3), Delivery: "pointInTime", PointInTime: hours(9), TargetClusterName: "drill"},
				{Created: hours(2), Takes: 90 * time.Minute, Delivery: "download", Shards: 3},
				{Created: hours(6), Takes: 90 * time.Minute, Delivery: "download"},
				{Created: hours(1), Takes: 5 * time.Minute, Delivery: "download", Outcome: atlastest.IsCancelled},
				{Created: hours(80), Takes: time.Hour}, // too old for series of its own
			}
		}},
		{team, atlastest.FlexCluster, func() []atlastest.Job {
			return []atlastest.Job{
				{Created: hours(5), Takes: time.Hour},
				{Created: hours(4), Takes: time.Hour, Outcome: atlastest.Fails},
				{Created: hours(0), Queued: time.Minute},
				{Created: hours(1), Takes: time.Minute, Delivery: "DOWNLOAD", LinkLife: 4 * time.Hour},
				{Created: hours(2), Extra: map[string]any{"status": "PAUSED", "targetDeploymentItemName": "https://x"}},
			}
		}},
		{atlas.List{ProjectID: project, ClusterName: "coll", BackupType: atlas.Collection}, atlastest.DedicatedCluster, func() []atlastest.Job {
			return []atlastest.Job{
				{Created: hours(1), Takes: 2 * time.Hour, Documents: 1000},
				{Created: hours(3), Takes: time.Hour, Documents: 10, PointInTime: hours(10)},
			}
		}},
		{atlas.List{ProjectID: project, ClusterName: "old", BackupType: atlas.Legacy}, atlastest.LegacyCluster, func() []atlastest.Job {
			return []atlastest.Job{
				{Created: hours(1), Takes: time.Minute, BatchID: "5a66783b80eef5354c77ee13"},
				{Created: hours(1), Takes: time.Minute, BatchID: "5a66783b80eef5354c77ee13", Outcome: atlastest.Fails},
				{Created: hours(2), Takes: 90 * time.Minute, Delivery: "download"},
			}
		}},
		{atlas.List{ProjectID: project, ClusterName: "never", BackupType: atlas.Serverless}, atlastest.ServerlessInstance, func() []atlastest.Job { return nil }},
	} {
		bubble(t, string(test.list.BackupType), func(t *testing.T) {
			w := newWorld(t, test.list)
			w.sim.ServerlessServed = true
			w.sim.AddCluster(project, test.list.ClusterName, test.kind)
			w.sim.AddJobs(test.list, test.jobs()...)
			unpolled := w.expose()
			w.poll()
			golden.Equal(t, fmt.Sprintf("testdata/%s.prom", test.list.BackupType), w.expose())
			if strings.Contains(w.expose(), "://") {
				t.Error("there is a link in the exposition")
			}
			for _, always := range []string{"mongodbatlas_restore_target_info{", "mongodbatlas_restore_poll_failures_total{"} {
				if !strings.Contains(unpolled, always) {
					t.Errorf("before the first poll there is no %s in\n%s", always, unpolled)
				}
			}
			if strings.Contains(unpolled, "poll_success") {
				t.Error("poll_success before the first poll")
			}
		})
	}
}

// TestMetrics compares the exporter's own families, as they are after a poll, to a golden file.
func TestMetrics(t *testing.T) {
	bubble(t, "", func(t *testing.T) {
		w := newWorld(t, prod, atlas.List{ProjectID: project, ClusterName: "prod", BackupType: atlas.Flex})
		w.poll()
		registry := prometheus.NewPedanticRegistry()
		registry.MustRegister(w.metrics)
		if problems, err := testutil.GatherAndLint(registry); err != nil || len(problems) > 0 {
			t.Fatal(problems, err)
		}
		golden.Equal(t, "testdata/exporter.prom", formatted(t, registry))
	})
}

// TestDescriptions holds what is described to the families, and both to the rules for names: testutil's linter no
// longer refuses names that only UTF-8 allows.
func TestDescriptions(t *testing.T) {
	described := map[string]bool{}
	for _, c := range []prometheus.Collector{NewCollector(&Manager{}), NewMetrics(BuildInfo{})} {
		descs := make(chan *prometheus.Desc, 100)
		c.Describe(descs)
		close(descs)
		for desc := range descs {
			described[desc.String()] = true
		}
	}
	if len(described) != len(Families()) {
		t.Errorf("%d descriptions, %d families", len(described), len(Families()))
	}
	for _, family := range Families() {
		if !described[family.desc().String()] {
			t.Errorf("%s is not described like this: %s", family.Name, family.desc())
		}
		for _, name := range append([]string{family.Name}, family.Labels...) {
			if strings.Trim(name, "abcdefghijklmnopqrstuvwxyz_") != "" {
				t.Errorf("%s: %q is no name that every Prometheus takes", family.Name, name)
			}
		}
	}
}

func TestPossible(t *testing.T) {
	const withoutArchive = "in_progress completed failed cancelled"
	const withArchive = "in_progress ready completed failed expired cancelled"
	for _, test := range []struct {
		backupType atlas.BackupType
		delivery   atlas.DeliveryType
		want       string
	}{
		{atlas.Dedicated, atlas.DeliveryAutomated, withoutArchive},
		{atlas.Dedicated, atlas.DeliveryPointInTime, withoutArchive},
		{atlas.Dedicated, atlas.DeliveryDownload, withArchive},
		{atlas.Dedicated, atlas.DeliveryOther, ""},
		{atlas.Serverless, atlas.DeliveryAutomated, withoutArchive},
		{atlas.Serverless, atlas.DeliveryPointInTime, withoutArchive},
		{atlas.Serverless, atlas.DeliveryDownload, withArchive},
		{atlas.Flex, atlas.DeliveryAutomated, "pending in_progress completed failed"},
		{atlas.Flex, atlas.DeliveryPointInTime, ""},
		{atlas.Flex, atlas.DeliveryDownload, "pending in_progress ready completed failed expired"},
		{atlas.Collection, atlas.DeliveryAutomated, "pending in_progress completed failed cancelled"},
		{atlas.Collection, atlas.DeliveryPointInTime, "pending in_progress completed failed cancelled"},
		{atlas.Collection, atlas.DeliveryDownload, ""},
		{atlas.Legacy, atlas.DeliveryAutomated, withoutArchive},
		{atlas.Legacy, atlas.DeliveryPointInTime, ""},
		{atlas.Legacy, atlas.DeliveryDownload, withArchive},
	} {
		var got []string
		for status := range atlas.StatusCount {
			if possible(test.backupType, test.delivery, status) {
				got = append(got, status.String())
			}
		}
		if strings.Join(got, " ") != test.want {
			t.Errorf("%s %s: %v, want %s", test.backupType, test.delivery, got, test.want)
		}
	}
}
