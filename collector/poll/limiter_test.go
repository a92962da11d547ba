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
			if l.acquire(t.Context()) {
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
		if l.acquire(ctx) {
			t.Error("a second slot is granted")
		}
		release()
		expectHeld(t, l, 0)
		if l.acquire(ctx) {
			t.Error("a slot is granted although the context has ended")
		}
		expectHeld(t, l, 0)
	})
}
