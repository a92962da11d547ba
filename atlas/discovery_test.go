package atlas_test

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"reflect"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"atlas-restore-exporter/atlas"
	"atlas-restore-exporter/atlas/atlastest"
)

// TestListsOfManyPages reads more projects and clusters than fit on a page, in one order whatever Atlas' is.
func TestListsOfManyPages(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sim := newAtlas()
		for i := range 1200 {
			sim.AddProject(fmt.Sprintf("%024x", i), fmt.Sprintf("Project %d", i))
		}
		for i := range 230 {
			sim.AddCluster(project, fmt.Sprintf("c-%03d", i), atlastest.DedicatedCluster)
		}
		client := connect(t, sim, account, nil)
		projects, err := client.Projects(deadline(t))
		if err != nil || len(projects) != 1201 || projects[7] != (atlas.Project{ID: fmt.Sprintf("%024x", 7), Name: "Project 7"}) {
			t.Fatalf("%d projects, %v", len(projects), err)
		}
		clusters, err := client.Clusters(deadline(t), project, atlas.DedicatedClusters)
		if err != nil || len(clusters) != 232 || clusters[0].Name != "c-000" || clusters[230].Name != "old" {
			t.Errorf("%d clusters, %v", len(clusters), err)
		}
		if n := len(sim.Requests(nil)); n != 1+3+3 {
			t.Errorf("%d requests, want one for a token and three a list", n)
		}

		// One goes while the list is read: the page border moves, and another is missed. So it is read once more.
		gone := 0
		remove := sim.Script(func(r *http.Request) bool {
			if gone < 1 && r.URL.Query().Get("pageNum") == "2" {
				sim.RemoveCluster(project, "c-010")
				gone++
			}
			return false
		}, 0, nil)
		clusters, err = client.Clusters(deadline(t), project, atlas.DedicatedClusters)
		if err != nil || len(clusters) != 231 {
			t.Errorf("a list that changed while it was read: %d clusters, %v", len(clusters), err)
		}
		remove()
		sim.Script(func(r *http.Request) bool {
			if r.URL.Query().Get("pageNum") == "2" {
				gone++
				sim.RemoveCluster(project, fmt.Sprintf("c-%03d", 10+gone))
			}
			return false
		}, 0, nil)
		if _, err := client.Clusters(deadline(t), project, atlas.DedicatedClusters); err == nil {
			t.Error("a list that changes all the time is taken for whole")
		}
	})
}

// TestListOfClusters reads what can be seen of a cluster, and leaves out what can have no restore jobs.
func TestListOfClusters(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sim := newAtlas()
		sim.AddCluster(project, "free", atlastest.FreeCluster)
		sim.ChangeCluster(project, "old", func(c *atlastest.ClusterState) { c.State = "DELETING" })
		sim.ChangeCluster(project, "prod", func(c *atlastest.ClusterState) { c.Paused, c.Tags = true, map[string]string{"env": "prod"} })
		client := connect(t, sim, key, nil)
		for kind, want := range map[atlas.ClusterKind][]atlas.Cluster{
			atlas.DedicatedClusters: {{Name: "prod", Tags: map[string]string{"env": "prod"}}},
			atlas.FlexClusters:      {{Name: "team", Tags: map[string]string{}}},
		} {
			if got, err := client.Clusters(deadline(t), project, kind); err != nil || !reflect.DeepEqual(got, want) {
				t.Errorf("%s: %v, %v; want %v", kind, got, err, want)
			}
		}
	})
}

// TestOddLists refuses a list of which anything can't be read: what is not on it would look as if it were gone.
func TestOddLists(t *testing.T) {
	endless := atlastest.Pages(func(page, item int) string { return fmt.Sprintf(`{"name":"c-%d-%d"}`, page, item) }, 100)
	for name, answer := range map[string]http.Handler{
		"not JSON":       atlastest.Body(200, "text/html", "<html>"),
		"no results":     atlastest.Body(200, "application/json", `{}`),
		"no name":        atlastest.Body(200, "application/json", `{"results":[{"name":"prod"},{"stateName":"IDLE"}]}`),
		"a link as name": atlastest.Body(200, "application/json", `{"results":[{"name":"https://example.com/x"}]}`),
		"odd types":      atlastest.Body(200, "application/json", `{"results":[{"name":"prod","tags":"none"}]}`),
		"endless":        endless,
		"too many items": atlastest.Body(200, "application/json", `{"results":[`+strings.Repeat(`{"name":"a"},`, 5000)+`{}]}`),
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				sim := newAtlas()
				sim.Script(atlastest.PathHas("/clusters"), 0, answer)
				clusters, err := connect(t, sim, account, nil).Clusters(deadline(t), project, atlas.DedicatedClusters)
				if _, ok := errors.AsType[*atlas.MalformedError](err); !ok || clusters != nil {
					t.Errorf("%v, %v", clusters, err)
				}
				if n := len(sim.Requests(nil)); n > 30 {
					t.Errorf("%d requests", n)
				}
			})
		})
	}
}

// TestReserve leaves a share of a project's budget to others, however many requests are under way: of the bucket, and of
// what flows into it.
func TestReserve(t *testing.T) {
	const span, atOnce = 10 * time.Minute, 8
	requests := func(t *testing.T, sim *atlastest.Server, look func()) int {
		t.Helper()
		pipe := atlastest.NewPipe(sim)
		client, err := atlas.NewClient(atlas.Options{
			BaseURL: "http://atlas.test", Credential: account, DialContext: pipe.DialContext, Concurrency: atOnce, Reserve: 0.5,
		})
		if err != nil {
			t.Fatal(err)
		}
		defer pipe.Close()
		defer client.Close()
		var workers sync.WaitGroup
		var sent atomic.Int32
		for range atOnce {
			workers.Go(func() {
				for start := time.Now(); time.Since(start) < span; sent.Add(1) {
					if _, err := readAll(t.Context(), client, dedicated); err != nil {
						t.Error(err)
						return
					}
					look()
				}
			})
		}
		workers.Wait()
		return int(sent.Load())
	}
	synctest.Test(t, func(t *testing.T) {
		sim := newAtlas()
		sim.Capacity, sim.RefillPerMinute = 120, 50
		var mu sync.Mutex
		left := sim.Capacity
		n := requests(t, sim, func() {
			mu.Lock()
			defer mu.Unlock()
			left = min(left, sim.Left(project, "cloud_backups"))
		})
		// A limiter of the right size is only there after the first answer.
		if most := 60 + 10*25; n > most+2*atOnce || n < most*9/10 || left < 60-2*atOnce {
			t.Errorf("alone: %d requests, want about %d; %d were left to others, want half of the bucket", n, most, left)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		sim := newAtlas()
		sim.Script(atlastest.PathHas("restoreJobs"), 0, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			time.Sleep(20 * time.Millisecond)
			w.Header().Set("RateLimit-Limit", "120")
			w.Header().Set("RateLimit-Remaining", "3")
			_, _ = io.WriteString(w, `{"results":[],"links":[]}`)
		}))
		if n, most := requests(t, sim, func() {}), 10*25; n > most+2*atOnce || n < most*9/10 {
			t.Errorf("beside others: %d requests, want about %d", n, most)
		}
	})
}
