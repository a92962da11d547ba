package faults

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
	"golang.org/x/sync/errgroup"

	"atlas-restore-exporter/atlas"
	"atlas-restore-exporter/atlas/atlastest"
	"atlas-restore-exporter/collector/poll"
)

// The promises for every fault, checked by goThrough and expectFault:
//
//  1. While the fault lasts, poll_success, poll_error and the status page report the documented reason, and the last
//     known state of the target is kept.
//  2. Only the targets within reach of the fault are affected. The others stay current and no poll of theirs fails.
//  3. The exporter stays healthy and ready.
//  4. After the fault, the first successful poll comes within the documented number of polls, and everything is
//     current.
//  5. No secret and no link appears in metrics, pages or the log, and no other host than Atlas is connected to.
//  6. A response of any size makes the heap grow by at most maxHeap.
//  7. No goroutine is left over.

// fault is something that Atlas or the network can do. Each is a row of the table in the documentation.
type fault struct {
	name     string
	effect   string      // on /metrics, as the documentation describes it; if empty, the reason
	reason   poll.Reason // of the polls that fail; empty if none fails
	reach    reach
	maxPolls int // polls that start after the end of the fault until everything is current, at most

	lasts    time.Duration // if not zero, the fault happens in a world with simulated time and default intervals
	tls      bool
	http2    bool
	apiKey   bool
	bounded  bool               // the heap is measured, and nothing else runs meanwhile
	triggers map[string]trigger // the ways in which the fault happens, by name
}

// trigger starts a fault and returns the function that ends it.
type trigger func(w *world) (end func())

// reach is the set of targets that a fault affects.
type reach string

const (
	oneTarget     reach = "stay current"
	oneCredential reach = "fail too with the same credential, else stay current"
	oneNetwork    reach = "fail too if they use the same network, else stay current"
)

// affects reports whether the polls of a target fail.
func (f *fault) affects(list atlas.List) bool {
	return list == victim || list == neighbor && f.reach != oneTarget
}

// needsShortTimeout reports whether polls use up their whole timeout, which must therefore be short.
func (f *fault) needsShortTimeout() bool {
	return f.reason == poll.ReasonTimeout || f.reason == poll.ReasonServerError
}

// failsSlowly reports whether failing polls take long.
func (f *fault) failsSlowly() bool { return f.needsShortTimeout() || f.reason == poll.ReasonNetwork }

// maxHeap bounds the growth of the heap during a fault, with polls every fifth of a second.
const maxHeap = 256 << 20

func allFaults() []fault {
	return slices.Concat(
		networkFaults(), bodyFaults(), contentFaults(), statusFaults(), rateLimitFaults(), tokenFaults(), clockFaults(),
	)
}

// TestFaults_KeepEveryPromise lets each fault happen in each of its ways.
func TestFaults_KeepEveryPromise(t *testing.T) {
	before := goleak.IgnoreCurrent()
	t.Cleanup(func() { goleak.VerifyNone(t, before) })
	const maxConcurrent = 16 // more worlds would starve on two cores
	var unbounded []func()
	for _, f := range allFaults() {
		for way, start := range f.triggers {
			name := strings.TrimSuffix(f.name+"/"+way, "/")
			if f.bounded { // nothing else may use memory meanwhile
				t.Run(name, func(t *testing.T) { f.run(t, start) })
			} else {
				unbounded = append(unbounded, func() { t.Run(name, func(t *testing.T) { f.run(t, start) }) })
			}
		}
	}
	var running errgroup.Group
	running.SetLimit(maxConcurrent)
	for _, run := range unbounded {
		running.Go(func() error { run(); return nil })
	}
	_ = running.Wait()
}

func (f *fault) run(t *testing.T, start trigger) {
	if f.lasts > 0 {
		synctest.Test(t, func(t *testing.T) { newSimulatedWorld(t, f).goThrough(start) })
		return
	}
	w := newSocketWorld(t, f)
	if !f.bounded {
		w.goThrough(start)
		return
	}
	peak := measureHeapPeak(func() { w.goThrough(start) })
	t.Logf("the heap grew by %d MiB", peak>>20)
	if peak > maxHeap {
		t.Errorf("the heap grew by %d MiB, more than %d MiB", peak>>20, maxHeap>>20)
	}
}

// goThrough starts a fault, lets every job fail in Atlas meanwhile, and ends the fault.
func (w *world) goThrough(start trigger) {
	w.Helper()
	f := w.fault
	end := start(w)
	if f.reason != "" {
		begun := w.polls.count(victim)
		w.waitFor(func() bool { return slices.Contains(w.polls.since(victim, begun), false) }, w.log.String)
	}
	time.Sleep(f.lasts)
	w.failAllJobs()
	w.waitForPolls(2)
	w.expectFault()
	end()
	begun := w.polls.allow(victim, max(f.maxPolls, 1))
	w.waitFor(func() bool { return slices.Contains(w.polls.since(victim, begun), true) }, w.log.String)
	w.Logf("current after poll %d", slices.Index(w.polls.since(victim, begun), true)+1)
	w.expectMetrics(slices.Concat(w.currentState(victim), w.currentState(neighbor), w.currentState(bystander))...)
	w.expectNoSecrets("the log", w.log.String())
	w.expectOnlyAtlasHost()
}

// expectFault checks the metrics and pages while the fault lasts, after the jobs have failed in Atlas.
func (w *world) expectFault() {
	w.Helper()
	f := w.fault
	var wanted []string
	for list := range w.running {
		switch affected := f.affects(list); {
		case affected && f.reason != "":
			wanted = append(append(wanted, failureMetrics(list, f.reason)...), w.lastKnownState(list)...)
		default:
			wanted = append(append(wanted, w.currentState(list)...), series(list, "poll_failures_total", "")+"} 0.0\n")
		}
	}
	w.expectMetrics(wanted...)
	reason := strings.ReplaceAll(string(f.reason), "_", " ")
	w.waitFor(func() bool { return strings.Contains(w.getPage("/"), reason) }, func() string { // a busy machine: timeout
		return fmt.Sprintf("the status page does not contain %q: %s", reason, w.getPage("/"))
	})
	for path, want := range map[string]string{"/-/healthy": "healthy\n", "/-/ready": "ready\n"} {
		if body := w.getPage(path); body != want {
			w.Errorf("%s returned %q, want %q", path, body, want)
		}
	}
}

// rejectWith returns an error response with a code and a detail full of secrets.
func rejectWith(status int, code string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		atlastest.APIError(status, code, "Not with "+allSecrets(r)).ServeHTTP(w, r)
	}
}
