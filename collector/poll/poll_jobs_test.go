package poll

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"atlas-restore-exporter/atlas"
	"atlas-restore-exporter/atlas/atlastest"
)

func TestPoll_KeepsAListedJobThatIsNotFoundByID(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w, stuck := newWorldWithStuckJob(t)
		w.sim.Script(atlastest.PathHas(stuck), 0, atlastest.APIError(404, "RESTORE_JOB_NOT_FOUND", "No."))
		for range 3 {
			w.requests()
			w.expectKnown(2001)
			w.expectRequests("6 lists, 1 jobs") // the first page, the job, and then the whole list
		}
		w.sim.ChangeJob(team, stuck, func(j *atlastest.Job) { j.Takes = time.Minute; j.Outcome = atlastest.Fails })
		if n := w.poll().Summary.Counts[atlas.DeliveryAutomated][atlas.StatusFailed]; n != 1 {
			t.Errorf("%d failed jobs, want 1", n)
		}
	})
}

func TestPoll_DropsAnUnfinishedJobThatIsNeitherFoundNorListedTwice(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w, stuck := newWorldWithStuckJob(t)
		w.sim.RemoveJob(team, stuck)
		w.expectKnown(2001)
		w.expectKnown(2000)
	})
}

func TestPoll_SeesAFailureAlthoughAnUnfinishedJobCannotBeReadByID(t *testing.T) {
	for name, response := range map[string]http.Handler{
		"CLUSTER_NOT_FOUND": atlastest.APIError(404, "CLUSTER_NOT_FOUND", "No."),
		"500":               atlastest.Status(500),
		"HTML":              atlastest.Body(200, "text/html", "<html>"),
		"another ID":        atlastest.Body(200, "application/json", `{"id":"32b6e34b3d91647abb20e7b8"}`),
		"no ID":             atlastest.Body(200, "application/json", `{"id":5}`),
		"429 for 20 s":      atlastest.RetryAfter("20"),
		"429 for an hour":   atlastest.RetryAfter("3600"),
	} {
		runInBubble(t, name, func(t *testing.T) {
			w, stuck := newWorldWithStuckJob(t)
			w.sim.Script(atlastest.PathHas(stuck), 0, response)
			w.sim.AddJobs(team, atlastest.Job{Takes: time.Minute, Outcome: atlastest.Fails})
			time.Sleep(time.Minute)
			w.expectFailureAndStuckJob()
		})
	}
}

// expectFailureAndStuckJob polls once, and expects a success with a failed job and a job in progress.
func (w *world) expectFailureAndStuckJob() {
	w.Helper()
	s := w.poll()
	counts := s.Summary.Counts[atlas.DeliveryAutomated]
	if s.Err != nil || counts[atlas.StatusFailed] != 1 || counts[atlas.StatusInProgress] != 1 {
		w.Errorf("%v, jobs by status %v", s.Err, counts)
	}
}

func TestPoll_StartsAFullPollAfterAPollInWhichARequestForAJobTimedOut(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w, stuck := newWorldWithStuckJob(t)
		w.sim.Script(atlastest.PathHas(stuck), 0, atlastest.Hang())
		w.sim.AddJobs(team, atlastest.Job{Takes: time.Minute, Outcome: atlastest.Fails})
		time.Sleep(time.Minute)
		if s := w.poll(); s.Err == nil {
			t.Errorf("the poll succeeded although the request for %s did not", stuck)
		}
		time.Sleep(time.Minute)
		w.requests()
		w.expectFailureAndStuckJob()
		w.expectRequests("5 lists, 0 jobs")
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

func TestPoll_DropsARemovedJobAlthoughAFieldOfAnotherIsUnreadable(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld(t, prod)
		ids := w.sim.AddJobs(prod, atlastest.Job{}, atlastest.Job{Extra: map[string]any{"failed": "perhaps"}})
		w.expectKnown(2)
		w.sim.RemoveJob(prod, ids[0])
		w.expectKnown(2)
		w.expectKnown(1)
	})
}

func TestPoll_OmitsMalformedJobsAndLogsThemOnce(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld(t, prod)
		w.sim.AddJobs(prod,
			atlastest.Job{Takes: time.Minute},
			atlastest.Job{Extra: map[string]any{"finishedAt": "yesterday"}},
			atlastest.Job{Extra: map[string]any{"id": nil}},
			atlastest.Job{Extra: map[string]any{"deliveryType": "carrier pigeon"}},
		)
		for range 3 {
			if s := w.poll(); s.Err != nil || s.Summary.Known != 3 || s.Malformed != 1 {
				t.Errorf("%d jobs known, %d malformed, want 3 and 1; error %v", s.Summary.Known, s.Malformed, s.Err)
			}
		}
		w.expectLogged("omitting malformed jobs", 1)
		w.expectLogged(`jobs=1 err="missing or invalid restore job id"`, 1)
		if w.events.malformed != 3 {
			t.Errorf("%d malformed jobs in three polls, want 3", w.events.malformed)
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
