package e2e

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"slices"
	"sync"
	"time"

	"atlas-restore-exporter/atlas"
	"atlas-restore-exporter/atlas/atlastest"
	"atlas-restore-exporter/internal/testutil"
)

// startActivities starts everything that happens regularly. The returned function stops it and waits for its end.
func (s *soak) startActivities(ctx context.Context) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	var running sync.WaitGroup
	repeat := func(every time.Duration, do func()) {
		running.Go(func() {
			for ticker := time.NewTicker(every); ctx.Err() == nil; {
				do()
				select {
				case <-ctx.Done():
					ticker.Stop()
				case <-ticker.C:
				}
			}
		})
	}
	repeat(20*time.Millisecond, s.changeJobs)
	repeat(5*time.Second, s.reload)
	repeat(700*time.Millisecond, s.changeClusters)
	repeat(time.Second, s.sim.ForgetRequests)
	repeat(time.Second, s.requestPage)
	for _, format := range expositionFormats {
		client := &http.Client{Transport: &http.Transport{DisableCompression: true}, Timeout: soakStuckAfter}
		s.Cleanup(client.CloseIdleConnections)
		repeat(500*time.Millisecond, func() { s.scrape(client, format) })
	}
	return func() { cancel(); running.Wait() }
}

// fillLongList adds the maximum number of jobs to longSoakList.
func (s *soak) fillLongList() {
	start := time.Now().Add(-soakLongListed * time.Second)
	for i := range soakLongListed {
		job := atlastest.Job{Created: start.Add(time.Duration(i) * time.Second), Takes: time.Second}
		s.jobs[longSoakList] = append(s.jobs[longSoakList], s.sim.AddJobs(longSoakList, job)...)
	}
}

// changeJobs adds a job to a random list, and removes the oldest ones if there are many.
func (s *soak) changeJobs() {
	list, most, removed := longSoakList, soakLongListed+100, 100
	if i := rand.IntN(len(shortSoakLists) + 1); i < len(shortSoakLists) {
		list, most, removed = shortSoakLists[i], soakListed, 1
	}
	s.jobs[list] = append(s.jobs[list], s.sim.AddJobs(list, randomJob(list.BackupType))...)
	s.count("jobs added")
	if len(s.jobs[list]) <= most {
		return
	}
	for _, id := range s.jobs[list][:removed] {
		s.sim.RemoveJob(list, id)
		s.count("jobs removed")
	}
	s.jobs[list] = slices.Clone(s.jobs[list][removed:])
}

func randomJob(backupType atlas.BackupType) atlastest.Job {
	job := atlastest.Job{
		Queued:    time.Duration(rand.IntN(500)) * time.Millisecond,
		Takes:     time.Duration(1+rand.IntN(3000)) * time.Millisecond,
		Outcome:   atlastest.Outcome(rand.IntN(3)),
		LinkLife:  time.Duration(1+rand.IntN(4)) * time.Second,
		Documents: 1000,
	}
	if rand.IntN(20) == 0 {
		job.Takes = 0 // never finishes
	}
	switch {
	case backupType == atlas.Collection || rand.IntN(3) > 0:
	case backupType == atlas.Flex:
		job.Delivery = "DOWNLOAD"
	default:
		job.Delivery, job.Shards = "download", rand.IntN(3)
	}
	return job
}

// changeClusters adds a cluster for discovery, and removes the oldest one if there are many.
func (s *soak) changeClusters() {
	const most = 5
	s.created++
	list := atlas.List{ProjectID: analytics, ClusterName: fmt.Sprintf("found-%d", s.created), BackupType: atlas.Flex}
	s.sim.AddCluster(list.ProjectID, list.ClusterName, atlastest.FlexCluster)
	s.sim.AddJobs(list, atlastest.Job{Takes: time.Second})
	s.discovered = append(s.discovered, list.ClusterName)
	if len(s.discovered) > most {
		s.sim.RemoveCluster(analytics, s.discovered[0])
		s.discovered = slices.Clone(s.discovered[1:])
	}
	s.count("clusters added")
}

// reload reloads the configuration after a change, which is sometimes invalid.
func (s *soak) reload() {
	want := http.StatusOK
	switch rand.IntN(4) {
	case 0:
		s.writeConfig("")
	case 1:
		s.writeConfig("prod-1")
	case 2:
		s.writeConfig("team-1")
	default:
		testutil.WriteFile(s.T, s.configFile, "misspelled: 1\n")
		want = http.StatusInternalServerError
	}
	status, body := testutil.SendRequest(s.T, http.DefaultClient, http.MethodPost, s.url+"/-/reload")
	if status != want && s.Context().Err() == nil {
		s.Errorf("reload: %d %s, want %d", status, body, want)
	}
	s.count(fmt.Sprintf("reloads with status %d", want))
}

func (s *soak) requestPage() {
	if status, body := fetch(s.T, s.url+"/"); status != http.StatusOK {
		s.Errorf("the status page: %d %s", status, body)
	}
	s.count("status pages")
}

// shouldFail selects the requests to Atlas that fail, at random.
func shouldFail(*http.Request) bool { return rand.Float64() < 0.005 }

// soakFailures are failures of Atlas, and of connections to it.
var soakFailures = map[string]http.Handler{
	"server error":       atlastest.APIError(http.StatusInternalServerError, "UNEXPECTED_ERROR", "Unexpected error."),
	"bad gateway":        atlastest.Status(http.StatusBadGateway),
	"rate limit":         atlastest.RetryAfter("1"),
	"truncated response": atlastest.BreakOff(),
	"no response":        atlastest.Hang(),
	"slow response":      atlastest.Slow(100 * time.Millisecond),
	"HTML":               atlastest.Body(http.StatusOK, "text/html", "<html>sign in</html>"),
	"redirect":           atlastest.Redirect("https://example.net/"),
	"huge response":      atlastest.Huge(20<<20, true),
	"unknown cluster":    atlastest.APIError(http.StatusNotFound, "CLUSTER_NOT_FOUND", "No cluster."),
}

var soakFailureNames = slices.Sorted(maps.Keys(soakFailures))

// serveFailure serves a random failure.
func (s *soak) serveFailure(w http.ResponseWriter, r *http.Request) {
	name := soakFailureNames[rand.IntN(len(soakFailureNames))]
	s.count("failure: " + name)
	soakFailures[name].ServeHTTP(w, r)
}
