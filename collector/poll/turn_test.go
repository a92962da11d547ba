package poll

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"atlas-restore-exporter/atlas"
	"atlas-restore-exporter/atlas/atlastest"
)

// newLimitedWorld returns a world with n targets of one project, whose client leaves half of the rate limit to others.
func newLimitedWorld(t *testing.T, n int, change func(*Target)) *world {
	t.Helper()
	w := newWorld(t)
	w.reserve = 0.5
	w.client = w.newClient("default", "id", "secret")
	var config Config
	for i := range n {
		list := atlas.List{ProjectID: project, ClusterName: fmt.Sprint("c", i), BackupType: atlas.Dedicated}
		w.sim.AddCluster(project, list.ClusterName, atlastest.DedicatedCluster)
		polled := target(list)
		change(&polled)
		config.Targets = append(config.Targets, polled)
	}
	w.apply(config)
	return w
}

// oldest returns the greatest age of the last successful poll of any target within a span.
func (w *world) oldest(span time.Duration) (age time.Duration) {
	for start := time.Now(); time.Since(start) < span; time.Sleep(time.Second) {
		for _, s := range w.manager.Snapshots() {
			age = max(age, time.Since(s.LastSuccess))
		}
	}
	return age
}

// The targets need 600 requests per minute, of which the rate limit allows 50.
func TestRun_PollsEachTargetInTurnIfTheRateLimitAllowsFewPolls(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newLimitedWorld(t, 20, func(polled *Target) { polled.Interval, polled.Timeout = 2*time.Second, 2*time.Second })
		w.sim.Capacity, w.sim.RefillPerMinute = 240, 100
		defer w.run()()
		time.Sleep(time.Minute) // until the tokens are used up
		w.sim.ForgetRequests()
		if age := w.oldest(5 * time.Minute); age > 30*time.Second { // a round takes 24 s
			t.Errorf("a target was not polled for %v", age)
		}
		if n := len(w.sim.Requests(nil)); n < 5*50-5 || n > 5*50+5 {
			t.Errorf("%d requests in 5 minutes, want 250", n)
		}
		w.events.count(func() {
			if n := w.events.failed[ReasonRateLimited]; n < 240 || n > 320 || len(w.events.failed) != 1 {
				t.Errorf("failures by reason: %v; want one for each poll, because each waits for too long", w.events.failed)
			}
		})
	})
}

// The targets need 300 requests per minute, of which the rate limit allows 250.
func TestRun_PollsEachTargetInTurnIfAProjectIsALittleTooLarge(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		const targets = 300
		w := newLimitedWorld(t, targets, func(*Target) {})
		defer w.run()()
		time.Sleep(20 * time.Minute)                                 // until the tokens are used up
		if age := w.oldest(10 * time.Minute); age > 75*time.Second { // a round takes 72 s
			t.Errorf("a target was not polled for %v", age)
		}
		missed := uint64(0)
		for _, s := range w.manager.Snapshots() {
			missed += s.MissedIntervals
		}
		w.events.count(func() {
			if len(w.events.failed) > 0 || missed < targets {
				t.Errorf("failures by reason: %v, %d intervals missed; want none, and one in six", w.events.failed, missed)
			}
		})
	})
}

func TestRun_RequestsOfManyTargetsThatWaitForTheirTurnEndWithTheRun(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newLimitedWorld(t, 20, func(*Target) {})
		w.sim.Capacity, w.sim.RefillPerMinute = 2, 1
		stop := w.run()
		time.Sleep(5 * time.Minute)
		before := time.Now()
		stop()
		if took := time.Since(before); took > 0 {
			t.Errorf("the end took %v", took)
		}
	})
}

func TestTimeout_EndsAfterTheTimeWithoutPauses(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		start := time.Now()
		limited := withTimeout(t.Context(), time.Minute)
		defer limited.cancel(nil)
		derived, cancel := context.WithCancel(limited)
		defer cancel()
		for range 3 {
			time.Sleep(10 * time.Second)
			resume := limited.pause()
			if _, ok := derived.Deadline(); ok {
				t.Error("there is a deadline during a pause")
			}
			time.Sleep(time.Hour)
			resume()
		}
		want := start.Add(3*time.Hour + time.Minute)
		if deadline, ok := derived.Deadline(); !ok || deadline != want {
			t.Errorf("deadline %v, %t; want %v", deadline, ok, want)
		}
		<-derived.Done()
		if time.Now() != want || !errors.Is(derived.Err(), context.DeadlineExceeded) ||
			!errors.Is(limited.Err(), context.DeadlineExceeded) {
			t.Errorf("ended at %v, want %v; errors %v and %v", time.Now(), want, derived.Err(), limited.Err())
		}
		limited.pause()() // has no effect
		if deadline, _ := limited.Deadline(); deadline != want {
			t.Errorf("deadline %v after the end", deadline)
		}
	})
}

func TestTimeout_EndsWithItsParent(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		parent, cancel := context.WithCancel(t.Context())
		limited := withTimeout(parent, time.Minute)
		defer limited.cancel(nil)
		resume := limited.pause()
		cancel()
		<-limited.Done()
		resume()
		if !errors.Is(limited.Err(), context.Canceled) {
			t.Errorf("error %v", limited.Err())
		}
	})
}
