package collector

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"atlas-restore-exporter/atlas"
	"atlas-restore-exporter/atlas/atlastest"
)

// TestOrganization lets a whole organization be found and polled: how much that asks of Atlas, and how long a change
// takes to be published. SIMULATED_CLUSTERS=2000 makes it a large one; what is said of a single project is the same.
func TestOrganization(t *testing.T) {
	clusters := 200
	if text := os.Getenv("SIMULATED_CLUSTERS"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil {
			t.Fatal(err)
		}
		clusters = n
	}
	const perProject, minutes = 10, 5
	bubble(t, "", func(t *testing.T) {
		w := newWorld(t)
		w.sim.RemoveProject(project)
		lists := organization(w, clusters, perProject)
		rule := everything()
		rule.Target.ActiveInterval = 30 * time.Second
		w.apply(Setup{Discoveries: []Discovery{rule}})
		defer w.run()()
		if n := len(w.manager.Snapshots()); n != clusters || !w.manager.Ready() {
			t.Fatalf("%d targets, want %d", n, clusters)
		}
		w.reportTraffic("first minute", func() { time.Sleep(time.Minute) })
		w.reportTraffic("at rest", func() { time.Sleep(minutes * time.Minute) })

		active := clusters / 20
		ends := map[string]time.Time{}
		for i := range active {
			takes := 2*time.Minute + time.Duration(i)*7*time.Second%(2*time.Minute)
			id := w.sim.AddJobs(lists[i*len(lists)/active], atlastest.Job{Takes: takes})[0]
			ends[id] = time.Now().Add(takes)
		}
		var begun, ended []time.Duration
		w.reportTraffic("5 % active", func() {
			start, seen := time.Now(), map[string]atlas.Status{}
			for time.Since(start) < minutes*time.Minute {
				time.Sleep(time.Second)
				for _, s := range w.manager.Snapshots() {
					job := &s.Summary.Newest[0]
					end, watched := ends[job.ID]
					last, known := seen[job.ID]
					switch {
					case watched && !known:
						begun = append(begun, time.Since(start))
					case watched && last != job.Status:
						ended = append(ended, time.Since(end))
					}
					seen[job.ID] = job.Status
				}
			}
		})
		worst := func(what string, delays []time.Duration, most time.Duration) {
			var longest time.Duration
			for _, delay := range delays {
				longest = max(longest, delay)
			}
			t.Logf("%s: %d of %d, published after %v at most", what, len(delays), active, longest)
			if len(delays) != active || longest > most {
				t.Errorf("want all of them within %v", most)
			}
		}
		worst("restores that began", begun, time.Minute+2*time.Second)
		worst("restores that ended", ended, 30*time.Second+2*time.Second)
		if refused := len(w.sim.Requests(func(r atlastest.Request) bool { return r.Status != 200 })); refused > 0 {
			t.Errorf("%d requests were refused", refused)
		}
	})
}

// organization adds clusters with a restore each to a simulated Atlas, and returns their lists.
func organization(w *world, clusters, perProject int) []atlas.List {
	lists := make([]atlas.List, clusters)
	for i := range lists {
		list := atlas.List{ProjectID: fmt.Sprintf("%024x", i/perProject+1), ClusterName: fmt.Sprintf("c%d", i), BackupType: atlas.Dedicated}
		kind := atlastest.DedicatedCluster
		if i%perProject == 0 {
			w.sim.AddProject(list.ProjectID, fmt.Sprintf("Project %d", i/perProject))
			list.BackupType, kind = atlas.Flex, atlastest.FlexCluster
		}
		w.sim.AddCluster(list.ProjectID, list.ClusterName, kind)
		w.sim.AddJobs(list, atlastest.Job{Created: time.Now().Add(-time.Hour), Takes: time.Minute})
		lists[i] = list
	}
	return lists
}

// reportTraffic reports what is asked of Atlas while do runs, and wants it to be well within the documented buckets: a
// project's are refilled at 500 requests a minute, of which half are left to others.
func (w *world) reportTraffic(name string, do func()) {
	w.Helper()
	const refill = 500
	w.sim.ForgetRequests()
	start := time.Now()
	do()
	minutes := int(time.Since(start).Minutes())
	all := w.sim.Requests(nil)
	busiest := map[string]int{} // by project and set of endpoints
	for _, request := range all {
		path := strings.TrimPrefix(request.Path, "/api/atlas/v2/groups")
		set := path[strings.LastIndexByte(path, '/')+1:]
		busiest[strings.SplitN(path+"/", "/", 3)[1]+" "+set]++
	}
	most := 0
	for _, n := range busiest {
		most = max(most, n)
	}
	w.Logf("%s: %d requests a minute, of which the busiest bucket sees %d of the %d that it allows", name, len(all)/minutes, most/minutes, refill)
	if most/minutes > refill/2 {
		w.Errorf("more than half of what a project may ask")
	}
}
