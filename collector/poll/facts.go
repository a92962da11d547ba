package poll

import (
	"context"
	"log/slog"
	"slices"
	"sync"
	"time"

	"atlas-restore-exporter/atlas"
)

// factReader reads facts about the clusters of projects that discovery doesn't read: the kinds of clusters that have
// targets, and the project itself. These are at most three requests per project and discovery interval, unless a
// request fails for a temporary reason. Nothing else depends on the results.
type factReader struct {
	store  *inventoryStore
	logger *slog.Logger
	wake   chan struct{} // has an element if the plans have changed

	mu          sync.Mutex
	interval    time.Duration
	concurrency int
	plans       map[discoveryKey]*factPlan
}

// factPlan is a plan and the time of its next attempt.
type factPlan struct {
	plan

	due      time.Time
	failures int // consecutive failed attempts
}

func newFactReader(logger *slog.Logger) *factReader {
	return &factReader{
		logger: logger, wake: make(chan struct{}, 1), plans: map[discoveryKey]*factPlan{},
		store: &inventoryStore{
			entries: inventory{},
			logFailed: func(ctx context.Context, attrs ...slog.Attr) {
				const message = "reading facts about clusters failed, keeping last known facts"
				logger.LogAttrs(ctx, slog.LevelWarn, message, attrs...)
			},
			logSuccess: func(ctx context.Context, attrs ...slog.Attr) {
				logger.LogAttrs(ctx, slog.LevelInfo, "reading facts about clusters succeeded again", attrs...)
			},
		},
	}
}

// setPlans replaces the plans. New and changed ones are due at once.
func (f *factReader) setPlans(config *Config, plans map[discoveryKey]plan) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.interval, f.concurrency = config.DiscoveryInterval, config.discoveryReads()
	latest := time.Now().Add(f.interval)
	next := make(map[discoveryKey]*factPlan, len(plans))
	for key, plan := range plans {
		if old := f.plans[key]; old != nil && old.equal(&plan) {
			next[key] = old
			if old.due.After(latest) {
				old.due = latest
			}
		} else {
			next[key] = &factPlan{plan: plan}
		}
	}
	f.plans = next
	f.store.retain(func(key discoveryKey) bool { return next[key] != nil })
	select {
	case f.wake <- struct{}{}:
	default:
	}
}

// run makes each attempt when it is due, until ctx ends. Each second meanwhile, it calls changed.
func (f *factReader) run(ctx context.Context, changed func(context.Context)) {
	for ctx.Err() == nil {
		reportDuring(ctx, func() { f.readDue(ctx) }, changed)
		timer := time.NewTimer(f.untilDue())
		select {
		case <-ctx.Done():
		case <-f.wake:
		case <-timer.C:
		}
		timer.Stop()
	}
}

// readDue makes every attempt that is due, several concurrently.
func (f *factReader) readDue(ctx context.Context) {
	f.mu.Lock()
	now, due := time.Now(), map[discoveryKey]*factPlan{}
	for key, plan := range f.plans {
		if !plan.due.After(now) {
			due[key] = plan
		}
	}
	concurrency := f.concurrency
	f.mu.Unlock()
	eachConcurrently(ctx, concurrency, due, func(ctx context.Context, key discoveryKey, plan *factPlan) {
		found, err := read(ctx, key, &plan.plan, f.logger)
		f.finish(ctx, key, plan, found, err)
	})
}

// finish records the result of an attempt, unless the plan was replaced meanwhile. A failure for a temporary reason is
// retried with backoff, any other one after the interval.
func (f *factReader) finish(ctx context.Context, key discoveryKey, plan *factPlan, found findings, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.plans[key] != plan {
		return
	}
	wait := f.interval
	if err == nil || !ReasonOf(err, "").temporary() {
		plan.failures = 0
	} else {
		wait = min(wait, firstDiscoveryRetry<<min(plan.failures, 16))
		plan.failures++
	}
	plan.due = time.Now().Add(wait)
	f.store.record(ctx, key, plan.kinds, found, err)
}

// untilDue returns the time until the next attempt.
func (f *factReader) untilDue() time.Duration {
	f.mu.Lock()
	defer f.mu.Unlock()
	next := time.Now().Add(f.interval)
	for _, plan := range f.plans {
		if plan.due.Before(next) {
			next = plan.due
		}
	}
	return time.Until(next)
}

// factPlans returns plans for reading the facts about clusters of targets that discovery doesn't read. It returns
// none until discovery has attempted every list of projects, because discovery may read the same.
func factPlans(
	config *Config, planned []plannedTarget, found inventory, discovered map[discoveryKey][]atlas.ClusterKind,
) map[discoveryKey]plan {
	covered, listed := map[string][]atlas.ClusterKind{}, map[string]bool{}
	for key, kinds := range discovered {
		covered[key.projectID] = append(covered[key.projectID], kinds...)
		if key.projectID == "" && found[key] == nil {
			return nil
		}
		if key.projectID == "" {
			for _, project := range found[key].projects.all {
				listed[project.ID] = true
			}
		}
	}
	keys, plans := map[string]discoveryKey{}, map[discoveryKey]plan{}
	for i := range planned {
		list, credential := &planned[i].list, planned[i].settings.Credential
		key, ok := keys[list.ProjectID]
		if !ok {
			key = discoveryKey{credential, list.ProjectID}
			keys[list.ProjectID] = key
		}
		plan := plans[key]
		plan.client, plan.project = config.Clients[key.credential], !listed[list.ProjectID]
		kind, ok := atlas.ClusterKindOf(list.BackupType)
		if ok && !slices.Contains(covered[list.ProjectID], kind) && !slices.Contains(plan.kinds, kind) {
			plan.kinds = append(plan.kinds, kind)
			slices.Sort(plan.kinds)
		}
		if plan.project || len(plan.kinds) > 0 {
			plans[key] = plan
		}
	}
	return plans
}
