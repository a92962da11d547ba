package poll

import (
	"regexp"
	"testing"

	"atlas-restore-exporter/atlas"
)

func TestExclusion_NamesTheSetting(t *testing.T) {
	const own, other = "32b6e34b3d91647abb20e7b8", "6a1b2c3d4e5f60718293a4b5"
	rule := func(projectID string) Rule {
		return Rule{
			Target:   Target{List: atlas.List{ProjectID: projectID}, Credential: "a"},
			Projects: Pattern{Include: regexp.MustCompile("^prod"), Exclude: regexp.MustCompile("old$")},
			Clusters: Pattern{Include: regexp.MustCompile("^c"), Exclude: regexp.MustCompile("^c-tmp")},
			Tags:     map[string]string{"env": "prod"}, BackupTypes: []atlas.BackupType{atlas.Dedicated},
		}
	}
	tags := atlas.Tags{"env": "prod"}
	all := []Rule{rule("")}
	for name, test := range map[string]struct {
		targets []Target
		rules   []Rule
		project atlas.Project
		cluster atlas.Cluster
		want    string
	}{
		"no entry":     {project: atlas.Project{ID: own}, want: "no entry under projects"},
		"name_include": {rules: all, project: atlas.Project{ID: own, Name: "test"}, want: "name_include ^prod"},
		"name_exclude": {rules: all, project: atlas.Project{ID: own, Name: "prod-old"}, want: "name_exclude old$"},
		"not listed": {
			targets: []Target{{List: atlas.List{ProjectID: own}}}, project: atlas.Project{ID: own},
			want: "not listed under projects[].clusters, and the project has no discovery",
		},
		"other project": {rules: []Rule{rule(other)}, project: atlas.Project{ID: own}, want: "no entry under projects"},
		"free": {
			rules: []Rule{rule(own)}, project: atlas.Project{ID: own}, cluster: atlas.Cluster{Name: "c"},
			want: "free cluster, or being deleted",
		},
		"include": {
			rules: []Rule{rule(own)}, project: atlas.Project{ID: own},
			cluster: atlas.Cluster{Name: "d", CanHaveRestores: true}, want: "discovery.include ^c",
		},
		"exclude": {
			rules: all, project: atlas.Project{ID: own, Name: "prod"},
			cluster: atlas.Cluster{Name: "c-tmp", CanHaveRestores: true}, want: "discovery.exclude ^c-tmp",
		},
		"tags": {
			rules: all, project: atlas.Project{ID: own, Name: "prod"},
			cluster: atlas.Cluster{Name: "c", CanHaveRestores: true}, want: "discovery.tags env",
		},
		"backup types": {
			rules: all, project: atlas.Project{ID: own, Name: "prod"},
			cluster: atlas.Cluster{Name: "c", CanHaveRestores: true, Tags: tags, Flex: true},
			want:    "discovery.backup_types",
		},
		"selected": {
			rules: all, project: atlas.Project{ID: own, Name: "prod"},
			cluster: atlas.Cluster{Name: "c", CanHaveRestores: true, Tags: tags},
		},
	} {
		config := &Config{Targets: test.targets, Discoveries: test.rules}
		if got := config.Exclusion(&test.project, &test.cluster, []string{"a"}); got != test.want {
			t.Errorf("%s: got %q, want %q", name, got, test.want)
		}
	}
}

func TestExclusion_IgnoresRulesOfOtherCredentials(t *testing.T) {
	config := &Config{Discoveries: []Rule{{Target: Target{Credential: "a"}, BackupTypes: []atlas.BackupType{atlas.Flex}}}}
	project := &atlas.Project{ID: "32b6e34b3d91647abb20e7b8"}
	for credential, want := range map[string]string{"a": "", "b": "no entry under projects"} {
		if got := config.ProjectExclusion(project, []string{credential}); got != want {
			t.Errorf("credential %s: got %q, want %q", credential, got, want)
		}
	}
}
