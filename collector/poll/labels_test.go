package poll

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"atlas-restore-exporter/atlas"
	"atlas-restore-exporter/atlas/atlastest"
)

func TestStates_TakeLabelsFromTheConfigurationElseFromTags(t *testing.T) {
	text := func(s string) *string { return &s }
	for _, test := range []struct {
		name               string
		configured         *string
		ofCluster, project map[string]string
		want               string
	}{
		{"configured", text("a"), map[string]string{"owner": "b"}, map[string]string{"owner": "c"}, "a"},
		{"removed", text(""), map[string]string{"owner": "b"}, map[string]string{"owner": "c"}, ""},
		{"tag of the cluster", nil, map[string]string{"owner": "b"}, map[string]string{"owner": "c"}, "b"},
		{"tag of the project", nil, map[string]string{"other": "b"}, map[string]string{"owner": "c"}, "c"},
		{"empty tag of the cluster", nil, map[string]string{"owner": ""}, map[string]string{"owner": "c"}, "c"},
		{"no tag", nil, map[string]string{"other": "b", "": "d"}, map[string]string{"": "c"}, ""},
		{
			"long tag with a link", nil,
			map[string]string{"owner": "https://example.net/secret" + strings.Repeat("x", 500)}, nil, "link",
		},
	} {
		runInBubble(t, test.name, func(t *testing.T) {
			w := newWorld(t)
			w.sim.SetProjectTags(project, test.project)
			w.changeCluster("prod", func(c *atlastest.ClusterState) { c.Tags = test.ofCluster })
			team, environment := target(prod), target(prod)
			team.Labels.Team, environment.Labels.Environment = test.configured, test.configured
			w.apply(Config{Targets: []Target{team}, TagLabels: TagLabels{Team: "owner"}})
			defer w.run()()
			if c := w.manager.States()[0].Cluster; c.Team != test.want || c.Environment != "" {
				t.Errorf("team %q, environment %q, want team %q", c.Team, c.Environment, test.want)
			}
			w.apply(Config{Targets: []Target{environment}, TagLabels: TagLabels{Environment: "owner"}})
			if c := w.manager.States()[0].Cluster; c.Environment != test.want || c.Team != "" {
				t.Errorf("team %q, environment %q, want environment %q", c.Team, c.Environment, test.want)
			}
		})
	}
}

// TestStates_TakeNoLabelFromTheProjectBeforeTheTagsOfTheClusterAreKnown has a project with a tag that the cluster may
// override.
func TestStates_TakeNoLabelFromTheProjectBeforeTheTagsOfTheClusterAreKnown(t *testing.T) {
	serverless := atlas.List{ProjectID: project, ClusterName: "old", BackupType: atlas.Serverless}
	for _, test := range []struct {
		name          string
		list          atlas.List
		failing       string // requests that fail at first
		before, after string // labels
	}{
		{"list of clusters unreadable", prod, "/clusters", "", "own"},
		{"list of Flex clusters unreadable", team, "/flexClusters", "", "of the project"},
		{"list of other clusters unreadable", prod, "/flexClusters", "own", "own"},
		{"nothing unreadable", team, "/nothing", "of the project", "of the project"},
		{"cluster without a list", serverless, "lusters", "of the project", "of the project"},
	} {
		runInBubble(t, test.name, func(t *testing.T) {
			w := newWorld(t)
			w.sim.SetProjectTags(project, map[string]string{"owner": "of the project"})
			w.changeCluster("prod", func(c *atlastest.ClusterState) { c.Tags = map[string]string{"owner": "own"} })
			w.apply(Config{Targets: []Target{target(test.list)}, TagLabels: TagLabels{Team: "owner"}})
			fail := func() (restore func()) {
				return w.sim.Script(func(r *http.Request) bool { return strings.HasSuffix(r.URL.Path, test.failing) }, 0,
					atlastest.Status(500))
			}
			restore := fail()
			defer w.run()()
			expectTeam := func(want string) {
				t.Helper()
				time.Sleep(time.Hour)
				if team := w.manager.States()[0].Cluster.Team; team != want {
					t.Errorf("team %q, want %q", team, want)
				}
			}
			expectTeam(test.before)
			restore()
			expectTeam(test.after)
			fail()
			expectTeam(test.after)
		})
	}
}

func TestStates_KeepTheLabelsOfARemovedCluster(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld(t)
		w.changeCluster("prod", func(c *atlastest.ClusterState) { c.Tags = map[string]string{"owner": "payments"} })
		w.apply(Config{Targets: []Target{target(prod)}, TagLabels: TagLabels{Team: "owner"}})
		defer w.run()()
		w.sim.RemoveCluster(project, "prod")
		time.Sleep(time.Hour)
		w.expectFacts("exists false, backup ?, point in time ?, created ?")
		if team := w.manager.States()[0].Cluster.Team; team != "payments" {
			t.Errorf("team %q", team)
		}
	})
}

func TestStates_TakeTheLabelsOfTheFirstTargetOfACluster(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld(t)
		first, second := target(prod), target(prod)
		name := "payments"
		second.BackupType, second.Labels.Team = atlas.Collection, &name
		w.apply(Config{Targets: []Target{first, second}})
		states := w.manager.States()
		if states[0].Cluster != states[1].Cluster || !states[0].First || states[1].First || states[0].Cluster.Team != "" {
			t.Errorf("%+v, %+v", states[0], states[1])
		}
		w.apply(Config{Targets: []Target{second}})
		if s := w.manager.States()[0]; !s.First || s.Cluster.Team != name {
			t.Errorf("%+v", s.Cluster)
		}
	})
}
