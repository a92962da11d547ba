package poll

import (
	"fmt"
	"net/http"
	"testing"
	"time"

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
