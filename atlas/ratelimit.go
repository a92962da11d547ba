package atlas

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strconv"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// Atlas has a token bucket for each project and set of operations. The limiter starts with the documented capacity of
// the restore jobs. RateLimit headers report the actual capacity; the refill rate is assumed to be proportional to it.
const (
	defaultCapacity = 1200
	refillPerMinute = float64(RequestsPerMinute) / defaultCapacity // of the capacity
	maxCapacity     = 1_000_000                                    // larger values in headers are ignored

	firstBackoff = 10 * time.Second // after a 429 without Retry-After; doubled each time, as Atlas recommends
	maxBackoff   = 5 * time.Minute
)

// RequestsPerMinute is the documented number of requests that Atlas allows for the restore jobs of a project.
const RequestsPerMinute = 500

// bucket identifies a token bucket of Atlas and, if single is set, only its requests for single items. A 429 response
// to such a request doesn't block lists, but a 429 response for a list blocks both.
type bucket struct {
	projectID, operations string
	single                bool
}

// tokens limits the requests to one bucket. Other programs may take tokens from the same bucket.
type tokens struct {
	reserve float64 // share of the bucket and of its refill that is left to other programs

	mu       sync.Mutex
	capacity int // of the whole bucket
	limiter  *rate.Limiter
}

// rateLimit limits requests by the tokens of their bucket, and blocks them after a 429 response.
type rateLimit struct {
	*tokens

	list *rateLimit // if the requests are for single items: the limit of lists, which applies, too

	mu           sync.Mutex
	blockedUntil time.Time // after a 429 response
	rejection    *Error    // the last 429 response
	rejections   int       // in a row
}

func newRateLimit(reserve float64) *rateLimit {
	t := &tokens{reserve: reserve, capacity: defaultCapacity}
	t.limiter = rate.NewLimiter(t.limits())
	return &rateLimit{tokens: t}
}

// forSingleItems returns the limit of requests for single items.
func (r *rateLimit) forSingleItems() *rateLimit { return &rateLimit{tokens: r.tokens, list: r} }

// limits returns the refill rate and the size of the bucket without the reserve.
func (t *tokens) limits() (rate.Limit, int) {
	share := float64(t.capacity) * (1 - t.reserve)
	return rate.Limit(share * refillPerMinute / 60), max(int(share), 1)
}

// wait blocks until a request may be sent. If that is after the deadline of ctx, it returns the last 429 response or
// ErrRateLimitExhausted, without waiting if that is known in advance.
func (r *rateLimit) wait(ctx context.Context) error {
	for hasToken := false; ; {
		delay, rejection := r.blocked()
		if delay <= 0 {
			if hasToken {
				return nil
			}
			if err := waitForToken(ctx, r.limiter); err != nil {
				return err
			}
			hasToken = true
			continue // a 429 response may have come meanwhile
		}
		if !endsBeforeDeadline(ctx, delay) {
			return rejection
		}
		if err := sleep(ctx, delay); errors.Is(err, context.DeadlineExceeded) {
			return rejection
		} else if err != nil {
			return err
		}
	}
}

// blocked returns for how long requests are blocked, and by which 429 response.
func (r *rateLimit) blocked() (delay time.Duration, rejection *Error) {
	if r.list != nil {
		delay, rejection = r.list.blocked()
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if own := time.Until(r.blockedUntil); own > delay {
		return own, r.rejection
	}
	return delay, rejection
}

func waitForToken(ctx context.Context, limiter *rate.Limiter) error {
	if limiter.Allow() {
		return nil
	}
	if err := paused(ctx, true, func() error { return limiter.Wait(ctx) }); err != nil {
		if errors.Is(ctx.Err(), context.Canceled) {
			return ctx.Err()
		}
		return fmt.Errorf("%w: %w", ErrRateLimitExhausted, err)
	}
	return nil
}

// update adjusts the limiter to the headers of a response. It reports false if they have no valid remaining count.
func (t *tokens) update(header http.Header) (remaining int, ok bool) {
	remaining, err := strconv.Atoi(header.Get("RateLimit-Remaining"))
	if err != nil || remaining < 0 || remaining > maxCapacity {
		return 0, false
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	capacity, err := strconv.Atoi(header.Get("RateLimit-Limit"))
	if err == nil && capacity > 0 && capacity <= maxCapacity && capacity != t.capacity {
		t.capacity = capacity
		limit, burst := t.limits()
		t.limiter.SetLimit(limit)
		t.limiter.SetBurst(burst)
	}
	// Other programs may have taken tokens that the limiter still has. The limiter is adjusted, not replaced, because
	// requests wait at it.
	available := max(remaining-(t.capacity-t.limiter.Burst()), 0) // without the reserve
	now := time.Now()
	if used := int(t.limiter.TokensAt(now)) - available; used > 0 {
		t.limiter.AllowN(now, used)
	}
	return remaining, true
}

// rejected blocks requests after a 429 response: for Retry-After, or with exponential backoff. Concurrent requests
// that are rejected together count once.
func (r *rateLimit) rejected(rejection *Error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delay := max(rejection.RetryAfter, time.Second)
	if rejection.RetryAfter == 0 {
		delay = min(firstBackoff<<min(r.rejections, 10), maxBackoff)
	}
	now := time.Now()
	if until := now.Add(jitter(delay)); now.After(r.blockedUntil) {
		r.rejections++
		r.blockedUntil, r.rejection = until, rejection
	} else if rejection.RetryAfter > 0 && until.After(r.blockedUntil) {
		r.blockedUntil, r.rejection = until, rejection
	}
}

// accepted resets the backoff. It ignores responses to requests that were sent before the last 429 response.
func (r *rateLimit) accepted() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if time.Now().After(r.blockedUntil) {
		r.rejections = 0
	}
}

// jitter lengthens a delay by up to a tenth, so that requests that failed together are not retried together.
func jitter(delay time.Duration) time.Duration {
	return delay + rand.N(delay/10+1) //nolint:gosec // not security-relevant
}

// endsBeforeDeadline reports whether a delay that starts now ends before the deadline of ctx.
func endsBeforeDeadline(ctx context.Context, delay time.Duration) bool {
	deadline, ok := ctx.Deadline()
	return !ok || time.Until(deadline) > delay
}

// pauseKey is the context key of WithPause.
type pauseKey struct{}

// Pause is called for each wait of a request. See WithPause.
type Pause func(ctx context.Context, inQueue bool, wait func() error) error

// WithPause returns a context for the requests of a caller that holds something that others need, such as a slot of a
// limiter. Whenever such a request waits for a rate limit, or before a retry, it waits within a call of pause, which
// can give it back until wait returns. A pause that returns an error ends the request.
//
// Requests that wait for the next token of a bucket are in a queue: each gets its token after those that came before.
// If ctx has no deadline while wait runs, a request waits for as long as that takes.
func WithPause(ctx context.Context, pause Pause) context.Context {
	return context.WithValue(ctx, pauseKey{}, pause)
}

// paused calls wait, within the function of WithPause if there is one.
func paused(ctx context.Context, inQueue bool, wait func() error) error {
	if pause, ok := ctx.Value(pauseKey{}).(Pause); ok {
		return pause(ctx, inQueue, wait)
	}
	return wait()
}

// sleep waits for the delay, or until ctx is done.
func sleep(ctx context.Context, delay time.Duration) error {
	return paused(ctx, false, func() error {
		timer := time.NewTimer(delay)
		defer timer.Stop()
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-timer.C:
			return nil
		}
	})
}
