package poll

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"atlas-restore-exporter/atlas"
	"atlas-restore-exporter/atlas/atlastest"
	"atlas-restore-exporter/collector/history"
)

const project = "32b6e34b3d91647abb20e7b8"

var (
	prod = atlas.List{ProjectID: project, ClusterName: "prod", BackupType: atlas.Dedicated}
	team = atlas.List{ProjectID: project, ClusterName: "team", BackupType: atlas.Flex}
)

// world is a simulated Atlas API and a manager that polls it. It must be used in a synctest bubble.
type world struct {
	*testing.T
	sim     *atlastest.Server
	reserve float64 // of further clients
	pipe    *atlastest.Pipe
	client  Client
	manager *Manager
	events  *eventCounts
	log     strings.Builder
}

// newWorld returns a world with the clusters prod and team, of which the given lists are targets.
func newWorld(t *testing.T, lists ...atlas.List) *world {
	t.Helper()
	w := &world{T: t, sim: atlastest.New(), events: newEventCounts()}
	w.sim.AddServiceAccount("id", "secret")
	w.sim.AddProject(project, "Payments")
	w.sim.AddCluster(project, "prod", atlastest.DedicatedCluster)
	w.sim.AddCluster(project, "team", atlastest.FlexCluster)
	w.pipe = atlastest.NewPipe(w.sim)
	t.Cleanup(w.pipe.Close)
	w.client = w.newClient("default", "id", "secret")
	var targets []Target
	for _, list := range lists {
		targets = append(targets, target(list))
	}
	w.newManager(w.client, 4, w.logger(), targets...)
	return w
}

func (w *world) logger() *slog.Logger { return textLogger(&w.log) }

func textLogger(w io.Writer) *slog.Logger { return slog.New(slog.NewTextHandler(w, nil)) }

func (w *world) newClient(name, id, secret string) Client {
	w.Helper()
	client, err := atlas.NewClient(atlas.Options{
		BaseURL: "http://atlas.test", DialContext: w.pipe.DialContext, Concurrency: 4, Observer: w.events,
		Logger: w.logger(), Reserve: w.reserve,
		Credential: atlas.Credential{
			Name: name, ServiceAccount: &atlas.ServiceAccount{ClientID: id, ClientSecret: atlas.Secret(secret)},
		},
	})
	if err != nil {
		w.Fatal(err)
	}
	w.Cleanup(client.Close)
	return client
}

// newManager replaces the world's manager.
func (w *world) newManager(client Client, concurrency int, logger *slog.Logger, targets ...Target) {
	w.Helper()
	config := Config{Targets: targets, Clients: map[string]Client{"default": client}, Concurrency: concurrency}
	manager, err := NewManager(config, w.events, logger)
	if err != nil {
		w.Fatal(err)
	}
	w.manager = manager
}

func target(list atlas.List) Target {
	return Target{
		List: list, Credential: "default", Source: SourceConfig, Interval: time.Minute, Timeout: 30 * time.Second,
		FullPollInterval: time.Hour, StaleAfter: 10 * time.Minute,
		Policy: history.Policy{
			Limits:         history.Limits{MaxAge: 400 * 24 * time.Hour, MaxJobs: 5000},
			JobSeries:      history.SeriesLimits{MaxAge: 72 * time.Hour, MaxPerTarget: 50},
			Objectives:     history.Objectives{Duration: 4 * time.Hour, DrillAge: 90 * 24 * time.Hour},
			AllowedTargets: []history.RestoreTarget{{ProjectID: list.ProjectID, ClusterNames: []string{list.ClusterName}}},
		},
	}
}

// inBubble runs a test under a fake clock.
func inBubble(t *testing.T, test func(t *testing.T)) {
	t.Helper()
	synctest.Test(t, test)
}

// runInBubble runs a subtest under a fake clock.
func runInBubble(t *testing.T, name string, test func(t *testing.T)) {
	t.Helper()
	t.Run(name, func(t *testing.T) { synctest.Test(t, test) })
}

// run runs the manager until stop is called. It returns when the manager has nothing to do.
func (w *world) run() (stop func()) {
	ctx, cancel := context.WithCancel(w.Context())
	ended := make(chan struct{})
	go func() { w.manager.Run(ctx); close(ended) }()
	synctest.Wait()
	return func() { cancel(); <-ended }
}

// poll polls every target once and returns the first snapshot.
func (w *world) poll() *Snapshot {
	w.manager.PollOnce(w.Context(), func(*Snapshot) {})
	return w.manager.Snapshots()[0]
}

// apply applies a configuration with the world's client, concurrency 4, and a discovery interval of 5 minutes.
func (w *world) apply(config Config) {
	w.Helper()
	config.Clients, config.Concurrency, config.DiscoveryInterval = map[string]Client{"default": w.client}, 4, 5*time.Minute
	if err := w.manager.Apply(config); err != nil {
		w.Fatal(err)
	}
}

// requests returns the number of requests for pages of lists and for jobs by ID since the last call.
func (w *world) requests() string {
	var lists, jobs int
	for _, request := range w.sim.Requests(nil) {
		if strings.HasSuffix(request.Path, "estoreJobs") {
			lists++
		} else if strings.Contains(request.Path, "estoreJobs/") {
			jobs++
		}
	}
	w.sim.ForgetRequests()
	return fmt.Sprintf("%d lists, %d jobs", lists, jobs)
}

func (w *world) expectRequests(want string) {
	w.Helper()
	if got := w.requests(); got != want {
		w.Errorf("%s requested, want %s", got, want)
	}
}

// expectKnown polls once and expects a success with a number of known jobs.
func (w *world) expectKnown(want int) {
	w.Helper()
	if s := w.poll(); s.Err != nil || s.Summary.Known != want {
		w.Errorf("%d jobs known, want %d; error %v", s.Summary.Known, want, s.Err)
	}
}

// addHistory adds finished restores of team, one per hour; the newest is one hour old.
func (w *world) addHistory(n int) {
	for i := range n {
		w.sim.AddJobs(team, atlastest.Job{Created: time.Now().Add(-time.Duration(n-i) * time.Hour), Takes: 30 * time.Minute})
	}
}

// targetNames returns the names of the targets as cluster/backup type, with :source unless discovery found them.
func (w *world) targetNames() string {
	var names []string
	for _, s := range w.manager.Snapshots() {
		name := s.Target.ClusterName + "/" + string(s.Target.BackupType)
		if s.Target.Source != SourceDiscovery {
			name += ":" + s.Target.Source
		}
		names = append(names, name)
	}
	return strings.Join(names, " ")
}

func (w *world) expectTargets(want string) {
	w.Helper()
	if got := w.targetNames(); got != want {
		w.Errorf("targets %s\nwant    %s", got, want)
	}
}

// eventCounts is an observer that counts events.
type eventCounts struct {
	atlas.NopObserver

	mu        sync.Mutex
	failed    map[Reason]int
	panicked  map[atlas.BackupType]int
	malformed int
	unknown   map[string]int
	omitted   map[string]int
	accepted  map[string]bool // by credential
}

func newEventCounts() *eventCounts {
	return &eventCounts{
		failed: map[Reason]int{}, panicked: map[atlas.BackupType]int{},
		unknown: map[string]int{}, omitted: map[string]int{}, accepted: map[string]bool{},
	}
}

func (e *eventCounts) count(add func()) {
	e.mu.Lock()
	defer e.mu.Unlock()
	add()
}

func (e *eventCounts) PollFailed(_ atlas.BackupType, reason Reason) {
	e.count(func() { e.failed[reason]++ })
}

func (e *eventCounts) PollPanicked(of atlas.BackupType) { e.count(func() { e.panicked[of]++ }) }

func (e *eventCounts) MalformedJobs(_ atlas.BackupType, n int) { e.count(func() { e.malformed += n }) }

func (e *eventCounts) UnknownValue(field string) { e.count(func() { e.unknown[field]++ }) }

func (e *eventCounts) MalformedField(field string) { e.count(func() { e.omitted[field]++ }) }

func (e *eventCounts) Credential(name string, accepted bool) {
	e.count(func() { e.accepted[name] = accepted })
}

func (e *eventCounts) isAccepted(credential string) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.accepted[credential]
}
