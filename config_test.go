package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	yaml "go.yaml.in/yaml/v4"

	"atlas-restore-exporter/atlas"
	"atlas-restore-exporter/collector"
	"atlas-restore-exporter/internal/golden"
)

// TestBadConfigurations holds the error of every file in testdata/config/bad to the file of the same name that ends
// in .err. Each has one mistake, but for several-problems.
func TestBadConfigurations(t *testing.T) {
	files, err := filepath.Glob("testdata/config/bad/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".yaml"), func(t *testing.T) {
			_, err := LoadConfig(file)
			if err == nil {
				t.Fatal("no error")
			}
			golden.Equal(t, strings.TrimSuffix(file, ".yaml")+".err", strings.ReplaceAll(err.Error(), file, "config.yaml")+"\n")
		})
	}
}

func TestConfigurationFileItself(t *testing.T) {
	for _, test := range []struct{ file, want string }{
		{"testdata/no-such-file", "configuration file: open testdata/no-such-file: no such file or directory; name another with --config.file"},
		{"testdata", "configuration file: read testdata: is a directory; name another with --config.file"},
	} {
		if _, err := LoadConfig(test.file); err == nil || err.Error() != test.want {
			t.Errorf("%v\nwant %s", err, test.want)
		}
	}
	huge := filepath.Join(t.TempDir(), "huge")
	if err := os.WriteFile(huge, make([]byte, maxConfigSize+1), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := LoadConfig(huge); err == nil || !strings.Contains(err.Error(), "is larger than 4096 KiB") {
		t.Errorf("%v", err)
	}
}

const minimal = `
credentials:
  default:
    api_key: {public_key: abcdefgh, private_key: x}
projects:
  - id: 32b6e34b3d91647abb20e7b8
    clusters: [{name: prod}]
`

func TestDefaults(t *testing.T) {
	config, err := parseConfig("x", []byte(minimal))
	if err != nil {
		t.Fatal(err)
	}
	want := collector.Target{
		List:       atlas.List{ProjectID: "32b6e34b3d91647abb20e7b8", ClusterName: "prod", BackupType: atlas.Dedicated},
		Credential: "default", Source: "config", Interval: time.Minute, ActiveInterval: 30 * time.Second, Timeout: 30 * time.Second,
		SweepInterval: time.Hour, StaleAfter: 10 * time.Minute,
		History:   collector.HistoryLimits{MaxAge: 400 * 24 * time.Hour, MaxJobs: 5000},
		JobSeries: collector.JobSeriesLimits{MaxAge: 72 * time.Hour, MaxPerTarget: 50},
	}
	if len(config.Targets) != 1 || !reflect.DeepEqual(config.Targets[0], want) {
		t.Errorf("targets %+v\nwant %+v", config.Targets, want)
	}
	if config.BaseURL != "https://cloud.mongodb.com" || config.Concurrency != 16 || config.Reserve != 0.5 ||
		config.DiscoveryInterval != 5*time.Minute || len(config.Warnings) != 0 {
		t.Errorf("%+v", config)
	}
}

// TestDefaultsFollowTheInterval has intervals that the defaults of other settings would not fit.
func TestDefaultsFollowTheInterval(t *testing.T) {
	for _, test := range []struct {
		interval, active, timeout, sweep, stale time.Duration
	}{
		{time.Second, time.Second, time.Second, time.Hour, 10 * time.Minute},
		{5 * time.Minute, 30 * time.Second, 30 * time.Second, time.Hour, 15 * time.Minute},
		{2 * time.Hour, 30 * time.Second, 30 * time.Second, 2 * time.Hour, 6 * time.Hour},
	} {
		config, err := parseConfig("x", fmt.Appendf(nil, "%spolling: {interval: %v}\n", minimal, duration(test.interval)))
		if err != nil {
			t.Fatal(err)
		}
		if got := config.Targets[0]; got.ActiveInterval != test.active || got.Timeout != test.timeout || got.SweepInterval != test.sweep || got.StaleAfter != test.stale {
			t.Errorf("interval %v: %+v", test.interval, got)
		}
	}
}

func TestInheritanceAndSecrets(t *testing.T) {
	t.Setenv("ATLAS_CLIENT_ID", "mdb_sa_id_1")
	t.Setenv("TEST_SECRET", "from the environment")
	file := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(file, []byte("from a file\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	config, err := parseConfig("x", []byte(`
atlas: {base_url: http://example.test/}
credentials:
  file: {service_account: {client_id: "${ATLAS_CLIENT_ID}", client_secret_file: `+file+`}}
  env: {service_account: {client_id: x, client_secret: "${TEST_SECRET}"}}
  literal: {api_key: {public_key: "$${x}", private_key: "a$b"}}
polling: {interval: 2m}
projects:
  - id: 32b6e34b3d91647abb20e7b8
    credential: file
    interval: 3m
    clusters:
      - {name: a}
      - {name: b, interval: 30s, backup_types: [flex, collection]}
  - id: 32b6e34b3d91647abb20e7b9
    credential: env
    clusters: [{name: a}]
`))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, target := range config.Targets {
		got = append(got, fmt.Sprint(target.ClusterName, " ", target.BackupType, " ", target.Credential, " ", target.Interval))
	}
	want := "a dedicated file 3m0s, b flex file 30s, b collection file 30s, a dedicated env 2m0s"
	if strings.Join(got, ", ") != want {
		t.Errorf("targets %s\nwant    %s", strings.Join(got, ", "), want)
	}
	if env := config.Credentials[0].ServiceAccount; env.ClientSecret.Reveal() != "from the environment" {
		t.Errorf("%q", env.ClientSecret.Reveal())
	}
	if file := config.Credentials[1].ServiceAccount; file.ClientSecret.Reveal() != "from a file" || file.ClientID != "mdb_sa_id_1" {
		t.Errorf("%q, %q", file.ClientSecret.Reveal(), file.ClientID)
	}
	if literal := config.Credentials[2].APIKey; literal.PublicKey != "${x}" || literal.PrivateKey.Reveal() != "a$b" {
		t.Errorf("%q, %q", literal.PublicKey, literal.PrivateKey.Reveal())
	}
	if warnings := strings.Join(config.Warnings, "\n"); !strings.Contains(warnings, "base_url is http") ||
		!strings.Contains(warnings, "credential literal is not used") {
		t.Errorf("warnings: %s", warnings)
	}
	asJSON, _ := json.Marshal(config.Credentials)
	asYAML, _ := yaml.Dump(config.Credentials)
	for _, shown := range []string{string(asJSON), string(asYAML), fmt.Sprintf("%+v", *config)} {
		if strings.Contains(shown, "from ") || strings.Contains(shown, "a$b") {
			t.Errorf("a secret is shown: %s", shown)
		}
	}
}

// TestPromises has objectives and allowed targets on every level: the closest counts.
func TestPromises(t *testing.T) {
	config, err := parseConfig("x", []byte(`
credentials: {default: {api_key: {public_key: abcdefgh, private_key: x}}}
objectives: {duration: 4h, drill_age: 90d}
allowed_targets: [{project_id: 32b6e34b3d91647abb20e7b8}]
projects:
  - id: 32b6e34b3d91647abb20e7b8
    clusters:
      - {name: a}
      - {name: b, objectives: {duration: 0s}, allowed_targets: []}
  - id: 32b6e34b3d91647abb20e7b9
    objectives: {drill_age: 30d}
    allowed_targets: [{project_id: 32b6e34b3d91647abb20e7b9, cluster_names: [drill]}]
    clusters:
      - {name: a, objectives: {duration: 1h}}
`))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, target := range config.Targets {
		got = append(got, fmt.Sprintf("%s %v %v %v", target.ClusterName, target.Objectives.Duration, target.Objectives.DrillAge, target.AllowedTargets))
	}
	want := []string{
		"a 4h0m0s 2160h0m0s [{32b6e34b3d91647abb20e7b8 []}]",
		"b 0s 2160h0m0s []",
		"a 1h0m0s 720h0m0s [{32b6e34b3d91647abb20e7b9 [drill]}]",
	}
	if !slices.Equal(got, want) {
		t.Errorf("%q\nwant %q", got, want)
	}
}

// TestDiscoveryConfiguration has a whole organization in a few lines, and what can be said about a part of it.
func TestDiscoveryConfiguration(t *testing.T) {
	config, err := parseConfig("x", []byte(`
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
`))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, rule := range config.Discoveries {
		target := rule.Target
		got = append(got, fmt.Sprint(target.ProjectID, " ", target.Source, " ", target.Interval, target.StaleAfter, target.Objectives.DrillAge,
			rule.Clusters.Include, rule.Clusters.Exclude, rule.Tags, rule.BackupTypes))
	}
	want := []string{
		" discovery 1m0s 10m0s 2160h0m0s <nil> <nil> map[] [dedicated flex]",
		"32b6e34b3d91647abb20e7b8 discovery 5m0s 15m0s 720h0m0s ^prod tmp map[env:prod] [collection flex]",
	}
	if !slices.Equal(got, want) || len(config.Targets) != 1 || len(config.Warnings) > 0 || config.DiscoveryInterval != time.Minute {
		t.Errorf("%q\nwant %q; %+v", got, want, config)
	}
}

// TestExampleConfiguration loads the example as it is, and once more with every setting that is commented out.
func TestExampleConfiguration(t *testing.T) {
	t.Setenv("ATLAS_CLIENT_ID", "mdb_sa_id_1")
	dir := t.TempDir()
	secret := filepath.Join(dir, "secret")
	if err := os.WriteFile(secret, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile("config.example.yaml")
	if err != nil {
		t.Fatal(err)
	}
	example := strings.ReplaceAll(string(text), "/run/secrets/atlas-client-secret", secret)
	if _, err := parseConfig("config.example.yaml", []byte(example)); err != nil {
		t.Errorf("as it is: %v", err)
	}
	var full strings.Builder
	for line := range strings.Lines(example) {
		full.WriteString(strings.Replace(line, "#: ", "", 1))
	}
	t.Setenv("ATLAS_PRIVATE_KEY", "x")
	uncommented := strings.ReplaceAll(full.String(), "/etc/ssl/certs/proxy-ca.pem", "testdata/ca.pem")
	if _, err := parseConfig("config.example.yaml", []byte(uncommented)); err != nil {
		t.Errorf("with everything: %v\n%s", err, uncommented)
	}
	for _, key := range settings() {
		if !strings.Contains(example, key) {
			t.Errorf("%s is not in the example", key)
		}
	}
}

// settings returns every key of the configuration.
func settings() []string {
	var keys []string
	for _, name := range []string{
		"fileConfig", "fileAtlas", "fileCredential", "fileServiceAccount", "fileAPIKey", "filePolling", "fileHistory",
		"fileJobSeries", "fileObjectives", "fileAllowedTarget", "fileProject", "fileCluster", "fileSearch", "fileDiscovery",
	} {
		keys = append(keys, keysOfFile(name)...)
	}
	return keys
}

func keysOfFile(name string) []string { return keysOf(reflect.TypeFor[fileConfig](), "main."+name) }
