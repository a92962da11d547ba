package main

import (
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"atlas-restore-exporter/collector"
)

// odd is a source of snapshots that none of this program's could be.
type odd struct{ value any }

func (o odd) Snapshots() []*collector.Snapshot { panic(o.value) }

func (o odd) ProjectName(string) string { return "" }

func (o odd) Searches() []collector.Search { return nil }

// TestPanicInAnAnswer asks for a page that can't be made. That is logged, but not with what the panic holds; who asked
// gets no half answer, and the next one is served.
func TestPanicInAnAnswer(t *testing.T) {
	for _, test := range []struct {
		name, wanted string // in the log
		value        any
	}{
		{"text", "type=string stack=", secret},
		{"error", "type=*errors.errorString stack=", errors.New(secret)},
		{"abort", "", http.ErrAbortHandler}, // net/http's own word for it, which says nothing
	} {
		t.Run(test.name, func(t *testing.T) {
			var log, serverLog buffer
			logger := slog.New(slog.NewTextHandler(&log, nil))
			mux := http.NewServeMux()
			page := &statusPage{source: odd{test.value}, logger: logger}
			mux.Handle("GET /{$}", page)
			mux.HandleFunc("GET /half", func(w http.ResponseWriter, r *http.Request) {
				_, _ = io.WriteString(w, strings.Repeat("half of an answer\n", 1000))
				page.ServeHTTP(w, r)
			})
			mux.HandleFunc("GET /well", func(w http.ResponseWriter, _ *http.Request) { plain(w, http.StatusOK, "well") })
			server := httptest.NewUnstartedServer(contained(logger, mux))
			server.Config.ErrorLog = slog.NewLogLogger(slog.NewTextHandler(&serverLog, nil), slog.LevelInfo)
			server.Start()
			defer server.Close()
			if status, body := fetch(t, nil, server.URL+"/"); status != 0 {
				t.Errorf("status %d: %s", status, body)
			}
			request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL+"/half", http.NoBody)
			if err != nil {
				t.Fatal(err)
			}
			response, err := http.DefaultClient.Do(request)
			if err != nil {
				t.Fatal(err)
			}
			if body, err := io.ReadAll(response.Body); err == nil {
				t.Errorf("half an answer looks whole: %d bytes", len(body))
			}
			_ = response.Body.Close()
			if status, body := fetch(t, nil, server.URL+"/well"); status != 200 {
				t.Errorf("after a panic: %d %s", status, body)
			}
			if test.wanted == "" && log.String() != "" {
				t.Errorf("log: %s", log.String())
			}
			for _, request := range []string{"GET /{$}", "GET /half"} {
				if line := `level=ERROR msg="panic in an answer, please report it" request="` + request + `" ` + test.wanted; test.wanted != "" &&
					(strings.Count(log.String(), line) != 1 || !strings.Contains(log.String(), ".odd.Snapshots(")) {
					t.Errorf("no %s in %s", line, log.String())
				}
			}
			if strings.Contains(log.String(), secret) || serverLog.String() != "" {
				t.Errorf("log: %s\nlog of the server: %s", log.String(), serverLog.String())
			}
		})
	}
}

// TestPanicsOfTheEndpointAreContained asks an exporter that lacks a part: what it says is the runtime's own words.
func TestPanicsOfTheEndpointAreContained(t *testing.T) {
	var log, serverLog buffer
	exporter := &exporter{live: prometheus.NewRegistry(), targets: prometheus.NewRegistry(), logger: slog.New(slog.NewTextHandler(&log, nil))}
	server := httptest.NewUnstartedServer(exporter.handler(false, nil))
	server.Config.ErrorLog = slog.NewLogLogger(slog.NewTextHandler(&serverLog, nil), slog.LevelInfo)
	server.Start()
	defer server.Close()
	if status, body := fetch(t, nil, server.URL+"/-/ready"); status != 0 {
		t.Errorf("status %d: %s", status, body)
	}
	const wanted = `request="GET /-/ready" type=runtime.errorString err="runtime error: invalid memory address or nil pointer dereference"`
	if !strings.Contains(log.String(), wanted) || serverLog.String() != "" {
		t.Errorf("log: %s\nlog of the server: %s", log.String(), serverLog.String())
	}
}
