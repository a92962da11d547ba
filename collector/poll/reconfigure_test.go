package poll

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"regexp"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"atlas-restore-exporter/atlas"
	"atlas-restore-exporter/atlas/atlastest"
	"atlas-restore-exporter/collector/history"
)

// slowLists takes 800 ms to read a list of restore jobs, and counts the polls that ended early.
type slowLists struct {
	Client

	mu          sync.Mutex
	interrupted int
}

func (c *slowLists) RestoreJobs(
	ctx context.Context, list atlas.List, marks ...atlas.PageMark,
) iter.Seq2[atlas.Page, error] {
	return func(yield func(atlas.Page, error) bool) {
		if !sleep(ctx, 800*time.Millisecond) {
			c.mu.Lock()
			c.interrupted++
			c.mu.Unlock()
			yield(atlas.Page{}, ctx.Err())
			return
		}
		for page, err := range c.Client.RestoreJobs(ctx, list, marks...) {
			if !yield(page, err) {
				return
			}
		}
	}
}

// frequentChanges are changes of the settings of a target that don't affect its requests.
var frequentChanges = map[string]func(i int, target *Target){
	"labels": func(i int, t *Target) { text := fmt.Sprint(i); t.Labels.Team = &text },
	"objectives": func(i int, t *Target) {
		t.Policy.Objectives.Duration = time.Duration(i+1) * time.Hour
	},
	"drill targets": func(i int, t *Target) {
		t.Policy.DrillTargets = []history.RestoreTarget{{ProjectID: fmt.Sprint(i)}}
	},
	"allowed targets": func(i int, t *Target) {
		t.Policy.AllowedTargets = []history.RestoreTarget{{ProjectID: fmt.Sprint(i)}}
	},
	"per-job series": func(i int, t *Target) { t.Policy.JobSeries.MaxPerTarget = i },
	"stale after":    func(i int, t *Target) { t.StaleAfter += time.Duration(i) },
	"timeout":        func(i int, t *Target) { t.Timeout += time.Duration(i) },
	"name":           func(i int, t *Target) { t.Exporter = fmt.Sprint(i) },
	"interval":       func(i int, t *Target) { t.Interval += time.Duration(i%2) * time.Second },
	"longer interval": func(i int, t *Target) {
		t.Interval += time.Duration(i) * time.Second
	},
}

// TestApply_PollsAtTheUsualTimesHoweverOftenOtherSettingsChange applies other settings every half second.
func TestApply_PollsAtTheUsualTimesHoweverOftenOtherSettingsChange(t *testing.T) {
	const span = time.Minute
	for name, change := range frequentChanges {
		runInBubble(t, name, func(t *testing.T) {
			w := newWorld(t)
			client := &slowLists{Client: w.client}
			w.client = client
			settings := func(i int) Config {
				polled := target(prod)
				polled.Interval, polled.Timeout = 5*time.Second, 2*time.Second
				change(i, &polled)
				return Config{Targets: []Target{polled}}
			}
			w.apply(settings(0))
			defer w.run()()
			for i := range int(span / (500 * time.Millisecond)) {
				time.Sleep(500 * time.Millisecond)
				w.apply(settings(i))
			}
			s := w.manager.Snapshots()[0]
			polls := len(w.sim.Requests(func(r atlastest.Request) bool { return strings.HasSuffix(r.Path, "estoreJobs") }))
			fewest := 10
			if name == "longer interval" {
				fewest = 2
			}
			if polls < fewest || polls > 13 {
				t.Errorf("%d polls in %v", polls, span)
			}
			if client.interrupted > 0 || s.Failures > 0 || s.MissedIntervals > 0 {
				t.Errorf("%d polls interrupted, %d failed, %d missed", client.interrupted, s.Failures, s.MissedIntervals)
			}
		})
	}
}

func TestApply_PollsAtOnceIfJobsMayBeMissingUnderTheNewLimits(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w, stop := newRunningWorld(t)
		defer stop()
		changed := target(team)
		changed.Policy.Limits.MaxJobs = 2
		w.apply(Config{Targets: []Target{target(prod), changed}})
		synctest.Wait()
		w.expectRequests("1 lists, 0 jobs")
		if s := w.manager.Snapshots()[1]; s.Summary.Known != 2 {
			t.Errorf("%d jobs are known", s.Summary.Known)
		}
	})
}

// lateFailure fails after 10 s, regardless of the context.
type lateFailure struct{ Client }

func (*lateFailure) RestoreJobs(context.Context, atlas.List, ...atlas.PageMark) iter.Seq2[atlas.Page, error] {
	return func(yield func(atlas.Page, error) bool) {
		time.Sleep(10 * time.Second)
		yield(atlas.Page{}, errors.New("failed"))
	}
}

// TestApply_PollsWithTheNewClientOnceTheRunningPollHasEnded has a first poll that fails after the client was replaced.
func TestApply_PollsWithTheNewClientOnceTheRunningPollHasEnded(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld(t, prod)
		good := w.client
		w.client = &lateFailure{good}
		w.apply(Config{Targets: []Target{target(prod)}})
		defer w.run()()
		w.client = good
		w.apply(Config{Targets: []Target{target(prod)}})
		w.expectRequests("0 lists, 0 jobs")
		time.Sleep(10 * time.Second)
		synctest.Wait()
		w.expectRequests("1 lists, 0 jobs")
		if s := w.manager.Snapshots()[0]; s.Err != nil || s.Failures != 0 || s.LastSuccess != time.Now() {
			t.Errorf("the failure with the old client counts: %+v", s)
		}
	})
}

// TestRun_PublishesAnExpiryBetweenPolls has a list that is polled once an hour.
func TestRun_PublishesAnExpiryBetweenPolls(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld(t)
		polled := target(prod)
		polled.Interval = time.Hour
		w.apply(Config{Targets: []Target{polled}})
		expiry := time.Now().Add(10 * time.Minute)
		extra := map[string]any{"expiresAt": expiry.UTC().Format(time.RFC3339)}
		w.sim.AddJobs(prod, atlastest.Job{Delivery: "download", Extra: extra},
			atlastest.Job{Delivery: "download", Takes: time.Second, LinkLife: time.Hour, Extra: extra},
			atlastest.Job{Delivery: "download", Takes: time.Second, Outcome: atlastest.IsCancelled, Extra: extra})
		time.Sleep(time.Second)
		defer w.run()()
		time.Sleep(time.Until(expiry) - 1)
		synctest.Wait()
		w.expectDownloads("in_progress 1, ready 1, cancelled 1")
		before := w.manager.Snapshots()[0]
		time.Sleep(time.Nanosecond)
		synctest.Wait()
		w.expectDownloads("expired 3")
		if s := w.manager.Snapshots()[0]; s.LastPoll != before.LastPoll {
			t.Error("the list was polled")
		}
	})
}

// expectDownloads checks the number of downloads by status.
func (w *world) expectDownloads(want string) {
	w.Helper()
	text := ""
	for status, n := range w.manager.Snapshots()[0].Summary.Counts[atlas.DeliveryDownload] {
		if n > 0 {
			text += fmt.Sprintf(", %v %d", atlas.Status(status), n)
		}
	}
	if got := text[min(len(text), 2):]; got != want {
		w.Errorf("downloads: %s, want %s", got, want)
	}
}

// TestApply_KeepsTheHistoryOfAListThatIsStillPolled moves a list between rules and credentials. Its only job is no
// longer listed, so only the history contains its failure.
func TestApply_KeepsTheHistoryOfAListThatIsStillPolled(t *testing.T) {
	withCredential := func(credential string) func(*Rule) {
		return func(r *Rule) { r.Target.Credential = credential }
	}
	configured := func(credential string) []Target {
		polled := target(prod)
		polled.Credential = credential
		return []Target{polled}
	}
	forms := map[string]Config{
		"configured":                     {Targets: configured("default")},
		"configured, another credential": {Targets: configured("other")},
		"project":                        {Discoveries: []Rule{ruleFor(project)}},
		"project, another credential":    {Discoveries: []Rule{ruleFor(project, withCredential("other"))}},
		"all projects":                   {Discoveries: []Rule{ruleFor("")}},
		"all, another credential":        {Discoveries: []Rule{ruleFor("", withCredential("other"))}},
	}
	for from, before := range forms {
		for to, after := range forms {
			runInBubble(t, from+" to "+to, func(t *testing.T) {
				w := newWorld(t)
				ids := w.sim.AddJobs(prod, atlastest.Job{Takes: time.Second, Outcome: atlastest.Fails})
				time.Sleep(time.Second)
				clients := map[string]Client{"default": w.client, "other": w.newClient("other", "id", "secret")}
				apply := func(config Config) {
					t.Helper()
					config.Clients, config.Concurrency = clients, 4
					if err := w.manager.Apply(config); err != nil {
						t.Fatal(err)
					}
				}
				apply(before)
				defer w.run()()
				w.sim.RemoveJob(prod, ids[0])
				time.Sleep(10 * time.Minute)
				for _, config := range []Config{after, before} {
					apply(config)
					w.expectFailure(ids[0]) // without interruption
					time.Sleep(30 * time.Minute)
					w.expectFailure(ids[0])
				}
			})
		}
	}
}

// expectFailure expects that the last failure of prod is a job.
func (w *world) expectFailure(id string) {
	w.Helper()
	for _, s := range w.manager.Snapshots() {
		if s.Target.List == prod {
			for _, latest := range s.Summary.Latest[atlas.DeliveryAutomated] {
				if latest.Failure.JobID == id {
					return
				}
			}
		}
	}
	w.Error("the last failure of prod is not known")
}

func TestApply_KeepsAListOnlyUntilDiscoveryHasReadItsClusters(t *testing.T) {
	other := Pattern{Include: regexp.MustCompile("^other$")}
	for name, test := range map[string]struct {
		rules  []Rule
		during string // until the lists of clusters can be read
	}{
		"project":      {[]Rule{ruleFor(project)}, "prod/dedicated"},
		"all projects": {[]Rule{ruleFor("")}, "prod/dedicated"},
		"another rule for the project": {
			[]Rule{ruleFor(""), ruleFor(project, func(r *Rule) { r.BackupTypes = []atlas.BackupType{atlas.Flex} })}, "",
		},
		"another project":     {[]Rule{ruleFor(sandbox)}, ""},
		"another backup type": {[]Rule{ruleFor("", func(r *Rule) { r.BackupTypes = []atlas.BackupType{atlas.Flex} })}, ""},
		"another name":        {[]Rule{ruleFor("", func(r *Rule) { r.Clusters = other })}, ""},
		"another project name": {
			[]Rule{ruleFor("", func(r *Rule) { r.Projects = other })}, "prod/dedicated",
		},
	} {
		runInBubble(t, name, func(t *testing.T) {
			w := newWorld(t)
			w.sim.AddProject(sandbox, "Sandbox")
			w.sim.RemoveCluster(project, "team")
			w.apply(Config{Targets: []Target{target(prod)}})
			defer w.run()()
			w.sim.RemoveCluster(project, "prod")
			restore := w.sim.Script(atlastest.PathHas("/groups"), 0, atlastest.Status(503))
			w.apply(Config{Discoveries: test.rules})
			time.Sleep(time.Hour)
			w.expectTargets(test.during)
			restore()
			time.Sleep(10 * time.Minute)
			w.expectTargets("")
		})
	}
}
