package config

import (
	"fmt"
	"reflect"
	"slices"
	"testing"
	"time"

	"atlas-restore-exporter/atlas"
	"atlas-restore-exporter/collector/history"
	"atlas-restore-exporter/collector/poll"
)

const (
	payments = "32b6e34b3d91647abb20e7b8"

	minimal = `
credentials:
  default:
    api_key: {public_key: abcdefgh, private_key: x}
projects:
  - id: 32b6e34b3d91647abb20e7b8
    clusters: [{name: prod}]
`
)

// mustParse returns the configuration of a valid text.
func mustParse(t *testing.T, text string) *Config {
	t.Helper()
	config, err := Parse("config.yaml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return config
}

// describeTargets returns a line for each target.
func describeTargets(config *Config, describe func(*poll.Target) string) []string {
	lines := make([]string, len(config.Targets))
	for i := range config.Targets {
		lines[i] = describe(&config.Targets[i])
	}
	return lines
}

func expectLines(t *testing.T, got []string, want ...string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}

func TestParse_AppliesDefaultsToTargets(t *testing.T) {
	want := []poll.Target{{
		List:       atlas.List{ProjectID: payments, ClusterName: "prod", BackupType: atlas.Dedicated},
		Exporter:   "default",
		Credential: "default", Source: poll.SourceConfig,
		Interval: time.Minute, ActiveInterval: 30 * time.Second, Timeout: 30 * time.Second,
		FullPollInterval: time.Hour, StaleAfter: 10 * time.Minute,
		Policy: history.Policy{
			Limits:    history.Limits{MaxAge: 400 * 24 * time.Hour, MaxJobs: 5000},
			JobSeries: history.SeriesLimits{MaxAge: 72 * time.Hour, MaxPerTarget: 50},
		},
	}}
	if got := mustParse(t, minimal).Targets; !reflect.DeepEqual(got, want) {
		t.Errorf("targets %+v\nwant    %+v", got, want)
	}
}

func TestParse_AppliesDefaultsToTheExporter(t *testing.T) {
	config := mustParse(t, minimal)
	if config.Name != "default" || config.BaseURL != "https://cloud.mongodb.com" || config.Concurrency != 0 ||
		config.Reserve != 0.5 ||
		config.DiscoveryInterval != 5*time.Minute || len(config.Warnings) != 0 {
		t.Errorf("%+v", config)
	}
}

func TestParse_LetsTheNumberOfPollsFollowTheTargets(t *testing.T) {
	t.Setenv("POLLS", "auto")
	for text, want := range map[string]int{"auto": 0, `"auto"`: 0, `"${POLLS}"`: 0, "1": 1, "256": 256} {
		config := mustParse(t, minimal+"polling: {concurrency: "+text+"}\n")
		client := config.ClientOptions(config.Credentials[0]).Concurrency
		if got := config.Poll(nil).Concurrency; got != want || client != max(want, 1) && client != 256 {
			t.Errorf("%s: %d concurrent polls, client for %d", text, got, client)
		}
	}
}

func TestParse_FitsDefaultsToTheInterval(t *testing.T) {
	for _, test := range []struct {
		interval, active, timeout, fullPoll, stale time.Duration
	}{
		{time.Second, time.Second, time.Second, time.Hour, 10 * time.Minute},
		{5 * time.Minute, 30 * time.Second, 30 * time.Second, time.Hour, 15 * time.Minute},
		{2 * time.Hour, 30 * time.Second, 30 * time.Second, 2 * time.Hour, 6 * time.Hour},
	} {
		config := mustParse(t, fmt.Sprintf("%spolling: {interval: %v}\n", minimal, duration(test.interval)))
		if got := config.Targets[0]; got.ActiveInterval != test.active || got.Timeout != test.timeout ||
			got.FullPollInterval != test.fullPoll || got.StaleAfter != test.stale {
			t.Errorf("interval %v: %+v", test.interval, got)
		}
	}
}

func TestParse_InheritsIntervalsAndCredentials(t *testing.T) {
	config := mustParse(t, `
credentials:
  one: {api_key: {public_key: x, private_key: x}}
  two: {api_key: {public_key: x, private_key: x}}
polling: {interval: 2m}
projects:
  - id: 32b6e34b3d91647abb20e7b8
    credential: one
    interval: 3m
    clusters:
      - {name: a}
      - {name: b, interval: 30s, backup_types: [flex, collection]}
  - id: 32b6e34b3d91647abb20e7b9
    credential: two
    clusters: [{name: a}]
`)
	expectLines(t, describeTargets(config, func(target *poll.Target) string {
		return fmt.Sprint(target.ClusterName, " ", target.BackupType, " ", target.Credential, " ", target.Interval)
	}), "a dedicated one 3m0s", "b flex one 30s", "b collection one 30s", "a dedicated two 2m0s")
}

func TestParse_MostSpecificObjectivesAndAllowedTargetsTakePrecedence(t *testing.T) {
	config := mustParse(t, `
credentials: {default: {api_key: {public_key: abcdefgh, private_key: x}}}
objectives: {duration: 4h, drill_age: 90d, recovery_point_age: 2d, expiry_notice: 1h}
allowed_targets: [{project_id: 32b6e34b3d91647abb20e7b8}]
projects:
  - id: 32b6e34b3d91647abb20e7b8
    clusters:
      - {name: a}
      - {name: b, objectives: {duration: 0s, expiry_notice: 0s}, allowed_targets: []}
  - id: 32b6e34b3d91647abb20e7b9
    objectives: {drill_age: 30d, recovery_point_age: 7d}
    allowed_targets: [{project_id: 32b6e34b3d91647abb20e7b9, cluster_names: [drill]}]
    clusters:
      - {name: a, objectives: {duration: 1h}}
`)
	expectLines(t, describeTargets(config, func(target *poll.Target) string {
		objectives := target.Policy.Objectives
		return fmt.Sprintf("%s %v %v %v %v %v", target.ClusterName, objectives.Duration, objectives.DrillAge,
			objectives.RecoveryPointAge, objectives.ExpiryNotice, target.Policy.AllowedTargets)
	}),
		"a 4h0m0s 2160h0m0s 48h0m0s 1h0m0s [{32b6e34b3d91647abb20e7b8 []}]",
		"b 0s 2160h0m0s 48h0m0s 0s []",
		"a 1h0m0s 720h0m0s 168h0m0s 1h0m0s [{32b6e34b3d91647abb20e7b9 [drill]}]",
	)
	if config.Targets[1].Policy.AllowedTargets == nil {
		t.Error("an empty list of allowed targets became nil, which allows every target")
	}
}

func TestParse_BuildsDiscoveryRules(t *testing.T) {
	config := mustParse(t, `
credentials: {default: {api_key: {public_key: abcdefgh, private_key: x}}}
objectives: {drill_age: 90d}
discovery: {interval: 1m}
projects:
  - discovery: {}
  - id: 32b6e34b3d91647abb20e7b8
    interval: 5m
    objectives: {drill_age: 30d}
    clusters: [{name: a}]
    discovery: {include: ^prod, exclude: tmp, tags: {env: prod}, backup_types: [collection, flex]}
`)
	var rules []string
	for _, rule := range config.Discoveries {
		target := rule.Target
		rules = append(rules, fmt.Sprint(target.ProjectID, " ", target.Source, " ", target.Interval, target.StaleAfter,
			target.Policy.Objectives.DrillAge, rule.Clusters.Include, rule.Clusters.Exclude, rule.Tags, rule.BackupTypes))
	}
	expectLines(t, rules,
		" discovery 1m0s 10m0s 2160h0m0s <nil> <nil> map[] [dedicated flex]",
		"32b6e34b3d91647abb20e7b8 discovery 5m0s 15m0s 720h0m0s ^prod tmp map[env:prod] [collection flex]",
	)
	if len(config.Targets) != 1 || len(config.Warnings) > 0 || config.DiscoveryInterval != time.Minute {
		t.Errorf("%+v", config)
	}
}

func TestParse_WarnsOfUnencryptedConnections(t *testing.T) {
	for url, want := range map[string][]string{
		"https://atlas.test":    nil,
		"http://localhost:8080": nil,
		"http://127.0.0.1:8080": nil,
		"http://atlas.test/":    {"atlas.base_url is http: credentials and responses are sent unencrypted"},
	} {
		if got := mustParse(t, minimal+"atlas: {base_url: '"+url+"'}\n").Warnings; !slices.Equal(got, want) {
			t.Errorf("%s: %q, want %q", url, got, want)
		}
	}
}

func TestParse_WarnsOfUnusedCredentials(t *testing.T) {
	config := mustParse(t, `
credentials:
  used: {api_key: {public_key: x, private_key: x}}
  discovering: {api_key: {public_key: x, private_key: x}}
  idle: {api_key: {public_key: x, private_key: x}}
projects:
  - {credential: used, id: 32b6e34b3d91647abb20e7b8, clusters: [{name: a}]}
  - {credential: discovering, discovery: {}}
`)
	expectLines(t, config.Warnings, "credential idle is not used by any project")
}

func TestSameClient_IsFalseIfAnOptionOfTheClientDiffers(t *testing.T) {
	config := mustParse(t, minimal)
	for change, text := range map[string]string{
		"base URL":    minimal + "atlas: {base_url: https://atlas.test}\n",
		"CAs":         minimal + "atlas: {ca_file: testdata/ca.pem}\n",
		"concurrency": minimal + "polling: {concurrency: 1}\n",
		"reserve":     minimal + "polling: {reserve: 0.1}\n",
	} {
		other := mustParse(t, text)
		if other.SameClient(config, other.Credentials[0]) {
			t.Errorf("the %s differs, but the client is the same", change)
		}
	}
	other := atlas.Credential{Name: "default", APIKey: &atlas.APIKey{PublicKey: "abcdefgh", PrivateKey: "another"}}
	if config.SameClient(config, other) || config.SameClient(nil, config.Credentials[0]) {
		t.Error("the client is the same for another key or without another configuration")
	}
}

func TestSameClient_IsTrueIfOnlyTargetsDiffer(t *testing.T) {
	config, other := mustParse(t, minimal), mustParse(t, minimal+"polling: {interval: 5m}\n")
	if !other.SameClient(config, other.Credentials[0]) {
		t.Error("the client of the credential would be replaced")
	}
}
