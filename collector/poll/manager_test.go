package poll

import (
	"context"
	"fmt"
	"iter"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"atlas-restore-exporter/atlas"
	"atlas-restore-exporter/atlas/atlastest"
)

func TestRun_SpreadsPollsEvenlyOverTheInterval(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld(t)
		var targets []Target
		for i := range 30 {
			list := atlas.List{ProjectID: project, ClusterName: fmt.Sprintf("c%d", i), BackupType: atlas.Dedicated}
			w.sim.AddCluster(project, list.ClusterName, atlastest.DedicatedCluster)
			targets = append(targets, target(list))
		}
		w.apply(Config{Targets: targets})
		start := time.Now()
		polls := map[int]int{} // by sixth of the minute
		w.sim.Script(func(r *http.Request) bool {
			if strings.HasSuffix(r.URL.Path, "restoreJobs") && time.Since(start) > 0 {
				polls[int(time.Since(start)%time.Minute/(10*time.Second))]++
			}
			return false
		}, 0, nil)
		if w.manager.Ready() {
			t.Error("ready before the first polls")
		}
		stop := w.run()
		if !w.manager.Ready() {
			t.Error("not ready although every target is polled")
		}
		time.Sleep(10*time.Minute + time.Second)
		stop()
		for part := range 6 {
			if n := polls[part]; n < 40 || n > 60 { // 30 targets × 10 minutes / 6
				t.Errorf("%d polls in part %d of the minute: %v", n, part, polls)
			}
		}
	})
}

func TestRun_EndsAtOnceDuringAPollAndPublishesNothing(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld(t, prod)
		w.sim.Script(atlastest.PathHas("restoreJobs"), 0, atlastest.Hang())
		stop := w.run()
		time.Sleep(time.Second)
		start := time.Now()
		stop()
		if s := w.manager.Snapshots()[0]; time.Since(start) > time.Second || !s.LastPoll.IsZero() {
			t.Errorf("ended after %v, published %+v", time.Since(start), s)
		}
	})
}

var other = atlas.List{ProjectID: "other", ClusterName: "c", BackupType: atlas.Dedicated}

// newRunningWorld returns a world with the targets prod, with one job, and team, with three, that have been polled,
// and with the cluster other.
func newRunningWorld(t *testing.T) (w *world, stop func()) {
	t.Helper()
	w = newWorld(t, prod, team)
	w.sim.AddProject("other", "Other")
	w.sim.AddCluster("other", "c", atlastest.DedicatedCluster)
	w.sim.AddJobs(prod, atlastest.Job{Takes: time.Minute})
	w.addHistory(3)
	stop = w.run()
	time.Sleep(10 * time.Second)
	w.requests()
	return w, stop
}

func TestApply_PollsOnlyNewTargetsAtOnce(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w, stop := newRunningWorld(t)
		defer stop()
		before := w.manager.Snapshots()[0]
		changed := target(team)
		changed.Interval = 2 * time.Minute
		w.apply(Config{Targets: []Target{target(other), target(prod), changed}})
		synctest.Wait()
		w.expectTargets("c/dedicated:config prod/dedicated:config team/flex:config")
		snapshots := w.manager.Snapshots()
		if snapshots[1] != before {
			t.Errorf("the unchanged target: %+v", snapshots[1])
		}
		if s := snapshots[0]; s.Summary == nil || s.Summary.Known != 0 {
			t.Errorf("the new target: %+v", s)
		}
		s := snapshots[2]
		if s.Summary.Known != 3 || s.LastSuccess != before.LastSuccess || s.Target.Interval != 2*time.Minute {
			t.Errorf("the changed target: %+v", s)
		}
		w.expectRequests("1 lists, 0 jobs")
	})
}

func TestApply_StopsPollingRemovedTargets(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w, stop := newRunningWorld(t)
		defer stop()
		w.apply(Config{Targets: []Target{target(prod)}})
		w.expectTargets("prod/dedicated:config")
		time.Sleep(10 * time.Minute)
		w.expectRequests("10 lists, 0 jobs")
	})
}

func TestApply_RejectsAnInvalidConfigurationAndKeepsTheActiveOne(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w, stop := newRunningWorld(t)
		defer stop()
		if err := w.manager.Apply(Config{Targets: []Target{target(prod)}}); err == nil {
			t.Error("a configuration without a client is applied")
		}
		w.expectTargets("prod/dedicated:config team/flex:config")
	})
}

func TestApply_LaunchesNothingAfterRunEnded(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w, stop := newRunningWorld(t)
		stop()
		w.apply(Config{Targets: []Target{target(other)}, Discoveries: []Rule{ruleFor(other.ProjectID)}})
		time.Sleep(10 * time.Minute)
		w.expectTargets("c/dedicated:config")
		w.expectRequests("0 lists, 0 jobs")
	})
}

// TestApply_PublishesAChangedTargetWithASummaryUnderItsOwnPolicy applies a configuration while the Atlas API hangs.
func TestApply_PublishesAChangedTargetWithASummaryUnderItsOwnPolicy(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w, stop := newRunningWorld(t)
		defer stop()
		before := w.manager.Snapshots()[1]
		w.sim.Script(atlastest.PathHas("estoreJobs"), 0, atlastest.Hang())
		changed := target(team)
		changed.Policy.JobSeries.MaxPerTarget = 1
		w.apply(Config{Targets: []Target{target(prod), changed}})
		s := w.manager.Snapshots()[1] // without waiting for any goroutine
		if s.Target.Policy.JobSeries.MaxPerTarget != 1 || len(s.Summary.Series) != 1 || s.Summary.Omitted != 2 {
			t.Errorf("%d series with a limit of %d", len(s.Summary.Series), s.Target.Policy.JobSeries.MaxPerTarget)
		}
		if s.Summary.Known != 3 || s.LastSuccess != before.LastSuccess || s.LastPoll != before.LastPoll {
			t.Errorf("state is lost: %+v", s)
		}
	})
}

func TestApply_KeepsThePublishedStateIfTheSummaryPanics(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld(t, prod)
		ids := w.sim.AddJobs(prod, atlastest.Job{})
		client := &oddDelivery{Client: w.client}
		w.newManager(client, 4, slog.New(slog.DiscardHandler), target(prod))
		before := w.poll()
		client.id = ids[0]
		time.Sleep(time.Minute)
		w.poll()
		changed := target(prod)
		changed.Interval = 2 * time.Minute
		w.client = client
		w.apply(Config{Targets: []Target{changed}})
		s := w.manager.Snapshots()[0]
		if s.Summary != before.Summary || s.LastSuccess != before.LastSuccess || s.Failures != 1 {
			t.Errorf("state is lost: %+v", s)
		}
		if s.Target.Interval != changed.Interval {
			t.Errorf("the old target is published: %+v", s.Target)
		}
	})
}

// countingClient counts concurrent polls. Each takes 20 s, even if its context ends: it may be at any point of a
// request.
type countingClient struct {
	Client

	mu           sync.Mutex
	current, max int
}

func (c *countingClient) RestoreJobs(context.Context, atlas.List, ...atlas.PageMark) iter.Seq2[atlas.Page, error] {
	return func(yield func(atlas.Page, error) bool) {
		c.add(1)
		time.Sleep(20 * time.Second)
		c.add(-1)
		yield(atlas.Page{Last: true}, nil)
	}
}

func (c *countingClient) add(n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.current += n
	c.max = max(c.max, c.current)
}

// reset returns the maximum number of concurrent polls since the last call.
func (c *countingClient) reset() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	most := c.max
	c.max = c.current
	return most
}

func TestApply_NeverExceedsTheOldOrNewNumberOfConcurrentPolls(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld(t)
		client := &countingClient{Client: w.client}
		var targets []Target
		for i := range 20 {
			list := atlas.List{ProjectID: project, ClusterName: fmt.Sprint("c", i), BackupType: atlas.Dedicated}
			targets = append(targets, target(list))
		}
		config := Config{Targets: targets, Clients: map[string]Client{"default": client}, Concurrency: 8}
		if err := w.manager.Apply(config); err != nil {
			t.Fatal(err)
		}
		defer w.run()()
		time.Sleep(time.Second)
		config.Concurrency = 3
		if err := w.manager.Apply(config); err != nil {
			t.Fatal(err)
		}
		time.Sleep(18 * time.Second)
		if most := client.reset(); most != 8 {
			t.Errorf("%d concurrent polls when the number is lowered from 8 to 3", most)
		}
		time.Sleep(2 * time.Second)
		client.reset()
		time.Sleep(time.Minute)
		if most := client.reset(); most != 3 {
			t.Errorf("%d concurrent polls afterwards, want 3", most)
		}
	})
}

func TestPollOnce_CallsDoneAfterEachPollButNotConcurrently(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld(t, prod, team)
		var done []string
		w.manager.PollOnce(t.Context(), func(s *Snapshot) { done = append(done, s.Target.ClusterName) })
		if len(done) != 2 {
			t.Errorf("done: %v", done)
		}
	})
}
