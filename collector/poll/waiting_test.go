package poll

import (
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"atlas-restore-exporter/atlas"
)

// newCrowdedWorld returns a running world with n targets, whose polls take 20 s each, and one slot.
func newCrowdedWorld(t *testing.T, n int) (w *world, config Config, stop func()) {
	t.Helper()
	w = newWorld(t)
	for i := range n {
		list := atlas.List{ProjectID: project, ClusterName: fmt.Sprint("c", i), BackupType: atlas.Dedicated}
		config.Targets = append(config.Targets, target(list))
	}
	config.Clients, config.Concurrency = map[string]Client{"default": &countingClient{Client: w.client}}, 1
	if err := w.manager.Apply(config); err != nil {
		t.Fatal(err)
	}
	return w, config, w.run()
}

func expectSlots(t *testing.T, m *Manager, total, inUse int) {
	t.Helper()
	synctest.Wait()
	if gotTotal, gotInUse := m.Slots(); gotTotal != total || gotInUse != inUse {
		t.Errorf("%d of %d slots in use, want %d of %d", gotInUse, gotTotal, inUse, total)
	}
}

func TestSlots_AreThoseThatAreAllowedAndInUse(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w, config, stop := newCrowdedWorld(t, 3)
		defer stop()
		expectSlots(t, w.manager, 1, 1)
		config.Concurrency = 5
		if err := w.manager.Apply(config); err != nil {
			t.Fatal(err)
		}
		expectSlots(t, w.manager, 5, 3)
		time.Sleep(20 * time.Second)
		expectSlots(t, w.manager, 5, 0)
	})
}

func TestOldestWaiting_IsSinceWhenTheOldestDuePollWaits(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		start := time.Now()
		w, config, stop := newCrowdedWorld(t, 20)
		defer stop()
		time.Sleep(5 * time.Minute)
		since, waiting := w.manager.OldestWaiting()
		if !waiting || since != start {
			t.Errorf("waiting %v since %v, want since the start, %v", waiting, since, start)
		}
		time.Sleep(5 * time.Minute) // by now, every target has been polled
		since, waiting = w.manager.OldestWaiting()
		if waited := time.Since(since); !waiting || waited < 5*time.Minute || waited > 7*time.Minute {
			t.Errorf("waiting %v for %v", waiting, waited)
		}
		config.Concurrency = 20
		if err := w.manager.Apply(config); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		if _, waiting := w.manager.OldestWaiting(); waiting {
			t.Error("a poll is waiting although there are enough slots")
		}
	})
}

func TestOverduePolls_WaitLongerThanTheirInterval(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		start := time.Now()
		w, config, stop := newCrowdedWorld(t, 7)
		defer stop()
		if n, _ := w.manager.OverduePolls(); n != 0 {
			t.Errorf("%d polls overdue at once", n)
		}
		time.Sleep(time.Minute + time.Second) // one poll is running, and three have ended
		if n, since := w.manager.OverduePolls(); n != 3 || since != start {
			t.Errorf("%d polls overdue since %v, want 3 since %v", n, since, start)
		}
		config.Concurrency = 7
		if err := w.manager.Apply(config); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		if n, since := w.manager.OverduePolls(); n != 0 || !since.IsZero() {
			t.Errorf("%d polls overdue since %v although there are enough slots", n, since)
		}
	})
}

func TestRun_CountsIntervalsThatPassWithoutAPoll(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w, _, stop := newCrowdedWorld(t, 12) // a round takes four intervals
		defer stop()
		time.Sleep(40*time.Minute + time.Second)
		for _, s := range w.manager.Snapshots() {
			if s.MissedIntervals < 24 || s.MissedIntervals > 33 { // 3 of 4 of 40
				t.Errorf("%s missed %d intervals", s.Target.ClusterName, s.MissedIntervals)
			}
		}
	})
}

func TestApply_KeepsTheNumberOfMissedIntervals(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w, config, stop := newCrowdedWorld(t, 12)
		defer stop()
		time.Sleep(20 * time.Minute)
		config.Concurrency = 12
		if err := w.manager.Apply(config); err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * time.Minute) // for polls that waited, and for the next ones, which are due while these run
		before := w.manager.Snapshots()
		config.Targets = slices.Clone(config.Targets)
		for i := range config.Targets {
			config.Targets[i].StaleAfter++
		}
		if err := w.manager.Apply(config); err != nil {
			t.Fatal(err)
		}
		time.Sleep(10 * time.Minute)
		for i, s := range w.manager.Snapshots() {
			if s.Target == before[i].Target || s.MissedIntervals != before[i].MissedIntervals || s.MissedIntervals == 0 {
				t.Errorf("%s missed %d intervals, before %d", s.Target.ClusterName, s.MissedIntervals, before[i].MissedIntervals)
			}
		}
	})
}

func TestRun_MissesNoIntervalIfThereAreEnoughSlots(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		changed := target(prod)
		changed.ActiveInterval = 10 * time.Second
		w := newWorld(t)
		w.apply(Config{Targets: []Target{changed, target(team)}})
		defer w.run()()
		time.Sleep(10*time.Minute + time.Second)
		for _, s := range w.manager.Snapshots() {
			if s.MissedIntervals != 0 {
				t.Errorf("%s missed %d intervals", s.Target.ClusterName, s.MissedIntervals)
			}
		}
	})
}
