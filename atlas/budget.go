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
	reserve float64 // share of the bucket, and of what flows into it, that is left to others

	mu       sync.Mutex
	capacity int // of the whole bucket
	limiter  *rate.Limiter
	closed   time.Time // no request before this: Atlas said 429
	refusal  *Error    // what it said
	refusals int       // since the last answer of another status
}

func newBudget(reserve float64) *budget {
	b := &budget{reserve: reserve, capacity: defaultCapacity}
	b.limiter = rate.NewLimiter(b.share())
	return b
}

// share returns what of the bucket is not reserved: what flows in, and what there can be.
func (b *budget) share() (rate.Limit, int) {
	share := float64(b.capacity) * (1 - b.reserve)
	return rate.Limit(share * refillPerMinute / 60), max(int(share), 1)
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
	if err == nil && capacity > 0 && capacity <= maxCapacity && capacity != b.capacity {
		b.capacity = capacity
		limit, burst := b.share()
		b.limiter.SetLimit(limit)
		b.limiter.SetBurst(burst)
	}
	// Others may have used what the limiter thinks is there. One limiter stays: requests wait at it.
	left := max(remaining-(b.capacity-b.limiter.Burst()), 0) // the reserve is the last to go
	now := time.Now()
	if used := int(b.limiter.TokensAt(now)) - left; used > 0 {
		b.limiter.AllowN(now, used)
	}
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
