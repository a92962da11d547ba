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
