package poll

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
)

// isFactPath reports whether a path is that of project, or of a list of its clusters.
func isFactPath(path string) bool {
	return strings.HasSuffix(path, project) || strings.HasSuffix(path, project+"/clusters") ||
		strings.HasSuffix(path, project+"/flexClusters")
}

func isFactRequest(r *http.Request) bool { return isFactPath(r.URL.Path) }

// factRequests returns the requests for facts about project since the last call: the last elements of their paths.
func (w *world) factRequests() string {
	var paths []string
	for _, request := range w.sim.Requests(func(r atlastest.Request) bool { return isFactPath(r.Path) }) {
		paths = append(paths, request.Path[strings.LastIndexByte(request.Path, '/')+1:])
	}
	w.sim.ForgetRequests()
	return strings.ReplaceAll(strings.Join(paths, " "), project, "project")
}

func (w *world) expectFactRequests(want string) {
	w.Helper()
	if got := w.factRequests(); got != want {
		w.Errorf("facts requested: %q, want %q", got, want)
	}
}

// inventory returns the status of the facts about project.
func (w *world) inventory() DiscoveryStatus {
	w.Helper()
	statuses := w.manager.Inventories()
	if len(statuses) != 1 || statuses[0].Credential != "default" || statuses[0].ProjectID != project {
		w.Fatalf("inventories %+v", statuses)
	}
	return statuses[0]
}

func (w *world) expectProjectName(want string) {
	w.Helper()
	for _, got := range []string{w.manager.ProjectName(project), w.manager.States()[0].Cluster.ProjectName} {
		if got != want {
			w.Errorf("project name %q, want %q", got, want)
		}
	}
}

func TestRun_ReadsFactsAboutProjectsWithoutDiscoveryOncePerInterval(t *testing.T) {
	legacy := atlas.List{ProjectID: project, ClusterName: "prod", BackupType: atlas.Legacy}
	serverless := atlas.List{ProjectID: project, ClusterName: "old", BackupType: atlas.Serverless}
	for name, test := range map[string]struct {
		lists []atlas.List
		want  string
	}{
		"one kind":  {[]atlas.List{prod, legacy}, "project clusters"},
		"two kinds": {[]atlas.List{prod, team}, "project clusters flexClusters"},
		"no list":   {[]atlas.List{serverless}, "project"},
	} {
		runInBubble(t, name, func(t *testing.T) {
			w := newWorld(t, test.lists...)
			defer w.run()()
			w.expectFactRequests(test.want)
			w.expectProjectName("Payments")
			time.Sleep(defaultDiscoveryInterval - time.Second)
			w.expectFactRequests("")
			time.Sleep(2 * time.Second)
			w.expectFactRequests(test.want)
			if s := w.inventory(); s.Err != nil || time.Since(s.LastSuccess) > 2*time.Second {
				t.Errorf("%+v", s)
			}
		})
	}
}

func TestRun_ReadsOnlyFactsThatDiscoveryDoesNotRead(t *testing.T) {
	flexOnly := func(r *Rule) { r.BackupTypes = []atlas.BackupType{atlas.Flex} }
	for name, test := range map[string]struct {
		rules []Rule
		want  string // including the lists that discovery reads
	}{
		"all projects":               {[]Rule{ruleFor("")}, "clusters flexClusters"},
		"the project":                {[]Rule{ruleFor(project)}, "clusters flexClusters project"},
		"another kind of cluster":    {[]Rule{ruleFor("", flexOnly)}, "flexClusters clusters"},
		"another project":            {[]Rule{ruleFor(sandbox)}, "project clusters"},
		"all projects and this kind": {[]Rule{ruleFor(project, flexOnly), ruleFor("")}, "flexClusters clusters"},
	} {
		runInBubble(t, name, func(t *testing.T) {
			w := newOrganization(t)
			w.apply(Config{Targets: []Target{target(prod)}, Discoveries: test.rules})
			defer w.run()()
			time.Sleep(2 * time.Second)
			got := strings.Fields(w.factRequests())
			for path := range strings.FieldsSeq(test.want) {
				if n := strings.Count(" "+strings.Join(got, " ")+" ", " "+path+" "); n != 1 {
					t.Errorf("%s requested %d times: %v", path, n, got)
				}
			}
			if len(got) != len(strings.Fields(test.want)) {
				t.Errorf("requests %v, want %s", got, test.want)
			}
			w.expectProjectName("Payments")
			if exists := w.manager.States()[0].Cluster.Exists; exists == nil || !*exists {
				t.Error("the cluster does not exist")
			}
		})
	}
}

func TestRun_RetriesFactsAfterATemporaryFailureWithBackoff(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld(t, prod)
		remove := w.sim.Script(isFactRequest, 0, atlastest.Status(500))
		defer w.run()()
		w.sim.ForgetRequests()
		var attempts []time.Duration
		for start := time.Now(); time.Since(start) < 9*time.Minute; time.Sleep(5 * time.Second) {
			synctest.Wait()
			if w.factRequests() != "" {
				attempts = append(attempts, time.Since(start))
			}
		}
		const want = "[15s 45s 1m45s 3m45s 7m45s]"
		if got := fmt.Sprint(attempts); got != want {
			t.Errorf("retried after %s, want %s", got, want)
		}
		if s := w.inventory(); s.Reason != ReasonServerError || !s.LastSuccess.IsZero() {
			t.Errorf("%+v", s)
		}
		w.expectProjectName("")
		remove()
		time.Sleep(5 * time.Minute)
		w.expectProjectName("Payments")
		w.expectLogged("reading facts about clusters failed, keeping last known facts", 1)
		w.expectLogged("reading facts about clusters succeeded again", 1)
	})
}

func TestRun_RetriesDeniedFactsOnlyAfterTheInterval(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld(t, prod)
		w.sim.Script(isFactRequest, 0, atlastest.APIError(403, "ACCESS_FORBIDDEN", "No."))
		defer w.run()()
		w.expectFactRequests("project clusters")
		time.Sleep(defaultDiscoveryInterval - time.Second)
		w.expectFactRequests("")
		time.Sleep(2 * time.Second)
		w.expectFactRequests("project clusters")
		if s := w.inventory(); s.Reason != ReasonForbidden {
			t.Errorf("%+v", s)
		}
	})
}

func TestRun_ReportsTheNameOfAProjectWhoseClustersItCannotList(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld(t, prod)
		isList := func(r *http.Request) bool { return strings.HasSuffix(r.URL.Path, "/clusters") }
		w.sim.Script(isList, 0, atlastest.APIError(403, "ACCESS_FORBIDDEN", "No."))
		defer w.run()()
		w.expectProjectName("Payments")
		if cluster := w.manager.States()[0].Cluster; cluster.Exists != nil || w.inventory().Reason != ReasonForbidden {
			t.Errorf("%+v, %+v", cluster, w.inventory())
		}
	})
}

// newWorldWithHangingFacts returns a world with a target in each of 40 projects, whose facts are never returned.
func newWorldWithHangingFacts(t *testing.T) *world {
	t.Helper()
	w := newWorld(t)
	var targets []Target
	for i := range 40 {
		list := atlas.List{ProjectID: fmt.Sprintf("%024x", i+1), ClusterName: "c", BackupType: atlas.Dedicated}
		w.sim.AddProject(list.ProjectID, "Slow")
		w.sim.AddCluster(list.ProjectID, "c", atlastest.DedicatedCluster)
		w.sim.Script(func(r *http.Request) bool { return strings.HasSuffix(r.URL.Path, list.ProjectID) }, 0, atlastest.Hang())
		targets = append(targets, target(list))
	}
	w.apply(Config{Targets: targets})
	return w
}

func TestRun_DelaysNoPollWhileFactsHang(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorldWithHangingFacts(t)
		defer w.run()()
		time.Sleep(time.Second)
		if !w.manager.Ready() {
			t.Error("not every target is polled after a second")
		}
		w.requests()
		time.Sleep(10 * time.Minute)
		w.expectRequests("400 lists, 0 jobs")
	})
}

func TestPollOnce_ReportsEachTargetWithoutWaitingForFacts(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld(t, prod)
		w.sim.Script(isFactRequest, 0, atlastest.Hang())
		start := time.Now()
		w.manager.PollOnce(t.Context(), func(*Snapshot) {
			if waited := time.Since(start); waited > time.Second {
				t.Errorf("reported after %v", waited)
			}
		})
		if waited := time.Since(start); waited > DiscoveryTimeout {
			t.Errorf("PollOnce took %v", waited)
		}
	})
}

func TestPollOnce_ReadsOnlyFactsThatAreDue(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld(t, prod)
		for range 3 {
			w.poll()
			w.expectProjectName("Payments")
		}
		w.expectFactRequests("project clusters")
		time.Sleep(defaultDiscoveryInterval)
		w.poll()
		w.expectFactRequests("project clusters")
	})
}

func TestApply_ReadsFactsAboutNewProjectsAtOnceAndDropsOthers(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld(t, prod)
		w.sim.AddProject("other", "Other")
		w.sim.AddCluster("other", "c", atlastest.DedicatedCluster)
		defer w.run()()
		w.factRequests()
		w.apply(Config{Targets: []Target{target(prod), target(other)}})
		time.Sleep(time.Second)
		w.expectFactRequests("")
		if len(w.manager.Inventories()) != 2 || w.manager.ProjectName("other") != "Other" {
			t.Errorf("%+v", w.manager.Inventories())
		}
		w.apply(Config{Targets: []Target{target(prod)}})
		if w.inventory().Err != nil || w.manager.ProjectName("other") != "" {
			t.Errorf("%+v, name %q", w.manager.Inventories(), w.manager.ProjectName("other"))
		}
	})
}

func TestApply_KeepsFactsWhoseListIsNotReadAgain(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newOrganization(t)
		w.apply(Config{Discoveries: []Rule{ruleFor("")}})
		defer w.run()()
		before := w.manager.States()[0].Cluster
		w.sim.Script(isFactRequest, 0, atlastest.APIError(403, "ACCESS_FORBIDDEN", "No."))
		w.apply(Config{Targets: []Target{target(prod)}})
		time.Sleep(time.Hour)
		after := w.manager.States()[0].Cluster
		if after != before || after.Exists == nil || after.Created == 0 || after.ProjectName != "Payments" {
			t.Errorf("facts %+v, before %+v", after, before)
		}
	})
}

// blockingProject is a client whose requests for projects hang until release is closed.
type blockingProject struct {
	Client
	release chan struct{}
}

func (c blockingProject) Project(_ context.Context, projectID string) (atlas.Project, error) {
	<-c.release
	return atlas.Project{ID: projectID, Name: "outdated"}, nil
}

func TestApply_IgnoresFactsReadWithAnOldClient(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld(t)
		current, old := w.client, blockingProject{w.client, make(chan struct{})}
		w.client = old
		w.apply(Config{Targets: []Target{target(prod)}})
		defer w.run()()
		w.client = current
		w.apply(Config{Targets: []Target{target(prod)}})
		close(old.release)
		synctest.Wait()
		w.expectProjectName("Payments")
	})
}

func TestRun_SurvivesAPanicWhileFactsAreRead(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld(t)
		var value any = secretLink
		w.panicAt("project", &value, w.logger(), team)
		defer w.run()()
		if s := w.manager.Snapshots()[0]; s.Err != nil || s.Summary == nil {
			t.Errorf("%+v", s)
		}
		if s := w.inventory(); s.Reason != ReasonOther {
			t.Errorf("%+v", s)
		}
		w.expectLogged("panic recovered during discovery", 1)
		w.expectLogged("NEVER-SHOW", 0)
	})
}
