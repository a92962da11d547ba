package collector

import (
	"context"
	"iter"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

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

func (p panickingClient) RestoreJobs(ctx context.Context, list atlas.List) iter.Seq2[atlas.Page, error] {
	if list == prod {
		panic("bug")
	}
	return p.Client.RestoreJobs(ctx, list)
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
		const format = `{backup_type="dedicated",cluster_name="prod",credential="default",project_id="` + project +
			`",project_name="NAME",source="config"} 1`
		isProject := func(r *http.Request) bool { return strings.HasSuffix(r.URL.Path, project) }
		allow := w.sim.Script(isProject, 0, atlastest.Status(http.StatusServiceUnavailable))
		w.poll()
		w.expectSamples(familyTargetInfo, strings.Replace(format, "NAME", "", 1))
		allow()
		time.Sleep(time.Minute)
		w.poll()
		w.expectSamples(familyTargetInfo, strings.Replace(format, "NAME", "Payments", 1))
	})
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
		if want := `cluster_name="new",credential="default",project_id="` + analytics +
			`",project_name="Analytics",source="discovery"} 1`; !strings.Contains(exposed, want) {
			t.Errorf("no %s in\n%s", want, exposed)
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
		if exposed := w.expose(); strings.Contains(exposed, "team") || strings.Contains(exposed, analytics) {
			t.Errorf("removed targets in\n%s", exposed)
		}
	})
}
