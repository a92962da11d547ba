package server

import (
	"net"
	"testing"
)

func TestRun_ServesAScrapeWhileManyIdleClientsAreConnected(t *testing.T) {
	configFile := newSimulation(t, "{name: prod}").configFile
	e := startEndpoint(t, configFile, nil)
	e.waitUntilReady()
	for range 1000 {
		idle, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", e.address)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = idle.Close() })
	}
	if status, _ := e.get("/metrics"); status != 200 {
		t.Errorf("status %d", status)
	}
}
