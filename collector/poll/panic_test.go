package poll

import (
	"context"
	"errors"
	"iter"
	"log/slog"
	"maps"
	"strings"
	"testing"
	"time"

	"atlas-restore-exporter/atlas"
	"atlas-restore-exporter/atlas/atlastest"
)

// panickingClient calls step at each step of a poll. The function may panic.
type panickingClient struct {
	Client
	step func(step, cluster string)
}

func (c *panickingClient) RestoreJobs(
	ctx context.Context, list atlas.List, marks ...atlas.PageMark,
) iter.Seq2[atlas.Page, error] {
	c.step("call", list.ClusterName)
	return func(yield func(atlas.Page, error) bool) {
		c.step("first page", list.ClusterName)
		for page, err := range c.Client.RestoreJobs(ctx, list, marks...) {
			if !yield(page, err) {
				return
			}
			c.step("next page", list.ClusterName)
		}
	}
}

func (c *panickingClient) RestoreJob(ctx context.Context, list atlas.List, id string) (atlas.RestoreJob, error) {
	c.step("job", list.ClusterName)
	return c.Client.RestoreJob(ctx, list, id)
}

func (c *panickingClient) Project(ctx context.Context, projectID string) (atlas.Project, error) {
	c.step("project", "")
	return c.Client.Project(ctx, projectID)
}

// panicAt replaces the manager by one with the given targets and a client that panics with *value, unless nil, at a
// step of polls of team. Polls don't run concurrently.
func (w *world) panicAt(step string, value *any, logger *slog.Logger, lists ...atlas.List) {
	w.Helper()
	client := &panickingClient{w.client, func(at, cluster string) {
		if at == step && cluster != prod.ClusterName && *value != nil {
			panic(*value)
		}
	}}
	var targets []Target
	for _, list := range lists {
		targets = append(targets, target(list))
	}
	w.newManager(client, 1, logger, targets...)
}

// outOfRange returns the value of a panic of the runtime, whose text contains only numbers.
func outOfRange(list []int, i int) (value any) {
	defer func() { value = recover() }()
	return list[i]
}

const secretLink = "https://restore.example.net/NEVER-SHOW-THIS.tar.gz"

func (w *world) expectPanics(want map[atlas.BackupType]int) {
	w.Helper()
	if !maps.Equal(w.events.panicked, want) {
		w.Errorf("panics observed: %v, want %v", w.events.panicked, want)
	}
}

func TestPoll_FailsIfItPanicsAndStartsAFullPollNext(t *testing.T) {
	for _, test := range []struct {
		step  string
		value any
		later time.Duration // after a full poll
	}{
		{"call", secretLink, time.Minute},
		{"first page", errors.New(secretLink), time.Minute},
		{"next page", outOfRange(nil, 7), time.Hour}, // of the next full poll
		{"job", 7, time.Minute},
	} {
		runInBubble(t, test.step, func(t *testing.T) {
			w := newWorld(t)
			w.addHistory(1100)
			w.sim.AddJobs(team, atlastest.Job{Created: time.Now().Add(-1000 * time.Hour)}) // unfinished, not on the first page
			var value any
			w.panicAt(test.step, &value, slog.New(slog.DiscardHandler), team, prod)
			before := w.poll()
			if before.Err != nil {
				t.Fatal(before.Err)
			}
			value = test.value
			time.Sleep(test.later)
			s := w.poll()
			if !errors.Is(s.Err, ErrInternal) || s.Reason != ReasonOther || s.Failures != 1 {
				t.Errorf("%s: %v, %+v", s.Reason, s.Err, s)
			}
			if s.Summary != before.Summary || s.LastSuccess != before.LastSuccess || s.LastPoll != time.Now() {
				t.Errorf("the panic changed %+v to %+v", before, s)
			}
			if other := w.manager.Snapshots()[1]; other.Err != nil || other.LastSuccess != time.Now() {
				t.Errorf("the other target: %+v", other)
			}
			w.expectPanics(map[atlas.BackupType]int{atlas.Flex: 1})
			value = nil
			w.sim.ForgetRequests()
			if s := w.poll(); s.Err != nil || s.LastSuccess != time.Now() || s.Summary.Known != before.Summary.Known {
				t.Errorf("the next poll: %+v", s)
			}
			w.expectRequests("4 lists, 0 jobs") // three pages of team, one of prod
		})
	}
}

func TestPoll_LogsAPanicOnceWithoutItsText(t *testing.T) {
	for _, test := range []struct {
		step, attrs string
		value       any
	}{
		{"first page", "type=string", secretLink},
		{"first page", "type=*errors.errorString", errors.New(secretLink)},
		{
			"first page", `type=runtime.boundsError err="runtime error: index out of range [7] with length 0"`,
			outOfRange(nil, 7),
		},
	} {
		runInBubble(t, test.step+" "+test.attrs, func(t *testing.T) {
			w := newWorld(t)
			var log strings.Builder
			value := test.value
			handler := slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug})
			w.panicAt(test.step, &value, slog.New(handler), team)
			logged := func(level string) int {
				return strings.Count(log.String(), "level="+level+
					` msg="panic recovered during a poll, please report this bug" project_id=`+project+
					" cluster_name=team backup_type=flex "+test.attrs)
			}
			for i := range 3 {
				time.Sleep(time.Minute)
				w.poll()
				if logged("ERROR") != 1 || logged("DEBUG") != i {
					t.Fatalf("after %d panics: %s", i+1, log.String())
				}
			}
			if !strings.Contains(log.String(), "poll.(*panickingClient).") {
				t.Error("the log contains no stack")
			}
			w.expectPanics(map[atlas.BackupType]int{atlas.Flex: 3})
			value = nil
			time.Sleep(time.Minute)
			w.poll()
			value = test.value
			time.Sleep(time.Minute)
			if w.poll(); logged("ERROR") != 2 {
				t.Errorf("a panic after a poll without one is not logged as an error: %s", log.String())
			}
			if strings.Contains(log.String(), "NEVER-SHOW-THIS") {
				t.Errorf("the text of the panic is logged: %s", log.String())
			}
		})
	}
}

// TestPoll_RecoversFromAPanicWhileMerging has a job that is merged, but can't be counted.
func TestPoll_RecoversFromAPanicWhileMerging(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld(t)
		ids := w.sim.AddJobs(prod, atlastest.Job{})
		client := &oddDelivery{Client: w.client}
		w.newManager(client, 1, slog.New(slog.DiscardHandler), target(prod))
		before := w.poll()
		client.id = ids[0]
		time.Sleep(time.Minute)
		if s := w.poll(); !errors.Is(s.Err, ErrInternal) || s.Summary != before.Summary {
			t.Errorf("%+v", s)
		}
		client.id = ""
		remove := w.sim.Script(atlastest.PathHas("restoreJobs"), 0, atlastest.Status(500))
		time.Sleep(time.Minute)
		if s := w.poll(); s.Reason != ReasonServerError || s.Summary != before.Summary {
			t.Errorf("a failed poll after the panic: %+v", s)
		}
		remove()
		time.Sleep(time.Minute)
		if s := w.poll(); s.Err != nil || s.Summary.Counts != before.Summary.Counts {
			t.Errorf("the next poll: %+v", s)
		}
		w.expectPanics(map[atlas.BackupType]int{atlas.Dedicated: 1})
	})
}

// oddDelivery is a client that returns one job with a delivery type that can't exist.
type oddDelivery struct {
	Client
	id string
}

func (c *oddDelivery) RestoreJobs(
	ctx context.Context, list atlas.List, marks ...atlas.PageMark,
) iter.Seq2[atlas.Page, error] {
	return func(yield func(atlas.Page, error) bool) {
		for page, err := range c.Client.RestoreJobs(ctx, list, marks...) {
			for i := range page.Jobs {
				if page.Jobs[i].ID == c.id {
					page.Jobs[i].DeliveryType = atlas.DeliveryCount
				}
			}
			if !yield(page, err) {
				return
			}
		}
	}
}

func TestRun_PollsOtherTargetsWhileOnePanics(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld(t)
		var value any = secretLink
		w.panicAt("first page", &value, slog.New(slog.DiscardHandler), team, prod)
		defer w.run()()
		if !w.manager.Ready() {
			t.Error("not ready although every target is polled")
		}
		time.Sleep(10*time.Minute + time.Second)
		snapshots := w.manager.Snapshots()
		if snapshots[0].Failures != 6 { // after 0, 1, 2, 4, 8 minutes, and then 5 more
			t.Errorf("%+v", snapshots[0])
		}
		if snapshots[1].Failures != 0 || time.Since(snapshots[1].LastSuccess) > time.Minute {
			t.Errorf("%+v", snapshots[1])
		}
	})
}
