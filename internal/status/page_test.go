package status

import (
	"fmt"
	"html"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"slices"
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

// clusterPath is the path of the page of a cluster.
func clusterPath(cluster string) string {
	return "/?project=" + payments + "&cluster=" + url.QueryEscape(cluster)
}

// getCluster returns the page of a cluster at the time now.
func getCluster(t *testing.T, source Source, cluster string) string {
	t.Helper()
	return serveAtNow(t, &Page{Source: source}, clusterPath(cluster))
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
	if failure > success {
		s.Summary.Failures = append(s.Summary.Failures, history.Failure{Purpose: p, Event: history.Event{End: failure}})
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
	page := getCluster(t, &fakePoller{snapshots: []*poll.Snapshot{succeeded("prod", atlas.Dedicated, job)}}, "prod")
	expectContains(t, page, "Payments", payments, "prod",
		`last poll <time datetime="2026-03-05T12:00:00Z" title="2026-03-05 12:00:00 UTC">0s ago</time>`,
		`<code>job-1</code>`, `<b class="good">completed</b>`, `datetime="2026-03-04T10:00:00Z"`, ">1d 2h ago<", ">1m 30s<",
		">drill<", "<caption>Restore jobs</caption>")
}

func TestPage_ShowsUnfinishedJobsThatAreNotAmongTheNewest(t *testing.T) {
	s := succeeded("prod", atlas.Dedicated, newJob("job-2", atlas.StatusCancelled, time.Hour))
	s.Summary.Series = []history.JobState{
		newJob("job-1", atlas.StatusInProgress, 9*time.Hour), newJob("job-2", atlas.StatusCancelled, time.Hour),
	}
	page := getCluster(t, &fakePoller{snapshots: []*poll.Snapshot{s}}, "prod")
	expectContains(t, page, `<code>job-1</code>`, `<code>job-2</code>`)
	if strings.Count(page, "<code>job-2</code>") != 1 {
		t.Errorf("a job is shown twice: %s", page)
	}
}

func TestPage_ShowsTheExpiryOfAReadyDownload(t *testing.T) {
	job := newJob("job-1", atlas.StatusReady, time.Hour)
	job.Expiry = atlas.TimestampOf(now.Add(3 * time.Hour))
	page := getCluster(t, &fakePoller{snapshots: []*poll.Snapshot{succeeded("prod", atlas.Dedicated, job)}}, "prod")
	expectContains(t, page, `title="2026-03-05 15:00:00 UTC">in 3h 0m<`)
}

func TestPage_ShowsAnExpiryThatHasPassedAsAgo(t *testing.T) {
	job := newJob("job-1", atlas.StatusReady, 5*time.Hour)
	job.Expiry = atlas.TimestampOf(now.Add(-3 * time.Hour))
	page := getCluster(t, &fakePoller{snapshots: []*poll.Snapshot{succeeded("prod", atlas.Dedicated, job)}}, "prod")
	expectContains(t, page, `title="2026-03-05 09:00:00 UTC">3h 0m ago<`)
}

func TestPage_ShowsTheRemedyAndTheErrorOfAFailedPoll(t *testing.T) {
	page := getCluster(t, &fakePoller{
		snapshots: []*poll.Snapshot{failed("team", atlas.Dedicated, errFlexCluster)},
	}, "team")
	expectContains(t, page, `<b class="bad">wrong backup type</b>`,
		`<b class="bad">Polls fail (wrong backup type).</b>`, "last success never",
		"Configure backup_types: [flex].", errFlexCluster.Error())
}

func TestPage_MarksDataAsStaleIfPollsKeepFailing(t *testing.T) {
	s := succeeded("prod", atlas.Dedicated, newJob("job-1", atlas.StatusCompleted, time.Hour))
	s.LastSuccess, s.Err, s.Reason = now.Add(-time.Hour), errNoCluster, poll.ReasonNotFound
	expectContains(t, getCluster(t, &fakePoller{snapshots: []*poll.Snapshot{s}}, "prod"),
		"The data below is stale because polls keep failing.", "11:00:00 UTC\">1h 0m ago")
}

func TestPage_ShowsIncompleteData(t *testing.T) {
	s := succeeded("prod", atlas.Dedicated)
	s.Truncated, s.Inconsistent, s.Malformed, s.Summary.Omitted = true, true, 3, 7
	expectContains(t, getCluster(t, &fakePoller{snapshots: []*poll.Snapshot{s}}, "prod"),
		"Older jobs are not shown.", "Malformed jobs that are not shown: 3.",
		"The list contradicts its own total count. Jobs that it doesn&#39;t contain are kept.",
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
	expectContains(t, page, "Discovery of projects<", ">1h 0m ago<", "Discovery of clusters in Payments<",
		"Discovery of clusters<", "Facts about clusters in Payments<", "credential third",
		"last success never", "credential other", "Internal error of the Atlas API.", errNoCluster.Error())
	if strings.Contains(page, "working") {
		t.Error("the page shows a discovery that succeeded")
	}
}

func TestPage_ListsTargetsThatNeedAttentionFirst(t *testing.T) {
	failedRestore := succeeded("c-failed-restore", atlas.Dedicated)
	setEvents(failedRestore, atlas.DeliveryAutomated, history.PurposeInPlace, 0, atlas.TimestampOf(now)-60)
	source := &fakePoller{snapshots: []*poll.Snapshot{
		succeeded("e-good", atlas.Dedicated), failed("d-failing", atlas.Dedicated, errNoCluster), failedRestore,
	}}
	for path, want := range map[string][]string{
		"/":                        {"c-failed-restore", "d-failing"},
		"/?project=" + payments:    {"c-failed-restore", "d-failing", "e-good"},
		"/?status=attention":       {"c-failed-restore", "d-failing"},
		"/?status=failed":          {"c-failed-restore"},
		"/?status=good":            {"e-good"},
		"/?status=unknown+status":  nil,
		"/?team=no-one":            nil,
		"/?project=0123456789abcd": nil,
	} {
		page := serveAtNow(t, &Page{Source: source}, path)
		var got []string
		for _, match := range rowPattern.FindAllStringSubmatch(page, -1) {
			got = append(got, match[1])
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s: %v, want %v", path, got, want)
		}
		if missing := "No target of this exporter matches the filter."; (want == nil) != strings.Contains(page, missing) {
			t.Errorf("%s: %s", path, page)
		}
	}
}

func TestPage_NamesUnknownValuesOfFiltersAndThePossibleOnes(t *testing.T) {
	source := &fakePoller{clusters: map[string]poll.Cluster{}}
	for i := range maxValues + 3 {
		name := fmt.Sprintf("cluster-%02d", i)
		source.snapshots = append(source.snapshots, succeeded(name, atlas.Dedicated))
		source.clusters[name] = poll.Cluster{Team: fmt.Sprintf("<team> %02d", i)}
	}
	for path, want := range map[string]string{
		"/?project=nonsense": `<p>The project <code>nonsense</code> is unknown. Possible values:</p>
<ul><li><a href="./?project=` + payments + `"><code>` + payments + `</code></a> Payments</li></ul>
`,
		"/?status=%3Cscript%3E": `<p>The status <code>&lt;script&gt;</code> is unknown. Possible values:</p>
<ul><li><a href="./?status=attention"><code>attention</code></a> needs attention</li><li>`,
		"/?team=" + strings.Repeat("x", maxValueLength+1): `<p>The team <code>` + strings.Repeat("x", maxValueLength) +
			`…</code> is unknown. Possible values:</p>
<ul><li><a href="./?team=%3Cteam%3E&#43;00"><code>&lt;team&gt; 00</code></a></li><li>`,
		"/?team=x": `<code>&lt;team&gt; 19</code></a></li><li>3 more</li></ul>
`,
	} {
		page := getPage(t, source, path)
		expectContains(t, page, "<h2>Unknown filter</h2>\n",
			`<p>No target of this exporter matches the filter. <a href="./">Show all clusters.</a></p>`, want)
		expectNotContains(t, page, "0 targets", "<script>")
	}
	page := getPage(t, source, "/?project="+payments+"&status=failed")
	expectContains(t, page, "<h2>Payments, restore failed: 0 targets</h2>",
		"No target of this exporter matches the filter.")
	expectNotContains(t, page, "is unknown")
	page = getPage(t, &fakePoller{}, "/?team=x&status=nonsense")
	expectContains(t, page, "<p>The team <code>x</code> is unknown: no target has a team.</p>",
		"<p>The status <code>nonsense</code> is unknown. Possible values:</p>")
}

// rowPattern matches the rows of a list of targets.
var rowPattern = regexp.MustCompile(`<tr id="[^"]*"><th scope="row" data-label="Cluster"><a href="[^"]*">([^<]*)</a>`)

func TestPage_CountsTargets(t *testing.T) {
	page := getPageAtNow(t, &fakePoller{snapshots: []*poll.Snapshot{
		succeeded("prod", atlas.Dedicated,
			newJob("a", atlas.StatusPending, time.Hour), newJob("b", atlas.StatusInProgress, time.Hour)),
		succeeded("team", atlas.Flex, newJob("c", atlas.StatusReady, time.Hour)),
		failed("old", atlas.Dedicated, errNoCluster),
	}})
	expectContains(t, page,
		`<a href="./"><b class="">3</b><span class="dim">targets</span></a>`,
		`<a href="./?status=poll_failed"><b class="bad">1</b><span class="dim">failing targets</span></a>`,
		`<a href="./?status=in_progress"><b class="busy">1</b><span class="dim">restores in progress</span></a>`,
		`<b class="warn">1</b><span class="dim">ready downloads</span>`,
		`<a href="./?status=failed"><b class="">0</b><span class="dim">last restore failed</span></a>`,
		"<title>(1) Atlas restores</title>")
}

// newLargeFleet returns a poller with more targets and failed discoveries than a page shows.
func newLargeFleet() *fakePoller {
	poller := &fakePoller{}
	for i := range maxRows + 5 {
		poller.snapshots = append(poller.snapshots, failed(fmt.Sprint("cluster-", i), atlas.Dedicated, errNoCluster))
	}
	for range maxDiscoveries + 5 {
		poller.discoveries = append(poller.discoveries, poll.DiscoveryStatus{Err: errNoCluster, Reason: poll.ReasonOther})
	}
	return poller
}

func TestPage_LimitsTargetsAndDiscoveries(t *testing.T) {
	rows := func(page string) int { return len(rowPattern.FindAllString(page, -1)) }
	page := getPage(t, newLargeFleet(), "/")
	expectContains(t, page, `<a href="./?status=attention">155 more targets need attention.</a>`)
	if n := strings.Count(page, `<section class="target">`); n != maxDiscoveries || rows(page) != maxAttention {
		t.Errorf("%d discoveries and %d targets, want %d and %d", n, rows(page), maxDiscoveries, maxAttention)
	}
	list := "/?project=" + payments
	page = getPage(t, newLargeFleet(), list)
	expectContains(t, page, "<h2>Payments: 205 targets</h2>", `<a href=".`+list+`&amp;page=2">Next page</a>`)
	expectNotContains(t, page, "Previous page")
	if rows(page) != maxRows {
		t.Errorf("%d targets, want %d", rows(page), maxRows)
	}
	for _, last := range []string{"2", "3", "99999999"} {
		page = getPage(t, newLargeFleet(), list+"&page="+last)
		expectContains(t, page, `<a href=".`+list+`">Previous page</a>`, "cluster-204")
		if expectNotContains(t, page, "Next page"); rows(page) != 5 {
			t.Errorf("%d targets, want 5", rows(page))
		}
	}
}

func TestPage_ShowsHowManyJobsItShows(t *testing.T) {
	s := succeeded("prod", atlas.Dedicated, newJob("new", atlas.StatusCompleted, time.Hour))
	s.Summary.Known = 32
	s.Summary.Series = []history.JobState{
		newJob("new", atlas.StatusCompleted, time.Hour), newJob("old", atlas.StatusCompleted, 9*time.Hour),
	}
	source := &fakePoller{snapshots: []*poll.Snapshot{s}}
	page := getPage(t, source, clusterPath("prod"))
	expectContains(t, page, `<caption>1 of 32 jobs. <a href=".`+html.EscapeString(clusterPath("prod"))+
		`&amp;all#prod-dedicated">Show all jobs that have series.</a></caption>`)
	page = getPage(t, source, clusterPath("prod")+"&all")
	expectContains(t, page, "<caption>2 of 32 jobs</caption>", "<code>old</code>", "<code>new</code>")
}

func TestPage_RefreshCanBePaused(t *testing.T) {
	source := newLargeFleet()
	page := getPage(t, source, "/?status=attention")
	expectContains(t, page, `<a href="./?status=attention&amp;refresh=off">Pause</a>`)
	page = getPage(t, source, "/?status=attention&refresh=off")
	expectContains(t, page, `<a href="./?status=attention">Resume</a>`, `page=2&amp;refresh=off">Next page`)
	for path, want := range map[string]string{"/": "30", "/?refresh=off": ""} {
		recorder := httptest.NewRecorder()
		request := httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, http.NoBody)
		(&Page{Source: source}).ServeHTTP(recorder, request)
		if got := recorder.Header().Get("Refresh"); got != want {
			t.Errorf("%s: refresh after %q seconds, want %q", path, got, want)
		}
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
