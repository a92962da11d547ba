package poll

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"atlas-restore-exporter/atlas"
	"atlas-restore-exporter/atlas/atlastest"
)

const allTargets = "prod/dedicated team/flex events/dedicated tmp-1/flex toy/flex"

// newOrganization returns a world with three projects and every kind of cluster, and no targets.
func newOrganization(t *testing.T) *world {
	t.Helper()
	w := newWorld(t)
	w.sim.AddProject(analytics, "Analytics")
	w.sim.AddProject(sandbox, "Sandbox")
	w.sim.AddCluster(project, "free", atlastest.FreeCluster)
	w.sim.AddCluster(project, "going", atlastest.DedicatedCluster)
	w.sim.ChangeCluster(project, "going", func(c *atlastest.ClusterState) { c.State = "DELETING" })
	w.sim.AddCluster(analytics, "events", atlastest.DedicatedCluster)
	w.sim.ChangeCluster(analytics, "events", func(c *atlastest.ClusterState) {
		c.Paused, c.Tags = true, map[string]string{"env": "prod", "team": "data"}
	})
	w.sim.AddCluster(analytics, "tmp-1", atlastest.FlexCluster)
	w.sim.AddCluster(sandbox, "toy", atlastest.FlexCluster)
	return w
}

// status returns the status of a discovery of the credential "default".
func (w *world) status(projectID string) DiscoveryStatus {
	w.Helper()
	for _, status := range w.manager.Discoveries() {
		if status.Credential == "default" && status.ProjectID == projectID {
			return status
		}
	}
	w.Fatalf("no discovery of project %q", projectID)
	return DiscoveryStatus{}
}

func (w *world) expectDiscoveries(want int) {
	w.Helper()
	if discoveries := w.manager.Discoveries(); len(discoveries) != want {
		w.Errorf("%d discoveries, want %d: %+v", len(discoveries), want, discoveries)
	}
}

func isProjectList(r *http.Request) bool { return strings.HasSuffix(r.URL.Path, "/groups") }

func TestDiscoverOnce_FindsClustersExceptFreeAndDeletedOnes(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newOrganization(t)
		w.apply(Config{Discoveries: []Rule{ruleFor("")}})
		w.manager.DiscoverOnce(t.Context())
		w.expectTargets(allTargets)
		w.expectDiscoveries(4)
		if s := w.status(project); s.Found != 2 || s.LastSuccess != time.Now() || s.Err != nil {
			t.Errorf("%+v", s)
		}
		if s := w.status(""); s.Found != 3 {
			t.Errorf("%+v", s)
		}
	})
}

func TestDiscoverOnce_SelectsClustersByTagsAndNames(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newOrganization(t)
		w.apply(Config{Discoveries: []Rule{ruleFor("", func(r *Rule) {
			r.Tags, r.Projects.Include = map[string]string{"env": "prod", "team": "data"}, regexp.MustCompile("^Ana")
		})}})
		w.manager.DiscoverOnce(t.Context())
		w.expectTargets("events/dedicated")
	})
}

func TestDiscoverOnce_AcceptsAPlanWithoutFlex(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newOrganization(t)
		w.sim.Script(atlastest.PathHas("/flexClusters"), 0, atlastest.APIError(403, "FEATURE_UNSUPPORTED", "No Flex here."))
		w.apply(Config{Discoveries: []Rule{ruleFor("")}})
		w.manager.DiscoverOnce(t.Context())
		w.expectTargets("prod/dedicated events/dedicated")
		if w.status(project).Err != nil {
			t.Errorf("%+v", w.status(project))
		}
	})
}

func TestRun_IsReadyWhenEverythingIsFoundAndPolled(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newOrganization(t)
		w.apply(Config{Discoveries: []Rule{ruleFor("")}})
		if w.manager.Ready() {
			t.Error("ready before discovery")
		}
		w.manager.DiscoverOnce(t.Context())
		if w.manager.Ready() {
			t.Error("ready before the first polls")
		}
		defer w.run()()
		if !w.manager.Ready() {
			t.Error("not ready although everything is found and polled")
		}
		w.expectTargets(allTargets)
	})
}

func TestRun_FollowsClustersAndProjects(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newOrganization(t)
		w.sim.AddJobs(prod, atlastest.Job{Created: time.Now().Add(-time.Hour), Takes: time.Minute})
		w.apply(Config{Discoveries: []Rule{ruleFor("")}})
		defer w.run()()
		before := w.manager.Snapshots()[0]
		w.sim.AddCluster(analytics, "new", atlastest.DedicatedCluster)
		w.sim.RemoveCluster(analytics, "tmp-1")
		w.sim.RemoveProject(sandbox)
		time.Sleep(5*time.Minute + time.Second)
		w.expectTargets("prod/dedicated team/flex events/dedicated new/dedicated tmp-1/flex toy/flex")
		time.Sleep(5 * time.Minute)
		w.expectTargets("prod/dedicated team/flex events/dedicated new/dedicated")
		if after := w.manager.Snapshots()[0]; after.Summary != before.Summary {
			t.Error("an unchanged target was summarized again")
		}
		s := w.manager.Snapshots()[3]
		if s.Target.ProjectID != analytics || s.Target.Credential != "default" || s.Summary == nil {
			t.Errorf("the new target: %+v", s)
		}
		w.expectDiscoveries(3) // the projects, and the clusters of two
	})
}

func TestRun_TakesProjectNamesFromTheListOfProjects(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newOrganization(t)
		w.apply(Config{Discoveries: []Rule{ruleFor("")}})
		defer w.run()()
		time.Sleep(2 * time.Hour)
		ofName := func(r atlastest.Request) bool { return strings.HasSuffix(r.Path, "/groups/"+analytics) }
		if w.manager.ProjectName(analytics) != "Analytics" || len(w.sim.Requests(ofName)) > 0 {
			t.Errorf("name %q, %d requests for it", w.manager.ProjectName(analytics), len(w.sim.Requests(ofName)))
		}
	})
}

func TestRun_KeepsTargetsWhileDiscoveryOfAProjectFails(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newOrganization(t)
		w.apply(Config{Discoveries: []Rule{ruleFor("")}})
		defer w.run()()
		w.sim.Script(atlastest.PathHas(analytics+"/flexClusters"), 0, atlastest.APIError(403, "ACCESS_FORBIDDEN", "No."))
		w.sim.RemoveCluster(analytics, "events")
		w.sim.RemoveCluster(sandbox, "toy")
		time.Sleep(10*time.Minute + time.Second)
		w.expectTargets("prod/dedicated team/flex events/dedicated tmp-1/flex")
		if w.status(analytics).Err == nil || w.status(sandbox).Err != nil || w.status("").Err != nil {
			t.Errorf("%+v", w.manager.Discoveries())
		}
		if s := w.status(analytics); s.Reason != ReasonForbidden || s.LastSuccess.IsZero() || s.Found != 2 {
			t.Errorf("%+v", s)
		}
		w.expectLogged("discovery failed", 1)
	})
}

func TestRun_FindsTheClustersOfOneListWhileTheOtherFails(t *testing.T) {
	for _, test := range []struct{ failing, want string }{
		{"/flexClusters", "prod/dedicated"}, {project + "/clusters", "team/flex"},
	} {
		for _, status := range []int{503, 404, 403} {
			runInBubble(t, fmt.Sprint(test.failing, status), func(t *testing.T) {
				w := newWorld(t)
				restore := w.sim.Script(atlastest.PathHas(test.failing), 0, atlastest.Status(status))
				w.apply(Config{Discoveries: []Rule{ruleFor(project)}})
				defer w.run()()
				time.Sleep(10 * time.Second)
				w.expectTargets(test.want)
				if w.status(project).Err == nil {
					t.Error("discovery succeeded")
				}
				restore()
				time.Sleep(10 * time.Minute)
				w.expectTargets("prod/dedicated team/flex")
			})
		}
	}
}

func TestRun_RetriesOnlyFailedDiscoveries(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newOrganization(t)
		w.apply(Config{Discoveries: []Rule{ruleFor("")}})
		defer w.run()()
		remove := w.sim.Script(atlastest.PathHas(analytics+"/flexClusters"), 0, atlastest.Status(500))
		w.sim.AddCluster(analytics, "new", atlastest.DedicatedCluster)
		time.Sleep(5*time.Minute + time.Second)
		w.expectTargets("prod/dedicated team/flex events/dedicated new/dedicated tmp-1/flex toy/flex")
		w.sim.ForgetRequests()
		remove()
		time.Sleep(2 * firstDiscoveryRetry)
		w.expectTargets("prod/dedicated team/flex events/dedicated new/dedicated tmp-1/flex toy/flex")
		if w.status(analytics).Err != nil {
			t.Errorf("%+v", w.status(analytics))
		}
		w.expectLogged("discovery succeeded again", 1)
		ofOther := func(r atlastest.Request) bool {
			return strings.Contains(r.Path, sandbox) && strings.HasSuffix(r.Path, "usters")
		}
		if n := len(w.sim.Requests(ofOther)); n != 0 {
			t.Errorf("%d requests for a list that had not failed", n)
		}
	})
}

func TestRun_RetriesFailedDiscoveriesWithBackoff(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newOrganization(t)
		start, attempts := time.Now(), []time.Duration{}
		w.sim.Script(func(r *http.Request) bool {
			if isProjectList(r) {
				attempts = append(attempts, time.Since(start))
			}
			return isProjectList(r)
		}, 0, atlastest.Status(500))
		w.apply(Config{Discoveries: []Rule{ruleFor("")}})
		stop := w.run()
		time.Sleep(5*time.Minute + 20*time.Second)
		stop()
		second := time.Second
		want := []time.Duration{0, 15 * second, 45 * second, 105 * second, 225 * second, 300 * second, 315 * second}
		if !slices.Equal(attempts, want) {
			t.Errorf("attempts at %v\nwant        %v", attempts, want)
		}
	})
}

func TestRun_IsNotReadyBeforeTheListOfProjectsIsRead(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newOrganization(t)
		remove := w.sim.Script(isProjectList, 0, atlastest.Status(500))
		w.apply(Config{Discoveries: []Rule{ruleFor("")}})
		defer w.run()()
		w.expectTargets("")
		if w.manager.Ready() || w.status("").Err == nil {
			t.Errorf("ready %v, %+v", w.manager.Ready(), w.status(""))
		}
		remove()
		time.Sleep(firstDiscoveryRetry + time.Second)
		w.expectTargets(allTargets)
		if !w.manager.Ready() {
			t.Error("not ready although everything is found and polled")
		}
	})
}

func TestRun_PollsFoundTargetsWhileAnotherListIsSlow(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newOrganization(t)
		w.sim.Script(atlastest.PathHas(analytics+"/clusters"), 0, atlastest.Hang())
		w.apply(Config{Discoveries: []Rule{ruleFor("")}})
		defer w.run()()
		time.Sleep(2 * time.Second)
		w.expectTargets("prod/dedicated team/flex toy/flex")
		for _, s := range w.manager.Snapshots() {
			if s.Summary == nil {
				t.Errorf("%s is not polled", s.Target.ClusterName)
			}
		}
		if w.manager.Ready() {
			t.Error("ready although a list of clusters has not been attempted")
		}
	})
}

func TestRun_UpdatesPollersOnlyIfTheInventoryHasChanged(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newOrganization(t)
		w.apply(Config{Discoveries: []Rule{ruleFor("")}})
		defer w.run()()
		before := w.manager.active.Load()
		time.Sleep(6 * time.Minute)
		if w.manager.active.Load() != before {
			t.Error("a discovery without changes updated the pollers")
		}
		w.sim.AddCluster(analytics, "new", atlastest.DedicatedCluster)
		time.Sleep(5 * time.Minute)
		if w.manager.active.Load() == before {
			t.Error("a new cluster did not update the pollers")
		}
	})
}

func TestRun_KeepsCredentialsApart(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newOrganization(t)
		w.sim.AddServiceAccount("other", "secret", analytics)
		err := w.manager.Apply(Config{
			Discoveries:       []Rule{ruleFor(project), ruleFor("", func(r *Rule) { r.Target.Credential = "other" })},
			DiscoveryInterval: time.Minute, Concurrency: 4,
			Clients: map[string]Client{"default": w.client, "other": w.newClient("other", "other", "secret")},
		})
		if err != nil {
			t.Fatal(err)
		}
		defer w.run()()
		w.sim.AddServiceAccount("other", "renewed", analytics)
		w.sim.RevokeTokens()
		time.Sleep(10 * time.Minute)
		for _, s := range w.manager.Snapshots() {
			if fresh, want := time.Since(s.LastSuccess) < 2*time.Minute, s.Target.Credential == "default"; fresh != want {
				t.Errorf("%s of %s: fresh %v, want %v: %v", s.Target.ClusterName, s.Target.Credential, fresh, want, s.Err)
			}
		}
		w.expectTargets("prod/dedicated team/flex events/dedicated tmp-1/flex")
		if !w.events.isAccepted("default") || w.events.isAccepted("other") {
			t.Error("want the credential default accepted and the other one rejected")
		}
	})
}

func TestDiscoverOnce_RecordsAPanicAsFailureOfOneList(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newOrganization(t)
		w.apply(Config{Discoveries: []Rule{ruleFor("")}})
		w.manager.DiscoverOnce(t.Context())
		w.client = panickingDiscovery{w.client}
		w.apply(Config{Discoveries: []Rule{ruleFor("")}})
		w.manager.DiscoverOnce(t.Context())
		w.expectTargets(allTargets)
		if !errors.Is(w.status(analytics).Err, ErrInternal) || w.status(project).Err != nil {
			t.Errorf("%+v", w.manager.Discoveries())
		}
		w.expectLogged("panic recovered during discovery", 1)
		w.expectLogged("NEVER-SHOW", 0)
	})
}

// panickingDiscovery is a client that panics for one project.
type panickingDiscovery struct{ Client }

func (p panickingDiscovery) Clusters(
	ctx context.Context, projectID string, kind atlas.ClusterKind,
) (atlas.ClusterList, error) {
	if projectID == analytics {
		panic("NEVER-SHOW-THIS")
	}
	return p.Client.Clusters(ctx, projectID, kind)
}
