package poll

import (
	"container/list"
	"context"
	"sync"
	"time"
)

// limiter bounds how many callers hold a slot at once. The limit can change at any time: after it was lowered, no
// slot is granted until enough of them have been released. Slots are granted in the order in which callers began to
// wait.
type limiter struct {
	mu      sync.Mutex
	limit   int
	held    int
	waiting list.List // of waiter
}

// waiter is a caller that waits for a slot.
type waiter struct {
	granted  chan struct{} // closed when it gets the slot
	since    time.Time
	patience time.Duration // the caller is overdue if it waits longer
}

func (l *limiter) setLimit(limit int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.limit = limit
	l.grant()
}

// acquire waits for a slot, and reports false if ctx ended first. A caller that got a slot must release it. A caller
// that waits longer than its patience is overdue, but continues to wait.
func (l *limiter) acquire(ctx context.Context, patience time.Duration) bool {
	granted := make(chan struct{})
	l.mu.Lock()
	waiting := l.waiting.PushBack(waiter{granted, time.Now(), patience})
	l.grant()
	l.mu.Unlock()
	select {
	case <-granted:
	case <-ctx.Done():
	}
	if ctx.Err() == nil {
		return true
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	select {
	case <-granted: // at the same time
		l.held--
		l.grant()
	default:
		l.waiting.Remove(waiting)
	}
	return false
}

// slot is a slot that its holder gives back while it waits for something else.
type slot struct {
	limiter  *limiter
	patience time.Duration
	held     bool
}

// pause calls wait without the slot. If it returns an error, the slot may not be held any longer.
func (s *slot) pause(ctx context.Context, _ bool, wait func() error) error {
	s.release()
	if err := wait(); err != nil {
		return err
	}
	if s.held = s.limiter.acquire(ctx, s.patience); !s.held {
		return ctx.Err()
	}
	return nil
}

// release gives the slot back if it is held.
func (s *slot) release() {
	if s.held {
		s.held = false
		s.limiter.release()
	}
}

func (l *limiter) release() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.held--
	l.grant()
}

// grant grants the slots that are free. The caller must hold l.mu.
func (l *limiter) grant() {
	for l.held < l.limit && l.waiting.Len() > 0 {
		close(l.waiting.Remove(l.waiting.Front()).(waiter).granted)
		l.held++
	}
}

// slots returns the limit and the number of slots that are held. For a while after the limit was lowered, more slots
// can be held.
func (l *limiter) slots() (limit, held int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.limit, l.held
}

// oldestWaiting returns since when the caller that has waited longest has been waiting, if any is.
func (l *limiter) oldestWaiting() (since time.Time, waiting bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if first := l.waiting.Front(); first != nil {
		return first.Value.(waiter).since, true
	}
	return time.Time{}, false
}

// overdue returns how many callers are overdue, and since when the first of them has been waiting.
func (l *limiter) overdue() (n int, since time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	for e := l.waiting.Front(); e != nil; e = e.Next() {
		if w := e.Value.(waiter); now.Sub(w.since) > w.patience {
			if n == 0 {
				since = w.since
			}
			n++
		}
	}
	return n, since
}
