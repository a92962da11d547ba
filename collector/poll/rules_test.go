package poll

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	"atlas-restore-exporter/atlas"
)

// Projects of an organization, besides project.
const (
	analytics = "6a1b2c3d4e5f60718293a4b5"
	sandbox   = "7b2c3d4e5f60718293a4b5c6"
)

// ruleFor returns a rule for every dedicated and Flex cluster of a project, or of all projects if the ID is empty.
func ruleFor(projectID string, changes ...func(*Rule)) Rule {
	settings := target(atlas.List{ProjectID: projectID})
	settings.Source = SourceDiscovery
	rule := Rule{Target: settings, BackupTypes: []atlas.BackupType{atlas.Dedicated, atlas.Flex}}
	for _, change := range changes {
		change(&rule)
	}
	return rule
}

// entryOf returns the entry of a list after successful attempts.
func entryOf(attempts ...findings) *inventoryEntry {
	entry := &inventoryEntry{}
	for i := range attempts {
		entry.add(&attempts[i], []atlas.ClusterKind{atlas.DedicatedClusters, atlas.FlexClusters})
	}
	return entry
}

// organization is an inventory of three projects.
func organization() inventory {
	clusters := func(dedicated, flex []atlas.Cluster) *inventoryEntry {
		for i := range dedicated {
			dedicated[i].CanHaveRestores = true
		}
		for i := range flex {
			flex[i].CanHaveRestores, flex[i].Flex = true, true
		}
		return entryOf(findings{clusters: map[atlas.ClusterKind]readItems[atlas.Cluster]{
			atlas.DedicatedClusters: {dedicated, true}, atlas.FlexClusters: {flex, true},
		}})
	}
	return inventory{
		{"default", ""}: entryOf(findings{projects: &readItems[atlas.Project]{[]atlas.Project{
			{ID: project, Name: "Payments"}, {ID: analytics, Name: "Analytics"}, {ID: sandbox, Name: "Sandbox"},
		}, true}}),
		{"default", project}: clusters([]atlas.Cluster{{Name: "prod"}}, []atlas.Cluster{{Name: "team"}}),
		{"default", analytics}: clusters(
			[]atlas.Cluster{{Name: "events", Tags: map[string]string{"env": "prod", "team": "data"}}},
			[]atlas.Cluster{{Name: "tmp-1"}}),
		{"default", sandbox}: clusters(nil, []atlas.Cluster{{Name: "toy"}}),
	}
}

func expectPlanned(t *testing.T, config *Config, want string) {
	t.Helper()
	planned, truncated := targets(config, organization())
	var names []string
	for i := range planned {
		target := planned[i].target()
		name := target.ClusterName + "/" + string(target.BackupType)
		if target.Source != SourceDiscovery {
			name += ":" + target.Source
		}
		names = append(names, name)
	}
	if got := strings.Join(names, " "); got != want || truncated {
		t.Errorf("targets %s\nwant    %s\ntruncated %v", got, want, truncated)
	}
}

func TestTargets_SelectClustersByRules(t *testing.T) {
	pattern := regexp.MustCompile
	for _, test := range []struct {
		name string
		rule Rule
		want string
	}{
		{"all projects", ruleFor(""), "prod/dedicated team/flex events/dedicated tmp-1/flex toy/flex"},
		{"one project", ruleFor(analytics), "events/dedicated tmp-1/flex"},
		{"projects by name", ruleFor("", func(r *Rule) {
			r.Projects = Pattern{Include: pattern("^(Ana|Sand)"), Exclude: pattern("box$")}
		}), "events/dedicated tmp-1/flex"},
		{"clusters by name", ruleFor("", func(r *Rule) {
			r.Clusters = Pattern{Include: pattern("t"), Exclude: pattern("^tmp-")}
		}), "team/flex events/dedicated toy/flex"},
		{"clusters by tags", ruleFor("", func(r *Rule) {
			r.Tags = map[string]string{"env": "prod", "team": "data"}
		}), "events/dedicated"},
		{"clusters with another value of a tag", ruleFor("", func(r *Rule) {
			r.Tags = map[string]string{"env": "test"}
		}), ""},
		{"backup types by kind of cluster", ruleFor("", func(r *Rule) {
			r.BackupTypes = []atlas.BackupType{atlas.Dedicated, atlas.Collection}
		}), "prod/dedicated prod/collection events/dedicated events/collection"},
	} {
		t.Run(test.name, func(t *testing.T) {
			expectPlanned(t, &Config{Discoveries: []Rule{test.rule}}, test.want)
		})
	}
}

func TestTargets_ListConfiguredTargetsFirstAndOnce(t *testing.T) {
	expectPlanned(t, &Config{Targets: []Target{target(prod)}, Discoveries: []Rule{ruleFor("")}},
		"prod/dedicated:config team/flex events/dedicated tmp-1/flex toy/flex")
}

func TestTargets_ApplyOnlyTheRuleForOneProjectToThatProject(t *testing.T) {
	own := ruleFor(analytics, func(r *Rule) { r.Clusters.Exclude = regexp.MustCompile("tmp") })
	expectPlanned(t, &Config{Discoveries: []Rule{ruleFor(""), own}},
		"events/dedicated prod/dedicated team/flex toy/flex")
}

func TestTargets_UseTheFirstRuleThatFindsAList(t *testing.T) {
	first := ruleFor("", func(r *Rule) { r.Clusters.Include = regexp.MustCompile("toy"); r.Target.Source = "first" })
	expectPlanned(t, &Config{Discoveries: []Rule{first, ruleFor("")}},
		"toy/flex:first prod/dedicated team/flex events/dedicated tmp-1/flex")
}

func TestTargets_AreTruncated(t *testing.T) {
	found := organization()
	clusters := make([]atlas.Cluster, maxFound+1)
	for i := range clusters {
		clusters[i].Name, clusters[i].CanHaveRestores = fmt.Sprint("c", i), true
	}
	found[discoveryKey{"default", sandbox}] = entryOf(findings{
		clusters: map[atlas.ClusterKind]readItems[atlas.Cluster]{atlas.DedicatedClusters: {clusters, true}},
	})
	config := &Config{Targets: []Target{target(prod)}, Discoveries: []Rule{ruleFor(sandbox)}}
	if planned, truncated := targets(config, found); len(planned) != maxFound+1 || !truncated {
		t.Errorf("%d targets, truncated %v", len(planned), truncated)
	}
}

func TestTargets_OfAllShardsTogetherAreAllTargets(t *testing.T) {
	var lists []string
	for index := range 2 {
		config := &Config{Targets: []Target{target(prod)}, Discoveries: []Rule{ruleFor("")}, Shard: Shard{index, 2}}
		planned, _ := targets(config, organization())
		if len(planned) == 0 || len(planned) == 5 {
			t.Errorf("%d targets in shard %d", len(planned), index)
		}
		for i := range planned {
			lists = append(lists, planned[i].list.ClusterName+":"+planned[i].settings.Source)
		}
	}
	slices.Sort(lists)
	want := "events:discovery prod:config team:discovery tmp-1:discovery toy:discovery"
	if got := strings.Join(lists, " "); got != want {
		t.Errorf("both shards together: %s, want %s", got, want)
	}
}
