package atlas_test

import (
	"fmt"
	"net/http"
	"reflect"
	"strings"
	"testing"
	"testing/synctest"
	"time"

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
		list, err := connect(t, sim, account).Projects(withDeadline(t))
		projects := list.Projects
		want := atlas.Project{ID: fmt.Sprintf("%024x", 7), Name: "Project 7", Tags: atlas.Tags{}}
		if err != nil || !list.Consistent || len(projects) != 1201 || !reflect.DeepEqual(projects[7], want) {
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
		list, err := connect(t, sim, account).Clusters(withDeadline(t), project, atlas.DedicatedClusters)
		clusters := list.Clusters
		if err != nil || !list.Consistent || len(clusters) != 232 || clusters[0].Name != "c-000" ||
			clusters[230].Name != "old" {
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
		list, err := connect(t, sim, account).Clusters(withDeadline(t), project, atlas.DedicatedClusters)
		if err != nil || !list.Consistent || len(list.Clusters) != 231 {
			t.Errorf("%d clusters, consistent: %v, %v", len(list.Clusters), list.Consistent, err)
		}
	})
}

func TestClusters_KeepsTheItemsOfBothReadingsIfTheListChangesEachTime(t *testing.T) {
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
		list, err := connect(t, sim, account).Clusters(withDeadline(t), project, atlas.DedicatedClusters)
		if err != nil || list.Consistent ||
			len(list.Clusters) != 232 { // including the removed ones, which had been read
			t.Errorf("%d clusters, consistent: %v, %v", len(list.Clusters), list.Consistent, err)
		}
	})
}

func TestClusters_ReportsACountThatContradictsTheItems(t *testing.T) {
	for name, body := range map[string]string{
		"no items":    `{"results": [], "totalCount": 12}`,
		"fewer items": `{"results": [{"name": "prod"}], "totalCount": 2}`,
		"more items":  `{"results": [{"name": "prod"}], "totalCount": 0}`,
		"repetitions": `{"results": [{"name": "prod"}, {"name": "prod"}], "totalCount": 2}`,
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				sim := newAtlas()
				sim.Script(atlastest.PathHas("/clusters"), 0, atlastest.Body(200, "application/json", body))
				list, err := connect(t, sim, account).Clusters(withDeadline(t), project, atlas.DedicatedClusters)
				if err != nil || list.Consistent {
					t.Errorf("consistent: %v, %v", list.Consistent, err)
				}
				if n := len(sim.Requests(nil)); n != 1+2 {
					t.Errorf("%d requests, want one for the token and two for the list", n)
				}
			})
		})
	}
}

func TestClusters_AcceptsAListWithoutACount(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sim := newAtlas()
		sim.Script(
			atlastest.PathHas("/clusters"),
			0,
			atlastest.Body(200, "application/json", `{"results": [{"name": "prod"}]}`),
		)
		list, err := connect(t, sim, account).Clusters(withDeadline(t), project, atlas.DedicatedClusters)
		if err != nil || !list.Consistent || len(list.Clusters) != 1 {
			t.Errorf("%v, %v", list, err)
		}
	})
}

func TestClusters_ReturnsFactsOfEachKindOfCluster(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sim := newAtlas()
		created := time.Now().Add(-time.Hour)
		sim.AddCluster(project, "free", atlastest.FreeCluster)
		sim.ChangeCluster(project, "old", func(c *atlastest.ClusterState) { c.ID, c.State = "1", "DELETING" })
		sim.ChangeCluster(project, "free", func(c *atlastest.ClusterState) { c.ID = "2" })
		sim.ChangeCluster(project, "prod", func(c *atlastest.ClusterState) {
			c.ID, c.Created, c.Paused, c.PointInTimeEnabled = "3", created, true, true
			c.Tags = map[string]string{"env": "prod"}
		})
		sim.ChangeCluster(project, "team", func(c *atlastest.ClusterState) {
			c.ID, c.BackupEnabled, c.ListedAsDedicated = "4", false, true
		})
		longAgo, yes, no := atlas.TimestampOf(time.Now().AddDate(-10, 0, 0)), true, false
		client := connect(t, sim, key)
		for kind, want := range map[atlas.ClusterKind][]atlas.Cluster{
			atlas.DedicatedClusters: {
				{Name: "free", ID: "2", Created: longAgo, Tags: atlas.Tags{}, BackupEnabled: &no, PointInTimeEnabled: &no},
				{
					Name: "old", ID: "1", Created: longAgo, Tags: atlas.Tags{}, BackupEnabled: &yes, PointInTimeEnabled: &no,
					Dedicated: true,
				},
				{
					Name: "prod", ID: "3", Created: atlas.TimestampOf(created), Tags: atlas.Tags{"env": "prod"},
					BackupEnabled: &yes, PointInTimeEnabled: &yes, CanHaveRestores: true, Dedicated: true,
				},
				{
					Name: "team", ID: "4", Created: longAgo, Tags: atlas.Tags{},
					BackupEnabled: &no, PointInTimeEnabled: &no, Flex: true,
				},
			},
			atlas.FlexClusters: {
				{
					Name: "team", ID: "4", Created: longAgo, Tags: atlas.Tags{}, BackupEnabled: &no, CanHaveRestores: true, Flex: true,
				},
			},
		} {
			got, err := client.Clusters(withDeadline(t), project, kind)
			if err != nil || !got.Consistent || !reflect.DeepEqual(got.Clusters, want) {
				t.Errorf("%s: %+v, %v; want %+v", kind, got.Clusters, err, want)
			}
		}
	})
}

func TestClusters_DeletedClustersHaveNoRestores(t *testing.T) {
	for _, state := range []string{"DELETING", "DELETED"} {
		synctest.Test(t, func(t *testing.T) {
			sim := newAtlas()
			sim.ChangeCluster(project, "prod", func(c *atlastest.ClusterState) { c.State = state })
			list, err := connect(t, sim, account).Clusters(withDeadline(t), project, atlas.DedicatedClusters)
			if err != nil || len(list.Clusters) == 0 {
				t.Fatalf("%s: %+v, %v", state, list, err)
			}
			for _, cluster := range list.Clusters {
				if cluster.Name == "prod" && cluster.CanHaveRestores {
					t.Errorf("%s: %+v", state, cluster)
				}
			}
		})
	}
}

func TestProjects_OnlyTheIDMustBeReadable(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sim := newAtlas()
		item := `{"id": "` + project + `", "name": 5, "tags": {"key": "env"}}`
		sim.Script(atlastest.PathHas(project), 0, atlastest.Body(200, "application/json", item))
		sim.Script(atlastest.PathHas("/groups"), 0, atlastest.Body(200, "application/json", `{"results": [`+item+`]}`))
		client := connect(t, sim, account)
		want := atlas.Project{ID: project, Tags: atlas.Tags{}}
		if got, err := client.Project(withDeadline(t), project); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%+v, %v", got, err)
		}
		list, err := client.Projects(withDeadline(t))
		if err != nil || !reflect.DeepEqual(list, atlas.ProjectList{Projects: []atlas.Project{want}, Consistent: true}) {
			t.Errorf("%+v, %v", list, err)
		}
	})
}

func TestClusters_RecognizesFlexClustersAmongDedicatedOnes(t *testing.T) {
	for _, region := range []string{
		`{"providerName": "FLEX"}`,
		`{"providerName": "TENANT", "electableSpecs": {"instanceSize": "M0", "effectiveInstanceSize": "FLEX"}}`,
	} {
		synctest.Test(t, func(t *testing.T) {
			sim := newAtlas()
			sim.Script(atlastest.PathHas("/clusters"), 0, atlastest.Body(200, "application/json",
				`{"results": [{"name": "team", "replicationSpecs": [{"regionConfigs": [`+region+`]}]}]}`))
			list, err := connect(t, sim, account).Clusters(withDeadline(t), project, atlas.DedicatedClusters)
			if err != nil || len(list.Clusters) != 1 || !list.Clusters[0].Flex {
				t.Errorf("%s: %+v, %v", region, list, err)
			}
		})
	}
}

func TestClusters_TreatsUnreadableFactsAsAbsent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sim := newAtlas()
		sim.Script(atlastest.PathHas("/clusters"), 0, atlastest.Body(200, "application/json", `{"results": [{
			"name": "prod", "id": {}, "createDate": 7, "backupEnabled": "yes", "pitEnabled": [], "backupSettings": true
		}]}`))
		list, err := connect(t, sim, account).Clusters(withDeadline(t), project, atlas.DedicatedClusters)
		want := atlas.ClusterList{
			Clusters: []atlas.Cluster{{Name: "prod", Tags: atlas.Tags{}, CanHaveRestores: true}}, Consistent: true,
		}
		if err != nil || !reflect.DeepEqual(list, want) {
			t.Errorf("%+v, %v", list, err)
		}
	})
}

// Another creation time would mean that the cluster was recreated.
func TestClusters_TreatsAnImplausibleCreationTimeAsAbsent(t *testing.T) {
	noon := time.Date(2026, time.August, 10, 12, 0, 0, 0, time.UTC)
	for created, want := range map[string]time.Time{
		"9999-12-31T23:59:59Z": {}, "2026-08-13T12:00:00Z": {}, "2026-08-10T13:00:00Z": {}, "2026-08-10T12:00:01Z": {},
		"2006-01-01T00:00:00Z": {}, "1970-01-02T00:00:00Z": {}, "0001-01-01T00:00:00Z": {}, "-0001-01-01T00:00:00Z": {},
		"2026-08-10T12:00:00Z": noon, "2026-08-10T14:00:00+02:00": noon, "2016-08-10T12:00:00Z": noon.AddDate(-10, 0, 0),
	} {
		synctest.Test(t, func(t *testing.T) {
			time.Sleep(time.Until(noon))
			sim := newAtlas()
			sim.Script(atlastest.PathHas("/clusters"), 0, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				_, _ = fmt.Fprintf(w, `{"results": [{"name": "prod", "createDate": %q}]}`, created)
			}))
			list, err := connect(t, sim, account).Clusters(withDeadline(t), project, atlas.DedicatedClusters)
			if err != nil || len(list.Clusters) != 1 || list.Clusters[0].Created != atlas.TimestampOf(want) {
				t.Errorf("%s: %+v, %v", created, list, err)
			}
		})
	}
}

// Neither clock alone makes a creation time implausible.
func TestClusters_CreationTimeIsPlausibleIfTheDateOfTheResponseIsOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const day = 24 * time.Hour
		created := time.Now()
		for _, off := range []time.Duration{-50 * 365 * day, -3 * day, 3 * day, 50 * 365 * day} {
			sim := newAtlas()
			sim.Script(atlastest.PathHas("/clusters"), 0, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Date", time.Now().Add(off).UTC().Format(http.TimeFormat))
				_, _ = fmt.Fprintf(w, `{"results": [{"name": "prod", "createDate": %q}]}`, created.Format(time.RFC3339))
			}))
			list, err := connect(t, sim, account).Clusters(withDeadline(t), project, atlas.DedicatedClusters)
			if err != nil || len(list.Clusters) != 1 || list.Clusters[0].Created != atlas.TimestampOf(created) {
				t.Errorf("off by %v: %+v, %v", off, list, err)
			}
		}
	})
}

func TestLists_RejectAnErrorWithStatus200(t *testing.T) {
	for _, fields := range []string{
		`"errorCode":"SERVICE_UNAVAILABLE"`, `"errorCode":5`, `"error":503`, `"error":"invalid"`, `"status":503`,
		`"status":"503"`, `"detail":"Try again."`, `"reason":"Service Unavailable"`, `"errors":[{}]`,
		`"totalCount":0,"error":503,"detail":null`,
	} {
		synctest.Test(t, func(t *testing.T) {
			sim := newAtlas()
			sim.Script(atlastest.PathHas("Clusters"), 0, atlastest.Body(200, "application/json", `{"results":[],`+fields+`}`))
			client := connect(t, sim, account)
			if list, err := client.Clusters(withDeadline(t), project, atlas.FlexClusters); !isMalformed(err) {
				t.Errorf("%s: clusters %v, %v", fields, list, err)
			}
			if jobs, err := readAll(withDeadline(t), client, flex); !isMalformed(err) {
				t.Errorf("%s: jobs %v, %v", fields, jobs, err)
			}
		})
	}
}

func TestLists_AcceptFieldsThatReportNoError(t *testing.T) {
	for _, fields := range []string{
		`"errorCode":null`, `"errorCode":""`, `"error":null`, `"error":false`, `"errors":[]`, `"detail":""`, `"status":200`,
		`"status":"OK"`, `"status":{}`,
	} {
		synctest.Test(t, func(t *testing.T) {
			sim := newAtlas()
			sim.Script(atlastest.PathHas("flexClusters"), 0,
				atlastest.Body(200, "application/json", `{"results":[],`+fields+`}`))
			if _, err := readAll(withDeadline(t), connect(t, sim, account), flex); err != nil {
				t.Errorf("%s: %v", fields, err)
			}
		})
	}
}

func TestSingleResponses_RejectAnErrorWithStatus200(t *testing.T) {
	for _, fields := range []string{`"errorCode":"SERVICE_UNAVAILABLE"`, `"error":503`} {
		synctest.Test(t, func(t *testing.T) {
			sim := newAtlas()
			sim.Script(atlastest.PathHas(project), 0,
				atlastest.Body(200, "application/json", `{"id":"6a794733c0eb9e7a17740663","name":"x",`+fields+`}`))
			client := connect(t, sim, account)
			if got, err := client.Project(withDeadline(t), project); !isMalformed(err) {
				t.Errorf("%s: project %v, %v", fields, got, err)
			}
			got, err := client.RestoreJob(withDeadline(t), dedicated, "6a794733c0eb9e7a17740663")
			if !isMalformed(err) {
				t.Errorf("%s: job %v, %v", fields, got, err)
			}
		})
	}
}

func TestTags_AreBoundedAndSafeAsLabels(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sim := newAtlas()
		long := strings.Repeat("x", 2000)
		tags := map[string]string{
			"team":  "a\nb https://example.com/x",
			"long":  long,
			long:    "x",
			"owner": strings.Repeat("y", 1000),
		}
		for i := range 200 {
			tags[fmt.Sprint(i)] = "x"
		}
		sim.SetProjectTags(project, tags)
		got, err := connect(t, sim, account).Project(withDeadline(t), project)
		if err != nil || len(got.Tags) > 100 || got.Tags["long"] != "" || got.Tags[long] != "" {
			t.Errorf("%d tags, %v", len(got.Tags), err)
		}
		got.Tags = atlas.Tags{"team": tags["team"], "owner": tags["owner"]}
		if label := got.Tags.Label("team"); label != "a_b link" {
			t.Errorf("label %q", label)
		}
		if label := got.Tags.Label("owner"); len(label) != 128 {
			t.Errorf("label of %d bytes", len(label))
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
				list, err := connect(t, sim, account).Clusters(withDeadline(t), project, atlas.DedicatedClusters)
				if !isMalformed(err) || list.Clusters != nil {
					t.Errorf("%v, %v", list.Clusters, err)
				}
				if n := len(sim.Requests(nil)); n > 30 {
					t.Errorf("%d requests", n)
				}
			})
		})
	}
}
