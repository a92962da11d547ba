package server_test

import (
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"atlas-restore-exporter/atlas"
	"atlas-restore-exporter/atlas/atlastest"
	"atlas-restore-exporter/collector/poll"
	"atlas-restore-exporter/internal/config"
	"atlas-restore-exporter/internal/server"
	"atlas-restore-exporter/internal/testutil"
)

// recordedAt is the time of the recordings, at which they are replayed.
var recordedAt = time.Date(2026, 8, 10, 3, 45, 0, 0, time.UTC)

// A replay serves one recorded response to an exporter that polls one target once. Its golden file contains the metrics
// of the target.
type replay struct {
	recording  string
	backupType atlas.BackupType

	golden     string    // name of the golden file; if empty, that of the recording
	at         time.Time // if zero, recordedAt
	isJob      bool      // the recording is a single job, and is replayed in a list
	isToken    bool      // the recording is the response of the token endpoint
	usesAPIKey bool
	statusCode int    // if not 0, replaces the recorded one
	retryAfter string // if not empty, the Retry-After header
}

func (r replay) goldenFile() string {
	name := r.golden
	if name == "" {
		name = r.recording
	}
	return filepath.Join("testdata", "replay", name+".prom")
}

var replays = []replay{
	{recording: "dedicated-list-one-finished-automated", backupType: atlas.Dedicated},
	{recording: "dedicated-get-automated-in-progress", backupType: atlas.Dedicated, isJob: true},
	{recording: "dedicated-get-download-ready", backupType: atlas.Dedicated, isJob: true},
	{
		golden:    "dedicated-get-download-ready-an-hour-later",
		recording: "dedicated-get-download-ready", backupType: atlas.Dedicated, isJob: true, at: recordedAt.Add(time.Hour),
	},
	{recording: "flex-list-page1-of-22", backupType: atlas.Flex},
	{recording: "flex-get-running", backupType: atlas.Flex, isJob: true},
	{recording: "docsample-collection-restore-job", backupType: atlas.Collection, isJob: true},
	{
		recording: "docsample-v1-legacy-1", backupType: atlas.Legacy,
		at: time.Date(2018, 1, 23, 0, 0, 0, 0, time.UTC),
	},
	{recording: "error-400-cluster-api-on-flex", backupType: atlas.Dedicated},
	{recording: "error-400-flex-api-on-dedicated-list", backupType: atlas.Flex},
	{recording: "error-401-digest-challenge", backupType: atlas.Dedicated, usesAPIKey: true},
	{recording: "error-404-cluster-not-found", backupType: atlas.Dedicated},
	{recording: "error-500-unexpected", backupType: atlas.Dedicated},
	{
		// The text of the response states the 55 seconds.
		recording: "docsample-429-token-bucket", backupType: atlas.Dedicated,
		statusCode: http.StatusTooManyRequests, retryAfter: "55",
	},
	{
		recording: "docsample-oauth-401", backupType: atlas.Dedicated, isToken: true,
		statusCode: http.StatusUnauthorized,
	},
}

func TestRecordedResponses_BecomeTheMetricsOfTheGoldenFiles(t *testing.T) {
	for _, r := range replays {
		t.Run(strings.TrimSuffix(filepath.Base(r.goldenFile()), ".prom"), func(t *testing.T) {
			response := r.response(t)
			synctest.Test(t, func(t *testing.T) {
				at := r.at
				if at.IsZero() {
					at = recordedAt
				}
				time.Sleep(time.Until(at))
				testutil.EqualGolden(t, r.goldenFile(), r.pollOnce(t, response))
			})
		})
	}
}

// response returns the recording as it is replayed.
func (r replay) response(t *testing.T) testutil.Recording {
	t.Helper()
	response := testutil.ReadRecording(t, r.recording)
	if r.isJob {
		response = response.AsList(t)
	}
	if r.statusCode != 0 {
		response.Status = r.statusCode
	}
	if r.retryAfter != "" {
		response.Header.Set("Retry-After", r.retryAfter)
	}
	return response
}

// pollOnce lets an exporter poll a simulated Atlas API with a recorded response, and returns the metrics of its target.
func (r replay) pollOnce(t *testing.T, response testutil.Recording) (metrics string) {
	t.Helper()
	sim := atlastest.New()
	sim.AddServiceAccount("id", "secret")
	match := atlastest.PathHas("estoreJobs")
	if r.isToken {
		match = atlastest.TokenRequests
	}
	sim.Script(match, 0, http.HandlerFunc(func(w http.ResponseWriter, request *http.Request) {
		if page := request.URL.Query().Get("pageNum"); response.Status == http.StatusOK && page != "1" {
			_, _ = io.WriteString(w, `{"results":[]}`) // only one page was recorded
			return
		}
		response.ServeHTTP(w, request)
	}))
	pipe := atlastest.NewPipe(sim)
	defer pipe.Close()
	exporter, err := server.New(r.config(t), server.Options{
		Logger: slog.New(slog.DiscardHandler), DialContext: pipe.DialContext,
	})
	if err != nil {
		t.Fatal(err)
	}
	defer exporter.Close()
	exporter.Manager().PollOnce(t.Context(), func(*poll.Snapshot) {})
	return targetMetrics(t, exporter)
}

func (r replay) config(t *testing.T) *config.Config {
	t.Helper()
	credential := "service_account: {client_id: id, client_secret: secret}"
	if r.usesAPIKey {
		credential = "api_key: {public_key: id, private_key: secret}"
	}
	cfg, err := config.Parse("test", fmt.Appendf(nil, `
atlas: {base_url: http://localhost}
credentials: {default: {%s}}
projects: [{id: 32b6e34b3d91647abb20e7b8, clusters: [{name: c, backup_types: [%s]}]}]
`, credential, r.backupType))
	if err != nil {
		t.Fatal(err)
	}
	return cfg
}

// targetMetrics scrapes the exporter, and returns the series of targets and jobs.
func targetMetrics(t *testing.T, exporter *server.Exporter) string {
	t.Helper()
	response := httptest.NewRecorder()
	request := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/metrics", http.NoBody)
	exporter.Handler(nil).ServeHTTP(response, request)
	if response.Code != http.StatusOK {
		t.Fatalf("status %d: %s", response.Code, response.Body)
	}
	var metrics strings.Builder
	for line := range strings.Lines(response.Body.String()) {
		isOwn := strings.HasPrefix(line, "mongodbatlas_restore_exporter_")
		if strings.HasPrefix(line, "mongodbatlas_restore_") && !isOwn {
			metrics.WriteString(line)
		}
	}
	return metrics.String()
}
