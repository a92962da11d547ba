package collector

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync/atomic"
	"time"

	"atlas-restore-exporter/atlas"
	"atlas-restore-exporter/internal/panics"
)

// maxPages bounds a poll: what a list has beyond is left out, and said so.
const maxPages = 100

// orderGrace is by how many seconds a job may be newer than one listed before it in a list that is newest first.
const orderGrace = 2

// Snapshot is what is known of a target after a poll, or before the first. It is immutable.
type Snapshot struct {
	Target  *Target
	Summary *Summary // as of LastSuccess; nil before the first success
	// LastPoll and LastSuccess are when polls ended, zero where there was none.
	LastPoll, LastSuccess time.Time
	Err                   error  // of the last poll, nil where it succeeded
	Reason                Reason // the same in a word
	Failures              uint64
	FailuresInRow         int  // since the last success
	Truncated             bool // the list was longer than a poll reads
}

// Stale reports whether the last success is too long ago for series of single jobs.
func (s *Snapshot) Stale(now time.Time) bool {
	return s.LastSuccess.IsZero() || now.Sub(s.LastSuccess) > s.Target.StaleAfter
}

// poller keeps one target up to date.
type poller struct {
	target  *Target // immutable
	client  Client
	names   *projectNames
	metrics *Metrics
	logger  *slog.Logger

	history   *History
	lastSweep time.Time
	// What the log was told of the last sweep, so as not to repeat it.
	saidTruncated, saidMalformed bool
	saidPanic                    bool // since the last poll that did without

	summary   *Summary
	summaryAt time.Time // by the wall clock, which may jump
	published atomic.Pointer[Snapshot]

	stop func() // ends the polling, and returns when it has ended
}

func newPoller(target Target, client Client, names *projectNames, metrics *Metrics, logger *slog.Logger) *poller {
	p := &poller{
		stop:   func() {},
		target: &target, client: client, names: names, metrics: metrics, history: NewHistory(target.History),
		logger: logger.With(slog.String("project_id", target.ProjectID),
			slog.String("cluster_name", target.ClusterName), slog.String("backup_type", string(target.BackupType))),
	}
	p.published.Store(&Snapshot{Target: &target})
	return p
}

// inherit takes over what another poller of the same list knows, which has stopped.
func (p *poller) inherit(old *poller) {
	p.history, p.lastSweep = old.history, old.lastSweep
	p.saidTruncated, p.saidMalformed, p.saidPanic = old.saidTruncated, old.saidMalformed, old.saidPanic
	if p.history.limits != p.target.History {
		p.history.limits, p.history.floor = p.target.History, 0
		p.lastSweep = time.Time{} // what was beyond the limits may not be any longer
	}
	next := *old.published.Load()
	next.Target = p.target
	p.published.Store(&next)
}

// resume publishes what was inherited as the target's own settings have it, without waiting for Atlas.
func (p *poller) resume(ctx context.Context) {
	next := *p.published.Load()
	if next.Summary == nil || p.summary != nil {
		return
	}
	p.contain(ctx, func() {
		p.summaryAt = time.Now().Round(0)
		p.summary = p.history.Summarize(p.target, p.summaryAt)
		next.Summary = p.summary
		p.published.Store(&next)
	})
}

// How polls that fail in a row become rarer: after some the interval doubles each time, up to a bound that keeps the time
// short until it is seen that they succeed again.
const (
	toleratedFailures = 2
	mostIntervals     = 5
	longestBackoff    = 5 * time.Minute
)

// interval returns the time between polls: shorter while a restore runs, longer while polls fail. Asking for what is
// gone for good is not worth more than a sweep's.
func (p *poller) interval() time.Duration {
	state, interval := p.published.Load(), p.target.Interval
	switch {
	case state.Reason == ReasonGone:
		return max(p.target.SweepInterval, interval)
	case state.FailuresInRow > toleratedFailures:
		longer := interval * time.Duration(min(1<<min(state.FailuresInRow-toleratedFailures, 10), mostIntervals))
		return min(longer, max(interval, longestBackoff))
	case p.target.ActiveInterval > 0 && state.Summary.active():
		return min(p.target.ActiveInterval, interval)
	}
	return interval
}

// ErrInternal is the error of a poll, or a search, that panicked.
var ErrInternal = errors.New("internal error: a panic, see the log")

// poll reads the target once and publishes what came of it. A poll that ends because ctx does changes nothing; one that
// panics has failed, and the next starts over.
func (p *poller) poll(ctx context.Context) {
	if p.contain(ctx, func() { p.update(ctx) }) {
		p.lastSweep, p.summary = time.Time{}, nil // a part of what was read may have been merged, and not summarized
		p.fail(ctx, ErrInternal)
	}
}

// contain reports whether a step panicked: a defect that one target brings to light must not end the others.
func (p *poller) contain(ctx context.Context, step func()) (panicked bool) {
	defer func() {
		value := recover()
		if value == nil {
			return
		}
		panicked = true
		p.metrics.pollPanicked(p.target.BackupType)
		level := slog.LevelError
		if p.saidPanic {
			level = slog.LevelDebug
		}
		p.saidPanic = true
		p.logger.LogAttrs(ctx, level, "panic in a poll, please report it", panics.Attrs(value)...)
	}()
	step()
	return false
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
	if reading.Sweep {
		p.lastSweep = next.LastPoll
		next.Truncated = !reading.Whole
	}
	p.complain(ctx, reading)
	changed := p.history.Merge(reading, next.LastPoll)
	if changed || p.summary == nil || !p.summary.holds(p.summaryAt, next.LastPoll) {
		p.summary = p.history.Summarize(p.target, next.LastPoll)
		p.summaryAt = next.LastPoll.Round(0)
	}
	next.LastSuccess, next.Summary, next.Err, next.Reason = next.LastPoll, p.summary, nil, ""
	next.FailuresInRow = 0
	p.publish(ctx, &next)
	if !p.contain(ctx, func() { p.names.refresh(ctx, p.client, p.target.ProjectID) }) {
		p.saidPanic = false
	}
}

// fail publishes that a poll failed.
func (p *poller) fail(ctx context.Context, err error) {
	next := *p.published.Load()
	next.LastPoll = time.Now()
	next.Err, next.Reason = err, ReasonOf(err, p.target.BackupType)
	next.Failures++
	next.FailuresInRow++
	p.metrics.pollFailed(p.target.BackupType, next.Reason)
	p.publish(ctx, &next)
}

// publish swaps in what is known now, and logs what a person should know: that polls began to fail, or fail for
// another reason, or succeed again.
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

// complain logs what could not be read: once, and again only after a sweep that found nothing of the kind.
func (p *poller) complain(ctx context.Context, reading *Reading) {
	truncated, malformed := reading.Sweep && !reading.Whole, reading.malformed > 0
	if truncated && !p.saidTruncated {
		p.logger.LogAttrs(ctx, slog.LevelWarn, "list is longer than a poll reads, older jobs are left out",
			slog.Int("pages", reading.Pages))
	}
	if malformed && !p.saidMalformed {
		p.logger.LogAttrs(ctx, slog.LevelWarn, "jobs could not be read and are left out", slog.Int("jobs", reading.malformed),
			slog.Any("job_ids", slices.Sorted(maps.Keys(reading.Unread))), slog.Any("err", reading.malformedErr))
	}
	if reading.Sweep {
		p.saidTruncated, p.saidMalformed = truncated, malformed
	}
	p.saidMalformed = p.saidMalformed || malformed
}

// read asks Atlas for what may have changed: for the whole list (a sweep) when it is due or nothing less would do,
// else for its newest pages and the open jobs that are not on them.
func (p *poller) read(ctx context.Context) (*Reading, error) {
	due := p.lastSweep.IsZero() || time.Since(p.lastSweep) >= p.target.SweepInterval
	if !due && p.history.Incremental() {
		reading, err := p.readNewest(ctx)
		if !errors.Is(err, errSweepNeeded) {
			return reading, err
		}
		p.logger.LogAttrs(ctx, slog.LevelDebug, "reading the whole list", slog.Any("because", err))
	}
	return p.readAll(ctx)
}

func (p *poller) readAll(ctx context.Context) (*Reading, error) {
	reading := newReading()
	reading.Sweep = true
	for page, err := range p.client.RestoreJobs(ctx, p.target.List) {
		if err != nil {
			return nil, err
		}
		reading.add(&page)
		if reading.Pages == maxPages {
			break
		}
	}
	if reading.Whole {
		return reading, nil
	}
	open := p.history.Open(reading, time.Now()) // those that lie beyond
	return reading, p.refresh(ctx, reading, open[:min(len(open), maxPages)])
}

// errSweepNeeded says that the newest pages alone do not tell what has changed.
var errSweepNeeded = errors.New("newest pages do not suffice")

func (p *poller) readNewest(ctx context.Context) (*Reading, error) {
	now := time.Now()
	reading := newReading()
	for page, err := range p.client.RestoreJobs(ctx, p.target.List) {
		if err != nil {
			return nil, err
		}
		reading.add(&page)
		settled := func(job atlas.RestoreJob) bool { return p.history.Settled(&job, now) }
		if reading.Pages == maxPages || !slices.ContainsFunc(page.Jobs, func(j atlas.RestoreJob) bool { return !settled(j) }) {
			break
		}
	}
	switch open := p.history.Open(reading, now); {
	case !reading.Ordered:
		return nil, fmt.Errorf("%w: the list is not newest first", errSweepNeeded)
	case reading.Whole:
		return reading, nil
	case p.history.Surprising(reading, now):
		return nil, fmt.Errorf("%w: the list grew by another number than there are new jobs", errSweepNeeded)
	case len(open) > p.history.Pages():
		return nil, fmt.Errorf("%w: there are too many open jobs", errSweepNeeded)
	default:
		return reading, p.refresh(ctx, reading, open)
	}
}

// refresh asks for single jobs. One that is there but can't be decoded stays as it was last known.
func (p *poller) refresh(ctx context.Context, reading *Reading, ids []string) error {
	for _, id := range ids {
		job, err := p.client.RestoreJob(ctx, p.target.List, id)
		if refusal, ok := errors.AsType[*atlas.Error](err); ok && refusal.JobNotFound() {
			reading.Gone = append(reading.Gone, id)
			continue
		}
		if malformed, ok := errors.AsType[*atlas.MalformedError](err); ok && malformed.Job {
			reading.malformed, reading.malformedErr = reading.malformed+1, malformed.Err
			continue
		}
		if err != nil {
			return err
		}
		reading.Jobs[id] = job
	}
	return nil
}

func newReading() *Reading {
	return &Reading{Jobs: map[string]atlas.RestoreJob{}, Unread: map[string]bool{}, Ordered: true, Total: -1}
}

// add takes in the next page.
func (r *Reading) add(page *atlas.Page) {
	r.Pages++
	if total, given := page.TotalCount.Value(); given && r.Pages == 1 {
		r.Total = total
	}
	r.Whole = page.Last
	if page.Malformed > 0 {
		r.malformed, r.malformedErr = r.malformed+page.Malformed, page.MalformedErr
	}
	for _, id := range page.Unread {
		r.Unread[id] = true
	}
	for _, job := range page.Jobs {
		if _, repeated := r.Jobs[job.ID]; !repeated && job.Created != 0 {
			if r.oldest != 0 && job.Created > r.oldest+orderGrace {
				r.Ordered = false
			}
			if r.oldest == 0 || job.Created < r.oldest {
				r.oldest = job.Created
			}
		}
		r.Jobs[job.ID] = job
	}
}
