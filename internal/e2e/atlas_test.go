package e2e

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"atlas-restore-exporter/atlas"
	"atlas-restore-exporter/atlas/atlastest"
	"atlas-restore-exporter/internal/testutil"
)

// The project and the secret of the simulated Atlas API.
const (
	payments = "32b6e34b3d91647abb20e7b8"
	secret   = "NEVER-SHOW-THIS-SECRET"
)

// prod is the list of restore jobs of a cluster that every simulated Atlas API has.
var prod = dedicated("prod")

// dedicated returns the list of the restore jobs of a dedicated cluster.
func dedicated(cluster string) atlas.List {
	return atlas.List{ProjectID: payments, ClusterName: cluster, BackupType: atlas.Dedicated}
}

// simulateAtlas serves a simulated Atlas API, and returns a configuration file that polls the clusters every second.
func simulateAtlas(t *testing.T, clusters string) (sim *atlastest.Server, configFile string) {
	t.Helper()
	sim = atlastest.New()
	sim.AddServiceAccount("mdb_sa_id_1", secret)
	sim.AddProject(payments, "Payments")
	sim.AddCluster(payments, "prod", atlastest.DedicatedCluster)
	sim.AddCluster(payments, "team", atlastest.FlexCluster)
	configFile = filepath.Join(t.TempDir(), "config.yaml")
	testutil.WriteFile(t, configFile, fmt.Sprintf(`
atlas: {base_url: %q}
credentials: {default: {service_account: {client_id: mdb_sa_id_1, client_secret: %s}}}
polling: {interval: 1s}
projects: [{id: %s, clusters: [%s]}]
`, serve(t, sim), secret, payments, clusters))
	return sim, configFile
}

// serve serves a simulated Atlas API until the test ends, and returns its URL.
func serve(t *testing.T, sim *atlastest.Server) (url string) {
	t.Helper()
	server := httptest.NewServer(sim)
	t.Cleanup(server.Close)
	return server.URL
}

// replaceInFile replaces a text that a file must contain.
func replaceInFile(t *testing.T, path, old, replacement string) {
	t.Helper()
	text := testutil.ReadFile(t, path)
	if !strings.Contains(text, old) {
		t.Fatalf("%s doesn't contain %s", path, old)
	}
	testutil.WriteFile(t, path, strings.Replace(text, old, replacement, 1))
}

// countRequests returns a handler that counts the requests for another one.
func countRequests(handler http.Handler) (counting http.Handler, count *atomic.Int64) {
	count = new(atomic.Int64)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		count.Add(1)
		handler.ServeHTTP(w, r)
	}), count
}
