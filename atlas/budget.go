package atlas

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strconv"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// Atlas gives each set of endpoints a token bucket per project. What is documented for the restore jobs is the start;
// RateLimit headers tell the real capacity, and the refill is taken to be in the same proportion.
const (
	defaultCapacity = 1200
	refillPerMinute = 500.0 / defaultCapacity // of the capacity
	maxCapacity     = 1_000_000               // bounds what a header can claim

	firstBackoff = 10 * time.Second // of a 429 without Retry-After; doubled each time, as Atlas advises
	maxBackoff   = 5 * time.Minute
)

// budget is what is left of one bucket, as far as it is known: others use it too.
type budget struct {
	mu       sync.Mutex
	limiter  *rate.Limiter
	closed   time.Time // no request before this: Atlas said 429
	refusal  *Error    // what it said
	refusals int       // since the last answer of another status
}

func newBudget() *budget { return &budget{limiter: newLimiter(defaultCapacity)} }

func newLimiter(capacity int) *rate.Limiter {
	return rate.NewLimiter(rate.Limit(float64(capacity)*refillPerMinute/60), capacity)
}

// wait returns when a request may be sent. Where that would be past the context's deadline it does not wait, and says
// why: with Atlas' last refusal, or with ErrBudget.
func (b *budget) wait(ctx context.Context) error {
	for {
		b.mu.Lock()
		limiter, delay, refusal := b.limiter, time.Until(b.closed), b.refusal
		b.mu.Unlock()
		if delay <= 0 {
			return waitForToken(ctx, limiter)
		}
		if !fits(ctx, delay) {
			return refusal
		}
		if err := sleep(ctx, delay); err != nil {
			return err
		}
	}
}

func waitForToken(ctx context.Context, limiter *rate.Limiter) error {
	if err := limiter.Wait(ctx); err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return fmt.Errorf("%w: %w", ErrBudget, err)
	}
	return nil
}

// observe learns from an answer's headers how much is left. It reports false where they do not tell.
func (b *budget) observe(header http.Header) (remaining int, told bool) {
	remaining, err := strconv.Atoi(header.Get("RateLimit-Remaining"))
	if err != nil || remaining < 0 || remaining > maxCapacity {
		return 0, false
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	capacity, err := strconv.Atoi(header.Get("RateLimit-Limit"))
	if err != nil || capacity < 1 || capacity > maxCapacity {
		capacity = b.limiter.Burst()
	}
	b.limiter = newLimiter(capacity)
	b.limiter.AllowN(time.Now(), capacity-min(remaining, capacity))
	return remaining, true
}

// refused closes the budget for as long as Atlas asks or, where it does not ask, for longer at each refusal in a row.
// Requests that were under way together are refused together, and count once.
func (b *budget) refused(refusal *Error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delay := max(refusal.RetryAfter, time.Second)
	if refusal.RetryAfter == 0 {
		delay = min(firstBackoff<<min(b.refusals, 10), maxBackoff)
	}
	now := time.Now()
	if until := now.Add(jitter(delay)); now.After(b.closed) {
		b.refusals++
		b.closed, b.refusal = until, refusal
	} else if refusal.RetryAfter > 0 && until.After(b.closed) {
		b.closed, b.refusal = until, refusal
	}
}

// accepted ends a row of refusals. Answers to what was sent before the last refusal don't.
func (b *budget) accepted() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if time.Now().After(b.closed) {
		b.refusals = 0
	}
}

// jitter lengthens a delay by up to a tenth, so that those who were refused together don't come back together.
func jitter(delay time.Duration) time.Duration {
	return delay + rand.N(delay/10+1) //nolint:gosec // no secret depends on it
}

// fits reports whether a delay ends before the context's deadline.
func fits(ctx context.Context, delay time.Duration) bool {
	deadline, ok := ctx.Deadline()
	return !ok || time.Until(deadline) > delay
}

// sleep waits, or returns the context's error.
func sleep(ctx context.Context, delay time.Duration) error {
	timer := time.NewTimer(delay)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}
