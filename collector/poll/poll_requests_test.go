package poll

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"atlas-restore-exporter/atlas"
	"atlas-restore-exporter/atlas/atlastest"
)

func TestPoll_ReadsTheWholeListFirst(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld(t, team)
		w.addHistory(2160)
		w.expectKnown(2160)
		w.expectRequests("5 lists, 0 jobs")
	})
}

func TestPoll_ReadsOnlyTheFirstPageIfNothingIsInProgress(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld(t, team)
		w.addHistory(2160)
		summary := w.poll().Summary
		w.requests()
		for range 10 {
			time.Sleep(time.Minute)
			w.expectKnown(2160)
			w.expectRequests("1 lists, 0 jobs")
		}
		if w.manager.Snapshots()[0].Summary != summary {
			t.Error("polls without changes were summarized again")
		}
	})
}

func TestPoll_ReadsTwoPagesWhileAJobOnTheFirstPageIsInProgress(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld(t, team)
		w.addHistory(2160)
		w.poll()
		w.requests()
		id := w.sim.AddJobs(team, atlastest.Job{Takes: 10 * time.Minute})[0]
		for range 10 {
			if n := w.poll().Summary.Counts[atlas.DeliveryAutomated][atlas.StatusInProgress]; n != 1 {
				t.Errorf("%d jobs in progress, want 1", n)
			}
			w.expectRequests("2 lists, 0 jobs")
			time.Sleep(time.Minute)
		}
		w.poll()
		if n := w.poll().Summary.Counts[atlas.DeliveryAutomated][atlas.StatusCompleted]; n != 2161 {
			t.Errorf("%d completed jobs, want 2161 with job %s", n, id)
		}
	})
}

func TestPoll_ReadsTheWholeListAfterTheFullPollInterval(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld(t, team)
		w.addHistory(2160)
		w.poll()
		w.poll()
		w.requests()
		time.Sleep(time.Hour)
		w.poll()
		w.expectRequests("5 lists, 0 jobs")
		w.poll()
		w.expectRequests("1 lists, 0 jobs")
	})
}

func TestPoll_RequestsUnfinishedJobsOnLaterPagesByID(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w, stuck := newWorldWithStuckJob(t)
		w.requests()
		w.poll()
		w.expectRequests("1 lists, 1 jobs")
		w.sim.ChangeJob(team, stuck, func(j *atlastest.Job) { j.Takes = time.Minute; j.Outcome = atlastest.Fails })
		if n := w.poll().Summary.Counts[atlas.DeliveryAutomated][atlas.StatusFailed]; n != 1 {
			t.Errorf("%d failed jobs, want 1", n)
		}
		w.expectRequests("1 lists, 1 jobs")
		w.poll()
		w.expectRequests("1 lists, 0 jobs")
	})
}

// newWorldWithStuckJob returns a world after a first poll of team, whose list has 2001 jobs. One that never ends is
// on a later page.
func newWorldWithStuckJob(t *testing.T) (w *world, id string) {
	t.Helper()
	w = newWorld(t, team)
	w.addHistory(1000)
	id = w.sim.AddJobs(team, atlastest.Job{Created: time.Now().Add(-600 * time.Hour)})[0]
	w.addHistory(1000)
	w.poll()
	return w, id
}

func TestPoll_ReadsTheWholeListIfItIsNotSortedNewestFirst(t *testing.T) {
	for name, order := range map[string]atlastest.Order{
		"oldest first": atlastest.OldestFirst, "shuffled": atlastest.Shuffled,
	} {
		runInBubble(t, name, func(t *testing.T) {
			w := newWorld(t, team)
			w.sim.SetOrder(team, order)
			w.addHistory(2160)
			for range 3 {
				w.expectKnown(2160)
				w.expectRequests("5 lists, 0 jobs")
				time.Sleep(time.Minute)
			}
			w.sim.AddJobs(team, atlastest.Job{})
			w.expectKnown(2161)
			w.expectRequests("5 lists, 0 jobs")
		})
	}
}

func TestPoll_StartsAFullPollIfTheCountGrewByAnUnseenJob(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld(t, team)
		w.addHistory(2160)
		w.poll()
		w.requests()
		time.Sleep(50 * time.Minute)
		w.sim.AddJobs(team, atlastest.Job{Created: time.Now().Add(-1000 * time.Hour), Takes: time.Minute})
		w.expectKnown(2161)
		w.expectRequests("6 lists, 0 jobs")
		if due := w.manager.active.Load().pollers[0].lastFullPoll; due != time.Now() {
			t.Errorf("last full poll at %v, want now, %v", due, time.Now())
		}
	})
}

func TestPoll_StartsAFullPollIfThereAreMoreUnfinishedJobsThanPages(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld(t, team)
		w.addHistory(1000)
		for i := range 6 {
			w.sim.AddJobs(team, atlastest.Job{Created: time.Now().Add(time.Duration(-1000-i) * time.Hour)})
		}
		w.addHistory(990)
		w.poll()
		w.requests()
		w.poll()
		w.expectRequests("5 lists, 0 jobs") // the first page, and then all four
	})
}

func TestPoll_AlwaysReadsTheWholeOfAShortList(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld(t, team)
		w.addHistory(1000)
		w.poll()
		w.poll()
		w.expectRequests("4 lists, 0 jobs")
	})
}

func TestPoll_TruncatesAListThatIsTooLong(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld(t, team)
		w.sim.Script(atlastest.PathHas("restoreJobs"), 0, atlastest.Pages(func(page, item int) string {
			return fmt.Sprintf(`{"id":"%d-%d","status":"COMPLETED","deliveryType":"RESTORE"}`, page, item)
		}, 2))
		w.expectKnown(200)
		w.expectRequests("100 lists, 0 jobs")
		if s := w.poll(); s.Err != nil || !s.Truncated {
			t.Errorf("an incremental poll after a truncated one: %+v", s)
		}
		w.expectRequests("1 lists, 0 jobs")
		w.expectLogged("list is longer than a full poll reads", 1)
	})
}

func TestPoll_SeesJobsThatPagesShiftedAtTheNextPoll(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld(t, team)
		w.addHistory(1600)
		remove := w.sim.Script(func(r *http.Request) bool {
			if r.URL.Query().Get("pageNum") == "2" {
				w.sim.AddJobs(team, atlastest.Job{Takes: time.Minute})
			}
			return false
		}, 0, nil)
		w.expectKnown(1600)
		remove()
		w.expectKnown(1601)
	})
}
