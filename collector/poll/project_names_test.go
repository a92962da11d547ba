package poll

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"atlas-restore-exporter/atlas"
	"atlas-restore-exporter/atlas/atlastest"
)

func isProjectRequest(r *http.Request) bool { return strings.HasSuffix(r.URL.Path, project) }

func (w *world) expectProjectName(want string) {
	w.Helper()
	if got := w.manager.ProjectName(project); got != want {
		w.Errorf("project name %q, want %q", got, want)
	}
}

func TestProjectName_IsRequestedAgainAfterAFailure(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld(t, prod)
		w.sim.Script(isProjectRequest, 3, atlastest.Status(http.StatusServiceUnavailable))
		w.poll()
		w.expectProjectName("")
		time.Sleep(time.Minute)
		w.poll()
		w.expectProjectName("Payments")
	})
}

func TestProjectName_IsRequestedAgainAnHourAfterADenial(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld(t, prod)
		w.sim.Script(isProjectRequest, 1, atlastest.APIError(403, "ACCESS_FORBIDDEN", "No."))
		for range 59 {
			w.poll()
			time.Sleep(time.Minute)
		}
		w.expectProjectName("")
		time.Sleep(2 * time.Minute)
		w.poll()
		w.expectProjectName("Payments")
	})
}

func TestProjectName_DoesNotDelayTheSnapshot(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld(t, prod)
		w.sim.Script(isProjectRequest, 0, atlastest.Hang())
		start := time.Now()
		if s := w.poll(); s.LastSuccess.Sub(start) > time.Second || time.Since(start) > 6*time.Second {
			t.Errorf("published after %v, polled for %v", s.LastSuccess.Sub(start), time.Since(start))
		}
	})
}

// newWorldWithHangingNames returns a world with a target in each of 40 projects, whose names are never returned.
func newWorldWithHangingNames(t *testing.T) *world {
	t.Helper()
	w := newWorld(t)
	var targets []Target
	for i := range 40 {
		list := atlas.List{ProjectID: fmt.Sprintf("%024x", i+1), ClusterName: "c", BackupType: atlas.Dedicated}
		w.sim.AddProject(list.ProjectID, "Slow")
		w.sim.AddCluster(list.ProjectID, "c", atlastest.DedicatedCluster)
		w.sim.Script(func(r *http.Request) bool { return strings.HasSuffix(r.URL.Path, list.ProjectID) }, 0, atlastest.Hang())
		targets = append(targets, target(list))
	}
	w.apply(Config{Targets: targets})
	return w
}

func TestProjectName_HoldsNoPollSlot(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorldWithHangingNames(t)
		defer w.run()()
		time.Sleep(time.Second)
		if !w.manager.Ready() {
			t.Error("not every target is polled after a second")
		}
	})
}

func TestProjectName_DelaysNoLaterPoll(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorldWithHangingNames(t)
		defer w.run()()
		time.Sleep(time.Second)
		w.requests()
		time.Sleep(10 * time.Minute)
		w.expectRequests("400 lists, 0 jobs")
	})
}
