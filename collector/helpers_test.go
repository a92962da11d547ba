package collector

import (
	"context"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	promtest "github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/prometheus/common/expfmt"

	"atlas-restore-exporter/atlas"
	"atlas-restore-exporter/atlas/atlastest"
	"atlas-restore-exporter/collector/history"
	"atlas-restore-exporter/collector/poll"
)

// The projects of the simulated organization: Payments, Analytics, and Sandbox.
const (
	project   = "32b6e34b3d91647abb20e7b8"
	analytics = "6a1b2c3d4e5f60718293a4b5"
	sandbox   = "7b2c3d4e5f60718293a4b5c6"
)

var (
	prod = atlas.List{ProjectID: project, ClusterName: "prod", BackupType: atlas.Dedicated}
	team = atlas.List{ProjectID: project, ClusterName: "team", BackupType: atlas.Flex}
)

// world is everything between a simulated Atlas API and a registry. It must be used in a synctest bubble.
type world struct {
	*testing.T
	sim      *atlastest.Server
	pipe     *atlastest.Pipe
	client   poll.Client
	exporter *Exporter
	manager  *poll.Manager
	state    *StateCollector
}

// newWorld returns a world with the clusters prod and team, of which the given lists are targets.
func newWorld(t *testing.T, lists ...atlas.List) *world {
	t.Helper()
	w := &world{T: t, sim: atlastest.New(), exporter: NewExporter(BuildInfo{"1.2.3", "abc", "go1.26"})}
	w.sim.AddServiceAccount("id", "secret")
	w.sim.AddProject(project, "Payments")
	w.sim.AddCluster(project, "prod", atlastest.DedicatedCluster)
	w.sim.AddCluster(project, "team", atlastest.FlexCluster)
	w.pipe = atlastest.NewPipe(w.sim)
	t.Cleanup(w.pipe.Close)
	w.client = w.newClient("default", "id")
	w.newManager(w.client, lists...)
	return w
}

// newOrganization returns a world with the clusters of three projects, of which none is a target.
func newOrganization(t *testing.T) *world {
	t.Helper()
	w := newWorld(t)
	w.sim.AddProject(analytics, "Analytics")
	w.sim.AddProject(sandbox, "Sandbox")
	w.sim.AddCluster(analytics, "events", atlastest.DedicatedCluster)
	w.sim.AddCluster(analytics, "tmp-1", atlastest.FlexCluster)
	w.sim.AddCluster(sandbox, "toy", atlastest.FlexCluster)
	return w
}

// newClient returns a client with a service account whose secret is "secret".
func (w *world) newClient(credential, id string) poll.Client {
	w.Helper()
	account := &atlas.ServiceAccount{ClientID: id, ClientSecret: "secret"}
	client, err := atlas.NewClient(atlas.Options{
		BaseURL: "http://atlas.test", DialContext: w.pipe.DialContext, Concurrency: 4, Observer: w.exporter,
		Credential: atlas.Credential{Name: credential, ServiceAccount: account},
	})
	if err != nil {
		w.Fatal(err)
	}
	w.Cleanup(client.Close)
	return client
}

// newManager replaces the world's manager.
func (w *world) newManager(client poll.Client, lists ...atlas.List) {
	w.Helper()
	config := poll.Config{
		Targets: targets(lists...), Clients: map[string]poll.Client{"default": client}, Concurrency: 4,
		DiscoveryInterval: 5 * time.Minute, TagLabels: poll.TagLabels{Team: "owner", Environment: "stage"},
	}
	manager, err := poll.NewManager(config, w.exporter, slog.New(slog.DiscardHandler))
	if err != nil {
		w.Fatal(err)
	}
	w.manager, w.state = manager, NewStateCollector(manager, w.exporter, Process{Settings: settings})
}

// settings are those of every world.
func settings() Settings {
	expiry := time.Date(2000, 6, 1, 0, 0, 0, 0, time.UTC)
	return Settings{
		Name: "payments", ExternalURL: "https://tools.example/restores", AtlasURL: "https://cloud.mongodb.com",
		CredentialExpiry: map[string]time.Time{"default": expiry, "not in use": expiry},
	}
}

func target(list atlas.List) poll.Target {
	return poll.Target{
		List: list, Exporter: "payments", Credential: "default", Source: poll.SourceConfig,
		Interval: time.Minute, Timeout: 30 * time.Second,
		FullPollInterval: time.Hour, StaleAfter: 10 * time.Minute,
		Policy: history.Policy{
			Limits:    history.Limits{MaxAge: 400 * 24 * time.Hour, MaxJobs: 5000},
			JobSeries: history.SeriesLimits{MaxAge: 72 * time.Hour, MaxPerTarget: 50},
			Objectives: history.Objectives{
				Duration: 4 * time.Hour, DrillAge: 90 * 24 * time.Hour, RecoveryPointAge: 48 * time.Hour, ExpiryNotice: time.Hour,
			},
			DrillTargets:   []history.RestoreTarget{{ProjectID: list.ProjectID, ClusterNames: []string{"drill"}}},
			AllowedTargets: []history.RestoreTarget{{ProjectID: list.ProjectID, ClusterNames: []string{list.ClusterName}}},
		},
	}
}

func targets(lists ...atlas.List) []poll.Target {
	var targets []poll.Target
	for _, list := range lists {
		targets = append(targets, target(list))
	}
	return targets
}

// allClusters returns a rule for all projects.
func allClusters() poll.Rule {
	found := target(atlas.List{})
	found.Source = poll.SourceDiscovery
	return poll.Rule{Target: found, BackupTypes: []atlas.BackupType{atlas.Dedicated, atlas.Flex}}
}

// apply applies a configuration, with the world's client unless the configuration has others.
func (w *world) apply(config poll.Config) {
	w.Helper()
	if config.Clients == nil {
		config.Clients = map[string]poll.Client{"default": w.client}
	}
	config.Concurrency, config.DiscoveryInterval = 4, 5*time.Minute
	if err := w.manager.Apply(config); err != nil {
		w.Fatal(err)
	}
}

// run runs the manager until stop is called. It returns when the manager has nothing to do.
func (w *world) run() (stop func()) {
	ctx, cancel := context.WithCancel(w.Context())
	ended := make(chan struct{})
	go func() { w.manager.Run(ctx); close(ended) }()
	synctest.Wait()
	return func() { cancel(); <-ended }
}

// poll polls every target once.
func (w *world) poll() { w.manager.PollOnce(w.Context(), func(*poll.Snapshot) {}) }

// expose returns the text of the named families of all collectors, or of all families if there are no names. It fails
// the test if the metrics are inconsistent or violate naming conventions.
func (w *world) expose(names ...string) string {
	w.Helper()
	return expose(w.T, []prometheus.Collector{NewCollector(w.manager), w.exporter, w.state}, names...)
}

func expose(t *testing.T, collectors []prometheus.Collector, names ...string) string {
	t.Helper()
	registry := prometheus.NewPedanticRegistry()
	registry.MustRegister(collectors...)
	findings, err := promtest.GatherAndLint(registry)
	if err != nil || len(findings) > 0 {
		t.Fatal(findings, err)
	}
	if len(names) == 0 {
		for _, family := range Families() {
			names = append(names, family.Name)
		}
	}
	text, err := promtest.GatherAndFormat(registry, expfmt.TypeTextPlain, names...)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// samples returns the samples of a family, without HELP and TYPE.
func (w *world) samples(family *Family) []string {
	w.Helper()
	var samples []string
	for line := range strings.Lines(w.expose(family.Name)) {
		if !strings.HasPrefix(line, "#") {
			samples = append(samples, strings.TrimPrefix(strings.TrimSpace(line), family.Name))
		}
	}
	return samples
}

// expectSamples expects exactly the given samples of a family, each without its name.
func (w *world) expectSamples(family *Family, want ...string) {
	w.Helper()
	if got := w.samples(family); strings.Join(got, "\n") != strings.Join(want, "\n") {
		w.Errorf("samples of %s:\n%s\nwant:\n%s", family.Name, strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// inBubble runs a test under a fake clock, which starts at the beginning of the year 2000.
func inBubble(t *testing.T, test func(t *testing.T)) {
	t.Helper()
	synctest.Test(t, test)
}

// runInBubble runs a subtest under a fake clock.
func runInBubble(t *testing.T, name string, test func(t *testing.T)) {
	t.Helper()
	t.Run(name, func(t *testing.T) { synctest.Test(t, test) })
}

// sleep waits until everything that is due within a time has ended.
func sleep(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}
