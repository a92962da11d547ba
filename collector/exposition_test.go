package collector

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/common/expfmt"

	"atlas-restore-exporter/atlas"
	"atlas-restore-exporter/atlas/atlastest"
	"atlas-restore-exporter/collector/poll"
)

// newComparedOrganization returns an organization with more than one group of targets, and both endpoints for it.
func newComparedOrganization(t *testing.T) (*world, *endpoints, poll.Rule) {
	t.Helper()
	w := newOrganization(t)
	for i := range targetsPerGroup + 2 {
		list := atlas.List{ProjectID: project, ClusterName: fmt.Sprintf("c-%02d", i), BackupType: atlas.Dedicated}
		w.sim.AddCluster(project, list.ClusterName, atlastest.DedicatedCluster)
		w.sim.AddJobs(list, atlastest.Job{Takes: time.Duration(i) * time.Minute},
			atlastest.Job{Delivery: "download", Takes: time.Minute, LinkLife: time.Hour})
	}
	rule := allClusters()
	rule.BackupTypes = append(rule.BackupTypes, atlas.Collection)
	rule.Target.Interval, rule.Target.StaleAfter = 30*time.Minute, 2*time.Hour
	rule.Target.Policy.JobSeries.MaxAge = 3 * time.Hour
	return w, newEndpoints(t, w.manager), rule
}

func TestExposition_EqualsTheReferenceWithoutTargets(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		newEndpoints(t, newWorld(t).manager).expectEqual("no targets")
	})
}

func TestExposition_EqualsTheReferenceWhileJobsProceedAndExpire(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w, e, rule := newComparedOrganization(t)
		e.expectEqual("before discovery")
		w.apply(poll.Config{Discoveries: []poll.Rule{rule}})
		defer w.run()()
		e.expectEqual("after the first polls")
		for _, wait := range []time.Duration{90 * time.Second, time.Hour, 4 * time.Hour} {
			sleep(wait)
			e.expectEqual("after another " + wait.String())
		}
	})
}

func TestExposition_EqualsTheReferenceWhenTargetsChange(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w, e, rule := newComparedOrganization(t)
		w.apply(poll.Config{Discoveries: []poll.Rule{rule}})
		defer w.run()()
		e.expectEqual("at first")
		w.sim.AddProject(analytics, `A "b\c`) // not a valid name, but it must be escaped
		w.sim.RemoveCluster(project, "c-07")
		sleep(time.Hour)
		e.expectEqual("after a project was renamed and a cluster removed")
		w.sim.ChangeCluster(project, "c-03", func(c *atlastest.ClusterState) { c.BackupEnabled, c.Tags = true, nil })
		w.sim.SetProjectTags(project, map[string]string{"owner": "checkout"})
		sleep(time.Hour)
		e.expectEqual("after facts about a cluster and tags of its project have changed")
		w.apply(poll.Config{Targets: targets(prod)})
		synctest.Wait()
		e.expectEqual("with one target")
	})
}

func TestExposition_EqualsTheReferenceWhenPollsFailAndTargetsBecomeStale(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w, e, rule := newComparedOrganization(t)
		w.apply(poll.Config{Discoveries: []poll.Rule{rule}})
		defer w.run()()
		e.expectEqual("at first")
		w.sim.Script(atlastest.PathHas("/c-1"), 0, atlastest.Status(500))
		sleep(time.Hour)
		e.expectEqual("after failures")
		sleep(3 * time.Hour)
		e.expectEqual("with stale targets")
	})
}

func TestExposition_EqualsTheReferenceForEveryFamily(t *testing.T) {
	newEndpoints(t, everything()).expectEqual("every family")
}

func TestExposition_EqualsTheReferenceWhenFactsAboutClustersChange(t *testing.T) {
	fleet := newFleet(targetsPerGroup+2, 1)
	e := newEndpoints(t, fleet)
	e.expectEqual("at first")
	yes, no := true, false
	for name, change := range map[string]func(*poll.Cluster){
		"labels":       func(c *poll.Cluster) { c.ProjectName, c.Team, c.Environment = `A "b\c`, "", "drill" },
		"no facts":     func(c *poll.Cluster) { *c = poll.Cluster{ProjectID: c.ProjectID, Name: c.Name} },
		"removed":      func(c *poll.Cluster) { c.Exists, c.Created = &no, 0 },
		"backup is on": func(c *poll.Cluster) { c.Exists, c.Created, c.BackupEnabled = &yes, 86400, &yes },
	} {
		fleet.publishCluster(targetsPerGroup, change)
		e.expectEqual(name)
	}
}

func TestExposition_EqualsTheReferenceWhenTheFirstTargetOfAClusterIsRemoved(t *testing.T) {
	fleet := newFleet(targetsPerGroup+2, 1)
	last := len(fleet.states) - 1
	for i := 1; i < last; i++ { // all targets but the last belong to one cluster
		fleet.publishState(i, func(s *poll.State) { shareCluster(s, &fleet.states[0], i) })
	}
	e := newEndpoints(t, fleet)
	expectClusters := func(when string) {
		t.Helper()
		e.expectEqual(when)
		_, body := e.get(e.cached, http.MethodGet, acceptText, "gzip")
		if n := len(parse(t, body)[familyClusterInfo.Name].GetMetric()); n != 2 {
			t.Errorf("%s: %d series of cluster_info, want 2", when, n)
		}
	}
	expectClusters("at first")
	fleet.states = slices.Clone(fleet.states[1:])
	fleet.publishState(0, func(s *poll.State) { s.First = true })
	expectClusters("after the first target was removed")
	fleet.publishState(0, func(s *poll.State) { s.First = false })
	fleet.publishState(3, func(s *poll.State) { s.First = true })
	expectClusters("after the order has changed")
}

// shareCluster turns the target into another target of the first target's cluster.
func shareCluster(s, first *poll.State, serial int) {
	snapshot, target := *s.Snapshot, *first.Target
	target.BackupType = atlas.BackupType(fmt.Sprint("type-", serial))
	snapshot.Target = &target
	*s = poll.State{Snapshot: &snapshot, Cluster: first.Cluster}
}

func TestExposition_EqualsTheReferenceAfterConcurrentScrapesAndChanges(t *testing.T) {
	fleet := newFleet(40, 3)
	e := newEndpoints(t, fleet)
	var scrapes sync.WaitGroup
	for i := range 6 {
		accept, encoding := acceptText, "gzip"
		if i%2 == 0 {
			accept = acceptOpenMetrics
		}
		if i%3 == 0 {
			encoding = "identity"
		}
		scrapes.Go(func() {
			for range 3 {
				_, body := e.get(e.cached, http.MethodGet, accept, encoding)
				if n := len(parse(t, body)[familyJobInfo.Name].GetMetric()); n != 40*3 {
					t.Errorf("%d jobs in a concurrent scrape, want %d", n, 40*3)
				}
			}
		})
	}
	for range 50 {
		fleet.publishSummaries(7)
		time.Sleep(time.Millisecond)
	}
	scrapes.Wait()
	e.expectEqual("at the end")
}

// markedFleet is a fleet of three groups. Each summary was changed in place after it was rendered, which never happens
// outside of tests. So the text of a target shows whether it has been rendered since.
func markedFleet(t *testing.T) (*fleet, *endpoints) {
	t.Helper()
	fleet := newFleet(3*targetsPerGroup, 1)
	for _, s := range fleet.states {
		renewSummary(s.Snapshot)
	}
	e := newEndpoints(t, fleet)
	e.get(e.cached, http.MethodGet, acceptText, "gzip")
	for _, s := range fleet.states {
		s.Summary.Omitted = 12345
	}
	return fleet, e
}

// expectRendered expects a number of targets that have been rendered since they were marked.
func (e *endpoints) expectRendered(want int) {
	e.Helper()
	for _, accept := range []string{acceptOpenMetrics, acceptText} {
		_, body := e.get(e.cached, http.MethodGet, accept, "identity")
		if n := strings.Count(string(body), "} 12345"); n != want {
			e.Errorf("%d targets rendered, want %d", n, want)
		}
	}
}

func TestExposition_RendersNothingIfNothingHasChanged(t *testing.T) {
	_, e := markedFleet(t)
	e.expectRendered(0)
}

func TestExposition_RendersOnlyGroupsWithNews(t *testing.T) {
	fleet, e := markedFleet(t)
	fleet.publish(targetsPerGroup+3, renewSummary)
	e.expectRendered(targetsPerGroup)
	fleet.publish(0, func(s *poll.Snapshot) { s.Failures++ })
	e.expectRendered(2 * targetsPerGroup)
	fleet.publishCluster(2*targetsPerGroup, func(c *poll.Cluster) { c.Team = "other" })
	e.expectRendered(3 * targetsPerGroup)
}

func TestExposition_RendersOnlyTimesAfterPollsWithoutNews(t *testing.T) {
	fleet, e := markedFleet(t)
	later := time.Now().Add(time.Minute)
	for i := range fleet.states {
		fleet.publish(i, func(s *poll.Snapshot) { s.LastPoll, s.LastSuccess = later, later })
	}
	e.expectRendered(0)
	_, body := e.get(e.cached, http.MethodGet, acceptText, "identity")
	for _, sample := range parse(t, body)[familyLastPoll.Name].GetMetric() {
		if sample.GetGauge().GetValue() != seconds(later) {
			t.Fatalf("time of the last poll is %v, want %v", sample.GetGauge().GetValue(), seconds(later))
		}
	}
}

func TestExposition_RendersTargetsThatBecomeStale(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		_, e := markedFleet(t)
		time.Sleep(time.Hour)
		e.expectRendered(3 * targetsPerGroup)
	})
}

// A scrape doesn't allocate memory in proportion to the number of targets.
func TestExposition_AllocatesNoMoreForManyTargetsThanForFew(t *testing.T) {
	allocations := func(targets int) float64 {
		e := newEndpoints(t, newFleet(targets, 20))
		request := httptest.NewRequest(http.MethodGet, "/metrics", http.NoBody)
		request.Header.Set("Accept", acceptOpenMetrics)
		request.Header.Set("Accept-Encoding", "gzip")
		return testing.AllocsPerRun(20, func() { e.cached.ServeHTTP(discard{http.Header{}}, request) })
	}
	few, many := allocations(10), allocations(500)
	if many > few+50 {
		t.Errorf("%v allocations for 500 targets, %v for 10", many, few)
	}
}

// keptTexts returns the number of parts of responses whose text is kept.
func keptTexts(e *Exposition) (n int) {
	for _, bodies := range e.bodies {
		for _, part := range bodies {
			if part.text != nil {
				n++
			}
		}
	}
	return n
}

func TestExposition_KeepsTextsWhileClientsRequestThem(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		fleet := newFleet(2*targetsPerGroup, 3)
		e := newEndpoints(t, fleet)
		exposition := e.cached
		expectKept := func(method, accept, encoding string, want int) {
			t.Helper()
			e.get(e.cached, method, accept, encoding)
			if got := keptTexts(exposition); got != want {
				t.Errorf("%d texts are kept after %s of %s as %s, want %d", got, method, accept, encoding, want)
			}
		}
		expectKept(http.MethodGet, acceptText, "gzip", 0)
		expectKept(http.MethodHead, acceptText, "identity", 0)
		expectKept(http.MethodGet, acceptText, "identity", partCount)
		kept := &exposition.bodies[statePart][expfmt.TypeTextPlain].text.bytes[0]
		time.Sleep(time.Second)
		fleet.publishTimes()
		expectKept(http.MethodGet, acceptText, "gzip", 1)
		expectKept(http.MethodGet, acceptText, "identity", partCount)
		if &exposition.bodies[statePart][expfmt.TypeTextPlain].text.bytes[0] != kept {
			t.Error("an unchanged text was decompressed again")
		}
		expectKept(http.MethodGet, acceptOpenMetrics, "identity", 2*partCount)
		fleet.publishSummaries(1)
		expectKept(http.MethodGet, acceptOpenMetrics, "gzip", 2)
		time.Sleep(textLife)
		expectKept(http.MethodGet, acceptText, "gzip", 2)
		time.Sleep(time.Nanosecond)
		expectKept(http.MethodGet, acceptText, "gzip", 0)
		e.expectEqual("after the texts were dropped")
		exposition.maxTexts = exposition.bodies[statePart][expfmt.TypeTextPlain].joined.Len()
		expectKept(http.MethodGet, acceptText, "identity", 0)
		e.expectEqual("while the texts are too large to be kept")
	})
}

// stalledClient is a client that doesn't read a response until resume is closed.
type stalledClient struct {
	*httptest.ResponseRecorder

	resume  chan struct{}
	pending []byte // of the write that is blocked
}

func (c *stalledClient) Write(body []byte) (int, error) {
	c.pending = body
	<-c.resume
	return c.ResponseRecorder.Write(body)
}

// pendingMemory returns the size of the different memory that the pending writes of clients refer to.
func pendingMemory(clients []*stalledClient) (size int64) {
	seen := map[*byte]bool{}
	for _, c := range clients {
		if first := &c.pending[0]; !seen[first] {
			seen[first] = true
			size += int64(len(c.pending))
		}
	}
	return size
}

func TestExposition_ClientsThatReadSlowlyShareALimitedAmountOfMemory(t *testing.T) {
	for _, accept := range []string{acceptText, acceptOpenMetrics} {
		runInBubble(t, accept, func(t *testing.T) {
			fleet := newFleet(2*targetsPerGroup, 20)
			e := newEndpoints(t, fleet)
			_, whole := e.get(e.cached, http.MethodGet, accept, "identity")
			e.cached.maxTexts = 5 * int64(len(whole)) / 2
			clients, resume := make([]*stalledClient, 12), make(chan struct{})
			var scrapes sync.WaitGroup
			for i := range clients {
				clients[i] = &stalledClient{ResponseRecorder: httptest.NewRecorder(), resume: resume}
				request := httptest.NewRequest(http.MethodGet, "/metrics", http.NoBody)
				request.Header.Set("Accept", accept)
				fleet.publishSummaries(len(fleet.states)) // so the text of each client is another one
				scrapes.Go(func() { e.cached.ServeHTTP(clients[i], request) })
				synctest.Wait()
			}
			const buffer = 64 << 10 // for decompression, per client
			if got, want := pendingMemory(clients), e.cached.maxTexts+int64(len(clients))*buffer; got > want {
				t.Errorf("%d slow clients hold %d bytes, want at most %d", len(clients), got, want)
			}
			close(resume)
			scrapes.Wait()
			for i, c := range clients {
				jobs := strings.Count(c.Body.String(), familyJobInfo.Name+"{")
				if jobs != 20*len(fleet.states) || c.Header().Get("Content-Length") != strconv.Itoa(c.Body.Len()) {
					t.Errorf("client %d got %d jobs in %d bytes, %v", i, jobs, c.Body.Len(), c.Header())
				}
			}
			e.get(e.cached, http.MethodGet, accept, "identity")
			if n := keptTexts(e.cached); n != partCount {
				t.Errorf("%d texts are kept after the slow clients have left, want %d", n, partCount)
			}
			e.cached.dropTexts()
			if e.cached.texts != 0 {
				t.Errorf("%d bytes of texts are counted although none is used", e.cached.texts)
			}
		})
	}
}

// discard is a client that discards the response.
type discard struct{ header http.Header }

func (d discard) Header() http.Header          { return d.header }
func (discard) Write(body []byte) (int, error) { return len(body), nil }
func (discard) WriteHeader(int)                {}

func TestExposition_RendersAgainAfterAPanic(t *testing.T) {
	fleet := newFleet(3, 1)
	e := newEndpoints(t, fleet)
	summary := fleet.states[1].Summary
	fleet.publish(1, func(s *poll.Snapshot) { s.Target = nil })
	func() {
		defer func() {
			if recover() == nil {
				t.Error("no panic for a target that can't be rendered")
			}
		}()
		e.get(e.cached, http.MethodGet, acceptText, "gzip")
	}()
	fleet.publish(1, func(s *poll.Snapshot) { s.Target, s.Summary = fleet.states[0].Target, summary })
	fleet.publish(1, func(s *poll.Snapshot) {
		other := *s.Target
		other.ClusterName = "other"
		s.Target = &other
	})
	e.expectEqual("after a panic")
}
