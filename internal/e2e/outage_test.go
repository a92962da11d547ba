package e2e

import (
	"fmt"
	"net"
	"net/http/httptest"
	"strings"
	"testing"

	"atlas-restore-exporter/atlas/atlastest"
	"atlas-restore-exporter/internal/testutil"
)

const prodTarget = `{backup_type="dedicated",cluster_name="prod",project_id="` + payments + `"`

func TestStartDuringOutage_ReportsRefusedConnectionsUntilAtlasIsReachable(t *testing.T) {
	sim, configFile := simulateAtlas(t, "{name: prod}")
	server := httptest.NewUnstartedServer(sim) // reserves an address
	address := server.Listener.Addr().String()
	if err := server.Listener.Close(); err != nil {
		t.Fatal(err)
	}
	useAPIKey(t, sim, configFile, "http://"+address)
	p := startExporter(t, configFile)
	url := expectOutage(t, p, "connection refused")

	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", address)
	if err != nil {
		t.Skipf("another program uses the port now: %v", err)
	}
	server.Listener = listener
	server.Start()
	defer server.Close()
	waitForMetrics(t, url, "mongodbatlas_restore_poll_success"+prodTarget+"} 1.0\n")
	p.stop()
}

func TestStartDuringOutage_ReportsFailedNameResolution(t *testing.T) {
	sim, configFile := simulateAtlas(t, "{name: prod}")
	useAPIKey(t, sim, configFile, "http://"+strings.Repeat("x", 64)+".invalid") // too long a label for any query
	p := startExporter(t, configFile)
	expectOutage(t, p, "no such host")
	p.stop()
}

// useAPIKey lets a configuration use an API key and another address. An API key needs no token, whose failures would
// delay polls.
func useAPIKey(t *testing.T, sim *atlastest.Server, configFile, baseURL string) {
	t.Helper()
	sim.AddAPIKey("publickey", secret)
	testutil.WriteFile(t, configFile, fmt.Sprintf(`
atlas: {base_url: %q}
credentials: {default: {api_key: {public_key: publickey, private_key: %s}}}
polling: {interval: 1s}
projects: [{id: %s, clusters: [{name: prod}]}]
`, baseURL, secret, payments))
}

// expectOutage checks that an exporter that can't reach the Atlas API is healthy and ready, and reports the cause: in
// the metrics, on the status page, and once in the log. It returns the URL of the exporter.
func expectOutage(t *testing.T, p *process, cause string) (url string) {
	t.Helper()
	url = p.waitForURL()
	if status, body := fetch(t, url+"/-/healthy"); status != 200 {
		t.Errorf("healthy: %d %s", status, body)
	}
	p.waitForReady()
	_, metrics := fetch(t, url+"/metrics")
	expectMetrics(t, metrics,
		"mongodbatlas_restore_poll_success"+prodTarget+"} 0.0\n",
		"mongodbatlas_restore_poll_error"+prodTarget+`,reason="network"} 1.0`+"\n",
		"mongodbatlas_restore_poll_failures_total"+prodTarget+"} ",
		"mongodbatlas_restore_last_poll_timestamp_seconds"+prodTarget+"} ",
		`mongodbatlas_restore_exporter_api_requests_total{code="error",operation="dedicated_list"} `)
	expectNoMetrics(t, metrics, "mongodbatlas_restore_jobs{", "last_successful_poll_timestamp_seconds{")
	if _, page := fetch(t, url+"/"); !strings.Contains(page, cause) || !strings.Contains(page, "Check") {
		t.Errorf("no %s on the status page: %s", cause, page)
	}
	log := p.stderr.String()
	if strings.Count(log, `level=WARN msg="poll failed"`) != 1 || !strings.Contains(log, cause) {
		t.Errorf("log: %s", log)
	}
	return url
}
