package report

import (
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"atlas-restore-exporter/atlas"
	"atlas-restore-exporter/atlas/atlastest"
	"atlas-restore-exporter/internal/config"
	"atlas-restore-exporter/internal/testutil"
)

// recordedJobs are the recorded responses for restore jobs, or errors in their place, with the backup type whose list
// they replace.
var recordedJobs = map[string]struct {
	backupType atlas.BackupType
	at         time.Time // of the report; if zero, recordedAt
	isJob      bool      // the recording is a single job, and is served in a list
	usesAPIKey bool
	status     int // if not 0, the status code, which was not recorded
}{
	"dedicated-get-automated-in-progress": {backupType: atlas.Dedicated, isJob: true},
	"dedicated-get-download-ready": {
		backupType: atlas.Dedicated, isJob: true, at: time.Date(2026, 8, 10, 3, 45, 0, 0, time.UTC),
	},
	"dedicated-list-one-finished-automated": {backupType: atlas.Dedicated},
	"flex-list-page1-of-22":                 {backupType: atlas.Flex},
	"flex-get-running":                      {backupType: atlas.Flex, isJob: true},
	"docsample-collection-restore-job":      {backupType: atlas.Collection, isJob: true},
	"docsample-v1-legacy-1":                 {backupType: atlas.Legacy, at: time.Date(2018, 2, 1, 0, 0, 0, 0, time.UTC)},
	"docsample-429-token-bucket":            {backupType: atlas.Dedicated, status: http.StatusTooManyRequests},
	"docsample-oauth-401":                   {backupType: atlas.Dedicated, status: http.StatusUnauthorized},
	"error-400-cluster-api-on-flex":         {backupType: atlas.Dedicated},
	"error-400-flex-api-on-dedicated-list":  {backupType: atlas.Flex},
	"error-401-digest-challenge":            {backupType: atlas.Dedicated, usesAPIKey: true},
	"error-404-cluster-not-found":           {backupType: atlas.Dedicated},
	"error-500-unexpected":                  {backupType: atlas.Dedicated},
}

// recordedAt is when most responses were recorded.
var recordedAt = time.Date(2026, 8, 10, 12, 0, 0, 0, time.UTC)

func TestReport_OfRecordedResponses(t *testing.T) {
	for name, recorded := range recordedJobs {
		t.Run(name, func(t *testing.T) {
			response := testutil.ReadRecording(t, name)
			if recorded.isJob {
				response = response.AsList(t)
			}
			if recorded.status != 0 {
				response.Status = recorded.status
			}
			synctest.Test(t, func(t *testing.T) {
				at := recordedAt
				if !recorded.at.IsZero() {
					at = recorded.at
				}
				w := newWorld(t, at)
				w.sim.AddAPIKey("id", "secret")
				w.sim.AddProject(payments, "Payments")
				w.addCluster(payments, "c", kindOfCluster(recorded.backupType), at.AddDate(-1, 0, 0))
				match := atlastest.PathHas("estoreJobs")
				if strings.Contains(name, "oauth") {
					match = atlastest.TokenRequests
				}
				w.sim.Script(match, 0, onlyPage(response))
				credential := "service_account: {client_id: id, client_secret: secret}"
				if recorded.usesAPIKey {
					credential = "api_key: {public_key: id, private_key: secret}"
				}
				cfg, err := config.Parse("config.yaml", []byte("atlas: {base_url: http://atlas.test}\n"+
					"credentials: {default: {"+credential+"}}\n"+
					"objectives: {duration: 5m, drill_age: 30d, recovery_point_age: 1d}\n"+
					"projects: [{id: "+payments+", clusters: [{name: c, backup_types: ["+string(recorded.backupType)+"]}]}]"))
				if err != nil {
					t.Fatal(err)
				}
				period, err := ParsePeriod(at.AddDate(0, -1, 0).Format(time.DateOnly), "2999-01-01", at)
				if err != nil {
					t.Fatal(err)
				}
				equalGolden(t, "recorded/"+name, w.mustGenerate(cfg, Options{Period: period}))
			})
		})
	}
}

// kindOfCluster returns the kind of a cluster with a backup type.
func kindOfCluster(backupType atlas.BackupType) atlastest.ClusterKind {
	switch backupType {
	case atlas.Flex:
		return atlastest.FlexCluster
	case atlas.Legacy:
		return atlastest.LegacyCluster
	default:
		return atlastest.DedicatedCluster
	}
}

// onlyPage serves a recording as the only page of a list.
func onlyPage(recording testutil.Recording) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if page := r.URL.Query().Get("pageNum"); recording.Status == http.StatusOK && page != "1" {
			_, _ = io.WriteString(w, `{"results":[]}`)
			return
		}
		recording.ServeHTTP(w, r)
	})
}

// recordedDiscovery are the recorded lists of projects and clusters.
var recordedDiscovery = []string{"discovery-list-groups", "discovery-list-clusters", "discovery-list-flexclusters"}

func TestReport_OfRecordedDiscovery(t *testing.T) {
	recordings := map[string]testutil.Recording{}
	for _, name := range recordedDiscovery {
		recordings[name] = testutil.ReadRecording(t, name)
	}
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, recordedAt)
		const project = "b0123456789abcdef012345b" // of the recorded Flex clusters
		path := func(path string) func(*http.Request) bool {
			return func(r *http.Request) bool { return r.URL.Path == "/api/atlas/v2/groups"+path }
		}
		empty := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, `{"results":[],"totalCount":0}`)
		})
		w.sim.Script(path(""), 0, onlyPage(recordings["discovery-list-groups"]))
		w.sim.Script(path("/"+project+"/clusters"), 0, onlyPage(recordings["discovery-list-clusters"]))
		w.sim.Script(path("/"+project+"/flexClusters"), 0, onlyPage(recordings["discovery-list-flexclusters"]))
		w.sim.Script(atlastest.PathHas("lusters"), 0, empty)
		period, err := ParsePeriod("2026-07-10", "2999-01-01", recordedAt)
		if err != nil {
			t.Fatal(err)
		}
		report := w.mustGenerate(w.config("projects: [{discovery: {exclude: '^a'}}]"), Options{Period: period})
		equalGolden(t, "recorded/discovery", report)
	})
}

// TestRecordings_AreAllReported checks that there is a golden report for each recording.
func TestRecordings_AreAllReported(t *testing.T) {
	for _, name := range testutil.Recordings(t) {
		if _, ok := recordedJobs[name]; !ok && !slices.Contains(recordedDiscovery, name) {
			t.Errorf("there is no report about %s", name)
		}
	}
}
