package server

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

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
