package poll

import (
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	"atlas-restore-exporter/atlas"
	"atlas-restore-exporter/atlas/atlastest"
)

// expectAfterReads expects targets after reads of the dedicated clusters of a project, in order. A read is a list of
// names, with ! if it isn't consistent.
func expectAfterReads(t *testing.T, reads []string, want string) {
	t.Helper()
	var attempts []findings
	for _, read := range reads {
		names, inconsistent := strings.CutPrefix(read, "!")
		clusters := []atlas.Cluster{}
		for name := range strings.FieldsSeq(names) {
			clusters = append(clusters, atlas.Cluster{Name: name, CanHaveRestores: true})
		}
		attempts = append(attempts, findings{clusters: map[atlas.ClusterKind]readItems[atlas.Cluster]{
			atlas.DedicatedClusters: {clusters, !inconsistent},
		}})
	}
	found := inventory{{"default", project}: entryOf(attempts...)}
	planned, _ := targets(&Config{Discoveries: []Rule{ruleFor(project)}}, found)
	var names []string
	for _, p := range planned {
		names = append(names, p.list.ClusterName)
	}
	if got := strings.Join(names, " "); got != want {
		t.Errorf("after reads %q: %s, want %s", reads, got, want)
	}
}

func TestInventory_RemovesClustersAfterTwoConsistentReadsWithoutThem(t *testing.T) {
	for _, test := range []struct {
		reads []string
		want  string
	}{
		{[]string{"a b"}, "a b"},
		{[]string{"a b", "b"}, "b a"},
		{[]string{"a b", "b", "b"}, "b"},
		{[]string{"a b", "b", "a b", "b"}, "b a"},
		{[]string{"a b", "b", "a b", "b", "b"}, "b"},
		{[]string{"a", "b"}, "b a"},
		{[]string{"a", "b", "c"}, "c b"},
		{[]string{"a b", "", ""}, ""},
		{[]string{"", "a"}, "a"},
	} {
		expectAfterReads(t, test.reads, test.want)
	}
}

func TestInventory_AcceptsOnlyAdditionsOfInconsistentReads(t *testing.T) {
	for _, test := range []struct {
		reads []string
		want  string
	}{
		{[]string{"!a"}, "a"},
		{[]string{"a", "!b"}, "b a"},
		{[]string{"a b", "!", "!", "!"}, "a b"},
		{[]string{"a b", "b", "!"}, "b a"},
		{[]string{"a b", "b", "!", "b"}, "b"},
		{[]string{"a b", "b", "!a", "b"}, "b a"}, // the inconsistent list shows that a exists
		{[]string{"a b", "b", "!a", "b", "b"}, "b"},
		{[]string{"a", "!b", "a"}, "a b"},
		{[]string{"a", "!b", "a", "a"}, "a"},
	} {
		expectAfterReads(t, test.reads, test.want)
	}
}

func TestInventory_StaysBoundedIfInconsistentListsNeverRepeat(t *testing.T) {
	var recent recentItems[atlas.Project]
	for page := range 60 {
		projects := make([]atlas.Project, 1000)
		for i := range projects {
			projects[i].ID = fmt.Sprint(page*1000 + i)
		}
		recent = recent.after(readItems[atlas.Project]{projects, false}, projectKey)
	}
	if len(recent.all) > maxFound {
		t.Errorf("%d items are kept", len(recent.all))
	}
}

// TestRun_KeepsTargetsThatOneDiscoveryDoesNotFind changes each property by which the rule selects, for one discovery.
func TestRun_KeepsTargetsThatOneDiscoveryDoesNotFind(t *testing.T) {
	rule := ruleFor("", func(r *Rule) {
		r.Projects.Include, r.Tags = regexp.MustCompile("^Analytics$"), map[string]string{"env": "prod"}
	})
	tags := map[string]string{"env": "prod"}
	setTags := func(w *world, tags map[string]string) {
		w.sim.ChangeCluster(analytics, "events", func(c *atlastest.ClusterState) { c.Tags = tags })
	}
	for name, test := range map[string]struct{ hide, show func(*world) }{
		"no cluster": {
			func(w *world) { w.sim.RemoveCluster(analytics, "events") },
			func(w *world) { w.sim.AddCluster(analytics, "events", atlastest.DedicatedCluster); setTags(w, tags) },
		},
		"no project": {
			func(w *world) { w.sim.RemoveProject(analytics) },
			func(w *world) {
				w.sim.AddProject(analytics, "Analytics")
				w.sim.AddCluster(analytics, "events", atlastest.DedicatedCluster)
				setTags(w, tags)
			},
		},
		"no tags": {func(w *world) { setTags(w, nil) }, func(w *world) { setTags(w, tags) }},
	} {
		runInBubble(t, name, func(t *testing.T) {
			w := newOrganization(t)
			w.apply(Config{Discoveries: []Rule{rule}})
			defer w.run()()
			time.Sleep(time.Second)
			for range 3 {
				test.hide(w)
				time.Sleep(5 * time.Minute)
				w.expectTargets("events/dedicated")
				test.show(w)
				time.Sleep(5 * time.Minute)
				w.expectTargets("events/dedicated")
			}
			test.hide(w)
			time.Sleep(10 * time.Minute)
			w.expectTargets("")
		})
	}
}

func TestTargets_OfAFlexClusterAmongTheDedicatedClusters(t *testing.T) {
	// A name with * is detected as a Flex cluster, and one with ! as a dedicated cluster.
	attempt := func(dedicated, flex string) findings {
		read := func(names string, flex bool) (found readItems[atlas.Cluster]) {
			for name := range strings.FieldsSeq(names) {
				name, detected := strings.CutSuffix(name, "*")
				name, dedicated := strings.CutSuffix(name, "!")
				found.items = append(found.items, atlas.Cluster{
					Name: name, CanHaveRestores: true, Flex: flex || detected, Dedicated: dedicated,
				})
			}
			found.consistent = true
			return found
		}
		return findings{clusters: map[atlas.ClusterKind]readItems[atlas.Cluster]{
			atlas.DedicatedClusters: read(dedicated, false), atlas.FlexClusters: read(flex, true),
		}}
	}
	const separate = "a/dedicated a/collection b/flex"
	const both = "a/dedicated b/dedicated a/collection b/collection b/flex"
	for _, test := range []struct {
		name     string
		attempts []findings
		want     string
	}{
		{"is in both lists", []findings{attempt("a b", "b")}, separate},
		{"is in both lists and detected", []findings{attempt("a b*", "b")}, separate},
		{"is only in the list of dedicated clusters", []findings{attempt("a b*", "")}, separate},
		{
			"is missing in one list of Flex clusters", []findings{attempt("a b*", "b"), attempt("a b*", "")}, separate,
		},
		{
			"is missing in two lists of Flex clusters",
			[]findings{attempt("a b*", "b"), attempt("a b*", ""), attempt("a b*", "")}, separate,
		},
		{
			"is missing in one list of dedicated clusters",
			[]findings{attempt("a b", "b"), attempt("a", "b"), attempt("a b", "b")}, separate,
		},
		{"was upgraded", []findings{attempt("a", "b"), attempt("a b", "")}, both},
		{"is being upgraded", []findings{attempt("a", "b"), attempt("a b!", "b")}, both},
	} {
		found := inventory{{"default", project}: entryOf(test.attempts...)}
		rule := ruleFor(project, func(r *Rule) {
			r.BackupTypes = []atlas.BackupType{atlas.Dedicated, atlas.Collection, atlas.Flex}
		})
		planned, _ := targets(&Config{Discoveries: []Rule{rule}}, found)
		var names []string
		for _, p := range planned {
			names = append(names, p.list.ClusterName+"/"+string(p.list.BackupType))
		}
		if got := strings.Join(names, " "); got != test.want {
			t.Errorf("a Flex cluster that %s: targets %s, want %s", test.name, got, test.want)
		}
	}
}

func TestRun_PollsAFlexClusterAmongTheDedicatedClustersOnce(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld(t)
		w.sim.ChangeCluster(project, "team", func(c *atlastest.ClusterState) { c.ListedAsDedicated = true })
		w.apply(Config{Discoveries: []Rule{ruleFor(project)}})
		defer w.run()()
		w.expectTargets("prod/dedicated team/flex")
	})
}
