package status

import (
	"html"
	"net/http"
	"regexp"
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
	expectContains(t, page, "<h3>dedicated</h3>", "<h3>collection</h3>", "<h2>prod ",
		`<a href="./?project=`+payments+`">Payments</a>`, "Discovery of clusters in Payments")
	expectNotContains(t, page, "<h3>flex</h3>", "elsewhere", "This exporter has no targets of this cluster.")
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
		expectNotContains(t, page, "<h3>", "<script")
	}
}

func TestPage_LinksAreRelativeWithoutAnExternalURL(t *testing.T) {
	page := getPage(t, newLargeFleet(), "/")
	expectContains(t, page, `href="./metrics"`, `href="./-/ready"`,
		`href="./runbooks/atlasrestorecannotpoll?project=`+payments+`&amp;cluster=cluster-0"`,
		`<a href=".`+html.EscapeString(clusterPath("cluster-0"))+`">cluster-0</a>`)
	expectNotContains(t, page, `href="/`, "https:")
}

func TestPage_LinksAreBelowTheExternalURL(t *testing.T) {
	const base = "https://tools.example/restores"
	_, page := serve(t, &Page{Source: newLargeFleet(), ExternalURL: base}, "/")
	expectContains(t, page, `href="`+base+`/metrics"`, `href="`+base+`/?status=attention"`, `action="`+base+`/"`,
		`href="`+base+html.EscapeString(clusterPath("cluster-0"))+`"`)
	_, page = serve(t, &Page{Source: newClusters(), ExternalURL: base}, "/?project=x&cluster=y")
	expectContains(t, page, `<a href="`+base+`/">Show all clusters.</a>`)
	expectNotContains(t, page, `href="/`, `href="./`)
}

func TestPage_LinksToAtlas(t *testing.T) {
	page := &Page{Source: newClusters(), AtlasURL: func() string { return "https://cloud.mongodb.com" }}
	_, text := serve(t, page, clusterPath("prod"))
	expectContains(t, text,
		`<a href="https://cloud.mongodb.com/v2/`+payments+`#/clusters/backup/prod">Backups in Atlas</a>`,
		`<a href="https://cloud.mongodb.com/v2/`+payments+`#/clusters/detail/prod">Cluster in Atlas</a>`)
	page.Demo = true
	_, text = serve(t, page, clusterPath("prod"))
	expectNotContains(t, text, "cloud.mongodb.com")
	expectContains(t, text, "This is the demo")
}

func TestPage_LinksOfOddNamesLeadToTheirClusters(t *testing.T) {
	for _, name := range []string{
		`a b&c=d?e#f"g'<h>`, "100%", "+", "ä/..//x", "javascript:alert(1)", strings.Repeat("long", 32),
	} {
		source := &fakePoller{snapshots: []*poll.Snapshot{succeeded("prod", atlas.Dedicated), succeeded(name, atlas.Flex)}}
		links := regexp.MustCompile(`data-label="Cluster"><a href="\.([^"]*)`).
			FindAllStringSubmatch(getPage(t, source, "/?status=good"), -1)
		if len(links) != 2 {
			t.Fatalf("%s: links %v", name, links)
		}
		page := getPage(t, source, html.UnescapeString(links[1][1]))
		expectNotContains(t, page, "<h>")
		expectContains(t, html.UnescapeString(page), "<h2>"+name+" <span", "<h3>flex</h3>")
	}
}

func TestPage_ListsProjectsAndRunningRestores(t *testing.T) {
	running := succeeded("prod", atlas.Dedicated, newJob("1", atlas.StatusInProgress, 9*time.Hour))
	oldest := newJob("1", atlas.StatusInProgress, 9*time.Hour)
	running.Summary.OldestActive[0][0] = &oldest
	page := getPageAtNow(t, &fakePoller{snapshots: []*poll.Snapshot{running, succeeded("prod", atlas.Collection)}})
	expectContains(t, page, `data-label="Longest for">9h 0m</td>`,
		`<a href="./?project=`+payments+`">Payments</a></th><td data-label="Attention" class="">0</td>`+
			`<td data-label="Clusters">1</td><td data-label="Targets">2</td>`, "<title>Atlas restores</title>")
}

func TestPage_ShowsTheFactsAboutACluster(t *testing.T) {
	yes, no := true, false
	source := &fakePoller{
		snapshots: []*poll.Snapshot{
			succeeded("good", atlas.Dedicated), succeeded("off", atlas.Dedicated), succeeded("removed", atlas.Dedicated),
		},
		clusters: map[string]poll.Cluster{
			"good": {Team: "checkout & <co>", Environment: "prod", Exists: &yes, BackupEnabled: &yes},
			"off":  {Exists: &yes, BackupEnabled: &no}, "removed": {Exists: &no},
		},
	}
	const removed = "The cluster does not exist: the last list of clusters doesn&#39;t contain it."
	const off = "Cloud backup of the cluster is off."
	page := getPage(t, source, clusterPath("good"))
	expectContains(t, page, "team checkout &amp; &lt;co&gt;", "environment prod")
	expectNotContains(t, page, off, removed)
	expectContains(t, getPage(t, source, clusterPath("off")), off)
	expectContains(t, getPage(t, source, clusterPath("removed")), removed)
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
	}}, clusterPath("prod"))
	expectContains(t, page,
		`data-label="Purpose">in place<`, `data-label="Purpose">drill<`, `data-label="Purpose">other<`,
		`data-label="Purpose"><`, `data-label="Into">x</td>`,
		`data-label="Into">x in project elsewhere <b class="bad">not allowed</b></td>`,
		`<b class="bad">completed, indexes failed</b>`)
}

func TestPage_ShowsTheLastDrillOfATarget(t *testing.T) {
	drills := []history.RestoreTarget{{ProjectID: payments}}
	for _, test := range []struct {
		name       string
		backupType atlas.BackupType
		targets    []history.RestoreTarget
		want       string
	}{
		{"to a drill target", atlas.Dedicated, drills, "2h 0m ago"},
		{"to any target if none are configured", atlas.Flex, nil, "1h 0m ago"},
		{"never of collections", atlas.Collection, nil, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := succeeded("prod", test.backupType, newJob("1", atlas.StatusCompleted, time.Hour))
			s.Target.Policy.DrillTargets = test.targets
			at := func(ago time.Duration) atlas.Timestamp { return atlas.TimestampOf(now.Add(-ago)) }
			setEvents(s, atlas.DeliveryAutomated, history.PurposeDrill, at(2*time.Hour), at(time.Minute))
			setEvents(s, atlas.DeliveryPointInTime, history.PurposeInPlace, at(time.Hour), 0)
			setEvents(s, atlas.DeliveryDownload, history.PurposeOther, at(time.Minute), 0)
			match := regexp.MustCompile(`<span>last drill <time [^>]*>([^<]*)</time>`).
				FindStringSubmatch(getCluster(t, &fakePoller{snapshots: []*poll.Snapshot{s}}, "prod"))
			if got := append(match, "", "")[1]; got != test.want {
				t.Errorf("last drill %q, want %q", got, test.want)
			}
		})
	}
}
