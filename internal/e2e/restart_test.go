package e2e

import (
	"maps"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"atlas-restore-exporter/internal/testutil"
)

// The exporter is killed at random, and in the middle of a poll, while Atlas changes.
func TestKill_LosesNothingThatAtlasStillLists(t *testing.T) {
	w := newRestartWorld(t)
	p := startExporter(t, w.configFile)
	for round := range 3 {
		if round == 2 {
			w.finishOldJob()
		}
		newest := w.addRecentJob(time.Duration(10+round) * time.Minute)
		before := w.waitForSeries(p, newest)
		if len(before) < 300 {
			t.Fatalf("only %d series", len(before))
		}
		if round%2 == 1 {
			w.killDuringPoll(p)
		} else {
			time.Sleep(rand.N(time.Second))
			w.kill(p)
		}
		p = startExporter(t, w.configFile)
		w.expectEqual(round, before, w.waitForSeries(p, newest))
	}
}

func (w *restartWorld) kill(p *process) {
	w.Helper()
	if err := p.command.Process.Kill(); err != nil {
		w.Fatal(err)
	}
	if status := p.waitForExit(); status != -1 {
		w.Errorf("killed, but the exit status is %d: %s", status, p.stderr.String())
	}
}

// killDuringPoll kills the exporter while it waits for a page of a list.
func (w *restartWorld) killDuringPoll(p *process) {
	w.Helper()
	defer hangNextPoll(w.T, w.sim)()
	w.kill(p)
}

// waitForSeries waits until every target is polled and named and a series exists, and returns the series of jobs.
func (w *restartWorld) waitForSeries(p *process, wanted string) map[string]string {
	w.Helper()
	url := p.waitForReady()
	var series map[string]string
	testutil.Eventually(w.T, func() bool {
		series = w.jobSeries(url)
		_, exists := series[wanted]
		names := strings.Join(slices.Collect(maps.Keys(series)), "\n")
		return exists && !strings.Contains(names, `project_name=""`)
	}, p.stderr.String)
	return series
}

// jobSeries returns the value of every series that describes jobs in Atlas, by its name and labels as exposed.
func (w *restartWorld) jobSeries(url string) map[string]string {
	w.Helper()
	status, body := fetch(w.T, url+"/metrics")
	if status != http.StatusOK {
		w.Fatalf("%d %s", status, body)
	}
	series := map[string]string{}
	for line := range strings.Lines(body) {
		at := strings.LastIndex(line, " ")
		if strings.HasPrefix(line, "#") || describesProcess(line[:strings.IndexAny(line, "{ ")]) {
			continue
		}
		series[line[:at]] = line[at+1:]
	}
	return series
}

// describesProcess reports whether a restart may change the series of a family, because they describe the process: when
// it polled last, how many polls failed or were missed since it started, and the metrics of the runtime and the client.
func describesProcess(family string) bool {
	families := []string{
		"mongodbatlas_restore_last_poll_timestamp_seconds",
		"mongodbatlas_restore_last_successful_poll_timestamp_seconds",
		"mongodbatlas_restore_poll_failures_total",
		"mongodbatlas_restore_poll_intervals_missed_total",
	}
	prefixes := []string{"mongodbatlas_restore_exporter_", "go_", "process_", "promhttp_"}
	return slices.Contains(families, family) ||
		slices.ContainsFunc(prefixes, func(prefix string) bool { return strings.HasPrefix(family, prefix) })
}

func (w *restartWorld) expectEqual(round int, before, after map[string]string) {
	w.Helper()
	for name, value := range before {
		if after[name] != value {
			w.Errorf("round %d: %s was %q and is %q", round, name, value, after[name])
		}
	}
	for name, value := range after {
		if _, existed := before[name]; !existed {
			w.Errorf("round %d: %s %q is new", round, name, value)
		}
	}
}
