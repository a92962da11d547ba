package server

import (
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"atlas-restore-exporter/collector/poll"
	"atlas-restore-exporter/internal/status"
	"atlas-restore-exporter/internal/testutil"
)

// panickingSource is a source of the status page that panics with value.
type panickingSource struct {
	status.Source
	value any
}

func (p panickingSource) States() []poll.State { panic(p.value) }

// panicServer serves handlers that panic, behind recoverPanics.
type panicServer struct {
	*httptest.Server
	log       testutil.Buffer // of recoverPanics
	serverLog testutil.Buffer // of net/http
}

// newPanicServer returns a server whose paths /page and /partial panic with value, the second one after a part of its
// response. The path /healthy does not panic.
func newPanicServer(t *testing.T, value any) *panicServer {
	t.Helper()
	p := &panicServer{}
	logger := slog.New(slog.NewTextHandler(&p.log, nil))
	page := &status.Page{Source: panickingSource{value: value}, Logger: logger}
	mux := http.NewServeMux()
	mux.Handle("GET /page", page)
	mux.HandleFunc("GET /partial", func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, strings.Repeat("part of a response\n", 1000))
		page.ServeHTTP(w, r)
	})
	mux.HandleFunc("GET /healthy", func(w http.ResponseWriter, _ *http.Request) { writeText(w, http.StatusOK, "healthy") })
	p.start(t, recoverPanics(logger, mux))
	return p
}

func (p *panicServer) start(t *testing.T, handler http.Handler) {
	t.Helper()
	p.Server = httptest.NewUnstartedServer(handler)
	p.Config.ErrorLog = slog.NewLogLogger(slog.NewTextHandler(&p.serverLog, nil), slog.LevelInfo)
	p.Start()
	t.Cleanup(p.Close)
}

func TestRecoverPanics_ClientsGetNoCompleteResponse(t *testing.T) {
	p := newPanicServer(t, secret)
	for _, path := range []string{"/page", "/partial"} {
		if status, body := get(t, http.DefaultClient, p.URL+path); status != 0 {
			t.Errorf("GET %s: status %d: %s", path, status, body)
		}
	}
}

func TestRecoverPanics_ServesTheNextRequest(t *testing.T) {
	p := newPanicServer(t, secret)
	get(t, http.DefaultClient, p.URL+"/page")
	if status, body := get(t, http.DefaultClient, p.URL+"/healthy"); status != http.StatusOK {
		t.Errorf("status %d: %s", status, body)
	}
}

func TestRecoverPanics_LogsTheTypeAndTheStackWithoutTheText(t *testing.T) {
	for wantType, value := range map[string]any{"string": secret, "*errors.errorString": errors.New(secret)} {
		p := newPanicServer(t, value)
		for _, path := range []string{"/page", "/partial"} {
			get(t, http.DefaultClient, p.URL+path)
			line := `level=ERROR msg="request handler panicked, please report this bug" request="GET ` + path + `" type=` +
				wantType + ` stack=`
			if log := p.log.String(); strings.Count(log, line) != 1 || !strings.Contains(log, ".panickingSource.States(") {
				t.Errorf("no %s in %s", line, log)
			}
		}
		if log := p.log.String() + p.serverLog.String(); strings.Contains(log, secret) || p.serverLog.String() != "" {
			t.Errorf("log: %s", log)
		}
	}
}

func TestRecoverPanics_DoesNotLogAnAbortedResponse(t *testing.T) {
	p := newPanicServer(t, http.ErrAbortHandler)
	get(t, http.DefaultClient, p.URL+"/page")
	if log := p.log.String() + p.serverLog.String(); log != "" {
		t.Errorf("log: %s", log)
	}
}

// The texts of runtime errors contain no data, so they are logged.
func TestHandler_LogsTheTextOfRuntimeErrors(t *testing.T) {
	p := &panicServer{}
	incomplete := &Exporter{
		options: Options{Logger: slog.New(slog.NewTextHandler(&p.log, nil))},
		live:    prometheus.NewRegistry(), targets: prometheus.NewRegistry(),
	}
	p.start(t, incomplete.Handler(nil))
	if status, body := get(t, http.DefaultClient, p.URL+"/-/ready"); status != 0 {
		t.Errorf("status %d: %s", status, body)
	}
	const want = `request="GET /-/ready" type=runtime.errorString ` +
		`err="runtime error: invalid memory address or nil pointer dereference"`
	if !strings.Contains(p.log.String(), want) || p.serverLog.String() != "" {
		t.Errorf("log: %s\nlog of net/http: %s", p.log.String(), p.serverLog.String())
	}
}
