package server

import (
	"net/http"
	"net/http/httptest"
	"testing"
	"time"
)

// fakeManager is a readySource.
type fakeManager struct {
	missing string
	overdue int
}

func (m fakeManager) Unready() string { return m.missing }

func (m fakeManager) OverduePolls() (n int, since time.Time) {
	return m.overdue, time.Date(2026, 3, 1, 13, 0, 0, 0, time.FixedZone("", 3600))
}

func TestReady_ListsMissingPartsAndLatePolls(t *testing.T) {
	const overdue = "polls waiting for a slot for longer than their interval: 2, the oldest since 2026-03-01T12:00:00Z; " +
		"increase polling.concurrency or polling.interval\n"
	for _, test := range []struct {
		manager fakeManager
		status  int
		text    string
	}{
		{fakeManager{"", 0}, http.StatusOK, "ready\n"},
		{fakeManager{"", 2}, http.StatusOK, "ready\n" + overdue},
		{fakeManager{"waiting for polls", 0}, http.StatusServiceUnavailable, "not ready: waiting for polls\n"},
		{fakeManager{"waiting for polls", 2}, http.StatusServiceUnavailable, "not ready: waiting for polls\n" + overdue},
	} {
		recorder := httptest.NewRecorder()
		request := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/-/ready", http.NoBody)
		readyHandler(test.manager)(recorder, request)
		if recorder.Code != test.status || recorder.Body.String() != test.text {
			t.Errorf("%+v: status %d, %q\nwant %d, %q",
				test.manager, recorder.Code, recorder.Body, test.status, test.text)
		}
	}
}
