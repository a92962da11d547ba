package atlas_test

import (
	"errors"
	"fmt"
	"net/http"
	"reflect"
	"strings"
	"testing"
	"testing/synctest"

	"atlas-restore-exporter/atlas"
	"atlas-restore-exporter/atlas/atlastest"
)

// addClusters adds 230 dedicated clusters, so that the list has three pages with 232 clusters.
func addClusters(sim *atlastest.Server) {
	for i := range 230 {
		sim.AddCluster(project, fmt.Sprintf("c-%03d", i), atlastest.DedicatedCluster)
	}
}

func TestProjects_ReadsAllPagesSortedByID(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sim := newAtlas()
		for i := range 1200 {
			sim.AddProject(fmt.Sprintf("%024x", i), fmt.Sprintf("Project %d", i))
		}
		projects, err := connect(t, sim, account).Projects(withDeadline(t))
		want := atlas.Project{ID: fmt.Sprintf("%024x", 7), Name: "Project 7"}
		if err != nil || len(projects) != 1201 || projects[7] != want {
			t.Fatalf("%d projects, %v", len(projects), err)
		}
		if n := len(sim.Requests(nil)); n != 1+3 {
			t.Errorf("%d requests, want one for the token and three for the list", n)
		}
	})
}

func TestClusters_ReadsAllPagesSortedByName(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sim := newAtlas()
		addClusters(sim)
		clusters, err := connect(t, sim, account).Clusters(withDeadline(t), project, atlas.DedicatedClusters)
		if err != nil || len(clusters) != 232 || clusters[0].Name != "c-000" || clusters[230].Name != "old" {
			t.Errorf("%d clusters, %v", len(clusters), err)
		}
		if n := len(sim.Requests(nil)); n != 1+3 {
			t.Errorf("%d requests, want one for the token and three for the list", n)
		}
	})
}

func TestClusters_ReadsTheListAgainIfItChangedWhileItWasRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sim := newAtlas()
		addClusters(sim)
		removed := false
		sim.Script(func(r *http.Request) bool {
			if !removed && r.URL.Query().Get("pageNum") == "2" { // shifts the pages, so that a cluster is missed
				sim.RemoveCluster(project, "c-010")
				removed = true
			}
			return false
		}, 0, nil)
		clusters, err := connect(t, sim, account).Clusters(withDeadline(t), project, atlas.DedicatedClusters)
		if err != nil || len(clusters) != 231 {
			t.Errorf("%d clusters, %v", len(clusters), err)
		}
	})
}

func TestClusters_ReturnsErrListChangedIfTheListChangesEachTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sim := newAtlas()
		addClusters(sim)
		removed := 0
		sim.Script(func(r *http.Request) bool {
			if r.URL.Query().Get("pageNum") == "2" {
				removed++
				sim.RemoveCluster(project, fmt.Sprintf("c-%03d", 10+removed))
			}
			return false
		}, 0, nil)
		clusters, err := connect(t, sim, account).Clusters(withDeadline(t), project, atlas.DedicatedClusters)
		if !errors.Is(err, atlas.ErrListChanged) || !isMalformed(err) || clusters != nil {
			t.Errorf("%d clusters, %v", len(clusters), err)
		}
	})
}

func TestClusters_ReturnsTagsAndLeavesOutClustersThatCannotHaveRestoreJobs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sim := newAtlas()
		sim.AddCluster(project, "free", atlastest.FreeCluster)
		sim.ChangeCluster(project, "old", func(c *atlastest.ClusterState) { c.State = "DELETING" })
		sim.ChangeCluster(project, "prod", func(c *atlastest.ClusterState) {
			c.Paused, c.Tags = true, map[string]string{"env": "prod"}
		})
		client := connect(t, sim, key)
		for kind, want := range map[atlas.ClusterKind][]atlas.Cluster{
			atlas.DedicatedClusters: {{Name: "prod", Tags: map[string]string{"env": "prod"}}},
			atlas.FlexClusters:      {{Name: "team", Tags: map[string]string{}}},
		} {
			got, err := client.Clusters(withDeadline(t), project, kind)
			if err != nil || !reflect.DeepEqual(got, want) {
				t.Errorf("%s: %v, %v; want %v", kind, got, err, want)
			}
		}
	})
}

// If part of a list were accepted, the clusters in the other part would look removed.
func TestClusters_RejectsTheWholeListIfAnyItemIsMalformed(t *testing.T) {
	json := func(body string) http.Handler { return atlastest.Body(200, "application/json", body) }
	endless := func(page, item int) string { return fmt.Sprintf(`{"name":"c-%d-%d"}`, page, item) }
	for name, response := range map[string]http.Handler{
		"not JSON":       atlastest.Body(200, "text/html", "<html>"),
		"no results":     json(`{}`),
		"no name":        json(`{"results":[{"name":"prod"},{"stateName":"IDLE"}]}`),
		"a link as name": json(`{"results":[{"name":"https://example.com/x"}]}`),
		"wrong types":    json(`{"results":[{"name":"prod","tags":"none"}]}`),
		"endless":        atlastest.Pages(endless, 100),
		"too many items": json(`{"results":[` + strings.Repeat(`{"name":"a"},`, 5000) + `{}]}`),
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				sim := newAtlas()
				sim.Script(atlastest.PathHas("/clusters"), 0, response)
				clusters, err := connect(t, sim, account).Clusters(withDeadline(t), project, atlas.DedicatedClusters)
				if !isMalformed(err) || clusters != nil {
					t.Errorf("%v, %v", clusters, err)
				}
				if n := len(sim.Requests(nil)); n > 30 {
					t.Errorf("%d requests", n)
				}
			})
		})
	}
}
