package poll

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"atlas-restore-exporter/atlas"
	"atlas-restore-exporter/collector/history"
	"atlas-restore-exporter/internal/recovery"
)

// poller keeps one target up to date. Its settings can be replaced at any time, also during a poll.
type poller struct {
	list     atlas.List
	observer Observer
	logger   *slog.Logger

	changed  chan struct{} // has an element if the settings have changed
	schedule schedule      // belongs to the goroutine that polls
	// Conditions that were already logged, so that they are not logged at every poll. They belong to this goroutine, too.
	loggedTruncated, loggedMalformed bool

	// mu guards the following fields, and the history of the current reading. It is never held during a request.
	mu           sync.Mutex
	target       *Target // immutable; the manager replaces it
	client       Client
	history      *history.History
	lastFullPoll time.Time
	dueAtOnce    bool // because of changed settings

	published atomic.Pointer[Snapshot] // replaced while mu is held
	panicked  atomic.Bool              // since the last success; the history may contain a part of a poll

	// The manager's mu guards these fields.
	settings *Target // part of the configuration from which the target was made
	stop     func()  // stops the goroutine that polls, and waits until it has ended
}

func newPoller(target *Target, client Client, observer Observer, logger *slog.Logger) *poller {
	p := &poller{
		list: target.List, target: target, client: client, observer: observer, stop: func() {},
		changed: make(chan struct{}, 1), history: history.New(target.List, target.Policy),
		logger: logger.With(slog.String("project_id", target.ProjectID),
			slog.String("cluster_name", target.ClusterName), slog.String("backup_type", string(target.BackupType))),
	}
	p.published.Store(&Snapshot{Target: target})
	return p
}

// locked runs a step that uses the state that mu guards.
func (p *poller) locked(step func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	step()
}

// reconfigure replaces the settings and the client, and publishes the known jobs as summarized under the new policy. A
// poll that is running continues. If the client has changed, or jobs may be missing under the new policy, a poll is due
// at once.
func (p *poller) reconfigure(target *Target, client Client) {
	p.locked(func() {
		p.dueAtOnce = p.dueAtOnce || p.client != client
		p.target, p.client = target, client
		next := *p.published.Load()
		next.Target = target
		p.recoverPanic(func() {
			incomplete := p.history.SetPolicy(target.Policy, time.Now())
			p.dueAtOnce = p.dueAtOnce || incomplete
			if next.Summary != nil {
				next.Summary = p.history.Summarize(time.Now())
			}
		})
		p.published.Store(&next)
	})
	select {
	case p.changed <- struct{}{}:
	default:
	}
}

// run polls the target when it is due, until ctx ends. Each poll waits for a slot. A poll that waits for the rate limit
// of its project gives its slot to other polls, because a project must not delay the targets of others.
func (p *poller) run(ctx context.Context, slots *limiter) {
	for p.wait(ctx) && slots.acquire(ctx, p.schedule.interval) {
		missed := p.schedule.start(time.Now())
		p.locked(func() { p.miss(missed) })
		slot := &slot{slots, p.schedule.interval, true}
		p.poll(ctx, slot)
		slot.release()
		p.schedule.end(time.Now(), pollInterval(p.published.Load()))
	}
}

// wait waits until a poll is due, and reports false if ctx ended first. Meanwhile, it publishes the changes of the
// summary that time alone makes, such as an expiry.
func (p *poller) wait(ctx context.Context) bool {
	for ctx.Err() == nil {
		next := p.prepare()
		if !p.schedule.due.After(time.Now()) {
			return true
		}
		timer := time.NewTimer(time.Until(next))
		select {
		case <-ctx.Done():
		case <-p.changed:
		case <-timer.C:
		}
		timer.Stop()
	}
	return false
}

// prepare applies changed settings to the schedule and publishes the current summary. It returns when it must be called
// again: when a poll is due or, before that, when the summary becomes invalid.
func (p *poller) prepare() (next time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.dueAtOnce {
		p.dueAtOnce, p.schedule.due = false, time.Now()
	}
	p.miss(p.schedule.adapt(time.Now(), pollInterval(p.published.Load())))
	p.refresh()
	until, limited := p.published.Load().Summary.ValidUntil()
	if limited && until.Before(p.schedule.due) && !p.panicked.Load() {
		return until
	}
	return p.schedule.due
}

// refresh publishes the current summary if the published one is no longer valid. The caller must hold p.mu.
func (p *poller) refresh() {
	next := *p.published.Load()
	if next.Summary == nil || p.panicked.Load() {
		return
	}
	before := next.Summary
	p.recoverPanic(func() { next.Summary = p.history.Summarize(time.Now()) })
	if next.Summary != before {
		p.published.Store(&next)
	}
}

// ErrInternal is the error of a poll or discovery that panicked.
var ErrInternal = errors.New("internal error: panic recovered, details are in the log")

// poll reads the target once and publishes the result. If ctx ends first, poll changes nothing. If the poll panics,
// the next one is a full poll. If slot isn't nil, the poll waits for its turn; otherwise it fails if its turn is after
// its timeout.
func (p *poller) poll(ctx context.Context, slot *slot) {
	if p.recoverPanic(func() { p.update(ctx, slot) }) {
		p.locked(func() {
			p.lastFullPoll = time.Time{}
			p.fail(ctx, ErrInternal)
		})
	}
}

// recoverPanic runs step and reports whether it panicked. A bug that one target triggers must not stop the others.
func (p *poller) recoverPanic(step func()) (panicked bool) {
	return recovery.Do(step, func(value any) {
		p.observer.PollPanicked(p.list.BackupType)
		level := slog.LevelError
		if p.panicked.Swap(true) {
			level = slog.LevelDebug
		}
		p.logger.LogAttrs(context.Background(), level, "panic recovered during a poll, please report this bug",
			recovery.Attrs(value)...)
	})
}

// miss counts intervals that passed without a poll being started. The caller must hold p.mu.
func (p *poller) miss(intervals uint64) {
	if intervals > 0 {
		next := *p.published.Load()
		next.MissedIntervals += intervals
		p.published.Store(&next)
	}
}

func (p *poller) update(ctx context.Context, slot *slot) {
	var target *Target
	var client Client
	p.locked(func() { target, client, p.dueAtOnce = p.target, p.client, false })
	timeout := withTimeout(ctx, target.Timeout)
	defer timeout.cancel(nil)
	pollCtx := context.Context(timeout)
	if slot != nil {
		turn := turn{p, target, slot, timeout}
		pollCtx = atlas.WithPause(timeout, turn.pause)
	}
	reading, err := p.read(pollCtx, target, client)
	if ctx.Err() != nil {
		return
	}
	p.locked(func() {
		switch {
		case err == nil && reading.Repeated() && p.dueAtOnce:
			// Jobs may be missing under the new settings. The next poll, which is due at once, decodes them.
		case err == nil:
			p.succeed(ctx, reading)
		case p.client == client: // else the next poll, which is due at once, shows whether the new client works
			p.fail(ctx, err)
		}
	})
}

// succeed merges and publishes a reading. The caller must hold p.mu.
func (p *poller) succeed(ctx context.Context, reading *history.Reading) {
	next := *p.published.Load()
	next.LastPoll = time.Now()
	if reading.Full() {
		p.lastFullPoll = next.LastPoll
		next.Truncated, next.Inconsistent = reading.Truncated(), reading.Inconsistent()
		next.Malformed, _ = reading.Malformed()
	}
	p.logUnreadable(ctx, reading)
	p.history.Merge(reading, next.LastPoll)
	next.Summary = p.history.Summarize(next.LastPoll)
	p.panicked.Store(false)
	next.LastSuccess, next.Err, next.Reason, next.ConsecutiveFailures = next.LastPoll, nil, "", 0
	p.publish(ctx, &next)
}

// fail publishes that a poll failed. Time alone may have changed the summary, for example because a download expired.
// The caller must hold p.mu.
func (p *poller) fail(ctx context.Context, err error) {
	next := *p.published.Load()
	next.LastPoll = time.Now()
	next.Err, next.Reason = err, ReasonOf(err, p.list.BackupType)
	next.Failures++
	next.ConsecutiveFailures++
	if next.Summary != nil && !p.panicked.Load() {
		next.Summary = p.history.Summarize(next.LastPoll)
	}
	p.observer.PollFailed(p.list.BackupType, next.Reason)
	p.publish(ctx, &next)
}

// publish swaps in the new state, and logs each change between success and the reasons for failure.
func (p *poller) publish(ctx context.Context, next *Snapshot) {
	last := p.published.Swap(next)
	switch {
	case next.Err != nil && next.Reason != last.Reason:
		p.logger.LogAttrs(ctx, slog.LevelWarn, "poll failed",
			slog.String("reason", string(next.Reason)), slog.Any("err", next.Err))
	case next.Err != nil:
		p.logger.LogAttrs(ctx, slog.LevelDebug, "poll failed again",
			slog.String("reason", string(next.Reason)), slog.Any("err", next.Err))
	case last.Err != nil:
		p.logger.LogAttrs(ctx, slog.LevelInfo, "poll succeeded again", slog.Int("jobs", next.Summary.Known))
	default:
		p.logger.LogAttrs(ctx, slog.LevelDebug, "poll succeeded", slog.Int("jobs", next.Summary.Known))
	}
}

// logUnreadable logs truncated and contradictory lists and malformed jobs: once, and again only after a full poll
// without any.
func (p *poller) logUnreadable(ctx context.Context, reading *history.Reading) {
	malformed, err := reading.Malformed()
	if reading.Truncated() && !p.loggedTruncated {
		p.logger.LogAttrs(ctx, slog.LevelWarn, "list is longer than a full poll reads, omitting older jobs",
			slog.Int("pages", reading.Pages()))
	}
	if reading.Inconsistent() && !p.published.Load().Inconsistent {
		p.logger.LogAttrs(ctx, slog.LevelWarn, "list contradicts its own totalCount, not removing jobs",
			slog.Int("pages", reading.Pages()))
	}
	if malformed > 0 && !p.loggedMalformed {
		p.logger.LogAttrs(ctx, slog.LevelWarn, "omitting malformed jobs", slog.Int("jobs", malformed),
			slog.Any("err", err))
	}
	if reading.Full() {
		p.loggedTruncated, p.loggedMalformed = reading.Truncated(), malformed > 0
	}
	p.loggedMalformed = p.loggedMalformed || malformed > 0
}

// read reads everything that may have changed: the newest pages and the unfinished jobs that are not on them. If a full
// poll is due or needed, it reads the whole list. A full poll that is needed stays due until one succeeds.
func (p *poller) read(ctx context.Context, target *Target, client Client) (reading *history.Reading, err error) {
	p.locked(func() {
		due := p.lastFullPoll.IsZero() || time.Since(p.lastFullPoll) >= target.FullPollInterval
		reading = p.history.Read(time.Now(), due)
	})
	err = p.readTarget(ctx, client, reading)
	for errors.Is(err, history.ErrFullPollNeeded) {
		p.logger.LogAttrs(ctx, slog.LevelDebug, "starting another full poll", slog.Any("cause", err))
		p.locked(func() {
			p.lastFullPoll = time.Time{}
			reading = reading.Again(time.Now())
		})
		err = p.readTarget(ctx, client, reading)
	}
	return reading, err
}

func (p *poller) readTarget(ctx context.Context, client Client, reading *history.Reading) error {
	for page, err := range client.RestoreJobs(ctx, p.list, reading.Marks()...) {
		if err != nil {
			return err
		}
		enough := false
		p.locked(func() { enough = reading.Add(&page) })
		if enough {
			break
		}
	}
	var pending []string
	var err error
	p.locked(func() { pending, err = reading.Pending() })
	if err != nil {
		return err
	}
	for _, id := range pending {
		job, err := client.RestoreJob(ctx, p.list, id)
		p.locked(func() { err = reading.Put(id, job, err) })
		if errors.Is(err, history.ErrFullPollNeeded) {
			return err
		}
		if err != nil {
			p.logger.LogAttrs(ctx, slog.LevelDebug, "request for an unfinished job failed, keeping its last known state",
				slog.String("job_id", id), slog.Any("err", err))
			return nil
		}
	}
	return nil
}
