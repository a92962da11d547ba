package poll

import (
	"context"
	"errors"
	"log/slog"
	"sync/atomic"
	"time"

	"atlas-restore-exporter/collector/history"
	"atlas-restore-exporter/internal/recovery"
)

// poller keeps one target up to date. Except for published, its fields belong to the goroutine that polls.
type poller struct {
	target   *Target // immutable
	client   Client
	observer Observer
	logger   *slog.Logger

	history      *history.History
	lastFullPoll time.Time
	// Conditions that were already logged, so that they are not logged at every poll.
	loggedTruncated, loggedMalformed bool
	panicked                         bool // since the last success; the history may contain a part of a poll

	published atomic.Pointer[Snapshot]

	// The manager's mu guards these fields.
	settings *Target // part of the configuration from which the target was made
	stop     func()  // stops the goroutine that polls, and waits until it has ended
}

func newPoller(target *Target, client Client, observer Observer, logger *slog.Logger) *poller {
	p := &poller{
		target: target, client: client, observer: observer, stop: func() {},
		history: history.New(target.List, target.Policy),
		logger: logger.With(slog.String("project_id", target.ProjectID),
			slog.String("cluster_name", target.ClusterName), slog.String("backup_type", string(target.BackupType))),
	}
	p.published.Store(&Snapshot{Target: target})
	return p
}

// takeOver continues the work of another poller of the same list, which must have stopped. It publishes the known
// jobs as summarized under the target's own policy.
func (p *poller) takeOver(old *poller) {
	p.history, p.lastFullPoll = old.history, old.lastFullPoll
	p.loggedTruncated, p.loggedMalformed, p.panicked = old.loggedTruncated, old.loggedMalformed, old.panicked
	p.history.SetPolicy(p.target.Policy)
	next := *old.published.Load()
	next.Target = p.target
	if next.Summary != nil {
		p.recoverPanic(func() { next.Summary = p.history.Summarize(time.Now()) })
	}
	p.published.Store(&next)
}

// ErrInternal is the error of a poll or discovery that panicked.
var ErrInternal = errors.New("internal error: panic recovered, details are in the log")

// poll reads the target once and publishes the result. If ctx ends first, poll changes nothing. If the poll panics,
// the next one is a full poll.
func (p *poller) poll(ctx context.Context) {
	if p.recoverPanic(func() { p.update(ctx) }) {
		p.lastFullPoll = time.Time{}
		p.fail(ctx, ErrInternal)
	}
}

// recoverPanic runs step and reports whether it panicked. A bug that one target triggers must not stop the others.
func (p *poller) recoverPanic(step func()) (panicked bool) {
	return recovery.Do(step, func(value any) {
		p.observer.PollPanicked(p.target.BackupType)
		level := slog.LevelError
		if p.panicked {
			level = slog.LevelDebug
		}
		p.panicked = true
		p.logger.LogAttrs(context.Background(), level, "panic recovered during a poll, please report this bug",
			recovery.Attrs(value)...)
	})
}

// miss counts intervals that passed without a poll being started.
func (p *poller) miss(intervals uint64) {
	if intervals > 0 {
		next := *p.published.Load()
		next.MissedIntervals += intervals
		p.published.Store(&next)
	}
}

func (p *poller) update(ctx context.Context) {
	pollCtx, cancel := context.WithTimeout(ctx, p.target.Timeout)
	defer cancel()
	reading, err := p.read(pollCtx)
	if ctx.Err() != nil {
		return
	}
	if err != nil {
		p.fail(ctx, err)
		return
	}
	next := *p.published.Load()
	next.LastPoll = time.Now()
	if reading.Full() {
		p.lastFullPoll = next.LastPoll
		next.Truncated, next.Inconsistent = reading.Truncated(), reading.Inconsistent()
	}
	p.logUnreadable(ctx, reading)
	p.history.Merge(reading, next.LastPoll)
	next.Summary = p.history.Summarize(next.LastPoll)
	p.panicked = false
	next.LastSuccess, next.Err, next.Reason, next.ConsecutiveFailures = next.LastPoll, nil, "", 0
	p.publish(ctx, &next)
}

// fail publishes that a poll failed. Time alone may have changed the summary, for example because a download expired.
func (p *poller) fail(ctx context.Context, err error) {
	next := *p.published.Load()
	next.LastPoll = time.Now()
	next.Err, next.Reason = err, ReasonOf(err, p.target.BackupType)
	next.Failures++
	next.ConsecutiveFailures++
	if next.Summary != nil && !p.panicked {
		next.Summary = p.history.Summarize(next.LastPoll)
	}
	p.observer.PollFailed(p.target.BackupType, next.Reason)
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
func (p *poller) read(ctx context.Context) (*history.Reading, error) {
	due := p.lastFullPoll.IsZero() || time.Since(p.lastFullPoll) >= p.target.FullPollInterval
	reading := p.history.Read(time.Now(), due)
	err := p.readTarget(ctx, reading)
	for errors.Is(err, history.ErrFullPollNeeded) {
		p.lastFullPoll = time.Time{}
		p.logger.LogAttrs(ctx, slog.LevelDebug, "starting another full poll", slog.Any("cause", err))
		reading = reading.Again(time.Now())
		err = p.readTarget(ctx, reading)
	}
	return reading, err
}

func (p *poller) readTarget(ctx context.Context, reading *history.Reading) error {
	for page, err := range p.client.RestoreJobs(ctx, p.target.List) {
		if err != nil {
			return err
		}
		if reading.Add(&page) {
			break
		}
	}
	pending, err := reading.Pending()
	if err != nil {
		return err
	}
	for _, id := range pending {
		job, err := p.client.RestoreJob(ctx, p.target.List, id)
		err = reading.Put(id, job, err)
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
