package collector

import (
	"context"
	"fmt"
	"log/slog"
	"math"
	"sync"
	"time"

	"golang.org/x/sync/semaphore"

	"atlas-restore-exporter/atlas"
)

// ManagerOptions configure a Manager.
type ManagerOptions struct {
	Targets     []Target
	Clients     map[string]Client // by name of the credential
	Concurrency int               // polls at a time
	Metrics     *Metrics
	Logger      *slog.Logger
}

// Manager keeps the targets polled.
type Manager struct {
	pollers []*poller
	names   *projectNames
	slots   *semaphore.Weighted
}

// NewManager returns a manager that has not polled anything yet. Targets must differ, and their credentials have a
// client each.
func NewManager(options ManagerOptions) (*Manager, error) {
	m := &Manager{names: newProjectNames(), slots: semaphore.NewWeighted(int64(max(options.Concurrency, 1)))}
	seen := map[atlas.List]bool{}
	for _, target := range options.Targets {
		client := options.Clients[target.Credential]
		if client == nil {
			return nil, fmt.Errorf("target %v: no client for credential %q", target.List, target.Credential)
		}
		if seen[target.List] {
			return nil, fmt.Errorf("target %v: there are two of it", target.List)
		}
		seen[target.List] = true
		m.pollers = append(m.pollers, newPoller(target, client, m.names, options.Metrics, options.Logger))
	}
	return m, nil
}

// Run polls every target at once and then at its interval, until ctx ends.
func (m *Manager) Run(ctx context.Context) {
	var running sync.WaitGroup
	start := time.Now()
	for i, p := range m.pollers {
		running.Go(func() { m.run(ctx, p, start, phase(i)) })
	}
	running.Wait()
}

// phase returns a part of an interval, from 0 to 1, such that targets spread evenly however many there are: multiples
// of the golden ratio leave no gap much larger than the others.
func phase(i int) float64 {
	_, fraction := math.Modf(float64(i) * math.Phi)
	return fraction
}

func (m *Manager) run(ctx context.Context, p *poller, start time.Time, phase float64) {
	for {
		if !m.poll(ctx, p) {
			return
		}
		interval := p.interval()
		timer := time.NewTimer(untilTick(time.Since(start), interval, time.Duration(phase*float64(interval))))
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
	if m.slots.Acquire(ctx, 1) != nil {
		return false
	}
	defer m.slots.Release(1)
	p.poll(ctx)
	return ctx.Err() == nil
}

// PollOnce polls every target once, and calls done after each, never twice at a time.
func (m *Manager) PollOnce(ctx context.Context, done func(*Snapshot)) {
	var running sync.WaitGroup
	var mu sync.Mutex
	for _, p := range m.pollers {
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

// Snapshots returns what is known of every target, in the order in which they were given.
func (m *Manager) Snapshots() []*Snapshot {
	snapshots := make([]*Snapshot, len(m.pollers))
	for i, p := range m.pollers {
		snapshots[i] = p.published.Load()
	}
	return snapshots
}

// ProjectName returns the name of a project, or nothing where Atlas did not tell it yet, or refuses to.
func (m *Manager) ProjectName(projectID string) string { return m.names.name(projectID) }

// Ready reports whether every target was polled at least once, whatever came of it.
func (m *Manager) Ready() bool {
	for _, p := range m.pollers {
		if p.published.Load().LastPoll.IsZero() {
			return false
		}
	}
	return true
}
