package poll

import (
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"atlas-restore-exporter/atlas/atlastest"
)

func (w *world) expectUnready(want string) {
	w.Helper()
	synctest.Wait()
	if got := w.manager.Unready(); got != want || w.manager.Ready() != (want == "") {
		w.Errorf("ready %v, %q, want %q", w.manager.Ready(), got, want)
	}
}

func TestReady_NeedsEveryListReadOrFailedForAReasonThatIsNotTemporary(t *testing.T) {
	isClusterList := func(r *http.Request) bool { return atlastest.PathHas(analytics + "/clusters")(r) }
	for name, test := range map[string]struct {
		match    func(*http.Request) bool
		response http.Handler
		want     string
	}{
		"list of projects is denied":        {isProjectList, atlastest.APIError(403, "ACCESS_FORBIDDEN", "No."), ""},
		"list of projects is malformed":     {isProjectList, atlastest.Body(200, "application/json", "[]"), ""},
		"list of clusters is denied":        {isClusterList, atlastest.APIError(403, "ACCESS_FORBIDDEN", "No."), ""},
		"project does not exist":            {isClusterList, atlastest.APIError(404, "GROUP_NOT_FOUND", "No."), ""},
		"list of clusters is rejected":      {isClusterList, atlastest.APIError(401, "", "No."), ""},
		"list of projects has server error": {isProjectList, atlastest.Status(500), "1 lists and the first poll of 0"},
		"list of clusters has server error": {isClusterList, atlastest.Status(503), "1 lists and the first poll of 0"},
		"list of clusters is rate limited":  {isClusterList, atlastest.Status(429), "1 lists and the first poll of 0"},
		"list of clusters times out":        {isClusterList, atlastest.Hang(), "1 lists and the first poll of 0"},
		"connection is aborted":             {isClusterList, atlastest.BreakOff(), "1 lists and the first poll of 0"},
	} {
		runInBubble(t, name, func(t *testing.T) {
			w := newOrganization(t)
			remove := w.sim.Script(test.match, 0, test.response)
			w.apply(Config{Discoveries: []Rule{ruleFor("")}})
			defer w.run()()
			time.Sleep(5 * time.Minute)
			if test.want != "" {
				test.want = "waiting for discovery of " + test.want + " targets"
			}
			w.expectUnready(test.want)
			remove()
			time.Sleep(5 * time.Minute)
			w.expectUnready("")
		})
	}
}

func TestReady_NeedsTheFirstPollOfEveryTargetWithAnyResult(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld(t, prod, team)
		remove := w.sim.Script(atlastest.PathHas("restoreJobs"), 0, atlastest.Hang())
		defer w.run()()
		w.expectUnready("waiting for discovery of 0 lists and the first poll of 2 targets")
		time.Sleep(30 * time.Second)
		w.expectUnready("") // the polls timed out
		remove()
	})
}

func TestReady_DoesNotNeedFacts(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld(t, prod)
		w.sim.Script(isFactRequest, 0, atlastest.Status(500))
		defer w.run()()
		w.expectUnready("")
	})
}

func TestReady_StaysTrueIfAnotherClusterIsFoundOrAListFails(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newOrganization(t)
		w.apply(Config{Discoveries: []Rule{ruleFor("")}})
		defer w.run()()
		w.expectUnready("")
		w.sim.Script(atlastest.PathHas("restoreJobs"), 0, atlastest.Hang())
		w.sim.Script(isProjectList, 0, atlastest.Status(500))
		w.sim.AddCluster(analytics, "new", atlastest.DedicatedCluster)
		time.Sleep(5*time.Minute + 2*time.Second)
		if s := w.manager.Snapshots()[3]; s.Target.ClusterName != "new" || !s.LastPoll.IsZero() {
			t.Fatalf("%+v", s)
		}
		w.expectUnready("")
	})
}

func TestReady_IsFalseAgainAfterAReloadThatAddsCredentialsOrProjects(t *testing.T) {
	for name, test := range map[string]struct {
		change func(*world, *Config)
		ready  bool
	}{
		"nothing":   {func(*world, *Config) {}, true},
		"interval":  {func(_ *world, c *Config) { c.Targets[0].StaleAfter++ }, true},
		"a cluster": {func(_ *world, c *Config) { c.Targets = append(c.Targets, target(team)) }, true},
		"a project": {func(_ *world, c *Config) { c.Targets = append(c.Targets, target(other)) }, false},
		"a rule for a project": {
			func(_ *world, c *Config) { c.Discoveries = append(c.Discoveries, ruleFor(analytics)) }, false,
		},
		"a rule for the same project": {
			func(_ *world, c *Config) { c.Discoveries = append(c.Discoveries, ruleFor(project)) }, true,
		},
		"a rule for all projects": {
			func(_ *world, c *Config) { c.Discoveries = append(c.Discoveries, ruleFor("")) }, false,
		},
		"a credential": {
			func(w *world, c *Config) {
				w.sim.AddServiceAccount("second", "other secret")
				c.Clients["second"] = w.newClient("second", "second", "other secret")
				c.Targets = append(c.Targets, target(team))
				c.Targets[1].Credential = "second"
			}, false,
		},
	} {
		runInBubble(t, name, func(t *testing.T) {
			w := newOrganization(t)
			w.sim.AddProject("other", "Other")
			w.sim.AddCluster("other", "c", atlastest.DedicatedCluster)
			config := func() Config {
				return Config{
					Targets: []Target{target(prod)}, Clients: map[string]Client{"default": w.client}, Concurrency: 4,
				}
			}
			if err := w.manager.Apply(config()); err != nil {
				t.Fatal(err)
			}
			defer w.run()()
			w.expectUnready("")
			changed := config()
			test.change(w, &changed)
			// Nothing is read or polled before the check.
			remove := w.sim.Script(atlastest.PathHas(""), 0, atlastest.Hang())
			if err := w.manager.Apply(changed); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
			if ready := w.manager.Ready(); ready != test.ready {
				t.Errorf("ready %v right after the reload, want %v", ready, test.ready)
			}
			remove()
			time.Sleep(5 * time.Minute)
			w.expectUnready("")
		})
	}
}

func TestReady_WithoutTargetsAndRules(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		newWorld(t).expectUnready("")
	})
}
