package poll

import (
	"fmt"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"atlas-restore-exporter/atlas"
	"atlas-restore-exporter/atlas/atlastest"
)

func isFirstPage(r *http.Request) bool { return r.URL.Query().Get("pageNum") == "1" }

func TestPoll_RemovesNoJobsIfTheListContradictsItself(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld(t, team)
		w.addHistory(500)
		w.sim.AddJobs(team, atlastest.Job{Takes: time.Hour})
		w.expectKnown(501)
		w.expectRequests("2 lists, 0 jobs")
		remove := w.sim.Script(isFirstPage, 0,
			atlastest.Body(200, "application/json", `{"results": [], "totalCount": 501}`))
		for range 3 {
			if s := w.poll(); s.Err != nil || !s.Inconsistent || s.Summary.Known != 501 || !s.Summary.Active() {
				t.Errorf("%d jobs known, inconsistent %t, active %t, error %v", s.Summary.Known, s.Inconsistent,
					s.Summary.Active(), s.Err)
			}
			w.expectRequests("2 lists, 1 jobs") // the list twice, and the unfinished job
		}
		w.expectLogged("list contradicts its own totalCount, not removing jobs", 1)
		remove()
		if s := w.poll(); s.Err != nil || s.Inconsistent || s.Summary.Known != 501 {
			t.Errorf("%d jobs known, inconsistent %t, error %v", s.Summary.Known, s.Inconsistent, s.Err)
		}
	})
}

func TestPoll_AddsJobsIfTotalCountIsAlwaysWrong(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld(t, team)
		items := ""
		for known := 1; known <= 3; known++ {
			items += fmt.Sprintf(`{"id":"%024x","status":"COMPLETED","deliveryType":"RESTORE"},`, known)
			body := fmt.Sprintf(`{"results": [%s], "totalCount": %d}`, items[:len(items)-1], known+1)
			remove := w.sim.Script(isFirstPage, 0, atlastest.Body(200, "application/json", body))
			w.expectKnown(known)
			remove()
		}
	})
}

func TestPoll_SucceedsAlthoughAListThatContradictsItselfLacksManyUnfinishedJobs(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld(t, team)
		for range 200 {
			w.sim.AddJobs(team, atlastest.Job{Takes: time.Minute})
		}
		w.expectKnown(200)
		w.requests()
		w.sim.Script(isFirstPage, 0, atlastest.Body(200, "application/json",
			`{"results": [{"id":"f","status":"FAILED","deliveryType":"RESTORE"}], "totalCount": 2}`))
		for n := 1; n <= 10; n++ {
			time.Sleep(time.Minute)
			w.expectKnown(201)
			w.expectRequests("2 lists, 20 jobs")
			counts := w.manager.Snapshots()[0].Summary.Counts[atlas.DeliveryAutomated]
			if counts[atlas.StatusFailed] != 1 || counts[atlas.StatusCompleted] != 20*n {
				t.Errorf("jobs by status after %d polls: %v", n, counts)
			}
		}
	})
}

func TestPoll_MergesAListThatContradictsItselfAlthoughARequestForAJobFails(t *testing.T) {
	for name, response := range map[string]http.Handler{
		"500": atlastest.Status(500), "404": atlastest.Status(404), "hangs": atlastest.Hang(),
	} {
		runInBubble(t, name, func(t *testing.T) {
			w := newWorld(t, team)
			w.sim.AddJobs(team, atlastest.Job{Takes: time.Hour}, atlastest.Job{Takes: time.Hour})
			w.expectKnown(2)
			w.sim.Script(isFirstPage, 0, atlastest.Body(200, "application/json",
				`{"results": [{"id":"f","status":"FAILED","deliveryType":"RESTORE"}], "totalCount": 2}`))
			w.sim.Script(atlastest.PathHas("restoreJobs/"), 0, response)
			w.requests()
			w.expectKnown(3)
			synctest.Wait() // the server records a request when it ends
			w.expectRequests("2 lists, 1 jobs")
			if counts := w.poll().Summary.Counts[atlas.DeliveryAutomated]; counts[atlas.StatusInProgress] != 2 {
				t.Errorf("jobs by status: %v", counts)
			}
		})
	}
}
