package status

import (
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"atlas-restore-exporter/atlas"
	"atlas-restore-exporter/collector/history"
	"atlas-restore-exporter/collector/poll"
)

// getPage returns the status page. In tests that depend on ages, the clock shows now.
func getPage(t *testing.T, source Source, path string) string {
	t.Helper()
	code, page := serve(t, &Page{Source: source}, path)
	if code != http.StatusOK {
		t.Fatalf("status %d: %s", code, page)
	}
	return page
}

// serve returns the response of a page with a version and without a log.
func serve(t *testing.T, page *Page, path string) (code int, body string) {
	t.Helper()
	page.Build, page.Logger = Build{Version: "v1", GoVersion: "go1"}, slog.New(slog.DiscardHandler)
	recorder := httptest.NewRecorder()
	page.ServeHTTP(recorder, httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, http.NoBody))
	return recorder.Code, recorder.Body.String()
}

// getPageAtNow returns the status page at the time now.
func getPageAtNow(t *testing.T, source Source) string {
	t.Helper()
	return serveAtNow(t, &Page{Source: source}, "/")
}

// serveAtNow returns the body of a response at the time now.
func serveAtNow(t *testing.T, page *Page, path string) (body string) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(time.Until(now))
		_, body = serve(t, page, path)
	})
	return body
}

func expectNotContains(t *testing.T, page string, texts ...string) {
	t.Helper()
	for _, text := range texts {
		if strings.Contains(page, text) {
			t.Errorf("the page contains %q:\n%s", text, page)
		}
	}
}

// setEvents sets the ends of the last success and failure; zero means that there was none.
func setEvents(s *poll.Snapshot, d atlas.DeliveryType, p history.Purpose, success, failure atlas.Timestamp) {
	s.Summary.Latest[d][p] = history.Latest{
		Success: history.Event{End: success}, Failure: history.Event{End: failure},
	}
}

func expectContains(t *testing.T, page string, texts ...string) {
	t.Helper()
	for _, text := range texts {
		if !strings.Contains(page, text) {
			t.Errorf("the page doesn't contain %q:\n%s", text, page)
		}
	}
}

func TestPage_ShowsTheNewestJobsOfATarget(t *testing.T) {
	job := newJob("job-1", atlas.StatusCompleted, 26*time.Hour)
	job.Finished = job.Created + 90
	job.TargetClusterName = "drill"
	page := getPageAtNow(t, &fakePoller{snapshots: []*poll.Snapshot{succeeded("prod", atlas.Dedicated, job)}})
	expectContains(t, page, "Payments", payments, "prod", "last poll 0s ago", "1 known jobs", `<code>job-1</code>`,
		`<b class="good">completed</b>`, "2026-03-04 10:00:00 UTC", ">1d 2h ago<", ">1m 30s<", ">drill<")
}

func TestPage_ShowsUnfinishedJobsThatAreNotAmongTheNewest(t *testing.T) {
	s := succeeded("prod", atlas.Dedicated, newJob("job-2", atlas.StatusCancelled, time.Hour))
	s.Summary.Series = []history.JobState{
		newJob("job-1", atlas.StatusInProgress, 9*time.Hour), newJob("job-2", atlas.StatusCancelled, time.Hour),
	}
	page := getPageAtNow(t, &fakePoller{snapshots: []*poll.Snapshot{s}})
	expectContains(t, page, `<code>job-1</code>`, `<code>job-2</code>`)
	if strings.Count(page, "<code>job-2</code>") != 1 {
		t.Errorf("a job is shown twice: %s", page)
	}
}

func TestPage_ShowsTheExpiryOfAReadyDownload(t *testing.T) {
	job := newJob("job-1", atlas.StatusReady, time.Hour)
	job.Expiry = atlas.TimestampOf(now.Add(3 * time.Hour))
	page := getPageAtNow(t, &fakePoller{snapshots: []*poll.Snapshot{succeeded("prod", atlas.Dedicated, job)}})
	expectContains(t, page, `data-label="Expires">in 3h 0m<`)
}

func TestPage_ShowsAnExpiryThatHasPassedAsAgo(t *testing.T) {
	job := newJob("job-1", atlas.StatusReady, 5*time.Hour)
	job.Expiry = atlas.TimestampOf(now.Add(-3 * time.Hour))
	page := getPageAtNow(t, &fakePoller{snapshots: []*poll.Snapshot{succeeded("prod", atlas.Dedicated, job)}})
	expectContains(t, page, `data-label="Expires">3h 0m ago<`)
}

func TestPage_ShowsTheRemedyAndTheErrorOfAFailedPoll(t *testing.T) {
	page := getPageAtNow(t, &fakePoller{snapshots: []*poll.Snapshot{failed("team", atlas.Dedicated, errFlexCluster)}})
	expectContains(t, page, `<b class="bad">wrong backup type</b>`, "last success never",
		"Configure backup_types: [flex].", errFlexCluster.Error())
}

func TestPage_MarksDataAsStaleIfPollsKeepFailing(t *testing.T) {
	s := succeeded("prod", atlas.Dedicated, newJob("job-1", atlas.StatusCompleted, time.Hour))
	s.LastSuccess, s.Err, s.Reason = now.Add(-time.Hour), errNoCluster, poll.ReasonNotFound
	expectContains(t, getPageAtNow(t, &fakePoller{snapshots: []*poll.Snapshot{s}}),
		"The data below is stale because polls keep failing.", "last success 1h 0m ago")
}

func TestPage_ShowsIncompleteData(t *testing.T) {
	s := succeeded("prod", atlas.Dedicated)
	s.Truncated, s.Inconsistent, s.Summary.Omitted = true, true, 7
	expectContains(t, getPageAtNow(t, &fakePoller{snapshots: []*poll.Snapshot{s}}),
		"Older jobs are not shown.", "The list contradicts its own total count. Jobs that it doesn&#39;t contain are kept.",
		"7 jobs have no per-job series because of job_series.max_per_target, or because too many jobs are unfinished.")
}

func TestPage_ShowsFailedDiscoveries(t *testing.T) {
	page := getPageAtNow(t, &fakePoller{discoveries: []poll.DiscoveryStatus{
		{Credential: "default", ProjectID: "working", LastSuccess: now},
		{Credential: "default", LastSuccess: now.Add(-time.Hour), Err: errNoCluster, Reason: poll.ReasonServerError},
		{Credential: "other", ProjectID: payments, Err: errNoCluster, Reason: poll.ReasonServerError},
		{Credential: "other", ProjectID: "unnamed", Err: errNoCluster, Reason: poll.ReasonServerError},
	}, inventories: []poll.DiscoveryStatus{
		{Credential: "third", ProjectID: payments, Err: errNoCluster, Reason: poll.ReasonForbidden},
	}, snapshots: []*poll.Snapshot{succeeded("prod", atlas.Dedicated)}})
	expectContains(t, page, "Discovery of projects<", "last success 1h 0m ago", "Discovery of clusters in Payments<",
		"Discovery of clusters<", "Facts about clusters in Payments<", "credential third",
		"last success never", "credential other", "Internal error of the Atlas API.", errNoCluster.Error())
	if strings.Contains(page, "working") {
		t.Error("the page shows a discovery that succeeded")
	}
}

func TestPage_ListsTargetsThatNeedAttentionFirst(t *testing.T) {
	failedRestore := succeeded("c-failed-restore", atlas.Dedicated)
	setEvents(failedRestore, atlas.DeliveryAutomated, history.PurposeInPlace, 1, 2)
	retired := failed("d-retired", atlas.Serverless, &atlas.Error{Status: 410})
	page := getPageAtNow(t, &fakePoller{snapshots: []*poll.Snapshot{
		succeeded("e-good", atlas.Dedicated), retired, failedRestore, failed("b-failing", atlas.Dedicated, errNoCluster),
	}})
	last := 0
	for _, cluster := range []string{"b-failing", "c-failed-restore", "d-retired", "e-good"} {
		at := strings.Index(page, `">`+cluster+"</a></h3>")
		if at < last {
			t.Errorf("%s is not in order", cluster)
		}
		last = at
	}
}

func TestPage_CountsRestoresAndFailuresOfAllTargets(t *testing.T) {
	page := getPageAtNow(t, &fakePoller{snapshots: []*poll.Snapshot{
		succeeded("prod", atlas.Dedicated,
			newJob("a", atlas.StatusPending, time.Hour), newJob("b", atlas.StatusInProgress, time.Hour)),
		succeeded("team", atlas.Flex, newJob("c", atlas.StatusReady, time.Hour)),
		failed("old", atlas.Dedicated, errNoCluster),
	}})
	expectContains(t, page,
		`<b class="">3</b><span class="dim">targets</span>`,
		`<b class="bad">1</b><span class="dim">can&#39;t be polled</span>`,
		`<b class="busy">2</b><span class="dim">restores in progress</span>`,
		`<b class="warn">1</b><span class="dim">downloads ready</span>`,
		`<b class="">0</b><span class="dim">last restore failed</span>`)
}

// newLargeFleet returns a poller with more targets and failed discoveries than the page shows by default.
func newLargeFleet() *fakePoller {
	poller := &fakePoller{}
	for i := range maxTargets + 5 {
		poller.snapshots = append(poller.snapshots, succeeded(fmt.Sprint("cluster-", i), atlas.Dedicated))
	}
	for range maxDiscoveries + 5 {
		poller.discoveries = append(poller.discoveries, poll.DiscoveryStatus{Err: errNoCluster, Reason: poll.ReasonOther})
	}
	return poller
}

func TestPage_LimitsTargetsAndDiscoveries(t *testing.T) {
	page := getPage(t, newLargeFleet(), "/")
	expectContains(t, page, "5 more targets are not shown.")
	if n := strings.Count(page, `<section class="target">`); n != maxTargets+maxDiscoveries {
		t.Errorf("%d sections, want %d", n, maxTargets+maxDiscoveries)
	}
}

func TestPage_ShowsAllTargetsAndDiscoveriesOnRequest(t *testing.T) {
	page := getPage(t, newLargeFleet(), "/?all")
	if n := strings.Count(page, `<section class="target">`); n != maxTargets+maxDiscoveries+10 {
		t.Errorf("%d sections, want %d", n, maxTargets+maxDiscoveries+10)
	}
	if strings.Contains(page, "not shown") {
		t.Error("the page claims to hide targets")
	}
}

func TestFormatDuration_ShowsTheTwoLargestUnits(t *testing.T) {
	for duration, want := range map[time.Duration]string{
		0:                               "0s",
		59*time.Second + 600*1e6:        "1m 0s",
		61 * time.Second:                "1m 1s",
		2*time.Hour + 90*time.Second:    "2h 1m",
		50*time.Hour + 10*time.Minute:   "2d 2h",
		1000*24*time.Hour + time.Minute: "1000d 0h",
	} {
		if got := formatDuration(duration); got != want {
			t.Errorf("%v: %q, want %q", duration, got, want)
		}
	}
}
