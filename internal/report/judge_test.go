package report

import (
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"atlas-restore-exporter/atlas"
	"atlas-restore-exporter/atlas/atlastest"
	"atlas-restore-exporter/internal/config"
)

// drill is a restore to another cluster that took an hour and restored data that was a day old.
func drill(ended time.Time) atlastest.Job {
	return atlastest.Job{Created: ended.Add(-time.Hour), Takes: time.Hour, TargetClusterName: "drill"}
}

func TestDrillAge_IsJudgedAtAnyTime(t *testing.T) {
	from := date(time.July, 1, 0)
	for name, test := range map[string]struct {
		objective string
		drills    []time.Time
		want      string
	}{
		"drill before the period": {
			"20d", []time.Time{from.Add(-5 * day), from.Add(10 * day), from.Add(25 * day), from.Add(45 * day),
				from.Add(60 * day), from.Add(75 * day), from.Add(90 * day)},
			"met, objective 480h0m0s, value 480h0m0s", // the age is 20 days only when the next drill has ended
		},
		"one second too long": {
			"20d", []time.Time{from, from.Add(20*day + time.Second), from.Add(40 * day), from.Add(60 * day),
				from.Add(75 * day)},
			"missed, objective 480h0m0s, value 480h0m1s, missed by 1s",
		},
		"end of the period": {
			"30d", []time.Time{from.Add(-time.Hour), from.Add(25 * day), from.Add(50 * day)},
			"missed, objective 720h0m0s, value 1008h0m0s, missed by 288h0m0s",
		},
		"drill after the period": {
			"41d", []time.Time{from.Add(-time.Hour), from.Add(25 * day), from.Add(50 * day), date(time.October, 1, 0)},
			"missed, objective 984h0m0s, value 1008h0m0s, missed by 24h0m0s",
		},
		"never drilled": {"100d", nil, "missed, objective 2400h0m0s, value 6552h0m0s, missed by 4152h0m0s"},
		"no objective":  {"0s", []time.Time{from}, "no_objective, value 2208h0m0s"},
	} {
		t.Run(name, func(t *testing.T) {
			var jobs []atlastest.Job
			for _, ended := range test.drills {
				jobs = append(jobs, drill(ended))
			}
			cluster := oneCluster(t, "objectives: {drill_age: "+test.objective+"}", Options{}, jobs...)
			expect(t, "drill age", cluster.DrillAge.String(), test.want)
		})
	}
}

func TestDrillAge_StartsWithTheCreationOfTheCluster(t *testing.T) {
	for name, test := range map[string]struct {
		created          time.Time
		want, assumption string
	}{
		"in the period": {
			date(time.September, 20, 0), "met, objective 720h0m0s, value 264h0m0s",
			"counted from the creation of the cluster on 2026-09-20, because Atlas lists no earlier drill and no other job",
		},
		"after the period": {
			date(time.October, 2, 0), "not_measurable, objective 720h0m0s, the cluster was created after the period", "",
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, generatedAt)
				w.sim.AddProject(payments, "Payments")
				w.addCluster(payments, "prod", atlastest.DedicatedCluster, test.created)
				earlier := w.addJobs(payments, "prod", atlas.Dedicated, drill(date(time.August, 1, 0)))
				report := w.mustGenerate(w.config("objectives: {drill_age: 30d, duration: 2h}\n"+
					"projects: [{id: "+payments+", clusters: [{name: prod}]}]"), Options{
					Period: thirdQuarter(t), SignOffs: []config.SignOff{{JobID: earlier[0], Pass: true}},
				})
				cluster := &report.Data.Clusters[0]
				expect(t, "drill age", cluster.DrillAge.String(), test.want)
				expect(t, "assumption", cluster.DrillAge.Assumes, test.assumption)
				if len(cluster.Drills) > 0 {
					t.Errorf("the drill of an earlier cluster is reported: %+v", cluster.Drills)
				}
				if signOffs := &report.Data.SignOffs; signOffs.EarlierCluster != 1 || len(signOffs.Unresolved) > 0 {
					t.Errorf("got %+v, want 1 sign-off of an earlier cluster", signOffs)
				}
				expect(t, "duration", cluster.Duration.String(),
					"not_measurable, objective 2h0m0s, no counted drill ended in the period")
			})
		})
	}
}

// A cluster that Atlas doesn't list has no known creation time.
func TestDrillAge_OfAClusterWithoutCreationTime(t *testing.T) {
	for name, test := range map[string]struct {
		drills []time.Time
		want   string
	}{
		"no drill": {nil, "not_measurable, objective 720h0m0s, no counted drill before the period, " +
			"and the creation time of the cluster is unknown"},
		"late drills": {
			[]time.Time{date(time.July, 10, 0)}, "missed, objective 720h0m0s, value 1992h0m0s, missed by 1272h0m0s",
		},
		"drill before": {[]time.Time{date(time.June, 20, 0), date(time.July, 15, 0), date(time.August, 10, 0),
			date(time.September, 5, 0)}, "met, objective 720h0m0s, value 624h0m0s"},
		"first drill in the period": {
			[]time.Time{date(time.July, 15, 0), date(time.August, 10, 0), date(time.September, 5, 0)},
			"not_measurable, objective 720h0m0s, value 624h0m0s, no counted drill before the period, " +
				"and the creation time of the cluster is unknown",
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, generatedAt)
				w.sim.ServerlessServed = true
				w.sim.AddProject(payments, "Payments")
				w.addCluster(payments, "fn", atlastest.ServerlessInstance, date(time.January, 1, 0))
				for _, ended := range test.drills {
					w.addJobs(payments, "fn", atlas.Serverless, drill(ended))
				}
				report := w.mustGenerate(w.config("objectives: {drill_age: 30d}\nprojects: [{id: "+payments+
					", clusters: [{name: fn, backup_types: [serverless]}]}]"), Options{Period: thirdQuarter(t)})
				expect(t, "drill age", report.Data.Clusters[0].DrillAge.String(), test.want)
			})
		})
	}
}

func TestDurationAndRecoveryPointAge_AreJudgedPerDrill(t *testing.T) {
	at := date(time.August, 1, 0)
	slow := drill(at)
	slow.Created, slow.Takes = at.Add(-3*time.Hour), 3*time.Hour
	old := drill(at.Add(time.Hour))
	old.SnapshotTaken = old.Created.Add(-49 * time.Hour)
	undated := drill(at.Add(2 * time.Hour))
	undated.Extra = map[string]any{"finishedAt": nil, "timestamp": nil}
	const settings = "objectives: {duration: 2h, recovery_point_age: 2d}"
	for name, test := range map[string]struct {
		jobs                   []atlastest.Job
		duration, recovery, is string
	}{
		"met": {
			[]atlastest.Job{drill(at), drill(at.Add(day))},
			"met, objective 2h0m0s, value 1h0m0s", "met, objective 48h0m0s, value 24h0m0s", "met",
		},
		"slow and old": {
			[]atlastest.Job{drill(at), slow, old}, "missed, objective 2h0m0s, value 3h0m0s, missed by 1h0m0s",
			"missed, objective 48h0m0s, value 49h0m0s, missed by 1h0m0s", "missed",
		},
		"none": {
			nil, "not_measurable, objective 2h0m0s, no counted drill ended in the period",
			"not_measurable, objective 48h0m0s, no counted drill ended in the period", "not_measurable",
		},
	} {
		t.Run(name, func(t *testing.T) {
			cluster := oneCluster(t, settings, Options{}, test.jobs...)
			expect(t, "duration", cluster.Duration.String(), test.duration)
			expect(t, "recovery point age", cluster.RecoveryPointAge.String(), test.recovery)
			expect(t, "cluster", string(cluster.Verdict), test.is)
		})
	}
}

// A legacy job has no finish time, and its snapshot time may be missing.
func TestDuration_IsNotMeasurableWithoutTimes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, generatedAt)
		w.sim.AddProject(payments, "Payments")
		w.addCluster(payments, "prod", atlastest.LegacyCluster, date(time.January, 1, 0))
		job := drill(date(time.August, 1, 0))
		job.Extra = map[string]any{"timestamp": nil}
		w.addJobs(payments, "prod", atlas.Legacy, job)
		report := w.mustGenerate(w.config("objectives: {duration: 2h, recovery_point_age: 2d}\nprojects: [{id: "+payments+
			", clusters: [{name: prod, backup_types: [legacy]}]}]"), Options{Period: thirdQuarter(t)})
		cluster := &report.Data.Clusters[0]
		expect(t, "duration", cluster.Duration.String(),
			"not_measurable, objective 2h0m0s, Atlas reports no usable start and finish time")
		expect(t, "recovery point age", cluster.Drills[0].RecoveryPointAge.String(),
			"not_measurable, objective 48h0m0s, Atlas reports no creation time or no recovery point")
	})
}

func TestSignOff_ThatFailedCountsForNoObjective(t *testing.T) {
	const settings = "objectives: {drill_age: 60d, duration: 30m}"
	good, bad := drill(date(time.June, 20, 0)), drill(date(time.August, 1, 0))
	good.ID, bad.ID = idOf(good.Created, 1), idOf(bad.Created, 2)
	passed := oneCluster(t, settings, Options{SignOffs: []config.SignOff{{JobID: bad.ID, Reviewer: "Ada", Pass: true}}},
		good, bad)
	expect(t, "passed", passed.DrillAge.String(), "missed, objective 1440h0m0s, value 1464h0m0s, missed by 24h0m0s")
	expect(t, "passed", string(passed.Drills[0].Validation), "pass")
	failed := oneCluster(t, settings, Options{SignOffs: []config.SignOff{{JobID: bad.ID, Reviewer: "Ada"}}}, good, bad)
	expect(t, "failed", failed.DrillAge.String(), "missed, objective 1440h0m0s, value 2472h0m0s, missed by 1032h0m0s")
	expect(t, "failed", string(failed.Drills[0].Validation), "fail")
	expect(t, "failed", failed.Drills[0].Duration.String(),
		"not_counted, objective 30m0s, value 1h0m0s, signed off as fail")
	expect(t, "failed", failed.Duration.String(),
		"not_measurable, objective 30m0s, no counted drill ended in the period")
	before := oneCluster(t, settings, Options{SignOffs: []config.SignOff{{JobID: good.ID, Reviewer: "Ada"}}}, good, bad)
	expect(t, "before the period", before.DrillAge.String(),
		"missed, objective 1440h0m0s, value 5088h0m0s, missed by 3648h0m0s")
}

// Unknown restores can't change a verdict, or there is none.
func TestVerdicts_OfIncompleteLists(t *testing.T) {
	for name, test := range map[string]struct {
		drills             []time.Time
		drillAge, duration string
	}{
		"would be met": {
			[]time.Time{date(time.June, 30, 0), date(time.August, 10, 0), date(time.September, 10, 0)},
			"met, objective 1080h0m0s, value 984h0m0s",
			"not_measurable, objective 1h0m0s, value 1h0m0s, the list of legacy restores could not be read",
		},
		"would be missed": {
			[]time.Time{date(time.August, 10, 1)},
			"not_measurable, objective 1080h0m0s, value 5305h0m0s, the list of legacy restores could not be read",
			"not_measurable, objective 1h0m0s, value 1h0m0s, the list of legacy restores could not be read",
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, generatedAt)
				w.sim.AddProject(payments, "Payments")
				w.addCluster(payments, "prod", atlastest.DedicatedCluster, date(time.January, 1, 0))
				for _, ended := range test.drills {
					w.addJobs(payments, "prod", atlas.Dedicated, drill(ended))
				}
				w.sim.Script(atlastest.PathHas("prod/restoreJobs"), 0,
					atlastest.APIError(http.StatusForbidden, "FORBIDDEN", "no"))
				report := w.mustGenerate(w.config("objectives: {drill_age: 45d, duration: 1h}\nprojects: [{id: "+payments+
					", clusters: [{name: prod, backup_types: [dedicated, legacy]}]}]"), Options{Period: thirdQuarter(t)})
				expect(t, "drill age", report.Data.Clusters[0].DrillAge.String(), test.drillAge)
				expect(t, "duration", report.Data.Clusters[0].Duration.String(), test.duration)
				if report.Header.Complete {
					t.Error("the report is complete")
				}
			})
		})
	}
}
