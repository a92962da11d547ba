package collector

import (
	"context"
	"iter"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"atlas-restore-exporter/atlas"
	"atlas-restore-exporter/atlas/atlastest"
	"atlas-restore-exporter/collector/poll"
)

func TestCollector_ExposesATargetBeforeItsFirstPoll(t *testing.T) {
	for _, test := range goldenTargets {
		runInBubble(t, string(test.list.BackupType), func(t *testing.T) {
			w := newWorld(t, test.list)
			if len(w.samples(familyTargetInfo)) != 1 || len(w.samples(familyPollFailures)) != 1 {
				t.Errorf("no target_info or poll_failures_total in\n%s", w.expose())
			}
			w.expectSamples(familyPollSuccess)
			w.expectSamples(familyLastPoll)
		})
	}
}

func TestCollector_ExposesFailedPollsWithTheirReason(t *testing.T) {
	for _, test := range []struct {
		name     string
		response http.Handler
		reason   poll.Reason
	}{
		{"unauthorized", atlastest.APIError(401, "NOT_IN_GROUP", "No."), poll.ReasonUnauthorized},
		{"forbidden", atlastest.APIError(403, "IP_ADDRESS_NOT_ON_ACCESS_LIST", "No."), poll.ReasonForbidden},
		{"server error", atlastest.APIError(500, "UNEXPECTED_ERROR", "Oops."), poll.ReasonServerError},
		{"malformed", atlastest.Body(200, "text/html", "<html>"), poll.ReasonMalformed},
		{"timeout", atlastest.Slow(time.Second), poll.ReasonTimeout},
		{"network error", atlastest.BreakOff(), poll.ReasonNetwork},
	} {
		runInBubble(t, test.name, func(t *testing.T) {
			w := newWorld(t, prod, team)
			w.poll()
			w.sim.Script(atlastest.PathHas("/clusters/prod/backup/restoreJobs"), 0, test.response)
			w.poll()
			w.expectFailedPoll(test.reason)
		})
	}
}

// expectFailedPoll expects that the last poll of prod failed and that of team succeeded.
func (w *world) expectFailedPoll(reason poll.Reason) {
	w.Helper()
	const ofProd = `backup_type="dedicated",cluster_name="prod",project_id="` + project + `"`
	const ofTeam = `backup_type="flex",cluster_name="team",project_id="` + project + `"`
	w.expectSamples(familyPollError, `{`+ofProd+`,reason="`+string(reason)+`"} 1`)
	w.expectSamples(familyPollSuccess, `{`+ofProd+`} 0`, `{`+ofTeam+`} 1`)
	w.expectSamples(familyPollFailures, `{`+ofProd+`} 1`, `{`+ofTeam+`} 0`)
}

func TestCollector_ExposesAPanicAsFailedPollAndCountsIt(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld(t)
		w.newManager(panickingClient{w.client}, prod, team)
		w.poll()
		w.expectFailedPoll(poll.ReasonOther)
		w.expectSamples(familyPanics, `{backup_type="collection"} 0`, `{backup_type="dedicated"} 1`, `{backup_type="flex"} 0`,
			`{backup_type="legacy"} 0`, `{backup_type="serverless"} 0`)
	})
}

// panickingClient panics if it reads the restore jobs of prod.
type panickingClient struct{ poll.Client }

func (p panickingClient) RestoreJobs(
	ctx context.Context, list atlas.List, marks ...atlas.PageMark,
) iter.Seq2[atlas.Page, error] {
	if list == prod {
		panic("bug")
	}
	return p.Client.RestoreJobs(ctx, list, marks...)
}

func TestCollector_ExposesNoJobsOfAStaleTarget(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld(t, prod)
		w.sim.AddJobs(prod, atlastest.Job{Takes: time.Minute})
		w.poll()
		expectJobSeries := func(when string, want int) {
			t.Helper()
			if got := len(w.samples(familyJobInfo)); got != want {
				t.Errorf("%s: %d jobs have series, want %d", when, got, want)
			}
			if len(w.samples(familyJobs)) == 0 {
				t.Errorf("%s: no series of the target", when)
			}
		}
		time.Sleep(10 * time.Minute)
		expectJobSeries("before the limit", 1)
		time.Sleep(time.Second)
		expectJobSeries("after the limit", 0)
		w.poll()
		expectJobSeries("after the next success", 1)
	})
}

func TestCollector_ExposesNoNegativeDurationsOrTimestamps(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld(t, team)
		date := func(d time.Duration) string { return time.Now().Add(d).UTC().Format(time.RFC3339) }
		w.sim.AddJobs(team,
			atlastest.Job{Takes: time.Minute, Extra: map[string]any{
				"restoreScheduledDate": date(24 * time.Hour), "restoreFinishedDate": date(0), "status": "COMPLETED",
			}},
			atlastest.Job{Extra: map[string]any{"restoreScheduledDate": "9999-12-31T23:59:59Z"}},
			atlastest.Job{Extra: map[string]any{"restoreScheduledDate": "1969-12-31T23:59:59Z"}},
			atlastest.Job{Extra: map[string]any{"restoreScheduledDate": nil}},
		)
		w.poll()
		if n := len(w.samples(familyJobInfo)); n != 4 {
			t.Errorf("%d jobs have series, want 4", n)
		}
		w.expectSamples(familyLastDuration)
		if exposed := w.expose(); strings.Contains(exposed, "} -") {
			t.Errorf("a negative value in\n%s", exposed)
		}
	})
}

func TestCollector_ExposesAnEmptyProjectNameUntilItIsKnown(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld(t, prod)
		const format = `{cluster_environment="",cluster_name="prod",cluster_team="",project_id="` + project +
			`",project_name="NAME"} 1`
		isProject := func(r *http.Request) bool { return strings.HasSuffix(r.URL.Path, project) }
		allow := w.sim.Script(isProject, 0, atlastest.Status(http.StatusServiceUnavailable))
		defer w.run()()
		sleep(time.Minute)
		w.expectSamples(familyClusterInfo, strings.Replace(format, "NAME", "", 1))
		allow()
		sleep(10 * time.Minute)
		w.expectSamples(familyClusterInfo, strings.Replace(format, "NAME", "Payments", 1))
	})
}

func TestCollector_ExposesAClusterOnceWithTheFactsThatWereRead(t *testing.T) {
	yes, no := true, false
	const labels = `{cluster_name="prod",project_id="` + project + `"} `
	for _, test := range []struct {
		name    string
		cluster poll.Cluster
		want    []string
	}{
		{"nothing read", poll.Cluster{}, nil},
		{"removed", poll.Cluster{Exists: &no}, []string{"exists" + labels + "0"}},
		{"without backup", poll.Cluster{Exists: &yes, Created: 86400, BackupEnabled: &no, PointInTimeEnabled: &no}, []string{
			"backup_enabled" + labels + "0", "created_timestamp_seconds" + labels + "86400", "exists" + labels + "1",
			"point_in_time_enabled" + labels + "0",
		}},
		{"Flex", poll.Cluster{Exists: &yes, BackupEnabled: &yes}, []string{
			"backup_enabled" + labels + "1", "exists" + labels + "1",
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			var got []string
			const prefix, info = targetPrefix + "cluster_", "info{"
			exposed := expose(t, []prometheus.Collector{NewCollector(statesOf(&test.cluster, prod, collectionOf(prod)))})
			for line := range strings.Lines(exposed) {
				if name, ok := strings.CutPrefix(strings.TrimSpace(line), prefix); ok && !strings.HasPrefix(name, info) {
					got = append(got, name)
				}
			}
			if strings.Join(got, "\n") != strings.Join(test.want, "\n") {
				t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(test.want, "\n"))
			}
			if n := strings.Count(exposed, prefix+info); n != 1 {
				t.Errorf("%d series of cluster_info, want 1:\n%s", n, exposed)
			}
		})
	}
}

func TestCollector_FollowsDiscoveredClustersAndProjects(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newOrganization(t)
		w.apply(poll.Config{Discoveries: []poll.Rule{allClusters()}})
		defer w.run()()
		w.sim.AddCluster(analytics, "new", atlastest.DedicatedCluster)
		w.sim.RemoveCluster(analytics, "tmp-1")
		w.sim.RemoveProject(sandbox)
		time.Sleep(11 * time.Minute)
		exposed := w.expose()
		if strings.Contains(exposed, "tmp-1") || strings.Contains(exposed, sandbox) {
			t.Errorf("a removed cluster or project in\n%s", exposed)
		}
		for _, want := range []string{
			`cluster_name="new",credential="default",exporter="payments",project_id="` + analytics + `",source="discovery"} 1`,
			`cluster_name="new",cluster_team="",project_id="` + analytics + `",project_name="Analytics"} 1`,
		} {
			if !strings.Contains(exposed, want) {
				t.Errorf("no %s in\n%s", want, exposed)
			}
		}
	})
}

func TestCollector_ExposesOnlyTheTargetsOfTheActiveConfiguration(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld(t, prod, team)
		events := atlas.List{ProjectID: analytics, ClusterName: "events", BackupType: atlas.Dedicated}
		w.sim.AddProject(analytics, "Analytics")
		w.sim.AddCluster(analytics, "events", atlastest.DedicatedCluster)
		defer w.run()()
		w.apply(poll.Config{Targets: targets(events, prod, team)})
		synctest.Wait()
		if n := len(w.samples(familyTargetInfo)); n != 3 {
			t.Errorf("%d targets are exposed, want 3", n)
		}
		w.apply(poll.Config{Targets: targets(prod)})
		if exposed := w.expose(); strings.Contains(exposed, `"team"`) || strings.Contains(exposed, analytics) {
			t.Errorf("removed targets in\n%s", exposed)
		}
	})
}
