package report

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"atlas-restore-exporter/atlas"
	"atlas-restore-exporter/atlas/atlastest"
	"atlas-restore-exporter/collector/poll"
	"atlas-restore-exporter/internal/config"
)

// hostileReport is a report in which each text that Atlas or a reviewer controls contains markup.
func hostileReport(t *testing.T) (r *Report) {
	t.Helper()
	const markup = `"><script>alert(1)</script><img src=x onerror=alert(1)>`
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, generatedAt)
		w.sim.AddProject(payments, markup)
		w.sim.SetProjectTags(payments, map[string]string{"team": markup, "env": markup})
		w.addCluster(payments, "prod", atlastest.DedicatedCluster, date(time.January, 1, 0))
		w.addCluster(payments, "broken", atlastest.DedicatedCluster, date(time.January, 1, 0))
		job := drill(date(time.August, 1, 0))
		job.ID, job.TargetClusterName = idOf(job.Created, 1), markup
		w.addJobs(payments, "prod", atlas.Dedicated, job)
		w.sim.Script(atlastest.PathHas("broken/backup"), 0, atlastest.APIError(http.StatusForbidden, "X", markup))
		r = w.mustGenerate(w.config("tag_labels: {team: team, environment: env}\nprojects: [{discovery: {}}]"), Options{
			Period:   thirdQuarter(t),
			SignOffs: []config.SignOff{{JobID: job.ID, Reviewer: markup, Date: "2026-08-02", Notes: markup, Pass: true}},
		})
	})
	return r
}

func TestGenerate_ReadsEachListOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, generatedAt)
		w.addOrganization()
		var polled []string
		w.mustGenerate(w.config(organizationConfig), Options{
			Period: thirdQuarter(t),
			Polled: func(done, total int, s *poll.Snapshot) {
				polled = append(polled, fmt.Sprintf("%d/%d", done, total))
				if s.Target == nil {
					t.Error("no target")
				}
			},
		})
		requests := map[string]int{}
		for _, request := range w.sim.Requests(nil) {
			requests[request.Path]++
		}
		for path, n := range requests {
			if n != 1 {
				t.Errorf("%d requests for %s", n, path)
			}
		}
		if requests["/api/atlas/v2/groups/"+playground+"/clusters"] != 1 { // an excluded project
			t.Error("the clusters of an excluded project were not listed")
		}
		if got := strings.Join(polled, " "); got != "1/10 2/10 3/10 4/10 5/10 6/10 7/10 8/10 9/10 10/10" {
			t.Errorf("progress %s", got)
		}
	})
}

func TestGenerate_IgnoresHistoryLimitsAndShards(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, generatedAt)
		w.sim.AddProject(payments, "Payments")
		for i := range 4 {
			name := fmt.Sprintf("prod-%d", i)
			w.addCluster(payments, name, atlastest.DedicatedCluster, date(time.January, 1, 0))
			for d := range 50 {
				w.addJobs(payments, name, atlas.Dedicated, drill(date(time.July, 2, 0).Add(time.Duration(d)*day)))
			}
		}
		cfg := w.config("history: {max_age: 1d, max_jobs: 1}\njob_series: {max_age: 0s, max_per_target: 0}\n" +
			"projects: [{discovery: {}}]")
		cfg.Shard = config.Shard{Index: 1, Count: 4}
		report := w.mustGenerate(cfg, Options{Period: thirdQuarter(t)})
		if got := report.Data.Summary; got.Clusters != 4 || got.Drills != 200 {
			t.Errorf("%+v", got)
		}
		if target := report.Data.Targets[0]; target.Jobs != 50 || target.Oldest.String() != "2026-07-01T23:00:00Z" {
			t.Errorf("%+v", target)
		}
	})
}

// Atlas allows 1,200 requests at once and 500 per minute for each project. The reserve leaves half of them to others.
func TestGenerate_WaitsForTheRateLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, generatedAt)
		w.sim.Capacity = 0 // the documented one
		w.sim.AddProject(payments, "Payments")
		const clusters = 1500
		for i := range clusters {
			w.addCluster(payments, fmt.Sprintf("prod-%d", i), atlastest.DedicatedCluster, date(time.January, 1, 0))
		}
		start := time.Now()
		report := w.mustGenerate(w.config("projects: [{discovery: {}}]"), Options{Period: thirdQuarter(t)})
		rejected := len(w.sim.Requests(func(r atlastest.Request) bool { return r.Status == http.StatusTooManyRequests }))
		if !report.Header.Complete || rejected > 0 {
			t.Errorf("complete: %t, %d rejected requests", report.Header.Complete, rejected)
		}
		if took := time.Since(start); took < 3*time.Minute || took > 5*time.Minute { // 900 requests at 250 per minute
			t.Errorf("took %v", took)
		}
	})
}

func TestGenerate_ReportsIncompleteLists(t *testing.T) {
	items := func(text string) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(text)) })
	}
	for name, test := range map[string]struct {
		response http.Handler
		want     string
	}{
		"forbidden": {
			atlastest.APIError(http.StatusForbidden, "X", "no"), "failed (forbidden): atlas api returned 403 X: no",
		},
		"truncated": {
			items(`{"results":[{"id":"64a000000000000000000001","deliveryType":"automated"}],"links":[{"rel":"next"}]}`),
			"incomplete: the list is truncated",
		},
		"malformed": {
			items(`{"results":[{"id":"64a000000000000000000001","deliveryType":"automated"},{}],"totalCount":2}`),
			"incomplete: the list contains malformed jobs",
		},
		"inconsistent": {
			items(`{"results":[{"id":"64a000000000000000000001","deliveryType":"automated"}],"totalCount":2}`),
			"incomplete: the list contradicts its own total count",
		},
		"complete": {items(`{"results":[],"totalCount":0}`), "complete"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, generatedAt)
				w.sim.AddProject(payments, "Payments")
				w.addCluster(payments, "prod", atlastest.DedicatedCluster, date(time.January, 1, 0))
				w.sim.Script(atlastest.PathHas("restoreJobs"), 0, test.response)
				report := w.mustGenerate(w.config("projects: [{id: "+payments+", clusters: [{name: prod}]}]"),
					Options{Period: thirdQuarter(t)})
				expect(t, "target", report.Data.Targets[0].State(), test.want)
				if report.Header.Complete != (name == "complete") {
					t.Errorf("complete: %t", report.Header.Complete)
				}
			})
		})
	}
}

// If a setting excludes a whole project, it doesn't matter whether its clusters can be listed.
func TestGenerate_ReportsProjectsWhoseClustersCanNotBeListed(t *testing.T) {
	for name, test := range map[string]struct {
		settings string
		filter   Filter
		complete bool
		want     string
	}{
		"in scope": {
			settings: "projects: [{discovery: {}}]",
			want: "The clusters of project " + analytics + " Analytics could not be listed (forbidden): " +
				"atlas api returned 403 X: no.",
		},
		"excluded": {
			settings: "projects: [{name_exclude: Ana, discovery: {}}]", complete: true,
			want: "The clusters of project " + analytics + " Analytics could not be listed (forbidden): " +
				"atlas api returned 403 X: no. The project is excluded by name_exclude Ana.",
		},
		"not selected": {
			settings: "projects: [{discovery: {}}]", filter: Filter{Projects: []string{"Payments"}}, complete: true,
			want: "The clusters of project " + analytics + " Analytics could not be listed (forbidden): " +
				"atlas api returned 403 X: no. The project is excluded by --project.",
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, generatedAt)
				w.sim.AddProject(payments, "Payments")
				w.addCluster(payments, "prod", atlastest.DedicatedCluster, date(time.January, 1, 0))
				w.sim.AddProject(analytics, "Analytics")
				w.sim.Script(atlastest.PathHas(analytics+"/clusters"), 0,
					atlastest.APIError(http.StatusForbidden, "X", "no"))
				report := w.mustGenerate(w.config(test.settings), Options{Period: thirdQuarter(t), Filter: test.filter})
				if len(report.Data.UnlistedProjects) != 1 || report.Header.Complete != test.complete {
					t.Fatalf("complete: %t, %+v", report.Header.Complete, report.Data.UnlistedProjects)
				}
				expect(t, "unlisted", report.Data.UnlistedProjects[0].sentence(), test.want)
			})
		})
	}
}

func TestGenerate_FailsWithoutTargets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, generatedAt)
		const settings = "projects: [{discovery: {}}]"
		_, err := w.generate(w.config(settings), Options{Period: thirdQuarter(t)})
		expectError(t, err, "no targets: discovery found no clusters that match the patterns, tags, and backup types")
		w.sim.Script(atlastest.PathHas("groups"), 0, atlastest.APIError(http.StatusForbidden, "X", "no"))
		_, err = w.generate(w.config(settings), Options{Period: thirdQuarter(t)})
		expectError(t, err, "no targets: discovery failed: atlas api returned 403 X: no")
	})
}

func TestGenerate_EndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, generatedAt)
		w.sim.AddProject(payments, "Payments")
		w.addCluster(payments, "prod", atlastest.DedicatedCluster, date(time.January, 1, 0))
		w.sim.Script(atlastest.PathHas("restoreJobs"), 0, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			<-r.Context().Done()
		}))
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		_, err := Generate(ctx, w.config("projects: [{discovery: {}}]"),
			Options{Period: thirdQuarter(t), DialContext: w.pipe.DialContext})
		expectError(t, err, "interrupted after 0 of 1 targets: context deadline exceeded")
	})
}

func expectError(t *testing.T, err error, want string) {
	t.Helper()
	if err == nil || err.Error() != want {
		t.Errorf("got  %v\nwant %s", err, want)
	}
}

func TestSignOffs_AreCountedByUse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, generatedAt)
		w.sim.AddProject(payments, "Payments")
		for _, name := range []string{"prod", "test"} {
			w.addCluster(payments, name, atlastest.DedicatedCluster, date(time.January, 1, 0))
		}
		inPeriod := w.addJobs(payments, "prod", atlas.Dedicated, drill(date(time.August, 1, 0)))[0]
		before := w.addJobs(payments, "prod", atlas.Dedicated, drill(date(time.June, 1, 0)))[0]
		unfinished := w.addJobs(payments, "prod", atlas.Dedicated, atlastest.Job{Created: date(time.August, 2, 0)})[0]
		filtered := w.addJobs(payments, "test", atlas.Dedicated, drill(date(time.August, 1, 0)))[0]
		var signOffs []config.SignOff
		for i, id := range []string{inPeriod, before, unfinished, filtered} {
			signOffs = append(signOffs, config.SignOff{JobID: id, Reviewer: "Ada", Pass: true, Line: i + 1})
		}
		cfg, options := w.config("projects: [{discovery: {}}]"),
			Options{Period: thirdQuarter(t), Filter: Filter{Clusters: []string{"prod"}}, SignOffs: signOffs}
		expect(t, "sign-offs", w.mustGenerate(cfg, options).Data.SignOffs.sentence(),
			"Sign-offs: 1 used, 2 ignored because the restore did not end in the period, "+
				"1 ignored because the filter does not select the cluster, 0 ignored because the cluster was replaced, "+
				"0 for unknown jobs.")
		options.SignOffs = append(options.SignOffs,
			config.SignOff{JobID: "64a000000000000000000001", Line: 7}, config.SignOff{JobID: "x", Line: 8})
		_, err := w.generate(cfg, options)
		expectError(t, err, "signoff.yaml:7: [4].job_id: no list of restore jobs contains 64a000000000000000000001\n"+
			"signoff.yaml:8: [5].job_id: no list of restore jobs contains x")
	})
}

func TestFollowUp_IsALaterSuccessWithTheSamePurpose(t *testing.T) {
	at := date(time.August, 1, 0)
	failed := drill(at)
	failed.Outcome = atlastest.Fails
	inPlace := atlastest.Job{Created: at.Add(time.Hour), Takes: time.Hour}
	other := drill(at.Add(5 * time.Hour))
	other.TargetClusterName = "elsewhere"
	after := drill(date(time.October, 2, 0)) // after the period
	before := drill(at.Add(-time.Minute))
	before.Takes = 2 * time.Hour
	const settings = "drill_targets: [{project_id: " + payments + ", cluster_names: [drill]}]"
	for name, test := range map[string]struct {
		jobs []atlastest.Job
		want Time
	}{
		"none": {[]atlastest.Job{drill(at.Add(-time.Hour)), failed, inPlace, other}, 0},
		"the first one": {
			[]atlastest.Job{failed, drill(at.Add(3 * time.Hour)), drill(at.Add(2 * time.Hour))}, timeOf(at.Add(2 * time.Hour)),
		},
		"requested before":   {[]atlastest.Job{failed, before}, 0},
		"after the period":   {[]atlastest.Job{failed, after}, timeOf(date(time.October, 2, 0))},
		"at the same time":   {[]atlastest.Job{failed, drill(at)}, 0},
		"one second later":   {[]atlastest.Job{failed, drill(at.Add(time.Second))}, timeOf(at.Add(time.Second))},
		"another that fails": {[]atlastest.Job{failed, failed}, 0},
	} {
		cluster := oneCluster(t, settings, Options{}, test.jobs...)
		var got Time
		if followUp := cluster.FailedRestores[0].FollowedUpBy; followUp != nil {
			got = followUp.Ended
		}
		if got != test.want {
			t.Errorf("%s: got %v, want %v", name, got, test.want)
		}
	}
}

func TestPeriod_ContainsRestoresThatEndedInIt(t *testing.T) {
	from, to := date(time.July, 1, 0), date(time.October, 1, 0)
	download := func(created time.Time, life time.Duration) atlastest.Job {
		return atlastest.Job{Created: created, Takes: time.Hour, Delivery: "download", LinkLife: life}
	}
	for name, test := range map[string]struct {
		job  atlastest.Job
		want string
	}{
		"ended at from":       {drill(from), "drill"},
		"ended before from":   {drill(from.Add(-time.Second)), ""},
		"ended before to":     {drill(to.Add(-time.Second)), "drill"},
		"ended at to":         {drill(to), "unfinished"},
		"requested at to":     {drill(to.Add(time.Hour)), ""},
		"never ended":         {atlastest.Job{Created: from.Add(-day)}, "unfinished"},
		"requested afterward": {atlastest.Job{Created: to}, ""},
		"ready download":      {download(to.Add(-day), 30*day), "unfinished"},
		"expired download":    {download(from.Add(-day), day), "download"},
		"expired after to":    {download(to.Add(-day), 2*day), "unfinished"},
		"failed without finish": {atlastest.Job{
			Created: from, Takes: time.Hour, Outcome: atlastest.Fails, Extra: map[string]any{"finishedAt": nil},
		}, "failed"},
	} {
		cluster := oneCluster(t, "", Options{}, test.job)
		found := ""
		for list, restores := range map[string][]Restore{
			"drill": cluster.Drills, "failed": cluster.FailedRestores, "download": cluster.Downloads,
			"other": cluster.OtherRestores, "unfinished": cluster.Unfinished,
		} {
			if len(restores) > 0 {
				found += list
			}
		}
		if found != test.want {
			t.Errorf("%s: %q, want %q", name, found, test.want)
		}
	}
}

// A failed job without any time belongs to no period.
func TestUndatedRestores_AreCounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, generatedAt)
		w.sim.AddProject(payments, "Payments")
		w.addCluster(payments, "prod", atlastest.DedicatedCluster, date(time.January, 1, 0))
		w.addJobs(payments, "prod", atlas.Dedicated,
			atlastest.Job{Raw: []byte(`{"id":"x","deliveryType":"automated","failed":true}`)})
		report := w.mustGenerate(w.config("projects: [{discovery: {backup_types: [dedicated]}}]"),
			Options{Period: thirdQuarter(t)})
		if got := report.Data.Targets[0]; got.Undated != 1 || report.Data.Summary.FailedRestores != 0 {
			t.Errorf("%+v", got)
		}
	})
}
