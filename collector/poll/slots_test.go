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

func TestSlots_FollowTheTargetsWithinTheRateLimits(t *testing.T) {
	for _, test := range []struct {
		targets, perProject int
		interval            time.Duration
		concurrency, want   int
	}{
		{0, 1, time.Minute, 0, MinSlots},
		{90, 10, time.Minute, 0, MinSlots},
		{1210, 10, time.Minute, 0, 202},
		{700, 10, 30 * time.Second, 0, 234},
		{1200, 10, time.Hour, 0, MinSlots},
		{1200, 1200, time.Minute, 0, 84}, // one project: 500 requests per minute
		{3000, 1000, time.Minute, 0, 250},
		{100_000, 10, time.Minute, 0, MaxSlots},
		{1200, 10, time.Minute, 7, 7},
	} {
		config := Config{Concurrency: test.concurrency}
		settings := &Target{Interval: test.interval}
		var planned []plannedTarget
		for i := range test.targets {
			project := fmt.Sprintf("%024x", i/test.perProject)
			planned = append(planned, plannedTarget{
				list: atlas.List{ProjectID: project, ClusterName: fmt.Sprint(i), BackupType: atlas.Dedicated}, settings: settings,
			})
		}
		if got := config.slots(planned); got != test.want {
			t.Errorf("%+v: got %d", test, got)
		}
	}
}

// TestRun_UsesMoreSlotsWhenDiscoveryFindsMoreTargets discovers an organization whose size exceeds the fewest slots.
func TestRun_UsesMoreSlotsWhenDiscoveryFindsMoreTargets(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld(t)
		addOrganization(w, 600)
		config := Config{
			Discoveries: []Rule{ruleFor("")}, Clients: map[string]Client{"default": w.client}, DiscoveryInterval: time.Minute,
		}
		if err := w.manager.Apply(config); err != nil {
			t.Fatal(err)
		}
		expectSlots(t, w.manager, MinSlots, 0)
		defer w.run()()
		time.Sleep(90 * time.Second)
		targets := len(w.manager.Snapshots())
		if total, _ := w.manager.Slots(); targets < 600 || total != 101 {
			t.Errorf("%d slots for %d targets", total, targets)
		}
	})
}

// Polls that wait for the rate limit of a project give their slots to the polls of other projects.
func TestRun_ProjectsWithExhaustedRateLimitsDelayNoOthers(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld(t)
		lists := addOrganization(w, clustersPerProject+1) // in two projects
		limited := lists[0].ProjectID
		w.sim.Script(func(r *http.Request) bool {
			return strings.Contains(r.URL.Path, limited)
		}, 0, http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) {
			rw.Header().Set("Retry-After", "10")
			rw.WriteHeader(http.StatusTooManyRequests)
		}))
		var targets []Target
		for _, list := range lists {
			targets = append(targets, target(list))
		}
		w.newManager(w.client, 1, w.logger(), targets...)
		defer w.run()()
		other := lists[len(lists)-1]
		for range 5 {
			time.Sleep(2 * time.Minute)
			for _, s := range w.manager.Snapshots() {
				if age := time.Since(s.LastSuccess); s.Target.List == other && age > 2*s.Target.Interval {
					t.Errorf("last success %v ago", age)
				}
			}
		}
		if total, held := w.manager.Slots(); held > total {
			t.Errorf("%d slots of %d are held", held, total)
		}
	})
}

// Lists of clusters that hang or wait for a rate limit don't delay those of other projects.
func TestRun_HangingDiscoveryOfProjectsDelaysNoOthers(t *testing.T) {
	for name, response := range map[string]http.Handler{
		"hang": atlastest.Hang(), "429": atlastest.RetryAfter("20"),
	} {
		runInBubble(t, name, func(t *testing.T) {
			w := newWorld(t)
			lists := addOrganization(w, 60*clustersPerProject)
			healthy := map[string]bool{}
			for i := 0; i < len(lists); i += 4 * clustersPerProject {
				healthy[lists[i].ProjectID] = true
			}
			w.sim.Script(func(r *http.Request) bool {
				_, below, _ := strings.Cut(r.URL.Path, "/groups/")
				id, path, _ := strings.Cut(below, "/")
				return path == "clusters" && !healthy[id]
			}, 0, response)
			config := Config{
				Discoveries: []Rule{ruleFor("")}, Clients: map[string]Client{"default": w.client}, DiscoveryInterval: time.Minute,
			}
			if err := w.manager.Apply(config); err != nil {
				t.Fatal(err)
			}
			defer w.run()()
			time.Sleep(5 * time.Second)
			if n, want := len(w.manager.Snapshots()), len(healthy)*clustersPerProject; n != want {
				t.Errorf("%d targets, want %d", n, want)
			}
		})
	}
}
