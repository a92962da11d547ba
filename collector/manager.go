package collector

import (
	"context"
	"log/slog"
	"math"
	"reflect"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/semaphore"

	"atlas-restore-exporter/atlas"
)

// Manager keeps the targets polled.
type Manager struct {
	metrics *Metrics
	logger  *slog.Logger
	names   *projectNames
	finder  *finder
	slots   atomic.Pointer[semaphore.Weighted]
	search  chan struct{} // of one element: there are rules by which nobody has searched yet

	mu      sync.Mutex
	setup   Setup
	pollers []*poller       // in the order of the targets
	ctx     context.Context //nolint:containedctx // of Run; nil before
	started time.Time
	phases  int // given so far
	// concurrency is what there are slots for, below zero for none yet.
	concurrency int
	ready       bool // for good
	running     sync.WaitGroup
}

var _ Source = (*Manager)(nil)

// NewManager returns a manager that has not asked anything yet.
func NewManager(setup Setup, metrics *Metrics, logger *slog.Logger) (*Manager, error) {
	names := newProjectNames()
	m := &Manager{
		metrics: metrics, logger: logger, names: names, finder: newFinder(names, metrics, logger),
		search: make(chan struct{}, 1), concurrency: -1,
	}
	return m, m.Apply(setup)
}

// Apply puts another setup in the place of the present one. Targets must differ, and their credentials have a client
// each. Where they don't, nothing changes. A target that stays as it is, with the same client, is not touched; one that
// changes keeps its known jobs, and is polled at once. What was found before stays found until it is searched anew.
func (m *Manager) Apply(setup Setup) error {
	if err := setup.check(); err != nil {
		return err
	}
	m.mu.Lock()
	m.setup = setup
	if setup.Concurrency != m.concurrency {
		m.concurrency = setup.Concurrency
		m.slots.Store(semaphore.NewWeighted(int64(max(setup.Concurrency, 1))))
	}
	m.mu.Unlock()
	m.retarget()
	m.searchSoon()
	return nil
}

// retarget polls what the setup and what was found make of each other.
func (m *Manager) retarget() {
	m.mu.Lock()
	defer m.mu.Unlock()
	targets, all := m.finder.targets(&m.setup)
	before, added := map[atlas.List]*poller{}, 0
	for _, p := range m.pollers {
		before[p.target.List] = p
	}
	pollers := make([]*poller, 0, len(targets))
	for _, target := range targets {
		old := before[target.List]
		if old == nil {
			added++
		}
		pollers = append(pollers, m.succeed(old, target, m.setup.Clients[target.Credential]))
		delete(before, target.List)
	}
	for _, gone := range before {
		gone.stop()
	}
	m.pollers = pollers
	m.forgetProjects(before)
	m.metrics.setTargets(targets)
	m.metrics.setShard(m.setup.Shard)
	if !all {
		m.logger.Warn("more was found than an exporter polls, divide the fleet into shards", slog.Int("targets", len(targets)))
	}
	if added+len(before) > 0 {
		m.logger.Info("targets changed", slog.Int("targets", len(targets)), slog.Int("added", added), slog.Int("removed", len(before)))
	}
}

// succeed returns the poller of a target: the one that there is, or one that takes over from it.
func (m *Manager) succeed(old *poller, target Target, client Client) *poller {
	if old != nil && old.client == client && reflect.DeepEqual(*old.target, target) {
		return old
	}
	p := newPoller(target, client, m.names, m.metrics, m.logger)
	if old != nil {
		old.stop()
		p.inherit(old)
	}
	m.launch(p)
	return p
}

// forgetProjects drops what is said of projects of which no target is left.
func (m *Manager) forgetProjects(gone map[atlas.List]*poller) {
	left := map[string]bool{}
	for _, p := range m.pollers {
		left[p.target.ProjectID] = true
	}
	for list := range gone {
		if !left[list.ProjectID] {
			m.metrics.forgetProject(list.ProjectID)
		}
	}
}

// Run searches for targets, and polls every one at once and then at its interval, until ctx ends.
func (m *Manager) Run(ctx context.Context) {
	m.mu.Lock()
	m.ctx, m.started = ctx, time.Now()
	for _, p := range m.pollers {
		m.launch(p)
	}
	m.mu.Unlock()
	m.discover(ctx)
	m.mu.Lock()   // whoever applies a setup now launches nothing any more
	m.mu.Unlock() //nolint:staticcheck // it is only waited for
	m.running.Wait()
}

// launch starts to poll a target, if the manager runs. Only who holds the lock may call it.
func (m *Manager) launch(p *poller) {
	if m.ctx == nil || m.ctx.Err() != nil {
		return
	}
	ctx, cancel := context.WithCancel(m.ctx)
	ended := make(chan struct{})
	p.stop = func() { cancel(); <-ended }
	part := phase(m.phases)
	m.phases++
	m.running.Go(func() {
		defer close(ended)
		m.run(ctx, p, part)
	})
}

// phase returns a part of an interval, from 0 to 1, such that targets spread evenly however many there are: multiples
// of the golden ratio leave no gap much larger than the others.
func phase(i int) float64 {
	_, fraction := math.Modf(float64(i) * math.Phi)
	return fraction
}

func (m *Manager) run(ctx context.Context, p *poller, phase float64) {
	p.resume(ctx)
	for {
		if !m.poll(ctx, p) {
			return
		}
		interval := p.interval()
		timer := time.NewTimer(untilTick(time.Since(m.started), interval, time.Duration(phase*float64(interval))))
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case <-timer.C:
		}
	}
}

// untilTick returns the time from an instant (since the start) to the next one that is phase past a whole number of
// intervals. A poll that took longer than its interval has missed ticks, and is not made up for.
func untilTick(since, interval, phase time.Duration) time.Duration {
	return interval - (since-phase+interval)%interval
}

// poll polls once there is a slot, and reports false if ctx ended before.
func (m *Manager) poll(ctx context.Context, p *poller) bool {
	slots := m.slots.Load()
	if slots.Acquire(ctx, 1) != nil {
		return false
	}
	defer slots.Release(1)
	p.poll(ctx)
	return ctx.Err() == nil
}

// PollOnce polls every target once, and calls done after each, never twice at a time.
func (m *Manager) PollOnce(ctx context.Context, done func(*Snapshot)) {
	var running sync.WaitGroup
	var mu sync.Mutex
	for _, p := range m.current() {
		running.Go(func() {
			if m.poll(ctx, p) {
				mu.Lock()
				defer mu.Unlock()
				done(p.published.Load())
			}
		})
	}
	running.Wait()
}

func (m *Manager) current() []*poller {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.pollers
}

// Snapshots returns what is known of every target, in the order in which they were given.
func (m *Manager) Snapshots() []*Snapshot {
	pollers := m.current()
	snapshots := make([]*Snapshot, len(pollers))
	for i, p := range pollers {
		snapshots[i] = p.published.Load()
	}
	return snapshots
}

// ProjectName returns the name of a project, or nothing where Atlas did not tell it yet, or refuses to.
func (m *Manager) ProjectName(projectID string) string { return m.names.name(projectID) }

// Ready reports whether there was a full picture once: every list of projects was read, and every target polled,
// whatever came of that.
func (m *Manager) Ready() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.ready = m.ready || (m.finder.complete(&m.setup) && !slices.ContainsFunc(m.pollers, func(p *poller) bool {
		return p.published.Load().LastPoll.IsZero()
	}))
	return m.ready
}
