package poll

import (
	"cmp"
	"context"
	"log/slog"
	"maps"
	"reflect"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"atlas-restore-exporter/atlas"
)

// Manager polls the targets of a configuration and those that discovery finds. Its methods can be called
// concurrently. Methods that return state never wait for a poll, a discovery, or Apply.
type Manager struct {
	observer  Observer
	logger    *slog.Logger
	inventory *inventoryStore
	facts     *factReader
	polls     limiter

	active atomic.Pointer[activeState]

	// mu serializes Apply, updates by discovery, and the start and end of Run.
	mu            sync.Mutex
	ctx           context.Context //nolint:containedctx // of Run; nil if the manager isn't running
	started       time.Time
	stopDiscovery context.CancelFunc
	clusters      *clusterFacts
	launched      int // number of pollers launched so far
	running       sync.WaitGroup
}

// activeState is a configuration, and the pollers and facts that follow from it and from the inventories. Except for
// ready, it is immutable.
type activeState struct {
	config       *Config
	versions     [2]int         // of the inventories of discovery and of facts
	unsettled    int            // number of lists that discovery has yet to read
	pollers      []*poller      // in the order of the targets
	clusters     []clusterState // one for each poller
	projectNames map[string]string
	ready        *atomic.Bool // see Manager.Ready; shared with the next state if that keeps the readiness
}

// NewManager returns a manager with an active configuration. It sends no requests until Run, DiscoverOnce, or
// PollOnce is called. It returns an error under the same conditions as Apply.
func NewManager(config Config, observer Observer, logger *slog.Logger) (*Manager, error) {
	m := &Manager{
		observer: observer, logger: logger, stopDiscovery: func() {},
		inventory: newDiscoveryStore(logger), facts: newFactReader(logger), clusters: newClusterFacts(logger),
	}
	m.active.Store(&activeState{config: &Config{}, ready: new(atomic.Bool)})
	return m, m.Apply(config)
}

// Apply replaces the active configuration. It returns an error and changes nothing if a target is listed twice, a
// credential has no client, or the interval of discovery is negative. Targets that remain keep their known jobs and
// their running polls; they are polled at once only if their client or their limits have changed. Clusters that were
// found before stay found, as far as the new rules include them, until the new discovery has read them. Discovery is
// restarted only if it has to send other requests.
func (m *Manager) Apply(config Config) error {
	if err := config.check(); err != nil {
		return err
	}
	config.DiscoveryInterval = cmp.Or(config.DiscoveryInterval, defaultDiscoveryInterval)
	m.mu.Lock()
	defer m.mu.Unlock()
	restart := !sameDiscovery(m.active.Load().config, &config)
	if restart {
		m.stopDiscovery() // from here on, it records nothing
	}
	m.updatePollers(&config)
	if restart {
		m.startDiscovery(&config)
	}
	return nil
}

// Run polls every target at once and then at its interval, and reads lists of projects and clusters, until ctx ends.
func (m *Manager) Run(ctx context.Context) {
	m.mu.Lock()
	m.ctx, m.started = ctx, time.Now()
	active := m.active.Load()
	for _, p := range active.pollers {
		m.launch(p)
	}
	m.startDiscovery(active.config)
	m.running.Go(func() { m.facts.run(ctx, m.updateIfChanged) })
	m.mu.Unlock()

	<-ctx.Done()
	m.mu.Lock()
	m.ctx = nil // from here on, nothing is launched
	m.mu.Unlock()
	m.running.Wait()
}

// startDiscovery starts discovery by the rules of a configuration if the manager is running. The caller must hold m.mu.
func (m *Manager) startDiscovery(config *Config) {
	if m.ctx == nil || len(config.Discoveries) == 0 {
		return
	}
	ctx, cancel := context.WithCancel(m.ctx)
	m.stopDiscovery = cancel
	m.running.Go(func() { m.newDiscovery(config).run(ctx) })
}

func (m *Manager) newDiscovery(config *Config) *discovery {
	return &discovery{
		config: config, inventory: m.inventory, logger: m.logger, inventoryChanged: m.updateIfChanged,
	}
}

// DiscoverOnce reads every list of projects and clusters once, and updates the targets.
func (m *Manager) DiscoverOnce(ctx context.Context) {
	m.newDiscovery(m.active.Load().config).round(ctx, false)
}

// updateIfChanged updates the pollers and the facts if an inventory has changed since the last update. It does nothing
// if ctx has ended: another configuration may be active.
func (m *Manager) updateIfChanged(ctx context.Context) {
	if !m.inventoriesChanged() {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if ctx.Err() == nil && m.inventoriesChanged() {
		m.updatePollers(m.active.Load().config)
	}
}

func (m *Manager) inventoriesChanged() bool {
	return m.active.Load().versions != [2]int{m.inventory.currentVersion(), m.facts.store.currentVersion()}
}

// updatePollers activates a configuration with a poller for each of its targets. It stops the pollers of other targets.
// The caller must hold m.mu.
func (m *Manager) updatePollers(config *Config) {
	found, foundVersion := m.inventory.snapshot()
	keys := discoveryKeys(config, found)
	needed := func(key discoveryKey) bool { _, ok := keys[key]; return ok }
	m.inventory.retain(needed)
	maps.DeleteFunc(found, func(key discoveryKey, _ *inventoryEntry) bool { return !needed(key) })
	active := m.active.Load()
	planned, truncated := targets(config, found)
	planned = append(planned, undecidedTargets(config, found, planned, active.pollers)...)
	m.polls.setLimit(config.slots(planned))
	m.facts.setPlans(config, factPlans(config, planned, found, keys))
	facts, factsVersion := m.facts.store.snapshot()
	clusters := m.clusters.update(config, planned, found, facts)
	m.inventory.setAnySuccess(m.clusters.undecided)
	m.facts.store.setAnySuccess(m.clusters.undecided)
	removed := map[atlas.List]*poller{}
	for _, p := range active.pollers {
		removed[p.list] = p
	}
	pollers, added := make([]*poller, len(planned)), 0
	for i := range planned {
		old := removed[planned[i].list]
		if old == nil {
			added++
		}
		delete(removed, planned[i].list)
		pollers[i] = m.pollerOf(old, &planned[i], config.Clients[planned[i].settings.Credential])
	}
	m.active.Store(&activeState{
		config: config, versions: [2]int{foundVersion, factsVersion}, unsettled: found.unsettled(keys),
		pollers: pollers, clusters: clusters, projectNames: m.clusters.projectNames(),
		ready: active.readiness(config),
	})
	for _, p := range removed {
		p.stop()
	}
	if truncated {
		m.logger.Warn("found more targets than an exporter polls, divide them into shards", slog.Int("targets", len(pollers)))
	}
	if added+len(removed) > 0 {
		m.logger.Info("targets changed", slog.Int("targets", len(pollers)), slog.Int("added", added),
			slog.Int("removed", len(removed)))
	}
}

// pollerOf returns the poller of a planned target: old with the planned settings or, if there is none, a new one. The
// caller must hold m.mu.
func (m *Manager) pollerOf(old *poller, planned *plannedTarget, client Client) *poller {
	if old == nil {
		p := newPoller(planned.target(), client, m.observer, m.logger)
		p.settings = planned.settings
		m.launch(p)
		return p
	}
	sameClient, policy := old.client == client, &old.target.Policy
	if sameClient && old.settings == planned.settings &&
		policy.NotBefore == planned.notBefore && policy.Recreated == planned.recreated {
		return old
	}
	old.settings = planned.settings
	if target := planned.target(); !sameClient || !reflect.DeepEqual(old.target, target) {
		old.reconfigure(target, client)
	}
	return old
}

// launch starts to poll a target if the manager is running. The caller must hold m.mu.
func (m *Manager) launch(p *poller) {
	if m.ctx == nil {
		return
	}
	ctx, cancel := context.WithCancel(m.ctx)
	ended := make(chan struct{})
	p.stop = func() { cancel(); <-ended }
	p.schedule = newSchedule(m.started, m.launched, pollInterval(p.published.Load()))
	m.launched++
	m.running.Go(func() {
		defer close(ended)
		p.run(ctx, &m.polls)
	})
}

// PollOnce polls every target once and calls done after each poll, but never concurrently. It also reads facts about
// clusters, if these reads are due. It must not be called while Run is running.
func (m *Manager) PollOnce(ctx context.Context, done func(*Snapshot)) {
	var work sync.WaitGroup
	var mu sync.Mutex
	work.Go(func() { m.facts.readDue(ctx) })
	pollers := m.active.Load().pollers
	queue := make(chan *poller, len(pollers))
	for _, p := range pollers {
		queue <- p
	}
	close(queue)
	slots, _ := m.polls.slots()
	for range min(slots, len(pollers)) { // fewer goroutines, whose stacks grow once
		work.Go(func() {
			for p := range queue {
				if !m.polls.acquire(ctx, p.published.Load().Target.Interval) {
					return
				}
				p.poll(ctx, nil)
				m.polls.release()
				if ctx.Err() == nil {
					mu.Lock()
					done(p.published.Load())
					mu.Unlock()
				}
			}
		})
	}
	work.Wait()
	m.updateIfChanged(ctx)
}

// Snapshots returns the state of each target, in the order of the configuration and its rules.
func (m *Manager) Snapshots() []*Snapshot {
	pollers := m.active.Load().pollers
	snapshots := make([]*Snapshot, len(pollers))
	for i, p := range pollers {
		snapshots[i] = p.published.Load()
	}
	return snapshots
}

// States returns the state of each target and of its cluster, in the order of the configuration and its rules.
func (m *Manager) States() []State {
	active := m.active.Load()
	states := make([]State, len(active.pollers))
	for i, p := range active.pollers {
		states[i] = State{p.published.Load(), active.clusters[i].cluster, active.clusters[i].first}
	}
	return states
}

// Inventories returns the status of the reads of facts about clusters that discovery doesn't read, ordered by
// credential and project ID.
func (m *Manager) Inventories() []DiscoveryStatus { return m.facts.store.statuses() }

// Discoveries returns the status of the discovery of each list, ordered by credential and project ID.
func (m *Manager) Discoveries() []DiscoveryStatus { return m.inventory.statuses() }

// ProjectName returns the name of a project, or an empty string if it is not known.
func (m *Manager) ProjectName(projectID string) string {
	return m.active.Load().projectNames[projectID]
}

// Slots returns how many polls can run at once, and how many are running. For a while after the number was lowered,
// more can be running.
func (m *Manager) Slots() (total, inUse int) { return m.polls.slots() }

// OldestWaiting returns since when the oldest poll that is due has been waiting for a slot, if any is waiting.
func (m *Manager) OldestWaiting() (since time.Time, waiting bool) { return m.polls.oldestWaiting() }

// OverduePolls returns how many polls have been waiting for a slot for longer than their interval, and since when the
// first of them has been waiting.
func (m *Manager) OverduePolls() (n int, since time.Time) { return m.polls.overdue() }

// Shard returns the shard of the active configuration.
func (m *Manager) Shard() Shard { return m.active.Load().config.Shard }

// Credentials returns the sorted names of the credentials of the active configuration.
func (m *Manager) Credentials() []string {
	return slices.Sorted(maps.Keys(m.active.Load().config.Clients))
}
