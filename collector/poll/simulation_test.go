package poll

import (
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"atlas-restore-exporter/atlas"
	"atlas-restore-exporter/atlas/atlastest"
)

const clustersPerProject = 10

// simulatedClusters returns the size of the simulated organization: 200 clusters, or SIMULATED_CLUSTERS. The figures
// per project don't depend on it.
func simulatedClusters(t *testing.T) int {
	t.Helper()
	text, ok := os.LookupEnv("SIMULATED_CLUSTERS")
	if !ok {
		return 200
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// TestRun_PollsAnOrganizationWithinItsRateLimitsAndSeesChangesInTime discovers and polls a whole organization. It
// reports how many requests that takes, and how long changes of jobs take to be published.
func TestRun_PollsAnOrganizationWithinItsRateLimitsAndSeesChangesInTime(t *testing.T) {
	const minutes = 5
	clusters := simulatedClusters(t)
	inBubble(t, func(t *testing.T) {
		w := newWorld(t)
		w.sim.RemoveProject(project)
		lists := addOrganization(w, clusters)
		w.apply(Config{Discoveries: []Rule{ruleFor("", func(r *Rule) { r.Target.ActiveInterval = 30 * time.Second })}})
		defer w.run()()
		if n := len(w.manager.Snapshots()); n != clusters || !w.manager.Ready() {
			t.Fatalf("%d targets, want %d", n, clusters)
		}
		w.reportTraffic("first minute", func() { time.Sleep(time.Minute) })
		w.reportTraffic("no restores in progress", func() { time.Sleep(minutes * time.Minute) })

		started := startRestores(w, lists, clusters/20)
		var seen changes
		w.reportTraffic("5 % with a restore in progress", func() { seen = w.watchChanges(started, minutes*time.Minute) })
		expectDelays(t, "starts", seen.starts, len(started), time.Minute+2*time.Second)
		expectDelays(t, "ends", seen.ends, len(started), 30*time.Second+2*time.Second)
		if rejected := len(w.sim.Requests(func(r atlastest.Request) bool { return r.Status != 200 })); rejected > 0 {
			t.Errorf("%d requests were rejected", rejected)
		}
	})
}

// addOrganization adds clusters with one finished restore each, and returns their lists.
func addOrganization(w *world, clusters int) []atlas.List {
	lists := make([]atlas.List, clusters)
	for i := range lists {
		list := atlas.List{
			ProjectID: fmt.Sprintf("%024x", i/clustersPerProject+1), ClusterName: fmt.Sprintf("c%d", i),
			BackupType: atlas.Dedicated,
		}
		kind := atlastest.DedicatedCluster
		if i%clustersPerProject == 0 {
			w.sim.AddProject(list.ProjectID, fmt.Sprintf("Project %d", i/clustersPerProject))
			list.BackupType, kind = atlas.Flex, atlastest.FlexCluster
		}
		w.sim.AddCluster(list.ProjectID, list.ClusterName, kind)
		w.sim.AddJobs(list, atlastest.Job{Created: time.Now().Add(-time.Hour), Takes: time.Minute})
		lists[i] = list
	}
	return lists
}

// startRestores starts restores of n clusters, and returns the end time of each by job ID.
func startRestores(w *world, lists []atlas.List, n int) map[string]time.Time {
	ends := map[string]time.Time{}
	for i := range n {
		takes := 2*time.Minute + time.Duration(i)*7*time.Second%(2*time.Minute)
		id := w.sim.AddJobs(lists[i*len(lists)/n], atlastest.Job{Takes: takes})[0]
		ends[id] = time.Now().Add(takes)
	}
	return ends
}

// changes are the delays until the starts and ends of restores were published.
type changes struct{ starts, ends []time.Duration }

// watchChanges checks all snapshots each second, for restores that start now and end at the given times.
func (w *world) watchChanges(ends map[string]time.Time, span time.Duration) changes {
	var delays changes
	start, seen := time.Now(), map[string]atlas.Status{}
	for time.Since(start) < span {
		time.Sleep(time.Second)
		for _, s := range w.manager.Snapshots() {
			job := &s.Summary.Newest[0]
			end, watched := ends[job.ID]
			last, known := seen[job.ID]
			switch {
			case watched && !known:
				delays.starts = append(delays.starts, time.Since(start))
			case watched && last != job.Status:
				delays.ends = append(delays.ends, time.Since(end))
			}
			seen[job.ID] = job.Status
		}
	}
	return delays
}

func expectDelays(t *testing.T, event string, delays []time.Duration, n int, most time.Duration) {
	t.Helper()
	if len(delays) != n || slices.Max(delays) > most {
		t.Errorf("%d %s published after %v, want %d within %v", len(delays), event, delays, n, most)
		return
	}
	t.Logf("%d %s, published after %v at most", n, event, slices.Max(delays))
}

// reportTraffic reports the requests sent while do runs. It expects them to be at most half of the documented rate
// limits: the bucket of a project and set of endpoints is refilled at 500 requests per minute.
func (w *world) reportTraffic(name string, do func()) {
	w.Helper()
	const refill = 500
	w.sim.ForgetRequests()
	start := time.Now()
	do()
	minutes := int(time.Since(start).Minutes())
	all := w.sim.Requests(nil)
	buckets := map[string]int{}
	for _, request := range all {
		path := strings.TrimPrefix(request.Path, "/api/atlas/v2/groups")
		set := path[strings.LastIndexByte(path, '/')+1:]
		buckets[strings.SplitN(path+"/", "/", 3)[1]+" "+set]++
	}
	busiest := 0
	for _, n := range buckets {
		busiest = max(busiest, n)
	}
	w.Logf("%s: %d requests per minute, at most %d of %d for one bucket", name, len(all)/minutes, busiest/minutes, refill)
	if busiest/minutes > refill/2 {
		w.Errorf("more than half of the rate limit")
	}
}
