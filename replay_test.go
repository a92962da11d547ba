package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"atlas-restore-exporter/atlas"
	"atlas-restore-exporter/atlas/atlastest"
	"atlas-restore-exporter/collector"
	"atlas-restore-exporter/internal/golden"
)

// contractDir returns the folder of the official API description and of recorded answers, which are other people's and
// no part of this project.
func contractDir(t *testing.T) string {
	t.Helper()
	dir := os.Getenv("ATLAS_CONTRACT_DIR")
	if dir == "" {
		t.Skip("ATLAS_CONTRACT_DIR is not set: it names a folder with captured/, recorded answers of Atlas")
	}
	return dir
}

// TestContract runs the tests of the module that holds the simulator, and the client's requests, to the official
// description: a module of its own, because its validator is heavy and nothing else needs it.
func TestContract(t *testing.T) {
	contractDir(t)
	said, err := exec.CommandContext(t.Context(), "go", "test", "-C", "atlas/atlastest/contract", "-count=1", "-v", "./...").CombinedOutput()
	if err != nil || !strings.Contains(string(said), "--- PASS: TestContract") {
		t.Errorf("%v\n%s", err, said)
	}
}

// recording is a recorded answer.
type recording struct {
	status int
	header http.Header
	body   []byte
}

// load reads a recording. Samples from the documentation have no headers.
func load(t *testing.T, name string) recording {
	t.Helper()
	base := filepath.Join(contractDir(t), "captured", name)
	body, err := os.ReadFile(base + ".json")
	if err != nil {
		t.Fatal(err)
	}
	r := recording{http.StatusOK, http.Header{"Content-Type": {"application/json"}}, bytes.TrimSuffix(body, []byte("\n"))}
	head, err := os.ReadFile(base + ".headers.txt")
	if err != nil {
		return r
	}
	for i, line := range strings.Split(strings.TrimSpace(string(head)), "\n") {
		if i == 0 {
			if r.status, err = strconv.Atoi(strings.Fields(line)[1]); err != nil {
				t.Fatal(err)
			}
		} else if key, value, _ := strings.Cut(line, ": "); key != "Content-Length" && key != "Connection" {
			r.header.Set(key, value)
		}
	}
	return r
}

// page puts a single job into a list of one.
func (r recording) page(t *testing.T) recording {
	t.Helper()
	body, err := json.Marshal(map[string]any{"results": []json.RawMessage{r.body}, "totalCount": 1, "links": []any{}})
	if err != nil {
		t.Fatal(err)
	}
	r.body = body
	return r
}

func (r recording) as(status int) recording { r.status = status; return r }

func (r recording) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	maps.Copy(w.Header(), r.header)
	w.WriteHeader(r.status)
	_, _ = w.Write(r.body)
}

// TestReplay takes recorded answers through the whole walk, from HTTP to /metrics, at the time of their recording.
func TestReplay(t *testing.T) {
	contractDir(t)
	recorded := time.Date(2026, 8, 10, 3, 45, 0, 0, time.UTC)
	for _, test := range []struct {
		name       string
		backupType atlas.BackupType
		at         time.Time
		answer     func(t *testing.T) recording
		token      bool // the answer is the token endpoint's
		apiKey     bool
	}{
		{name: "dedicated-list-one-finished-automated", backupType: atlas.Dedicated},
		{name: "dedicated-get-automated-in-progress", backupType: atlas.Dedicated, answer: inPage("dedicated-get-automated-in-progress")},
		{name: "dedicated-get-download-ready", backupType: atlas.Dedicated, answer: inPage("dedicated-get-download-ready")},
		{name: "dedicated-get-download-ready-an-hour-later", backupType: atlas.Dedicated, at: recorded.Add(time.Hour), answer: inPage("dedicated-get-download-ready")},
		{name: "flex-list-page1-of-22", backupType: atlas.Flex},
		{name: "flex-get-running", backupType: atlas.Flex, answer: inPage("flex-get-running")},
		{name: "docsample-collection-restore-job", backupType: atlas.Collection, answer: inPage("docsample-collection-restore-job")},
		{name: "docsample-v1-legacy-1", backupType: atlas.Legacy, at: time.Date(2018, 1, 23, 0, 0, 0, 0, time.UTC)},
		{name: "error-400-cluster-api-on-flex", backupType: atlas.Dedicated},
		{name: "error-400-flex-api-on-dedicated-list", backupType: atlas.Flex},
		{name: "error-401-digest-challenge", backupType: atlas.Dedicated, apiKey: true},
		{name: "error-404-cluster-not-found", backupType: atlas.Dedicated},
		{name: "error-500-unexpected", backupType: atlas.Dedicated},
		{name: "docsample-429-token-bucket", backupType: atlas.Dedicated, answer: func(t *testing.T) recording {
			t.Helper()
			limited := load(t, "docsample-429-token-bucket").as(http.StatusTooManyRequests)
			limited.header.Set("Retry-After", "55") // as its words say
			return limited
		}},
		{name: "docsample-oauth-401", backupType: atlas.Dedicated, token: true, answer: func(t *testing.T) recording {
			t.Helper()
			return load(t, "docsample-oauth-401").as(http.StatusUnauthorized)
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			if test.answer == nil {
				test.answer = func(t *testing.T) recording { t.Helper(); return load(t, test.name) }
			}
			replay := test.answer(t)
			synctest.Test(t, func(t *testing.T) {
				at := test.at
				if at.IsZero() {
					at = recorded
				}
				time.Sleep(time.Until(at))
				golden.Equal(t, filepath.Join("testdata", "replay", test.name+".prom"), walk(t, test.backupType, replay, test.token, test.apiKey))
			})
		})
	}
}

func inPage(name string) func(t *testing.T) recording {
	return func(t *testing.T) recording { t.Helper(); return load(t, name).page(t) }
}

// walk serves a recording to an exporter that polls once, and returns what /metrics then says of the target.
func walk(t *testing.T, backupType atlas.BackupType, replay recording, token, apiKey bool) string {
	t.Helper()
	sim := atlastest.New()
	sim.AddServiceAccount("id", "secret")
	match := atlastest.PathHas("estoreJobs")
	if token {
		match = atlastest.TokenRequests
	}
	sim.Script(match, 0, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if number := r.URL.Query().Get("pageNum"); replay.status == http.StatusOK && number != "1" {
			_, _ = io.WriteString(w, `{"results":[]}`) // one page was recorded
			return
		}
		replay.ServeHTTP(w, r)
	}))
	pipe := atlastest.NewPipe(sim)
	defer pipe.Close()
	credential := "service_account: {client_id: id, client_secret: secret}"
	if apiKey {
		credential = "api_key: {public_key: id, private_key: secret}"
	}
	config, err := parseConfig("test", fmt.Appendf(nil, "atlas: {base_url: http://localhost}\ncredentials: {default: {%s}}\n"+
		"projects: [{id: 32b6e34b3d91647abb20e7b8, clusters: [{name: c, backup_types: [%s]}]}]\n", credential, backupType))
	if err != nil {
		t.Fatal(err)
	}
	app := &app{logger: slog.New(slog.DiscardHandler), build: buildInfo()}
	exporter, err := app.newExporter(config, pipe.DialContext)
	if err != nil {
		t.Fatal(err)
	}
	defer exporter.close()
	exporter.manager.PollOnce(t.Context(), func(*collector.Snapshot) {})
	return scrape(t, exporter)
}

// scrape returns what /metrics says of targets and jobs.
func scrape(t *testing.T, exporter *exporter) string {
	t.Helper()
	answer := httptest.NewRecorder()
	request, err := http.NewRequestWithContext(context.Background(), http.MethodGet, "/metrics", http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	exporter.handler(false, nil).ServeHTTP(answer, request)
	if answer.Code != http.StatusOK {
		t.Fatalf("status %d: %s", answer.Code, answer.Body)
	}
	var exposed strings.Builder
	for line := range strings.Lines(answer.Body.String()) {
		if strings.HasPrefix(line, "mongodbatlas_restore_") && !strings.HasPrefix(line, "mongodbatlas_restore_exporter_") {
			exposed.WriteString(line)
		}
	}
	return exposed.String()
}
