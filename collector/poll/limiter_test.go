package poll

import (
	"context"
	"testing"
	"testing/synctest"
	"time"
)

// holdSlots starts callers that each hold a slot until the returned function is called for one of them.
func holdSlots(t *testing.T, l *limiter, n int) (release func()) {
	t.Helper()
	done := make(chan struct{})
	for range n {
		go func() {
			if l.acquire(t.Context(), time.Minute) {
				<-done
				l.release()
			}
		}()
	}
	return func() {
		done <- struct{}{}
		synctest.Wait()
	}
}

func expectHeld(t *testing.T, l *limiter, want int) {
	t.Helper()
	synctest.Wait()
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.held != want {
		t.Errorf("%d slots held, want %d", l.held, want)
	}
}

func TestLimiter_GrantsNoSlotAfterItWasLoweredUntilEnoughAreReleased(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		l := &limiter{limit: 4}
		release := holdSlots(t, l, 8)
		expectHeld(t, l, 4)
		l.setLimit(2)
		for _, want := range []int{3, 2, 2, 2, 2, 2, 1, 0} {
			release()
			expectHeld(t, l, want)
		}
	})
}

func TestLimiter_GrantsMoreSlotsAtOnceAfterItWasRaised(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		l := &limiter{limit: 1}
		release := holdSlots(t, l, 4)
		l.setLimit(3)
		expectHeld(t, l, 3)
		for range 4 {
			release()
		}
		expectHeld(t, l, 0)
	})
}

func TestLimiter_StopsWaitingIfTheContextEnds(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		l := &limiter{limit: 1}
		release := holdSlots(t, l, 1)
		expectHeld(t, l, 1)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if l.acquire(ctx, time.Minute) {
			t.Error("a second slot is granted")
		}
		release()
		expectHeld(t, l, 0)
		if l.acquire(ctx, time.Minute) {
			t.Error("a slot is granted although the context has ended")
		}
		expectHeld(t, l, 0)
	})
}

func TestLimiter_ComparesEachCallerWithItsOwnPatience(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		var l limiter
		start := time.Now()
		for _, patience := range []time.Duration{time.Hour, time.Minute, time.Second} {
			go l.acquire(t.Context(), patience)
			synctest.Wait()
			time.Sleep(time.Second)
		}
		for _, test := range []struct {
			after time.Duration
			n     int
			since time.Duration
		}{{3 * time.Second, 0, 0}, {4 * time.Second, 1, 2 * time.Second}, {62 * time.Second, 2, time.Second}} {
			time.Sleep(time.Until(start.Add(test.after)))
			n, since := l.overdue()
			if n != test.n || (n > 0 && since.Sub(start) != test.since) {
				t.Errorf("after %v: %d overdue since %v, want %d since %v", test.after, n, since.Sub(start), test.n, test.since)
			}
		}
	})
}
