package status

import (
	"html"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"atlas-restore-exporter/atlas"
	"atlas-restore-exporter/collector/history"
	"atlas-restore-exporter/collector/poll"
)

// newClusters returns a poller with two targets of the cluster prod, and the cluster team.
func newClusters() *fakePoller {
	return &fakePoller{
		snapshots: []*poll.Snapshot{
			succeeded("prod", atlas.Dedicated), succeeded("team", atlas.Flex), succeeded("prod", atlas.Collection),
		},
		discoveries: []poll.DiscoveryStatus{
			{Credential: "default", ProjectID: payments, Err: errNoCluster, Reason: poll.ReasonNotFound},
			{Credential: "default", ProjectID: "elsewhere", Err: errNoCluster, Reason: poll.ReasonNotFound},
		},
	}
}

func TestPage_OfAClusterShowsAllItsTargetsAndNoOthers(t *testing.T) {
	code, page := serve(t, &Page{Source: newClusters()}, "/?project="+payments+"&cluster=prod")
	if code != http.StatusOK {
		t.Errorf("status code %d, want 200", code)
	}
	expectContains(t, page, "<span>dedicated</span>", "<span>collection</span>",
		`<b class="">2</b><span class="dim">targets`, `<a href="./">all clusters</a>`, "Discovery of clusters in Payments")
	expectNotContains(t, page, "<span>flex</span>", "elsewhere", "This exporter has no targets of this cluster.")
}

func TestPage_OfAnUnknownClusterIsNotFound(t *testing.T) {
	for _, query := range []string{
		"project=" + payments + "&cluster=PROD", "project=elsewhere&cluster=prod", "cluster=prod",
		"project=&cluster=%00%3Cscript%3E",
	} {
		code, page := serve(t, &Page{Source: newClusters()}, "/?"+query)
		if code != http.StatusNotFound {
			t.Errorf("%s: status code %d, want 404", query, code)
		}
		expectContains(t, page, "This exporter has no targets of this cluster.", `<a href="./">Show all clusters.</a>`)
		expectNotContains(t, page, "<h3><a", "script")
	}
}

func TestPage_WithoutAClusterShowsAllClusters(t *testing.T) {
	for _, query := range []string{"", "?project=" + payments, "?cluster=", "?all"} {
		code, page := serve(t, &Page{Source: newClusters()}, "/"+query)
		if n := strings.Count(page, "<h3><a"); code != http.StatusOK || n != 3 {
			t.Errorf("%q: status code %d, %d targets, want 200 and 3", query, code, n)
		}
	}
}

func TestPage_LinksAreRelativeWithoutAnExternalURL(t *testing.T) {
	page := getPage(t, newLargeFleet(), "/")
	expectContains(t, page, `href="./metrics"`, `href="./?all"`,
		`<h3><a href="./?project=`+payments+`&amp;cluster=cluster-0">cluster-0</a></h3>`)
	expectNotContains(t, page, `href="/`, "http:", "https:")
}

func TestPage_LinksAreBelowTheExternalURL(t *testing.T) {
	const base = "https://tools.example/restores"
	_, page := serve(t, &Page{Source: newLargeFleet(), ExternalURL: base}, "/")
	expectContains(t, page, `href="`+base+`/metrics"`, `href="`+base+`/?all"`,
		`href="`+base+`/?project=`+payments+`&amp;cluster=cluster-0"`)
	_, page = serve(t, &Page{Source: newClusters(), ExternalURL: base}, "/?project=x&cluster=y")
	expectContains(t, page, `<a href="`+base+`/">all clusters</a>`, `<a href="`+base+`/">Show all clusters.</a>`)
	expectNotContains(t, page, `href="/`, `href="./`)
}

func TestPage_LinksOfOddNamesLeadToTheirClusters(t *testing.T) {
	for _, name := range []string{
		`a b&c=d?e#f"g'<h>`, "100%", "+", "ä/..//x", "javascript:alert(1)", strings.Repeat("long", 32),
	} {
		source := &fakePoller{snapshots: []*poll.Snapshot{succeeded("prod", atlas.Dedicated), succeeded(name, atlas.Flex)}}
		_, after, _ := strings.Cut(getPage(t, source, "/"), `<h3><a href="./?project=`+payments+`&amp;cluster=`)
		_, after, _ = strings.Cut(after, `<h3><a href=".`) // of the second target
		link, _, _ := strings.Cut(after, `"`)
		page := getPage(t, source, html.UnescapeString(link))
		expectNotContains(t, page, "<h>")
		expectContains(t, html.UnescapeString(page), ">"+name+"</a></h3>", `<b class="">1</b><span class="dim">targets`)
	}
}

func TestPage_ShowsTheFactsAboutAClusterThatNeedAttention(t *testing.T) {
	yes, no := true, false
	const removed = "The cluster does not exist: the last list of clusters doesn&#39;t contain it."
	const off = "Cloud backup of the cluster is off."
	source := &fakePoller{
		snapshots: []*poll.Snapshot{
			succeeded("good", atlas.Dedicated), succeeded("unknown", atlas.Dedicated), succeeded("off", atlas.Dedicated),
			succeeded("removed", atlas.Dedicated),
		},
		clusters: map[string]poll.Cluster{
			"good": {Team: "checkout & <co>", Environment: "prod", Exists: &yes, BackupEnabled: &yes},
			"off":  {Exists: &yes, BackupEnabled: &no}, "removed": {Exists: &no},
		},
	}
	page := getPage(t, source, "/")
	expectContains(t, page, "team checkout &amp; &lt;co&gt;", "environment prod")
	order := []int{
		strings.Index(page, ">off</a>"), strings.Index(page, off), strings.Index(page, ">removed</a>"),
		strings.Index(page, removed), strings.Index(page, ">good</a>"), strings.Index(page, ">unknown</a>"),
	}
	if order[0] < 0 || !slices.IsSorted(order) {
		t.Errorf("order %v in\n%s", order, page)
	}
	if strings.Count(page, off) != 1 || strings.Count(page, removed) != 1 || strings.Count(page, ">team ") != 1 {
		t.Errorf("facts of other clusters in\n%s", page)
	}
}

func TestPage_ShowsThePurposeAndTheTargetOfAJob(t *testing.T) {
	automated := func(id string, purpose history.Purpose) history.JobState {
		job := newJob(id, atlas.StatusCompleted, time.Hour)
		job.DeliveryType, job.Purpose = atlas.DeliveryAutomated, purpose
		job.TargetProjectID, job.TargetClusterName = payments, "x"
		return job
	}
	inPlace, drill := automated("1", history.PurposeInPlace), automated("2", history.PurposeDrill)
	copied := automated("3", history.PurposeOther)
	copied.TargetProjectID, copied.Unexpected = "elsewhere", true
	download := newJob("4", atlas.StatusExpired, time.Hour)
	download.DeliveryType = atlas.DeliveryDownload
	indexes := automated("5", history.PurposeInPlace)
	indexes.Indexes = atlas.IndexesFailed
	page := getPage(t, &fakePoller{snapshots: []*poll.Snapshot{
		succeeded("prod", atlas.Dedicated, inPlace, drill, copied, download, indexes),
	}}, "/")
	expectContains(t, page,
		`data-label="Purpose">in place<`, `data-label="Purpose">drill<`, `data-label="Purpose">other<`,
		`data-label="Purpose"><`, `data-label="Into">x</td>`,
		`data-label="Into">x in project elsewhere <b class="bad">not allowed</b></td>`,
		`<b class="bad">completed, indexes failed</b>`)
}

func TestLastRestoreFailed_ConsidersEachDeliveryTypeAndPurpose(t *testing.T) {
	for _, test := range []struct {
		name             string
		success, failure atlas.Timestamp
		want             bool
	}{
		{"no restore", 0, 0, false},
		{"only a failure", 0, 5, true},
		{"a failure after a success", 4, 5, true},
		{"a success after a failure", 6, 5, false},
	} {
		s := succeeded("prod", atlas.Dedicated)
		setEvents(s, atlas.DeliveryAutomated, history.PurposeDrill, 9, 8) // a drill that succeeded changes nothing
		setEvents(s, atlas.DeliveryAutomated, history.PurposeInPlace, test.success, test.failure)
		if got := lastRestoreFailed(s.Summary); got != test.want {
			t.Errorf("%s: %t, want %t", test.name, got, test.want)
		}
	}
	if lastRestoreFailed(nil) {
		t.Error("a target without a summary has a failed restore")
	}
}

func TestPage_ShowsTheLastDrillOfATarget(t *testing.T) {
	drills := []history.RestoreTarget{{ProjectID: payments}}
	for _, test := range []struct {
		name       string
		backupType atlas.BackupType
		targets    []history.RestoreTarget
		want       string
	}{
		{"to a drill target", atlas.Dedicated, drills, "last drill: 2h 0m ago"},
		{"to any target if none are configured", atlas.Flex, nil, "last drill: 1h 0m ago"},
		{"never of collections", atlas.Collection, nil, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := succeeded("prod", test.backupType, newJob("1", atlas.StatusCompleted, time.Hour))
			s.Target.Policy.DrillTargets = test.targets
			at := func(ago time.Duration) atlas.Timestamp { return atlas.TimestampOf(now.Add(-ago)) }
			setEvents(s, atlas.DeliveryAutomated, history.PurposeDrill, at(2*time.Hour), at(time.Minute))
			setEvents(s, atlas.DeliveryPointInTime, history.PurposeInPlace, at(time.Hour), 0)
			setEvents(s, atlas.DeliveryDownload, history.PurposeOther, at(time.Minute), 0)
			_, after, found := strings.Cut(getPageAtNow(t, &fakePoller{snapshots: []*poll.Snapshot{s}}), "<span>last drill")
			drill, _, _ := strings.Cut(after, "<")
			if found != (test.want != "") || (found && "last drill"+drill != test.want) {
				t.Errorf("last drill %q (%t), want %q", drill, found, test.want)
			}
		})
	}
}
