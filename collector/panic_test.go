package collector

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"atlas-restore-exporter/atlas"
	"atlas-restore-exporter/atlas/atlastest"
)

// defective is a client in which something goes wrong: at is called at each of its steps, and may panic.
type defective struct {
	Client
	at func(step, cluster string)
}

func (d *defective) RestoreJobs(ctx context.Context, list atlas.List) iter.Seq2[atlas.Page, error] {
	d.at("call", list.ClusterName)
	return func(yield func(atlas.Page, error) bool) {
		d.at("first page", list.ClusterName)
		for page, err := range d.Client.RestoreJobs(ctx, list) {
			if !yield(page, err) {
				return
			}
			d.at("next page", list.ClusterName)
		}
	}
}

func (d *defective) RestoreJob(ctx context.Context, list atlas.List, id string) (atlas.RestoreJob, error) {
	d.at("job", list.ClusterName)
	return d.Client.RestoreJob(ctx, list, id)
}

func (d *defective) ProjectName(ctx context.Context, projectID string) (string, error) {
	d.at("project", "")
	return d.Client.ProjectName(ctx, projectID)
}

// breaks makes the client of a world panic with a value, at a step of polls of team, as long as there is one.
func (w *world) breaks(step string, value *any, logger *slog.Logger) {
	w.Helper()
	client := &defective{w.client, func(at, cluster string) {
		if at == step && cluster != prod.ClusterName && *value != nil {
			panic(*value)
		}
	}}
	setup := Setup{Targets: []Target{target(team), target(prod)}, Clients: map[string]Client{"default": client}, Concurrency: 1}
	manager, err := NewManager(setup, w.metrics, logger)
	if err != nil {
		w.Fatal(err)
	}
	w.manager = manager
}

// index returns a panic of the runtime, which quotes nothing but numbers.
func index(list []int, i int) (value any) {
	defer func() { value = recover() }()
	return list[i]
}

const quoted = "https://restore.example.net/NEVER-SHOW-THIS.tar.gz"

// TestPanics has the client panic at every step of a poll. The poll has failed, the others go on, and the next one is
// as good as ever.
func TestPanics(t *testing.T) {
	for _, test := range []struct {
		step  string
		value any
		later time.Duration // than a whole reading of the list
	}{
		{"call", quoted, time.Minute},
		{"first page", errors.New(quoted), time.Minute},
		{"next page", index(nil, 7), time.Hour}, // of the next whole reading
		{"job", 7, time.Minute},
	} {
		bubble(t, test.step, func(t *testing.T) {
			w := newWorld(t, prod, team)
			w.addHistory(1100)
			w.sim.AddJobs(team, atlastest.Job{Created: time.Now().Add(-1000 * time.Hour)}) // open, and not on the newest page
			var value any
			w.breaks(test.step, &value, slog.New(slog.DiscardHandler))
			before := w.poll()
			if before.Err != nil {
				t.Fatal(before.Err)
			}
			value = test.value
			time.Sleep(test.later)
			if s := w.poll(); !errors.Is(s.Err, ErrInternal) || s.Reason != ReasonOther || s.Failures != 1 ||
				s.Summary != before.Summary || s.LastSuccess != before.LastSuccess || s.LastPoll != time.Now() {
				t.Errorf("%s: %v, %+v", s.Reason, s.Err, s)
			}
			if other := w.manager.Snapshots()[1]; other.Err != nil || other.LastSuccess != time.Now() {
				t.Errorf("the other target: %+v", other)
			}
			if !strings.Contains(w.expose("mongodbatlas_restore_poll_error"), `reason="other"} 1`) {
				t.Error("it is not to be seen that the poll failed")
			}
			w.wantPanics(atlas.Flex, 1)
			value = nil
			w.sim.ForgetRequests()
			if s := w.poll(); s.Err != nil || s.LastSuccess != time.Now() || s.Summary.Known != before.Summary.Known {
				t.Errorf("once the defect is gone: %+v", s)
			}
			if asked := w.asked(); asked != "4 lists, 0 jobs" { // three pages of one, one of the other
				t.Errorf("the poll after a panic does not read the whole list, but %s", asked)
			}
		})
	}
}

// wantPanics wants so many panics counted for a backup type, and none for the others.
func (w *world) wantPanics(of atlas.BackupType, n int) {
	w.Helper()
	var want strings.Builder
	for _, backupType := range atlas.BackupTypes() {
		count := 0
		if backupType == of {
			count = n
		}
		_, _ = fmt.Fprintf(&want, "mongodbatlas_restore_exporter_poll_panics_total{backup_type=%q} %d\n", backupType, count)
	}
	registry := prometheus.NewPedanticRegistry()
	registry.MustRegister(w.metrics)
	got := formatted(w.T, registry, familyPanics.Name)
	for line := range strings.Lines(want.String()) {
		if !strings.Contains(got, line) {
			w.Errorf("no %s in\n%s", line, got)
		}
	}
}

// TestPanicsInTheLog wants a panic logged once with its place and type, until a poll does without, and never its text.
func TestPanicsInTheLog(t *testing.T) {
	for _, test := range []struct {
		step, says string
		value      any
	}{
		{"first page", "type=string", quoted},
		{"first page", "type=*errors.errorString", errors.New(quoted)},
		{"first page", `type=runtime.boundsError err="runtime error: index out of range [7] with length 0"`, index(nil, 7)},
		{"project", "type=string", quoted},
	} {
		bubble(t, test.step+" "+test.says, func(t *testing.T) {
			w := newWorld(t, prod, team)
			var log strings.Builder
			value := test.value
			w.breaks(test.step, &value, slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug})))
			w.manager.pollers = w.manager.pollers[:1]
			logged := func(level string) int {
				return strings.Count(log.String(), "level="+level+` msg="panic in a poll, please report it" project_id=`+project+
					" cluster_name=team backup_type=flex "+test.says)
			}
			for i := range 3 {
				time.Sleep(nameRetry)
				w.poll()
				if logged("ERROR") != 1 || logged("DEBUG") != i {
					t.Fatalf("after %d panics: %s", i+1, log.String())
				}
			}
			if !strings.Contains(log.String(), "collector.(*defective).") {
				t.Error("the stack is missing")
			}
			w.wantPanics(atlas.Flex, 3)
			value = nil
			time.Sleep(nameRetry)
			w.poll()
			value = test.value
			time.Sleep(nameLife)
			if w.poll(); logged("ERROR") != 2 {
				t.Errorf("a panic after a poll without one is news: %s", log.String())
			}
			if strings.Contains(log.String(), "NEVER-SHOW-THIS") {
				t.Errorf("the text of the panic is shown: %s", log.String())
			}
		})
	}
}

// TestPanicForAName has a project's name panic, which is no part of a poll: what was read is right, and stands.
func TestPanicForAName(t *testing.T) {
	bubble(t, "", func(t *testing.T) {
		w := newWorld(t, prod)
		var value any = quoted
		w.breaks("project", &value, slog.New(slog.DiscardHandler))
		w.manager.pollers = w.manager.pollers[:1]
		if s := w.poll(); s.Err != nil || s.Summary == nil {
			t.Errorf("%+v", s)
		}
		w.wantPanics(atlas.Flex, 1)
	})
}

// TestPanicWhileMerging has an answer that can be decoded, but not counted: a part of it is known when the poll panics.
func TestPanicWhileMerging(t *testing.T) {
	bubble(t, "", func(t *testing.T) {
		w := newWorld(t, prod)
		ids := w.sim.AddJobs(prod, atlastest.Job{})
		client := &counted{Client: w.client}
		if err := w.manager.Apply(Setup{Targets: []Target{target(prod)}, Clients: map[string]Client{"default": client}}); err != nil {
			t.Fatal(err)
		}
		before := w.poll()
		client.odd = ids[0]
		time.Sleep(time.Minute)
		if s := w.poll(); !errors.Is(s.Err, ErrInternal) || s.Summary != before.Summary {
			t.Errorf("%+v", s)
		}
		client.odd = ""
		time.Sleep(time.Minute)
		if s := w.poll(); s.Err != nil || s.Summary.Counts != before.Summary.Counts {
			t.Errorf("once the defect is gone: %+v", s)
		}
		w.wantPanics(atlas.Dedicated, 1)
	})
}

// counted is a client that gives a job a delivery type that can't be.
type counted struct {
	Client
	odd string // the job's id
}

func (c *counted) RestoreJobs(ctx context.Context, list atlas.List) iter.Seq2[atlas.Page, error] {
	return func(yield func(atlas.Page, error) bool) {
		for page, err := range c.Client.RestoreJobs(ctx, list) {
			for i := range page.Jobs {
				if page.Jobs[i].ID == c.odd {
					page.Jobs[i].DeliveryType = atlas.DeliveryCount
				}
			}
			if !yield(page, err) {
				return
			}
		}
	}
}

// TestPanicsOfARun lets a manager run whose one slot is that of a poll that panics.
func TestPanicsOfARun(t *testing.T) {
	bubble(t, "", func(t *testing.T) {
		w := newWorld(t, prod)
		var value any = quoted
		w.breaks("first page", &value, slog.New(slog.DiscardHandler))
		stop := w.run()
		if !w.manager.Ready() {
			t.Error("not ready though everything was polled")
		}
		time.Sleep(10*time.Minute + time.Second)
		snapshots := w.manager.Snapshots()
		if snapshots[0].Failures != 6 || // after 0, 1, 2, 4, 8 minutes, and then 5 later
			snapshots[1].Failures != 0 || time.Since(snapshots[1].LastSuccess) > time.Minute {
			t.Errorf("%+v\n%+v", snapshots[0], snapshots[1])
		}
		stop()
	})
}
