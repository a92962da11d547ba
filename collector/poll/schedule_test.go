package poll

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"atlas-restore-exporter/atlas/atlastest"
)

func TestUntilTick_ReturnsTheTimeToTheNextTick(t *testing.T) {
	for _, test := range []struct{ since, interval, phase, want time.Duration }{
		{0, 60, 0, 60}, {0, 60, 20, 20}, {20, 60, 20, 60}, {19, 60, 20, 1}, {21, 60, 20, 59}, {200, 60, 20, 60},
		{59, 60, 0, 1},
	} {
		if got := untilTick(test.since, test.interval, test.phase); got != test.want {
			t.Errorf("untilTick(%d, %d, %d) = %d, want %d", test.since, test.interval, test.phase, got, test.want)
		}
	}
}

// TestRun_AdaptsTheIntervalToTheState counts polls in 20 minutes.
func TestRun_AdaptsTheIntervalToTheState(t *testing.T) {
	const span = 20 * time.Minute
	idle := atlastest.Job{Takes: time.Minute}
	for name, test := range map[string]struct {
		job      atlastest.Job
		response http.Handler
		min, max int
	}{
		"nothing in progress": {idle, nil, 20, 20},
		"in progress":         {atlastest.Job{Takes: 30 * time.Hour}, nil, 80, 80},
		"failing":             {idle, atlastest.Status(500), 6, 7}, // after 1, 1, 2, 4, 5, 5 minutes
		"rejected":            {idle, atlastest.APIError(401, "", "No."), 6, 7},
		"gone":                {idle, atlastest.APIError(410, "VERSION_GONE", "Gone."), 0, 0},
	} {
		runInBubble(t, name, func(t *testing.T) {
			w := newWorld(t)
			polled := target(prod)
			polled.ActiveInterval = 15 * time.Second
			w.apply(Config{Targets: []Target{polled}})
			test.job.Created = time.Now().Add(-time.Hour)
			w.sim.AddJobs(prod, test.job)
			if test.response != nil {
				w.sim.Script(atlastest.PathHas("/groups/"), 0, test.response)
			}
			defer w.run()()
			w.sim.ForgetRequests()
			time.Sleep(span + time.Second)
			n := len(w.sim.Requests(func(r atlastest.Request) bool { return strings.Contains(r.Path, "restoreJobs") }))
			if n < test.min || n > test.max {
				t.Errorf("%d polls in %v, want %d to %d", n, span, test.min, test.max)
			}
		})
	}
}

func TestSchedule_CountsWholeIntervalsWithoutAStart(t *testing.T) {
	const minute = time.Minute
	at := func(d time.Duration) time.Time { return time.Unix(0, 0).Add(d) }
	for _, test := range []struct {
		name             string
		served, due, now time.Duration
		missed           uint64
		want             time.Duration
	}{
		{"in time", 0, minute, minute, 0, minute},
		{"a moment late", 0, minute, minute + 1, 0, minute},
		{"less than an interval late", 0, minute, 2*minute - 1, 0, minute},
		{"an interval late", 0, minute, 2 * minute, 1, 2 * minute},
		{"3.5 intervals late", 0, minute, 9 * minute / 2, 3, 4 * minute},
		{"in time after a poll that took 1.5 intervals", 0, 2 * minute, 2 * minute, 1, 2 * minute},
		{"an interval late after a poll that took 1.5 intervals", 0, 2 * minute, 3 * minute, 2, 3 * minute},
		{"at the first tick, soon after the launch", 0, 1, 1, 0, 1},
		{"at the second tick, after a launch just before the first", 0, minute + 1, minute + 1, 0, minute + 1},
		{"with a shorter interval than before", 0, minute + 5, minute + 6, 0, minute + 5},
	} {
		s := schedule{interval: minute, due: at(test.due), served: at(test.served)}
		if missed := s.start(at(test.now)); missed != test.missed || s.served != at(test.want) {
			t.Errorf("%s: %d missed, served %v; want %d, %v", test.name, missed, s.served, test.missed, at(test.want))
		}
	}
}

func TestSchedule_NeverPostponesAPollWhenTheIntervalChanges(t *testing.T) {
	start := time.Now()
	s := schedule{origin: start, interval: time.Minute, due: start, served: start.Add(-time.Minute)}
	s.start(start)
	s.end(start.Add(time.Second), time.Minute)
	now := start.Add(time.Second)
	for i := range 100 {
		now = now.Add(time.Second / 2)
		if missed := s.adapt(now, time.Minute+time.Duration(i)*time.Second); missed != 0 {
			t.Errorf("%d intervals missed", missed)
		}
	}
	if wait := s.due.Sub(start); wait != time.Minute {
		t.Errorf("the next poll is due after %v", wait)
	}
	s.adapt(now, 7*time.Second) // 51 s after the start
	if wait := s.due.Sub(start); wait != 56*time.Second {
		t.Errorf("with a shorter interval, the next poll is due after %v", wait)
	}
	if missed := s.start(s.due); missed != 0 {
		t.Errorf("%d intervals missed, although the interval was longer", missed)
	}
}

func TestSchedule_CountsMissedIntervalsBeforeTheIntervalChanges(t *testing.T) {
	start := time.Now()
	s := schedule{origin: start, interval: time.Minute, due: start, served: start.Add(-time.Minute)}
	s.start(start)
	s.end(start.Add(150*time.Second), time.Minute) // due after 180 s
	if missed := s.adapt(start.Add(151*time.Second), time.Hour); missed != 2 {
		t.Errorf("%d intervals missed, want 2", missed)
	}
	if missed := s.start(s.due); missed != 0 {
		t.Errorf("%d intervals missed again", missed)
	}
}
