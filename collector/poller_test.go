package collector

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/prometheus/common/expfmt"

	"atlas-restore-exporter/atlas"
	"atlas-restore-exporter/atlas/atlastest"
)

const project = "32b6e34b3d91647abb20e7b8"

var (
	prod = atlas.List{ProjectID: project, ClusterName: "prod", BackupType: atlas.Dedicated}
	team = atlas.List{ProjectID: project, ClusterName: "team", BackupType: atlas.Flex}
)

// world is a simulated Atlas, and all that there is between it and a registry. It lives in a synctest bubble.
type world struct {
	*testing.T
	sim     *atlastest.Server
	manager *Manager
	metrics *Metrics
	client  Client
	pipe    *atlastest.Pipe
	log     strings.Builder
}

// newWorld returns an Atlas with two clusters, of which targets are polled.
func newWorld(t *testing.T, lists ...atlas.List) *world {
	t.Helper()
	w := &world{T: t, sim: atlastest.New()}
	w.sim.AddServiceAccount("id", "secret")
	w.sim.AddProject(project, "Payments")
	w.sim.AddCluster(project, "prod", atlastest.DedicatedCluster)
	w.sim.AddCluster(project, "team", atlastest.FlexCluster)
	w.metrics = NewMetrics(BuildInfo{"1.2.3", "abc", "go1.26"})
	w.metrics.SetCredentials([]string{"default"})
	w.pipe = atlastest.NewPipe(w.sim)
	logger := slog.New(slog.NewTextHandler(&w.log, nil))
	client, err := atlas.NewClient(atlas.Options{
		BaseURL: "http://atlas.test", DialContext: w.pipe.DialContext, Concurrency: 4, Observer: w.metrics, Logger: logger,
		Credential: atlas.Credential{Name: "default", ServiceAccount: &atlas.ServiceAccount{ClientID: "id", ClientSecret: "secret"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { client.Close(); w.pipe.Close() })
	var targets []Target
	for _, list := range lists {
		targets = append(targets, target(list))
	}
	w.client = client
	w.manager, err = NewManager(Setup{Targets: targets, Clients: map[string]Client{"default": client}, Concurrency: 4}, w.metrics, logger)
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func target(list atlas.List) Target {
	return Target{
		List: list, Credential: "default", Source: "config", Interval: time.Minute, Timeout: 30 * time.Second,
		SweepInterval: time.Hour, StaleAfter: 10 * time.Minute, History: wide,
		JobSeries: JobSeriesLimits{MaxAge: 72 * time.Hour, MaxPerTarget: 50},

		Objectives:     Objectives{Duration: 4 * time.Hour, DrillAge: 90 * 24 * time.Hour},
		AllowedTargets: []AllowedTarget{{ProjectID: list.ProjectID, ClusterNames: []string{list.ClusterName}}},
	}
}

// run has the manager run until the function that it returns is called.
func (w *world) run() (stop func()) {
	ctx, cancel := context.WithCancel(w.Context())
	ended := make(chan struct{})
	go func() { w.manager.Run(ctx); close(ended) }()
	synctest.Wait()
	return func() { cancel(); <-ended }
}

// poll polls every target once, and returns the first.
func (w *world) poll() *Snapshot {
	w.manager.PollOnce(w.Context(), func(*Snapshot) {})
	return w.manager.Snapshots()[0]
}

// asked returns what was asked of the API since the last call: "list" and "job", each as often as it was.
func (w *world) asked() string {
	var lists, jobs int
	for _, request := range w.sim.Requests(nil) {
		if strings.HasSuffix(request.Path, "estoreJobs") {
			lists++
		} else if strings.Contains(request.Path, "estoreJobs/") {
			jobs++
		}
	}
	w.sim.ForgetRequests()
	return fmt.Sprintf("%d lists, %d jobs", lists, jobs)
}

// expose returns the exposition of the families of those names, or of all, checked pedantically.
func (w *world) expose(names ...string) string {
	w.Helper()
	registry := prometheus.NewPedanticRegistry()
	registry.MustRegister(NewCollector(w.manager))
	problems, err := testutil.GatherAndLint(registry)
	if err != nil || len(problems) > 0 {
		w.Fatal(problems, err)
	}
	return formatted(w.T, registry, names...)
}

func formatted(t *testing.T, gatherer prometheus.Gatherer, names ...string) string {
	t.Helper()
	if len(names) == 0 {
		for _, family := range Families() {
			names = append(names, family.Name)
		}
	}
	text, err := testutil.GatherAndFormat(gatherer, expfmt.TypeTextPlain, names...)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// decoded returns a job as the client decodes it, from a simulated Atlas.
func decoded(t *testing.T, status string) atlas.RestoreJob {
	t.Helper()
	sim := atlastest.New()
	sim.AddServiceAccount("id", "secret")
	sim.AddProject(project, "Payments")
	sim.AddCluster(project, "prod", atlastest.DedicatedCluster)
	sim.AddCluster(project, "team", atlastest.FlexCluster)
	life := map[string]struct {
		list atlas.List
		job  atlastest.Job
	}{
		"pending":     {team, atlastest.Job{Queued: time.Hour}},
		"in_progress": {prod, atlastest.Job{}},
		"ready":       {prod, atlastest.Job{Delivery: "download", Takes: time.Nanosecond, LinkLife: 100 * 365 * 24 * time.Hour}},
		"completed":   {prod, atlastest.Job{Takes: time.Nanosecond}},
		"failed":      {prod, atlastest.Job{Takes: time.Nanosecond, Outcome: atlastest.Fails}},
	}[status]
	ids := sim.AddJobs(life.list, life.job)
	pipe := atlastest.NewPipe(sim)
	defer pipe.Close()
	client, err := atlas.NewClient(atlas.Options{
		BaseURL: "http://atlas.test", DialContext: pipe.DialContext,
		Credential: atlas.Credential{ServiceAccount: &atlas.ServiceAccount{ClientID: "id", ClientSecret: "secret"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	j, err := client.RestoreJob(t.Context(), life.list, ids[0])
	if err != nil || j.StatusAt(noon).String() != status {
		t.Fatalf("%+v is %s, want %s; %v", j, j.StatusAt(noon), status, err)
	}
	return j
}

func bubble(t *testing.T, name string, test func(t *testing.T)) {
	t.Helper()
	t.Run(name, func(t *testing.T) { synctest.Test(t, test) })
}

// addHistory adds finished restores, one an hour, the newest an hour old.
func (w *world) addHistory(n int) {
	for i := range n {
		w.sim.AddJobs(team, atlastest.Job{Created: time.Now().Add(-time.Duration(n-i) * time.Hour), Takes: 30 * time.Minute})
	}
}

// TestRequestsOfPolls counts what polls of a long list cost.
func TestRequestsOfPolls(t *testing.T) {
	bubble(t, "newest first", func(t *testing.T) {
		w := newWorld(t, team)
		w.addHistory(2160)
		if s := w.poll(); s.Summary.Known != 2160 || w.asked() != "5 lists, 0 jobs" {
			t.Fatalf("first poll: %d jobs", s.Summary.Known)
		}
		summary := w.manager.Snapshots()[0].Summary
		for range 10 {
			time.Sleep(time.Minute)
			if s, asked := w.poll(), w.asked(); asked != "1 lists, 0 jobs" || s.Summary.Known != 2160 {
				t.Errorf("nothing active: %s", asked)
			}
		}
		if w.manager.Snapshots()[0].Summary != summary {
			t.Error("polls without news were summarized anew")
		}

		ids := w.sim.AddJobs(team, atlastest.Job{Takes: 10 * time.Minute})
		for range 10 {
			if asked := (w.poll().Summary.Counts[atlas.DeliveryAutomated][atlas.StatusInProgress]); asked != 1 {
				t.Errorf("%d jobs in progress", asked)
			}
			if asked := w.asked(); asked != "2 lists, 0 jobs" {
				t.Errorf("an active job on the first page: %s", asked)
			}
			time.Sleep(time.Minute)
		}
		w.poll()
		if s, asked := w.poll(), w.asked(); s.Summary.Counts[atlas.DeliveryAutomated][atlas.StatusCompleted] != 2161 {
			t.Errorf("%s for job %s", asked, ids[0])
		}
		time.Sleep(time.Hour)
		if w.poll(); w.asked() != "5 lists, 0 jobs" {
			t.Error("the sweep of the next hour did not read everything")
		}
	})
	bubble(t, "a job far down the list that never ends", func(t *testing.T) {
		w := newWorld(t, team)
		w.addHistory(1000)
		stuck := w.sim.AddJobs(team, atlastest.Job{Created: time.Now().Add(-600 * time.Hour)})
		w.addHistory(1000)
		w.poll()
		w.asked()
		if w.poll(); w.asked() != "1 lists, 1 jobs" {
			t.Error("the open job was not asked for by its id")
		}
		w.sim.ChangeJob(team, stuck[0], func(j *atlastest.Job) { j.Takes = time.Minute; j.Outcome = atlastest.Fails })
		if s, asked := w.poll(), w.asked(); asked != "1 lists, 1 jobs" || s.Summary.Counts[atlas.DeliveryAutomated][atlas.StatusFailed] != 1 {
			t.Errorf("%s, %+v", asked, s.Summary.Counts)
		}
		if w.poll(); w.asked() != "1 lists, 0 jobs" {
			t.Error("a terminal job was asked for")
		}
	})
	for _, order := range []atlastest.Order{atlastest.OldestFirst, atlastest.Shuffled} {
		bubble(t, fmt.Sprint("in order ", order), func(t *testing.T) {
			w := newWorld(t, team)
			w.sim.SetOrder(team, order)
			w.addHistory(2160)
			for range 3 {
				if s := w.poll(); s.Summary.Known != 2160 || w.asked() != "5 lists, 0 jobs" {
					t.Fatalf("%d jobs", s.Summary.Known)
				}
				time.Sleep(time.Minute)
			}
			w.sim.AddJobs(team, atlastest.Job{})
			if s, asked := w.poll(), w.asked(); s.Summary.Known != 2161 || asked != "5 lists, 0 jobs" {
				t.Errorf("%d jobs, %s", s.Summary.Known, asked)
			}
		})
	}
	bubble(t, "what appears in the middle of the list", func(t *testing.T) {
		w := newWorld(t, team)
		w.addHistory(2160)
		w.poll()
		w.asked()
		w.sim.AddJobs(team, atlastest.Job{Created: time.Now().Add(-1000 * time.Hour), Takes: time.Minute})
		if s, asked := w.poll(), w.asked(); s.Summary.Known != 2161 || asked != "6 lists, 0 jobs" {
			t.Errorf("%d jobs, %s", s.Summary.Known, asked)
		}
	})
	bubble(t, "more open jobs than pages", func(t *testing.T) {
		w := newWorld(t, team)
		w.addHistory(1000)
		for i := range 6 {
			w.sim.AddJobs(team, atlastest.Job{Created: time.Now().Add(time.Duration(-1000-i) * time.Hour)})
		}
		w.addHistory(990)
		w.poll()
		w.asked()
		if w.poll(); w.asked() != "5 lists, 0 jobs" {
			t.Error("want the first page, and then all four")
		}
	})
	bubble(t, "a short list is read whole", func(t *testing.T) {
		w := newWorld(t, team)
		w.addHistory(1000)
		w.poll()
		w.poll()
		if asked := w.asked(); asked != "4 lists, 0 jobs" {
			t.Error(asked)
		}
	})
	bubble(t, "a list without end", func(t *testing.T) {
		w := newWorld(t, team)
		w.sim.Script(atlastest.PathHas("restoreJobs"), 0, atlastest.Pages(func(page, item int) string {
			return fmt.Sprintf(`{"id":"%d-%d","status":"COMPLETED","deliveryType":"RESTORE"}`, page, item)
		}, 2))
		if s, asked := w.poll(), w.asked(); s.Err != nil || s.Summary.Known != 200 || !s.Truncated || asked != "100 lists, 0 jobs" {
			t.Errorf("%+v, %s", s, asked)
		}
		if s, asked := w.poll(), w.asked(); s.Err != nil || !s.Truncated || asked != "1 lists, 0 jobs" {
			t.Errorf("%+v, %s", s, asked)
		}
		if !strings.Contains(w.log.String(), "longer than a poll reads") {
			t.Errorf("not logged: %s", w.log.String())
		}
	})
}

// TestVanishingJobs removes jobs, and clusters, in between polls.
func TestVanishingJobs(t *testing.T) {
	setUp := func(t *testing.T) (*world, string) {
		w := newWorld(t, team)
		w.addHistory(1000)
		stuck := w.sim.AddJobs(team, atlastest.Job{Created: time.Now().Add(-600 * time.Hour)})
		w.addHistory(1000)
		w.poll()
		return w, stuck[0]
	}
	bubble(t, "the job", func(t *testing.T) {
		w, stuck := setUp(t)
		w.sim.Script(atlastest.PathHas(stuck), 0, atlastest.APIError(404, "RESTORE_JOB_NOT_FOUND", "No."))
		if s := w.poll(); s.Err != nil || s.Summary.Known != 2000 {
			t.Errorf("%v, %d jobs", s.Err, s.Summary.Known)
		}
	})
	for _, code := range []string{"CLUSTER_NOT_FOUND", ""} {
		bubble(t, "404 with code "+code, func(t *testing.T) {
			w, stuck := setUp(t)
			w.sim.Script(atlastest.PathHas(stuck), 0, atlastest.APIError(404, code, "No."))
			if s := w.poll(); s.Reason != ReasonNotFound || s.Summary.Known != 2001 {
				t.Errorf("%v, %d jobs", s.Err, s.Summary.Known)
			}
		})
	}
	bubble(t, "a single job that can't be decoded stays as it was", func(t *testing.T) {
		w, stuck := setUp(t)
		w.sim.Script(atlastest.PathHas(stuck), 0, atlastest.Body(200, "application/json", `{"id":5}`))
		if s := w.poll(); s.Err != nil || s.Summary.Known != 2001 {
			t.Errorf("%v, %d jobs", s.Err, s.Summary.Known)
		}
	})
	bubble(t, "the cluster", func(t *testing.T) {
		w, _ := setUp(t)
		w.sim.RemoveCluster(project, "team")
		if s := w.poll(); s.Reason != ReasonNotFound || s.Summary.Known != 2001 || s.Failures != 1 {
			t.Errorf("%+v", s)
		}
	})
	bubble(t, "from a short list", func(t *testing.T) {
		w := newWorld(t, prod)
		ids := w.sim.AddJobs(prod, atlastest.Job{Takes: time.Minute}, atlastest.Job{Created: time.Now().Add(-time.Hour), Takes: time.Minute})
		w.poll()
		w.sim.RemoveJob(prod, ids[0])
		if s := w.poll(); s.Summary.Known != 2 {
			t.Errorf("%d jobs after one list without it", s.Summary.Known)
		}
		if s := w.poll(); s.Summary.Known != 1 {
			t.Errorf("%d jobs after two", s.Summary.Known)
		}
	})
}

// TestFailedPolls answers with every kind of failure. Each is classified, changes nothing of what is known, and leaves
// the other target alone.
func TestFailedPolls(t *testing.T) {
	for _, test := range []struct {
		name   string
		answer http.Handler
		reason Reason
	}{
		{"401", atlastest.APIError(401, "NOT_IN_GROUP", "No."), ReasonUnauthorized},
		{"402", atlastest.APIError(402, "ACCOUNT_SUSPENDED", "Pay."), ReasonForbidden},
		{"403", atlastest.APIError(403, "IP_ADDRESS_NOT_ON_ACCESS_LIST", "No."), ReasonForbidden},
		{"404", atlastest.APIError(404, "CLUSTER_NOT_FOUND", "No."), ReasonNotFound},
		{"400 flex", atlastest.APIError(400, "CANNOT_USE_NON_FLEX_CLUSTER_IN_FLEX_API", "No."), ReasonWrongBackupType},
		{"400 legacy", atlastest.APIError(400, "INCORRECT_BACKUP_API_ENDPOINT", "No."), ReasonWrongBackupType},
		{"403 flex", atlastest.APIError(403, "FEATURE_UNSUPPORTED", "No."), ReasonWrongBackupType},
		{"400", atlastest.APIError(400, "BACKUP_JOB_NOT_FOUND", "No."), ReasonOther},
		{"405", atlastest.Status(405), ReasonOther},
		{"406", atlastest.Status(406), ReasonOther},
		{"410", atlastest.APIError(410, "VERSION_GONE", "Gone."), ReasonGone},
		{"429", atlastest.RetryAfter("60"), ReasonRateLimited},
		{"429 until the deadline", atlastest.RetryAfter("20"), ReasonRateLimited},
		{"500", atlastest.APIError(500, "UNEXPECTED_ERROR", "Oops."), ReasonServerError},
		{"503", atlastest.Status(503), ReasonServerError},
		{"302", atlastest.Redirect("http://elsewhere.test"), ReasonOther},
		{"HTML", atlastest.Body(200, "text/html", "<html>"), ReasonMalformed},
		{"one byte a second", atlastest.Slow(time.Second), ReasonTimeout},
		{"broken off", atlastest.BreakOff(), ReasonNetwork},
	} {
		bubble(t, test.name, func(t *testing.T) {
			w := newWorld(t, prod, team)
			w.sim.AddJobs(prod, atlastest.Job{Takes: time.Minute})
			w.sim.AddJobs(team, atlastest.Job{Takes: time.Minute})
			before := w.poll()
			w.sim.Script(atlastest.PathHas("/clusters/prod/backup/restoreJobs"), 0, test.answer)
			s := w.poll()
			if s.Reason != test.reason || s.Failures != 1 || s.Summary != before.Summary || s.LastSuccess != before.LastSuccess {
				t.Errorf("%s: %v, %+v", s.Reason, s.Err, s)
			}
			if other := w.manager.Snapshots()[1]; other.Err != nil {
				t.Errorf("the other target: %v", other.Err)
			}
			exposed := w.expose("mongodbatlas_restore_poll_error", "mongodbatlas_restore_poll_success")
			for _, want := range []string{
				`poll_error{backup_type="dedicated",cluster_name="prod",project_id="` + project + `",reason="` + string(test.reason) + `"} 1`,
				`poll_success{backup_type="dedicated",cluster_name="prod",project_id="` + project + `"} 0`,
				`poll_success{backup_type="flex",cluster_name="team",project_id="` + project + `"} 1`,
			} {
				if !strings.Contains(exposed, want) {
					t.Errorf("no %s in\n%s", want, exposed)
				}
			}
		})
	}
	bubble(t, "connection refused", func(t *testing.T) {
		w := newWorld(t, prod)
		w.pipe.Close()
		if s := w.poll(); s.Reason != ReasonNetwork || s.Summary != nil {
			t.Errorf("%+v", s)
		}
	})
	bubble(t, "token endpoint", func(t *testing.T) {
		w := newWorld(t, prod)
		w.sim.Script(atlastest.TokenRequests, 0, atlastest.APIError(403, "", ""))
		if s := w.poll(); s.Reason != ReasonUnauthorized {
			t.Errorf("%+v", s)
		}
	})
	bubble(t, "a token endpoint that is not there says nothing of the list", func(t *testing.T) {
		w := newWorld(t, atlas.List{ProjectID: project, ClusterName: "fn", BackupType: atlas.Serverless})
		w.sim.Script(atlastest.TokenRequests, 0, atlastest.Status(404))
		if s := w.poll(); s.Reason != ReasonOther {
			t.Errorf("%+v", s)
		}
	})
	bubble(t, "serverless", func(t *testing.T) {
		for _, answer := range []http.Handler{atlastest.APIError(410, "VERSION_GONE", ""), atlastest.Status(404)} {
			list := atlas.List{ProjectID: project, ClusterName: "fn", BackupType: atlas.Serverless}
			w := newWorld(t, list)
			w.sim.Script(atlastest.PathHas("serverless"), 0, answer)
			if s := w.poll(); s.Reason != ReasonGone {
				t.Errorf("%+v", s)
			}
			if interval := w.manager.pollers[0].interval(); interval != time.Hour {
				t.Errorf("polled every %v, want every hour", interval)
			}
		}
	})
}

// TestStaleness takes the per-job series away some time after the last success, and nothing else.
func TestStaleness(t *testing.T) {
	bubble(t, "", func(t *testing.T) {
		w := newWorld(t, prod)
		w.sim.AddJobs(prod, atlastest.Job{Takes: time.Minute})
		w.poll()
		const series = "mongodbatlas_restore_job_info"
		time.Sleep(10 * time.Minute)
		if w.expose(series) == "" {
			t.Error("gone too early")
		}
		time.Sleep(time.Second)
		if w.expose(series) != "" {
			t.Error("still there")
		}
		if w.expose("mongodbatlas_restore_jobs") == "" {
			t.Error("the target's series are gone too")
		}
		if w.poll(); w.expose(series) == "" {
			t.Error("not back after the next success")
		}
	})
}

// TestOddJobs has lists whose jobs are not what they should be: the others survive.
func TestOddJobs(t *testing.T) {
	bubble(t, "", func(t *testing.T) {
		w := newWorld(t, prod)
		ids := w.sim.AddJobs(prod,
			atlastest.Job{Takes: time.Minute},
			atlastest.Job{Extra: map[string]any{"finishedAt": "yesterday"}},
			atlastest.Job{Extra: map[string]any{"id": nil}},
			atlastest.Job{Extra: map[string]any{"deliveryType": "carrier pigeon"}},
		)
		for range 3 {
			if s := w.poll(); s.Err != nil || s.Summary.Known != 2 {
				t.Fatalf("%v, %d jobs", s.Err, s.Summary.Known)
			}
		}
		if n := strings.Count(w.log.String(), "could not be read"); n != 1 || !strings.Contains(w.log.String(), "jobs=2 job_ids=["+ids[1]+"]") {
			t.Errorf("logged %d times: %s", n, w.log.String())
		}
		if n := testutil.ToFloat64(w.metrics.malformedJobs.WithLabelValues("dedicated")); n != 6 {
			t.Errorf("%g malformed jobs in three polls, want 6", n)
		}
		if n := testutil.ToFloat64(w.metrics.unknownValues.WithLabelValues("dedicated_delivery_type")); n != 3 {
			t.Errorf("%g unknown words in three polls, want 3", n)
		}
	})
}

// TestOddDates has dates that no clock would give: nothing fails, and what they would make absurd is absent.
func TestOddDates(t *testing.T) {
	bubble(t, "", func(t *testing.T) {
		w := newWorld(t, team)
		date := func(d time.Duration) string { return time.Now().Add(d).UTC().Format(time.RFC3339) }
		w.sim.AddJobs(team,
			atlastest.Job{Takes: time.Minute, Extra: map[string]any{"restoreScheduledDate": date(24 * time.Hour), "restoreFinishedDate": date(0), "status": "COMPLETED"}},
			atlastest.Job{Extra: map[string]any{"restoreScheduledDate": "9999-12-31T23:59:59Z"}},
			atlastest.Job{Extra: map[string]any{"restoreScheduledDate": "1969-12-31T23:59:59Z"}},
			atlastest.Job{Extra: map[string]any{"restoreScheduledDate": nil}},
		)
		if s := w.poll(); s.Err != nil || s.Summary.Known != 4 {
			t.Fatalf("%v, %d jobs", s.Err, s.Summary.Known)
		}
		exposed := w.expose()
		if strings.Contains(exposed, "last_duration_seconds{") || strings.Contains(exposed, "} -") {
			t.Errorf("a negative duration, or instant, in\n%s", exposed)
		}
		time.Sleep(5 * time.Minute) // the summary no longer holds, as after a clock that was set
		if s := w.poll(); s.Err != nil {
			t.Error(s.Err)
		}
	})
}

// TestOddJobHidesNothing has a running job vanish from a list in which another can never be decoded.
func TestOddJobHidesNothing(t *testing.T) {
	bubble(t, "", func(t *testing.T) {
		w := newWorld(t, prod)
		ids := w.sim.AddJobs(prod, atlastest.Job{}, atlastest.Job{Extra: map[string]any{"failed": "perhaps"}})
		w.poll()
		w.sim.RemoveJob(prod, ids[0])
		w.poll()
		if s := w.poll(); s.Summary.Known != 0 {
			t.Errorf("%d jobs are known", s.Summary.Known)
		}
	})
}

// TestProjectNames has the project refuse, fail, and hang: polls don't care, and the name comes when it can.
func TestProjectNames(t *testing.T) {
	name := func(w *world) string { return w.manager.ProjectName(project) }
	projectItself := func(r *http.Request) bool { return strings.HasSuffix(r.URL.Path, project) }
	bubble(t, "an outage", func(t *testing.T) {
		w := newWorld(t, prod)
		w.sim.Script(projectItself, 3, atlastest.Status(http.StatusServiceUnavailable))
		w.poll()
		if name(w) != "" || !strings.Contains(w.expose("mongodbatlas_restore_target_info"), `project_name=""`) {
			t.Error("a name though there was none to be had")
		}
		time.Sleep(time.Minute)
		if w.poll(); name(w) != "Payments" {
			t.Errorf("%q a minute later", name(w))
		}
	})
	bubble(t, "a refusal is taken for an hour", func(t *testing.T) {
		w := newWorld(t, prod)
		w.sim.Script(projectItself, 1, atlastest.APIError(403, "ACCESS_FORBIDDEN", "No."))
		for range 59 {
			w.poll()
			time.Sleep(time.Minute)
		}
		if name(w) != "" {
			t.Error("asked again too soon")
		}
		time.Sleep(2 * time.Minute)
		if w.poll(); name(w) != "Payments" {
			t.Error("not asked again")
		}
	})
	bubble(t, "a hanging answer delays no news", func(t *testing.T) {
		w := newWorld(t, prod)
		w.sim.Script(projectItself, 0, atlastest.Hang())
		start := time.Now()
		if s := w.poll(); s.LastSuccess.Sub(start) > time.Second || time.Since(start) > 6*time.Second {
			t.Errorf("published after %v, polled for %v", s.LastSuccess.Sub(start), time.Since(start))
		}
	})
}

// TestCredentialSuccess is 0 while the credential is refused for its own sake, and for nothing else.
func TestCredentialSuccess(t *testing.T) {
	bubble(t, "", func(t *testing.T) {
		w := newWorld(t, prod)
		gauge := func() float64 { return testutil.ToFloat64(w.metrics.credential.WithLabelValues("default")) }
		for _, step := range []struct {
			answer http.Handler
			want   float64
		}{
			{atlastest.APIError(403, "ACCESS_FORBIDDEN", "No."), 1}, {atlastest.APIError(401, "", "No."), 0},
			{atlastest.APIError(401, "NOT_IN_GROUP", "No."), 1}, {atlastest.Status(503), 1},
		} {
			remove := w.sim.Script(atlastest.PathHas("restoreJobs"), 0, step.answer)
			w.poll()
			remove()
			if gauge() != step.want {
				t.Errorf("%v after %s", gauge(), w.manager.Snapshots()[0].Err)
			}
		}
		w.sim.AddServiceAccount("id", "renewed")
		w.sim.RevokeTokens()
		if w.poll(); gauge() != 0 || w.manager.Snapshots()[0].Reason != ReasonUnauthorized {
			t.Errorf("%v after the secret was changed: %v", gauge(), w.manager.Snapshots()[0].Err)
		}
		if n := strings.Count(w.log.String(), "poll failed"); n != 4 {
			t.Errorf("%d failures logged, want one for each reason in a row: %s", n, w.log.String())
		}
	})
}

// TestShiftingPages has a new job move every page border while the list is read.
func TestShiftingPages(t *testing.T) {
	bubble(t, "", func(t *testing.T) {
		w := newWorld(t, team)
		w.addHistory(1600)
		remove := w.sim.Script(func(r *http.Request) bool {
			if r.URL.Query().Get("pageNum") == "2" {
				w.sim.AddJobs(team, atlastest.Job{Takes: time.Minute})
			}
			return false
		}, 0, nil)
		if s := w.poll(); s.Err != nil || s.Summary.Known != 1600 {
			t.Fatalf("%v, %d jobs", s.Err, s.Summary.Known)
		}
		remove()
		if s := w.poll(); s.Summary.Known != 1601 {
			t.Errorf("%d jobs at the next poll", s.Summary.Known)
		}
	})
}

// TestRun lets a manager run: everything is polled at once, then at intervals, spread evenly, and it ends at once.
func TestRun(t *testing.T) {
	bubble(t, "", func(t *testing.T) {
		var lists []atlas.List
		for i := range 30 {
			lists = append(lists, atlas.List{ProjectID: project, ClusterName: fmt.Sprintf("c%d", i), BackupType: atlas.Dedicated})
		}
		w := newWorld(t, lists...)
		for _, list := range lists {
			w.sim.AddCluster(project, list.ClusterName, atlastest.DedicatedCluster)
		}
		start := time.Now()
		polls := map[int]int{} // by ten seconds since the start of the minute
		w.sim.Script(func(r *http.Request) bool {
			if strings.HasSuffix(r.URL.Path, "restoreJobs") && time.Since(start) > 0 {
				polls[int(time.Since(start)%time.Minute/(10*time.Second))]++
			}
			return false
		}, 0, nil)
		if w.manager.Ready() {
			t.Error("ready before anything was polled")
		}
		stop := w.run()
		if !w.manager.Ready() {
			t.Error("not ready though everything was polled")
		}
		time.Sleep(10*time.Minute + time.Second)
		stop()
		for tenth := range 6 {
			if n := polls[tenth]; n < 40 || n > 60 { // 30 targets × 10 minutes / 6
				t.Errorf("%d polls in part %d of the minute: %v", n, tenth, polls)
			}
		}
	})
	bubble(t, "in mid-poll", func(t *testing.T) {
		w := newWorld(t, prod)
		w.sim.Script(atlastest.PathHas("restoreJobs"), 0, atlastest.Hang())
		stop := w.run()
		time.Sleep(time.Second)
		start := time.Now()
		stop()
		if s := w.manager.Snapshots()[0]; time.Since(start) > time.Second || !s.LastPoll.IsZero() {
			t.Errorf("ended after %v; an unfinished poll says nothing, but there is %+v", time.Since(start), s)
		}
	})
}

func TestUntilTick(t *testing.T) {
	for _, test := range []struct{ since, interval, phase, want time.Duration }{
		{0, 60, 0, 60}, {0, 60, 20, 20}, {20, 60, 20, 60}, {19, 60, 20, 1}, {21, 60, 20, 59}, {200, 60, 20, 60}, {59, 60, 0, 1},
	} {
		if got := untilTick(test.since, test.interval, test.phase); got != test.want {
			t.Errorf("untilTick(%d, %d, %d) = %d, want %d", test.since, test.interval, test.phase, got, test.want)
		}
	}
}

func TestNewManagerRefuses(t *testing.T) {
	logger, metrics := slog.New(slog.DiscardHandler), NewMetrics(BuildInfo{})
	if _, err := NewManager(Setup{Targets: []Target{target(prod)}}, metrics, logger); err == nil {
		t.Error("no client: no error")
	}
	clients := map[string]Client{"default": &atlas.Client{}}
	if _, err := NewManager(Setup{Targets: []Target{target(prod), target(prod)}, Clients: clients}, metrics, logger); err == nil {
		t.Error("the same target twice: no error")
	}
}

// TestApply changes the setup of a manager that runs: what stays the same is left alone, what changes keeps its known
// jobs, what goes takes its series along.
func TestApply(t *testing.T) {
	bubble(t, "", func(t *testing.T) {
		w := newWorld(t, prod, team)
		other := atlas.List{ProjectID: "other", ClusterName: "c", BackupType: atlas.Dedicated}
		w.sim.AddProject("other", "Other")
		w.sim.AddCluster("other", "c", atlastest.DedicatedCluster)
		w.sim.AddJobs(prod, atlastest.Job{Takes: time.Minute})
		w.addHistory(3)
		stop := w.run()
		time.Sleep(10 * time.Second)
		w.asked()

		changed := target(team)
		changed.Interval, changed.JobSeries.MaxPerTarget = 2*time.Minute, 1
		setup := Setup{Targets: []Target{target(other), target(prod), changed}, Clients: map[string]Client{"default": w.client}, Concurrency: 2}
		if err := w.manager.Apply(setup); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		snapshots := w.manager.Snapshots()
		if s := snapshots[2]; s.Target.ClusterName != "team" || s.Summary.Known != 3 || len(s.Summary.Series) != 1 || s.LastSuccess.IsZero() {
			t.Errorf("changed: %+v", s)
		}
		if snapshots[1].Summary.Known != 1 || snapshots[0].Summary.Known != 0 {
			t.Errorf("unchanged %+v, new %+v", snapshots[1].Summary, snapshots[0].Summary)
		}
		if asked := w.asked(); asked != "2 lists, 0 jobs" {
			t.Errorf("asked for %s, want the new and the changed one", asked)
		}
		if exposed := w.expose("mongodbatlas_restore_target_info"); strings.Count(exposed, "\nmongodbatlas_restore_target_info{") != 3 {
			t.Errorf("%s", exposed)
		}

		if err := w.manager.Apply(Setup{Targets: []Target{target(prod)}}); err == nil {
			t.Error("a setup without a client is applied")
		}
		setup.Targets = []Target{target(prod)}
		if err := w.manager.Apply(setup); err != nil {
			t.Fatal(err)
		}
		if exposed := w.expose(); strings.Contains(exposed, "team") || strings.Contains(exposed, "other") {
			t.Errorf("what is gone is still exposed:\n%s", exposed)
		}
		if n := testutil.CollectAndCount(w.metrics.rateLimit); n != 3 { // two lists and the project itself
			t.Errorf("%d series of rate limits", n)
		}
		w.asked()
		time.Sleep(10 * time.Minute)
		if asked := w.asked(); asked != "10 lists, 0 jobs" {
			t.Errorf("asked for %s in ten minutes, want those of one target", asked)
		}
		stop()
		if err := w.manager.Apply(setup); err != nil {
			t.Error(err)
		}
	})
}
