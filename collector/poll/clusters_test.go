package poll

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"atlas-restore-exporter/atlas"
	"atlas-restore-exporter/atlas/atlastest"
)

func (w *world) changeCluster(name string, change func(*atlastest.ClusterState)) {
	w.sim.ChangeCluster(project, name, change)
}

// facts returns the facts about the cluster of the first target as text.
func (w *world) facts() string {
	c := w.manager.States()[0].Cluster
	text := func(b *bool) string {
		if b == nil {
			return "?"
		}
		return fmt.Sprint(*b)
	}
	created := "?"
	if c.Created != 0 {
		created = c.Created.Time().UTC().Format("15:04")
	}
	return fmt.Sprintf("exists %s, backup %s, point in time %s, created %s",
		text(c.Exists), text(c.BackupEnabled), text(c.PointInTimeEnabled), created)
}

func (w *world) expectFacts(want string) {
	w.Helper()
	if got := w.facts(); got != want {
		w.Errorf("facts %s\nwant  %s", got, want)
	}
}

func TestStates_ReportTheFactsThatTheListsOfClustersContain(t *testing.T) {
	serverless := atlas.List{ProjectID: project, ClusterName: "old", BackupType: atlas.Serverless}
	wrongKind := atlas.List{ProjectID: project, ClusterName: "team", BackupType: atlas.Dedicated}
	for name, test := range map[string]struct {
		lists  []atlas.List
		change func(*world)
		want   string
	}{
		"dedicated": {
			[]atlas.List{prod}, func(w *world) {
				w.changeCluster("prod", func(c *atlastest.ClusterState) { c.BackupEnabled, c.PointInTimeEnabled = true, true })
			}, "exists true, backup true, point in time true, created 00:00",
		},
		"without backup": {
			[]atlas.List{prod}, func(w *world) {
				w.changeCluster("prod", func(c *atlastest.ClusterState) { c.BackupEnabled = false })
			}, "exists true, backup false, point in time false, created 00:00",
		},
		"being deleted": {
			[]atlas.List{prod}, func(w *world) {
				w.changeCluster("prod", func(c *atlastest.ClusterState) { c.State = "DELETING" })
			}, "exists true, backup true, point in time false, created 00:00",
		},
		"Flex": {[]atlas.List{team}, nil, "exists true, backup true, point in time ?, created 00:00"},
		"Flex in the list of dedicated clusters, too": {
			[]atlas.List{team, prod}, func(w *world) {
				w.changeCluster("team", func(c *atlastest.ClusterState) { c.ListedAsDedicated = true })
			}, "exists true, backup true, point in time ?, created 00:00",
		},
		"listed, but not as the kind of its target": {
			[]atlas.List{wrongKind, team}, nil, "exists true, backup true, point in time ?, created 00:00",
		},
		"not listed": {
			[]atlas.List{prod}, func(w *world) { w.sim.RemoveCluster(project, "prod") },
			"exists false, backup ?, point in time ?, created ?",
		},
		"serverless": {[]atlas.List{serverless}, nil, "exists ?, backup ?, point in time ?, created ?"},
		"list denied": {
			[]atlas.List{prod}, func(w *world) { w.sim.Script(isFactRequest, 0, atlastest.APIError(403, "", "No.")) },
			"exists ?, backup ?, point in time ?, created ?",
		},
		"a newer Flex cluster with the same name": {
			[]atlas.List{prod, team}, func(w *world) {
				w.changeCluster("prod", func(c *atlastest.ClusterState) { c.BackupEnabled = false })
				w.sim.Script(atlastest.PathHas("/flexClusters"), 0, http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) {
					_, _ = io.WriteString(rw, `{"results":[{"id":"6a794733c0eb9e7a17740663","name":"prod",
						"createDate":"1999-12-31T23:00:00Z","backupSettings":{"enabled":true}}],"totalCount":1}`)
				}))
			}, "exists true, backup false, point in time false, created 00:00",
		},
		"one of two lists denied": {
			[]atlas.List{prod, team}, func(w *world) {
				w.sim.Script(atlastest.PathHas("/flexClusters"), 0, atlastest.APIError(403, "", "No."))
			}, "exists ?, backup true, point in time false, created 00:00",
		},
	} {
		runInBubble(t, name, func(t *testing.T) {
			w := newWorld(t, test.lists...)
			if test.change != nil {
				test.change(w)
			}
			defer w.run()()
			w.expectFacts(test.want)
		})
	}
}

func TestStates_KeepTheLastKnownFactsWhileTheListFails(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld(t, prod)
		defer w.run()()
		before := w.manager.States()[0].Cluster
		w.sim.RemoveCluster(project, "prod")
		remove := w.sim.Script(isFactRequest, 0, atlastest.Status(500))
		time.Sleep(time.Hour)
		if after := w.manager.States()[0].Cluster; after != before {
			t.Errorf("facts %+v, before %+v", after, before)
		}
		remove()
		time.Sleep(10 * time.Minute)
		w.expectFacts("exists false, backup ?, point in time ?, created ?")
	})
}

// listing returns the findings of a read of the dedicated clusters.
func listing(consistent bool, clusters ...atlas.Cluster) findings {
	return findings{clusters: map[atlas.ClusterKind]readItems[atlas.Cluster]{
		atlas.DedicatedClusters: {clusters, consistent},
	}}
}

func configuredProd() *Target { settings := target(prod); return &settings }

// factsAfter returns the facts about prod after reads of the dedicated clusters of its project.
func factsAfter(t *testing.T, reads ...findings) (cluster *Cluster, target plannedTarget, log string) {
	t.Helper()
	var logged strings.Builder
	k := newClusterFacts(textLogger(&logged))
	settings := *configuredProd()
	var previous []findings
	for _, read := range reads {
		previous = append(previous, read)
		planned := []plannedTarget{{list: prod, settings: &settings}}
		entry := entryOf(previous...)
		entry.LastSuccess = time.Now().Add(time.Minute) // since the cluster is known
		states := k.update(&Config{}, planned, inventory{{"default", project}: entry})
		cluster, target = states[0].cluster, planned[0]
	}
	return cluster, target, logged.String()
}

func TestClusterFacts_ExistsFollowsTheLastConsistentList(t *testing.T) {
	present := atlas.Cluster{Name: "prod"}
	for _, test := range []struct {
		name  string
		reads []findings
		want  string
	}{
		{"inconsistent list with it", []findings{listing(false, present)}, "unknown"},
		{"inconsistent list without it", []findings{listing(false)}, "unknown"},
		{"consistent list with it", []findings{listing(true, present)}, "true"},
		{"consistent list without it", []findings{listing(true)}, "false"},
		{"then consistent without it", []findings{listing(true, present), listing(true)}, "false"},
		{"then inconsistent without it", []findings{listing(true, present), listing(false)}, "true"},
		{"then inconsistent with it", []findings{listing(true), listing(false, present)}, "false"},
		{"and back", []findings{listing(true, present), listing(true), listing(true, present)}, "true"},
	} {
		cluster, _, _ := factsAfter(t, test.reads...)
		got := "unknown"
		if cluster.Exists != nil {
			got = fmt.Sprint(*cluster.Exists)
		}
		if got != test.want {
			t.Errorf("%s: exists %s, want %s", test.name, got, test.want)
		}
	}
}

func TestClusterFacts_DetectsRecreatedClusters(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		now := atlas.Timestamp(time.Now().Unix())
		list := func(id string, created atlas.Timestamp) findings {
			return listing(true, atlas.Cluster{Name: "prod", ID: id, Created: created})
		}
		none := listing(true)
		inconsistent := func(f findings) findings {
			read := f.clusters[atlas.DedicatedClusters]
			return listing(false, read.items...)
		}
		for _, test := range []struct {
			name      string
			reads     []findings
			recreated bool
			want      atlas.Timestamp
		}{
			{"the same", []findings{list("a", 1), list("a", 1), list("a", 1)}, false, 1},
			{"another ID and time, once", []findings{list("a", 1), list("b", 2)}, false, 1},
			{"another ID and time, twice", []findings{list("a", 1), list("b", 2), list("b", 2)}, true, 2},
			{"another ID", []findings{list("a", 1), list("b", 1), list("b", 1)}, true, 1},
			{"another time", []findings{list("a", 1), list("a", 2), list("a", 2)}, true, 2},
			{"another ID without times", []findings{list("a", 0), list("b", 0), list("b", 0)}, true, now - maxClockError},
			{"another ID, time lost", []findings{list("a", 1), list("b", 0), list("b", 0)}, true, now - maxClockError},
			{"another ID, time found", []findings{list("a", 1), list("b", 0), list("b", 0), list("b", 2)}, true, 2},
			{"one odd read", []findings{list("a", 1), list("b", 2), list("a", 1), list("a", 1)}, false, 1},
			{"alternating", []findings{list("a", 1), list("b", 2), list("a", 1), list("b", 2), list("a", 1)}, false, 1},
			{"an odd read later", []findings{list("a", 1), list("b", 2), list("b", 2), list("a", 1), list("b", 2)}, true, 2},
			{"inconsistent lists", []findings{list("a", 1), inconsistent(list("b", 2)), inconsistent(list("b", 2))}, false, 1},
			{"removed and created again", []findings{list("a", 1), none, none, none, list("b", 2)}, true, 2},
			{"missing once", []findings{list("a", 1), none, list("a", 1)}, false, 1},
			{"removed and found again", []findings{list("a", 1), none, none, list("a", 1)}, false, 1},
			{"fields known later", []findings{list("", 0), list("a", 0), list("a", 1), list("a", 1)}, false, 1},
			{"never known", []findings{list("", 0), list("", 0), list("", 0)}, false, 0},
			{"fields unknown later", []findings{list("a", 1), list("", 0), list("", 0), list("a", 1), list("a", 1)}, false, 1},
			{
				"recreated after fields were unknown",
				[]findings{list("a", 1), list("", 0), list("", 0), list("b", 2), list("b", 2)}, true, 2,
			},
			{"recreated twice", []findings{list("a", 1), list("b", 2), list("b", 2), list("c", 3), list("c", 3)}, true, 3},
			{"time in the future", []findings{list("a", 1), list("a", now+1), list("a", now+1)}, false, 1},
			{"time in the far future", []findings{list("a", 253402300799), list("a", 253402300799)}, false, 0},
			{"time in the future at first", []findings{list("a", now+1), list("a", now+1), list("a", 1)}, false, 1},
			{
				"another ID and a time in the future",
				[]findings{list("a", 1), list("b", now+1), list("b", now+1)}, true, now - maxClockError,
			},
		} {
			_, planned, log := factsAfter(t, test.reads...)
			if planned.notBefore != test.want || planned.recreated != test.recreated {
				t.Errorf("%s: not before %d, recreated %t; want %d", test.name, planned.notBefore, planned.recreated, test.want)
			}
			if logged := strings.Contains(log, "cluster was recreated"); logged != test.recreated {
				t.Errorf("%s: logged %q", test.name, log)
			}
		}
	})
}

func TestClusterFacts_OmitImplausibleCreationTimes(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		now := atlas.Timestamp(time.Now().Unix())
		for created, want := range map[atlas.Timestamp]atlas.Timestamp{
			now: now, now + maxClockError: now + maxClockError, now + maxClockError + 1: 0,
		} {
			cluster, _, _ := factsAfter(t, listing(true, atlas.Cluster{Name: "prod", Created: created}))
			if cluster.Created != want {
				t.Errorf("created %v, want %v", cluster.Created.Time(), want.Time())
			}
		}
	})
}

// TestRun_IgnoresTheJobsOfAnEarlierClusterAfterARestart has a cluster that was recreated before the exporter started.
func TestRun_IgnoresTheJobsOfAnEarlierClusterAfterARestart(t *testing.T) {
	for name, config := range map[string]Config{
		"configured": {Targets: []Target{target(prod)}}, "discovered": {Discoveries: []Rule{ruleFor(project)}},
	} {
		runInBubble(t, name, func(t *testing.T) {
			w := newWorld(t)
			w.sim.RemoveCluster(project, "team")
			w.sim.AddJobs(prod, atlastest.Job{Takes: time.Minute, Outcome: atlastest.Fails}, atlastest.Job{Takes: 3 * time.Hour})
			time.Sleep(time.Hour)
			w.changeCluster("prod", func(c *atlastest.ClusterState) { c.ID, c.Created = "new", time.Now() })
			w.sim.AddJobs(prod, atlastest.Job{Takes: time.Minute})
			time.Sleep(time.Hour)
			w.apply(config)
			defer w.run()()
			time.Sleep(time.Minute)
			w.expectJobs(2)
			latest := w.manager.Snapshots()[0].Summary.Latest[atlas.DeliveryAutomated]
			for purpose := range latest {
				if failure := latest[purpose].Failure; failure.JobID != "" {
					t.Errorf("the failure of the earlier cluster is known: %+v", failure)
				}
			}
			time.Sleep(3 * time.Hour)
			w.expectJobs(2) // the other job has finished
			w.expectLogged("cluster was recreated", 0)
		})
	}
}

func TestRun_ResetsTheHistoryOfARecreatedCluster(t *testing.T) {
	for name, rules := range map[string][]Rule{"configured": nil, "discovered": {ruleFor(project)}} {
		runInBubble(t, name, func(t *testing.T) {
			w := newWorld(t)
			w.sim.AddJobs(prod, atlastest.Job{Created: time.Now(), Takes: time.Minute})
			config := Config{Discoveries: rules}
			if rules == nil {
				config.Targets = []Target{target(prod), target(team)}
			}
			w.apply(config)
			defer w.run()()
			time.Sleep(time.Minute)
			w.expectJobs(1)
			w.changeCluster("prod", func(c *atlastest.ClusterState) { c.ID, c.Created = "new", time.Now() })
			time.Sleep(time.Second)
			w.sim.AddJobs(prod, atlastest.Job{Takes: time.Minute})
			time.Sleep(5 * time.Minute)
			w.expectJobs(2)
			time.Sleep(5 * time.Minute)
			w.expectJobs(1)
			w.expectLogged("cluster was recreated, starting a new history", 1)
			for i := range config.Targets {
				config.Targets[i].StaleAfter++
			}
			if len(rules) > 0 {
				config.Discoveries = []Rule{ruleFor(project, func(r *Rule) { r.Target.StaleAfter++ })}
			}
			w.apply(config)
			time.Sleep(time.Hour)
			w.expectJobs(1)
			w.expectLogged("cluster was recreated", 1)
		})
	}
}

// expectJobs expects that the first target has a number of known jobs.
func (w *world) expectJobs(want int) {
	w.Helper()
	if s := w.manager.Snapshots()[0]; s.Err != nil || s.Summary.Known != want {
		w.Errorf("%d jobs known, want %d; error %v", s.Summary.Known, want, s.Err)
	}
}

func TestRun_ResetsTheHistoryOfAClusterThatWasRemovedAndComesBack(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld(t)
		w.sim.AddJobs(prod, atlastest.Job{Created: time.Now(), Takes: time.Minute})
		w.apply(Config{Discoveries: []Rule{ruleFor(project)}})
		defer w.run()()
		w.expectTargets("prod/dedicated team/flex")
		w.changeCluster("prod", func(c *atlastest.ClusterState) { c.State = "DELETING" })
		time.Sleep(11 * time.Minute)
		w.expectTargets("team/flex")
		w.changeCluster("prod", func(c *atlastest.ClusterState) { c.State, c.ID, c.Created = "", "new", time.Now() })
		time.Sleep(11 * time.Minute)
		w.expectTargets("prod/dedicated team/flex")
		w.expectJobs(0)
	})
}

func TestStates_KeepTheirClustersWhileNoFactChanges(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newOrganization(t)
		w.apply(Config{Discoveries: []Rule{ruleFor("")}})
		defer w.run()()
		before := w.manager.States()
		time.Sleep(time.Hour)
		w.sim.ChangeCluster(analytics, "events", func(c *atlastest.ClusterState) { c.PointInTimeEnabled = true })
		w.sim.AddCluster(sandbox, "new", atlastest.DedicatedCluster)
		time.Sleep(5*time.Minute + time.Second)
		for i, after := range w.manager.States()[:4] {
			changed := after.Target.ClusterName == "events"
			if (after.Cluster != before[i].Cluster) != changed {
				t.Errorf("%s: facts %+v, before %+v", after.Target.ClusterName, after.Cluster, before[i].Cluster)
			}
		}
	})
}

func TestClusterFacts_StaysBoundedIfClustersNeverRepeat(t *testing.T) {
	k := newClusterFacts(textLogger(&strings.Builder{}))
	settings := target(prod)
	found := inventory{{"default", project}: entryOf(listing(true))}
	for round := range 8 {
		planned := make([]plannedTarget, maxFound/5)
		for i := range planned {
			planned[i] = plannedTarget{list: prod, settings: &settings}
			planned[i].list.ClusterName = fmt.Sprint(round, "-", i)
		}
		k.update(&Config{}, planned, found)
	}
	if len(k.clusters) > maxFound {
		t.Errorf("%d clusters are kept", len(k.clusters))
	}
	if k.update(&Config{}, nil); len(k.clusters) != 0 {
		t.Errorf("%d clusters of a project that is not read are kept", len(k.clusters))
	}
}
