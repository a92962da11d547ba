package poll

import (
	"context"
	"fmt"
	"iter"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"atlas-restore-exporter/atlas"
	"atlas-restore-exporter/atlas/atlastest"
	"atlas-restore-exporter/collector/history"
)

// pageCounter counts the pages that it reads.
type pageCounter struct {
	Client

	decoded, unchanged int
	read               func() // called after each page
}

func (c *pageCounter) RestoreJobs(
	ctx context.Context, list atlas.List, marks ...atlas.PageMark,
) iter.Seq2[atlas.Page, error] {
	return func(yield func(atlas.Page, error) bool) {
		for page, err := range c.Client.RestoreJobs(ctx, list, marks...) {
			switch {
			case page.Unchanged:
				c.unchanged++
			case err == nil:
				c.decoded++
			}
			c.read()
			if !yield(page, err) {
				return
			}
		}
	}
}

// newRepeatingWorld returns a world that polls one list, and the counter of its pages.
func newRepeatingWorld(t *testing.T, list atlas.List) (*world, *pageCounter) {
	t.Helper()
	w := newWorld(t)
	pages := &pageCounter{Client: w.client, read: func() {}}
	w.client = pages
	w.apply(Config{Targets: []Target{target(list)}})
	return w, pages
}

// expectPages polls once a minute, and expects numbers of decoded and unchanged pages.
func (w *world) expectPages(pages *pageCounter, polls, decoded, unchanged int) {
	w.Helper()
	pages.decoded, pages.unchanged = 0, 0
	for range polls {
		time.Sleep(time.Minute)
		if s := w.poll(); s.Err != nil || s.LastSuccess != time.Now() {
			w.Errorf("poll failed: %v", s.Err)
		}
	}
	if pages.decoded != decoded || pages.unchanged != unchanged {
		w.Errorf("%d pages decoded and %d unchanged, want %d and %d", pages.decoded, pages.unchanged, decoded, unchanged)
	}
}

func TestPoll_DecodesThePagesOfAListOnlyWhenTheyChange(t *testing.T) {
	for name, list := range map[string]atlas.List{"dedicated": prod, "flex": team} {
		runInBubble(t, name, func(t *testing.T) {
			w, pages := newRepeatingWorld(t, list)
			w.expectPages(pages, 5, 2, 3) // the list is empty
			ids := w.sim.AddJobs(list, atlastest.Job{Takes: time.Minute}, atlastest.Job{})
			w.expectPages(pages, 10, 2, 8)
			w.expectRequests("15 lists, 0 jobs")
			w.sim.ChangeJob(list, ids[1], func(j *atlastest.Job) { j.Takes, j.Outcome = time.Second, atlastest.Fails })
			w.expectPages(pages, 1, 1, 0)
			if s := w.poll(); s.Summary.Known != 2 || s.Summary.Counts[atlas.DeliveryAutomated][atlas.StatusFailed] != 1 {
				t.Errorf("%+v", s.Summary)
			}
		})
	}
}

func TestPoll_RemovesJobsThatAreMissingAlthoughThePagesRepeat(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w, pages := newRepeatingWorld(t, prod)
		ids := w.sim.AddJobs(prod, make([]atlastest.Job, 3)...)
		w.expectPages(pages, 5, 2, 3)
		w.sim.RemoveJob(prod, ids[1])
		w.expectKnown(3)
		w.expectKnown(2)
		w.expectPages(pages, 5, 1, 4)
		w.sim.AddJobs(prod, atlastest.Job{ID: ids[1]})
		w.expectKnown(3)
	})
}

// TestPoll_CountsOnRepeatedPages repeats pages with something that must be counted at each poll.
func TestPoll_CountsOnRepeatedPages(t *testing.T) {
	const polls = 7
	for name, test := range map[string]struct {
		body  string
		count func(*eventCounts) int
	}{
		"a malformed job": {
			`{"results":[{"id":"x","status":"RUNNING","deliveryType":"RESTORE"},{"id":7}]}`,
			func(e *eventCounts) int { return e.malformed },
		},
		"an unknown value": {
			`{"results":[{"id":"x","status":"NEW","deliveryType":"RESTORE"}]}`,
			func(e *eventCounts) int { return e.unknown["flex_status"] },
		},
		"an omitted field": {
			`{"results":[{"id":"x","status":"RUNNING","deliveryType":"RESTORE","expirationDate":7}]}`,
			func(e *eventCounts) int { return e.omitted["flex_expiration_date"] },
		},
	} {
		runInBubble(t, name, func(t *testing.T) {
			w, pages := newRepeatingWorld(t, team)
			w.sim.Script(atlastest.PathHas("restoreJobs"), 0, atlastest.Body(200, "application/json", test.body))
			w.expectPages(pages, polls, polls, 0)
			if n := test.count(w.events); n != polls {
				t.Errorf("counted %d times in %d polls", n, polls)
			}
		})
	}
}

// TestPoll_ReadsRepeatedPagesUnderOtherSettings applies settings under which the same page means something else.
func TestPoll_ReadsRepeatedPagesUnderOtherSettings(t *testing.T) {
	drill := []history.RestoreTarget{{ProjectID: project, ClusterNames: []string{"drill"}}}
	for name, test := range map[string]struct {
		change func(*Target)
		known  int
	}{
		"limits":        {func(target *Target) { target.Policy.Limits.MaxJobs = 4 }, 4},
		"drill targets": {func(target *Target) { target.Policy.DrillTargets = drill }, 2},
		"objectives":    {func(target *Target) { target.Policy.Objectives.Duration = time.Minute }, 2},
	} {
		runInBubble(t, name, func(t *testing.T) {
			w, pages := newRepeatingWorld(t, prod)
			polled := target(prod)
			polled.Policy.Limits.MaxJobs = 2
			w.apply(Config{Targets: []Target{polled}})
			for range 6 {
				w.sim.AddJobs(prod, atlastest.Job{Takes: time.Second, TargetClusterName: "drill"})
			}
			time.Sleep(time.Minute)
			w.expectPages(pages, 5, 2, 3)
			test.change(&polled)
			w.apply(Config{Targets: []Target{polled}})
			w.expectPages(pages, 1, 1, 0)
			s := w.manager.Snapshots()[0]
			drills := s.Summary.Latest[atlas.DeliveryAutomated][history.PurposeDrill].Success.End != 0
			if s.Summary.Known != test.known || drills != (name == "drill targets") {
				t.Errorf("%d jobs known, drills %t", s.Summary.Known, drills)
			}
		})
	}
}

// TestPoll_DiscardsARepeatedListIfJobsAreMissingSince lets it become known during a poll that the cluster is older, so
// that the history starts again.
func TestPoll_DiscardsARepeatedListIfJobsAreMissingSince(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w, pages := newRepeatingWorld(t, prod)
		polled := target(prod)
		polled.Policy.NotBefore = atlas.TimestampOf(time.Now().Add(-time.Hour))
		for i := range 4 {
			w.sim.AddJobs(prod, atlastest.Job{Created: time.Now().Add(-time.Duration(i) * 40 * time.Minute), Takes: time.Minute})
		}
		time.Sleep(time.Minute)
		p := newPoller(&polled, w.client, w.events, w.logger())
		poll := func() *Snapshot { p.poll(w.Context(), nil); return p.published.Load() }
		for range 3 {
			poll()
		}
		older := polled
		older.Policy.NotBefore -= 24 * 60 * 60
		pages.read = func() { p.reconfigure(&older, w.client); pages.read = func() {} }
		last := time.Now()
		time.Sleep(time.Minute)
		if s := poll(); pages.unchanged != 2 || !p.dueAtOnce || s.LastSuccess != last {
			t.Errorf("%d pages unchanged, due at once: %t, published %+v", pages.unchanged, p.dueAtOnce, s)
		}
		if s := poll(); s.Summary.Known != 4 || s.LastSuccess != time.Now() {
			t.Errorf("%d jobs known", s.Summary.Known)
		}
	})
}

// TestPoll_AppliesTheClockToRepeatedPages repeats a page with a job that expires, a job that becomes too old, and a job
// beyond the limits whose download expires.
func TestPoll_AppliesTheClockToRepeatedPages(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w, pages := newRepeatingWorld(t, team)
		polled := target(team)
		polled.Policy.Limits.MaxAge = 24 * time.Hour
		w.apply(Config{Targets: []Target{polled}})
		start := time.Now()
		in := func(d time.Duration) string { return start.Add(d).UTC().Format(time.RFC3339) }
		w.sim.Script(atlastest.PathHas("restoreJobs"), 0, atlastest.Body(200, "application/json", fmt.Sprintf(`{"results":[
			{"id":"ready","status":"COMPLETED","deliveryType":"DOWNLOAD","snapshotUrl":"https://x",
				"restoreScheduledDate":%q,"restoreFinishedDate":%q,"expirationDate":%q},
			{"id":"old","status":"COMPLETED","deliveryType":"RESTORE","restoreScheduledDate":%q,"restoreFinishedDate":%q},
			{"id":"beyond","status":"COMPLETED","deliveryType":"DOWNLOAD",
				"restoreScheduledDate":%q,"restoreFinishedDate":%q,"expirationDate":%q}]}`,
			in(-time.Hour), in(-time.Hour), in(10*time.Minute),
			in(20*time.Minute-24*time.Hour), in(20*time.Minute-24*time.Hour),
			in(-30*time.Hour), in(-30*time.Hour), in(30*time.Minute))))
		type state struct {
			ready, expired, automated int
			ended                     time.Duration // end of the last download
		}
		for minute := range 40 {
			s := w.poll().Summary
			downloads := s.Counts[atlas.DeliveryDownload]
			success := s.Latest[atlas.DeliveryDownload][history.PurposeOther].Success
			got := state{downloads[atlas.StatusReady], downloads[atlas.StatusExpired],
				s.Counts[atlas.DeliveryAutomated][atlas.StatusCompleted], success.End.Time().Sub(start)}
			want := state{1, 0, 1, -time.Hour}
			if minute >= 10 {
				want.ready, want.expired, want.ended = 0, 1, 10*time.Minute
			}
			if minute > 20 {
				want.automated = 0
			}
			if minute >= 30 {
				want.ended = 30 * time.Minute
			}
			if got != want {
				t.Errorf("minute %d: %+v, want %+v", minute, got, want)
			}
			time.Sleep(time.Minute)
		}
		if pages.unchanged < 30 {
			t.Errorf("only %d pages unchanged", pages.unchanged)
		}
	})
}

// TestPoll_ReadsTheWholeListIfOnlyItsFirstPagesAreUnchanged changes a job on the second page.
func TestPoll_ReadsTheWholeListIfOnlyItsFirstPagesAreUnchanged(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w, pages := newRepeatingWorld(t, team)
		w.addHistory(900)
		w.expectPages(pages, 5, 4, 6)
		changed := w.sim.AddJobs(team, atlastest.Job{Created: time.Now().Add(-5000 * time.Hour), Takes: time.Minute})[0]
		w.expectPages(pages, 3, 4, 2)
		w.requests()
		w.sim.ChangeJob(team, changed, func(j *atlastest.Job) { j.Outcome = atlastest.Fails })
		w.expectPages(pages, 1, 3, 1)
		w.expectRequests("4 lists, 0 jobs")
		if s := w.manager.Snapshots()[0]; s.Inconsistent || s.Truncated ||
			s.Summary.Counts[atlas.DeliveryAutomated][atlas.StatusFailed] != 1 || s.Summary.Known != 901 {
			t.Errorf("%+v", s)
		}
		w.expectPages(pages, 5, 2, 8)
	})
}

// TestPoll_DecodesEachDueFullPollOfALongList has a list whose polls are incremental. A finished job changes on its last
// page.
func TestPoll_DecodesEachDueFullPollOfALongList(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w, pages := newRepeatingWorld(t, team)
		polled := target(team)
		polled.FullPollInterval = 20 * time.Minute // before the token is replaced, after which all pages are decoded
		w.apply(Config{Targets: []Target{polled}})
		old := w.sim.AddJobs(team, atlastest.Job{Created: time.Now().Add(-2000 * time.Hour), Takes: time.Minute})[0]
		w.addHistory(1200)
		w.expectPages(pages, 5, 3+1, 3)
		w.sim.ChangeJob(team, old, func(j *atlastest.Job) { j.Outcome = atlastest.Fails })
		w.expectPages(pages, 20, 3+1, 18) // a full poll, and the next one
		if n := w.manager.Snapshots()[0].Summary.Counts[atlas.DeliveryAutomated][atlas.StatusFailed]; n != 1 {
			t.Errorf("%d failed jobs after a full poll", n)
		}
	})
}

// TestPoll_RecognizesPagesAfterFailures has failed polls between polls of the same list.
func TestPoll_RecognizesPagesAfterFailures(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w, pages := newRepeatingWorld(t, prod)
		w.sim.AddJobs(prod, make([]atlastest.Job, 3)...)
		w.expectPages(pages, 5, 2, 3)
		for name, failure := range map[string]http.Handler{
			"status 500": atlastest.Status(500), "malformed": atlastest.Body(200, "application/json", `{"results":7}`),
		} {
			remove := w.sim.Script(atlastest.PathHas("restoreJobs"), 0, failure)
			if s := w.poll(); s.Err == nil || s.Summary.Known != 3 {
				t.Errorf("%s: %+v", name, s)
			}
			remove()
			w.expectPages(pages, 2, 0, 2)
		}
	})
}

// TestRun_PollsRepeatedPagesWhileARestoreIsInProgress has a restore whose end must be seen at the shorter interval.
func TestRun_PollsRepeatedPagesWhileARestoreIsInProgress(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld(t)
		pages := &pageCounter{Client: w.client, read: func() {}}
		w.client = pages
		polled := target(prod)
		polled.ActiveInterval = 10 * time.Second
		w.sim.AddJobs(prod, atlastest.Job{Takes: 5 * time.Minute})
		w.apply(Config{Targets: []Target{polled}})
		defer w.run()()
		time.Sleep(5*time.Minute + 10*time.Second)
		synctest.Wait()
		s := w.manager.Snapshots()[0]
		if s.Summary.Active() || s.Failures > 0 || pages.unchanged < 25 || strings.Contains(w.log.String(), "WARN") {
			t.Errorf("%+v, %d pages unchanged, log %s", s.Summary, pages.unchanged, w.log.String())
		}
	})
}
