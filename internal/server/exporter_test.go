package server

import (
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"atlas-restore-exporter/collector"
	"atlas-restore-exporter/collector/poll"
)

// newTestExporter returns an exporter for the configuration file of a simulation, which polls nothing by itself.
func newTestExporter(t *testing.T, s *simulation) *Exporter {
	t.Helper()
	options := testOptions(t.Output())
	options.Logger = slog.New(slog.DiscardHandler)
	exporter, err := New(s.loadConfig(), options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(exporter.Close)
	return exporter
}

// scrape returns the metrics of an exporter.
func scrape(t *testing.T, exporter *Exporter) string {
	t.Helper()
	recorder := httptest.NewRecorder()
	request := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/metrics", http.NoBody)
	exporter.Handler(nil).ServeHTTP(recorder, request)
	if recorder.Code != http.StatusOK {
		t.Fatalf("status %d: %s", recorder.Code, recorder.Body)
	}
	return recorder.Body.String()
}

func TestApply_RejectedConfigurationChangesNoMetrics(t *testing.T) {
	s := newSimulation(t, "{name: prod}")
	exporter := newTestExporter(t, s)
	exporter.Manager().PollOnce(t.Context(), func(*poll.Snapshot) {})

	s.editConfig("credentials: {",
		"credentials: {other: {api_key: {public_key: abcdefgh, private_key: x}}, ")
	s.editConfig("{id: "+payments+", clusters: [{name: prod}]}",
		"{id: "+payments+", credential: default, clusters: [{name: prod}]}, "+
			"{id: 32b6e34b3d91647abb20e7b9, credential: other, clusters: [{name: more}]}")
	rejected := s.loadConfig()
	rejected.Targets = append(slices.Clone(rejected.Targets), rejected.Targets[0]) // duplicates are rejected
	if err := exporter.Apply(rejected); err == nil {
		t.Fatal("the configuration was applied")
	}
	metrics := scrape(t, exporter)
	if !strings.Contains(metrics, `credential="default"`) || strings.Contains(metrics, `credential="other"`) {
		t.Errorf("metrics:\n%s", metrics)
	}
}

func TestApply_KeepsTheTokensOfUnchangedCredentials(t *testing.T) {
	s := newSimulation(t, "{name: prod}")
	exporter := newTestExporter(t, s)
	for range 3 {
		exporter.Manager().PollOnce(t.Context(), func(*poll.Snapshot) {})
		if err := exporter.Apply(s.loadConfig()); err != nil {
			t.Fatal(err)
		}
	}
	if tokens := s.countTokens(); tokens != 1 {
		t.Errorf("%d access tokens", tokens)
	}
}

func TestApply_ReplacesTheExportedSettings(t *testing.T) {
	s := newSimulation(t, "{name: prod}")
	exporter := newTestExporter(t, s)
	exporter.options.ExternalURL = "https://example.com/restores"
	before := exporter.settings()
	s.editConfig("{service_account:", "{expires: 2119-03-01, service_account:")
	s.editConfig("polling:", "name: fleet\npolling:")
	cfg := s.loadConfig()
	if err := exporter.Apply(cfg); err != nil {
		t.Fatal(err)
	}
	expiry := map[string]time.Time{"default": time.Date(2119, 3, 1, 23, 59, 59, 0, time.UTC)}
	want := collector.Settings{
		Name: "fleet", ExternalURL: "https://example.com/restores", AtlasURL: cfg.BaseURL, CredentialExpiry: expiry,
	}
	if got := exporter.settings(); !reflect.DeepEqual(got, want) || !maps.Equal(exporter.CredentialExpiry(), expiry) {
		t.Errorf("settings %+v\nwant     %+v", got, want)
	}
	if before.Name != "default" || len(before.CredentialExpiry) > 0 {
		t.Errorf("settings before %+v", before)
	}
}

// A scrape must not wait for a reload, which may wait for polls.
func TestScrape_TakesNoLockOfAReload(t *testing.T) {
	exporter := newTestExporter(t, newSimulation(t, "{name: prod}"))
	exporter.mu.Lock()
	defer exporter.mu.Unlock()
	if metrics := scrape(t, exporter); !strings.Contains(metrics, `web_info{atlas_url="http://127.0.0.1:`) {
		t.Errorf("metrics:\n%s", metrics)
	}
}

func TestNew_IdentifiesItselfToAtlasByVersion(t *testing.T) {
	s := newSimulation(t, "{name: prod}")
	newTestExporter(t, s).Manager().PollOnce(t.Context(), func(*poll.Snapshot) {})
	requests := s.Requests(nil)
	if len(requests) == 0 {
		t.Error("no requests")
	}
	for _, request := range requests {
		if agent := request.Header.Get("User-Agent"); agent != "atlas-restore-exporter/1.2.3" {
			t.Errorf("%s: user agent %q", request.Path, agent)
		}
	}
}
