package server

import (
	"net/http"
	"net/http/httptest"
	"testing"
)

func TestCheckHealth_DependsOnTheStatusCode(t *testing.T) {
	for status, healthy := range map[int]bool{
		http.StatusOK: true, http.StatusUnauthorized: true, http.StatusBadRequest: true, // the last for HTTP to a TLS port
		http.StatusNotFound: false, http.StatusInternalServerError: false, http.StatusServiceUnavailable: false,
	} {
		exporter := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(status)
		}))
		if err := CheckHealth(t.Context(), exporter.URL); (err == nil) != healthy {
			t.Errorf("status %d: %v", status, err)
		}
		exporter.Close()
	}
}

func TestCheckHealth_FailsIfNothingListens(t *testing.T) {
	exporter := httptest.NewServer(http.NotFoundHandler())
	exporter.Close()
	if err := CheckHealth(t.Context(), exporter.URL); err == nil {
		t.Error("no error")
	}
}

// The body of a response with status 101 has no end.
func TestCheckHealth_FailsAfterASwitchOfProtocols(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Connection", "Upgrade")
		w.Header().Set("Upgrade", "x")
		w.WriteHeader(http.StatusSwitchingProtocols)
		<-r.Context().Done()
	}))
	defer server.CloseClientConnections()
	if err := CheckHealth(t.Context(), server.URL); err == nil {
		t.Error("no error")
	}
}
