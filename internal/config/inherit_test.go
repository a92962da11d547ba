package config

import (
	"cmp"
	"fmt"
	"strings"
	"testing"

	"atlas-restore-exporter/collector/poll"
)

func TestParse_MostSpecificDrillTargetsTakePrecedence(t *testing.T) {
	config := mustParse(t, `
credentials: {default: {api_key: {public_key: abcdefgh, private_key: x}}}
drill_targets: [{project_id: 32b6e34b3d91647abb20e7b8, cluster_names: [not-listed-below]}]
projects:
  - id: 32b6e34b3d91647abb20e7b8
    clusters: [{name: a}, {name: b, drill_targets: []}]
  - id: 32b6e34b3d91647abb20e7b9
    drill_targets: [{project_id: 32b6e34b3d91647abb20e7b9}]
    clusters: [{name: a}]
    discovery: {}
`)
	expectLines(t, describeTargets(config, func(target *poll.Target) string {
		return fmt.Sprint(target.ClusterName, " ", target.Policy.DrillTargets)
	}),
		"a [{32b6e34b3d91647abb20e7b8 [not-listed-below]}]",
		"b []",
		"a [{32b6e34b3d91647abb20e7b9 []}]",
	)
	if got := fmt.Sprint(config.Discoveries[0].Target.Policy.DrillTargets); got != "[{32b6e34b3d91647abb20e7b9 []}]" {
		t.Errorf("drill targets of discovered clusters: %s", got)
	}
	if config.Targets[1].Policy.DrillTargets == nil {
		t.Error("an empty list of drill targets became nil, which means that none are configured")
	}
	if mustParse(t, minimal).Targets[0].Policy.DrillTargets != nil {
		t.Error("drill targets that are not configured are not nil")
	}
}

func TestParse_InheritsEachLabelSeparately(t *testing.T) {
	config := mustParse(t, `
credentials: {default: {api_key: {public_key: abcdefgh, private_key: x}}}
labels: {environment: production}
projects:
  - id: 32b6e34b3d91647abb20e7b8
    clusters: [{name: a}]
  - id: 32b6e34b3d91647abb20e7b9
    labels: {team: payments}
    clusters: [{name: a}, {name: b, labels: {team: "", environment: "Größe 1"}}]
    discovery: {}
`)
	describe := func(target *poll.Target) string {
		text := func(label *string) string {
			if label == nil {
				return "not set"
			}
			return cmp.Or(*label, "removed")
		}
		return strings.Join([]string{target.ClusterName, text(target.Labels.Team), text(target.Labels.Environment)}, ", ")
	}
	expectLines(t, describeTargets(config, describe),
		"a, not set, production", "a, payments, production", "b, removed, Größe 1")
	if got := describe(&config.Discoveries[0].Target); got != ", payments, production" {
		t.Errorf("labels of discovered clusters: %s", got)
	}
}

func TestParse_AcceptsTheLongestLabels(t *testing.T) {
	label := strings.Repeat("ö", 128)
	config := mustParse(t, minimal+"labels: {team: "+label+"}\n")
	if got := *config.Targets[0].Labels.Team; got != label {
		t.Errorf("team %q", got)
	}
}

func TestParse_RejectsLabelsThatAreNotUTF8(t *testing.T) {
	t.Setenv("TEST_TEAM", "\xff")
	_, err := Parse("config.yaml", []byte(minimal+"labels: {team: '${TEST_TEAM}'}\n"))
	const want = "config.yaml:8: labels.team: the value is not a valid label; use at most 128 printable characters"
	if err == nil || err.Error() != want {
		t.Errorf("error %v\nwant  %s", err, want)
	}
}

func TestParse_ReadsTheKeysOfTags(t *testing.T) {
	config := mustParse(t, minimal+"tag_labels: {team: 'cost:center'}\n")
	if want := (poll.TagLabels{Team: "cost:center"}); config.TagLabels != want {
		t.Errorf("tag labels %+v, want %+v", config.TagLabels, want)
	}
	if got := config.Poll(nil).TagLabels; got != config.TagLabels {
		t.Errorf("tag labels of the manager %+v", got)
	}
}

func TestParse_NamesTheExporterOfEveryTarget(t *testing.T) {
	t.Setenv("TEST_NAME", "team-a.prod_1")
	config := mustParse(t, `
name: "${TEST_NAME}"
credentials: {default: {api_key: {public_key: abcdefgh, private_key: x}}}
projects:
  - id: 32b6e34b3d91647abb20e7b8
    clusters: [{name: a}]
    discovery: {}
`)
	const want = "team-a.prod_1"
	if config.Name != want || config.Targets[0].Exporter != want || config.Discoveries[0].Target.Exporter != want {
		t.Errorf("%q, %q, %q", config.Name, config.Targets[0].Exporter, config.Discoveries[0].Target.Exporter)
	}
}
