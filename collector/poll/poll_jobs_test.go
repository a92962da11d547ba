package poll

import (
	"strings"
	"testing"
	"time"

	"atlas-restore-exporter/atlas/atlastest"
)

func TestPoll_DropsAJobThatIsNotFoundByIDTwice(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w, stuck := newWorldWithStuckJob(t)
		w.sim.Script(atlastest.PathHas(stuck), 0, atlastest.APIError(404, "RESTORE_JOB_NOT_FOUND", "No."))
		w.expectKnown(2001)
		w.expectKnown(2000)
	})
}

func TestPoll_KeepsAJobIfA404HasAnotherErrorCode(t *testing.T) {
	for _, code := range []string{"CLUSTER_NOT_FOUND", ""} {
		runInBubble(t, "code "+code, func(t *testing.T) {
			w, stuck := newWorldWithStuckJob(t)
			w.sim.Script(atlastest.PathHas(stuck), 0, atlastest.APIError(404, code, "No."))
			if s := w.poll(); s.Reason != ReasonNotFound || s.Summary.Known != 2001 {
				t.Errorf("%v, %d jobs", s.Err, s.Summary.Known)
			}
		})
	}
}

func TestPoll_KeepsAJobRequestedByIDThatCannotBeDecoded(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w, stuck := newWorldWithStuckJob(t)
		w.sim.Script(atlastest.PathHas(stuck), 0, atlastest.Body(200, "application/json", `{"id":5}`))
		w.expectKnown(2001)
	})
}

func TestPoll_KeepsTheJobsOfARemovedCluster(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w, _ := newWorldWithStuckJob(t)
		w.sim.RemoveCluster(project, "team")
		if s := w.poll(); s.Reason != ReasonNotFound || s.Summary.Known != 2001 || s.Failures != 1 {
			t.Errorf("%+v", s)
		}
	})
}

func TestPoll_DropsAJobThatTwoWholeListsDoNotContain(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld(t, prod)
		ids := w.sim.AddJobs(prod, atlastest.Job{Takes: time.Minute},
			atlastest.Job{Created: time.Now().Add(-time.Hour), Takes: time.Minute})
		w.poll()
		w.sim.RemoveJob(prod, ids[0])
		w.expectKnown(2)
		w.expectKnown(1)
	})
}

func TestPoll_DropsARemovedJobAlthoughAnotherCannotBeDecoded(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld(t, prod)
		ids := w.sim.AddJobs(prod, atlastest.Job{}, atlastest.Job{Extra: map[string]any{"failed": "perhaps"}})
		w.poll()
		w.sim.RemoveJob(prod, ids[0])
		w.poll()
		w.expectKnown(0)
	})
}

func TestPoll_OmitsMalformedJobsAndLogsThemOnce(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld(t, prod)
		ids := w.sim.AddJobs(prod,
			atlastest.Job{Takes: time.Minute},
			atlastest.Job{Extra: map[string]any{"finishedAt": "yesterday"}},
			atlastest.Job{Extra: map[string]any{"id": nil}},
			atlastest.Job{Extra: map[string]any{"deliveryType": "carrier pigeon"}},
		)
		for range 3 {
			w.expectKnown(2)
		}
		w.expectLogged("omitting malformed jobs", 1)
		w.expectLogged("jobs=2 job_ids=["+ids[1]+"]", 1)
		if w.events.malformed != 6 {
			t.Errorf("%d malformed jobs in three polls, want 6", w.events.malformed)
		}
		if n := w.events.unknown["dedicated_delivery_type"]; n != 3 {
			t.Errorf("%d unknown values in three polls, want 3", n)
		}
	})
}

func TestPoll_AcceptsImplausibleDates(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld(t, team)
		date := func(d time.Duration) string { return time.Now().Add(d).UTC().Format(time.RFC3339) }
		w.sim.AddJobs(team,
			atlastest.Job{Takes: time.Minute, Extra: map[string]any{
				"restoreScheduledDate": date(24 * time.Hour), "restoreFinishedDate": date(0), "status": "COMPLETED",
			}},
			atlastest.Job{Extra: map[string]any{"restoreScheduledDate": "9999-12-31T23:59:59Z"}},
			atlastest.Job{Extra: map[string]any{"restoreScheduledDate": "1969-12-31T23:59:59Z"}},
			atlastest.Job{Extra: map[string]any{"restoreScheduledDate": nil}},
		)
		w.expectKnown(4)
		time.Sleep(5 * time.Minute) // the summary is no longer valid
		w.expectKnown(4)
	})
}

// expectLogged checks how often the log contains a text.
func (w *world) expectLogged(text string, times int) {
	w.Helper()
	if n := strings.Count(w.log.String(), text); n != times {
		w.Errorf("%q is logged %d times, want %d:\n%s", text, n, times, w.log.String())
	}
}
