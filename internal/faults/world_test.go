package faults

import (
	"context"
	"crypto/tls"
	"encoding/base64"
	"fmt"
	"io"
	"log"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"atlas-restore-exporter/atlas"
	"atlas-restore-exporter/atlas/atlastest"
	"atlas-restore-exporter/collector"
	"atlas-restore-exporter/collector/poll"
	"atlas-restore-exporter/internal/config"
	"atlas-restore-exporter/internal/server"
	"atlas-restore-exporter/internal/testutil"
)

// The targets of a world. A fault happens to the victim.
var (
	victim = atlas.List{ProjectID: "32b6e34b3d91647abb20e7b8", ClusterName: "prod", BackupType: atlas.Dedicated}
	// neighbor is in another project, with the same credential and network.
	neighbor = atlas.List{ProjectID: "42b6e34b3d91647abb20e7b8", ClusterName: "prod", BackupType: atlas.Dedicated}
	// bystander has a credential and a network of its own.
	bystander = atlas.List{ProjectID: "52b6e34b3d91647abb20e7b8", ClusterName: "prod", BackupType: atlas.Dedicated}
)

const (
	atlasHost    = "atlas.test"
	clientID     = "mdb_sa_id_1"
	secret       = "mdb_sa_sk_never-shown"
	link         = "https://restore.example.net/NEVER-SHOW-THIS-LINK.tar.gz"
	fastInterval = 200 * time.Millisecond
	slowInterval = 500 * time.Millisecond
	shortTimeout = 2 * time.Second
	longTimeout  = 20 * time.Second // nothing should take as long, even on a busy machine
)

// basicAuthorization authenticates the token requests of the victim's credential.
var basicAuthorization = "Basic " + base64.StdEncoding.EncodeToString([]byte(clientID+":"+secret))

// world is an exporter that polls a simulated Atlas API through a network with faults. There are two kinds: a socket
// world uses real sockets, real time and short intervals; a simulated world uses in-memory connections, the simulated
// time of testing/synctest and default intervals.
type world struct {
	*testing.T
	fault    *fault
	sim      *atlastest.Server
	network  *network
	exporter *server.Exporter
	polls    *polls
	running  map[atlas.List]string // IDs of the jobs that are in progress when the fault starts
	log      testutil.Buffer

	fetch   func(path string) string                           // returns the body of a response of the exporter
	waitFor func(condition func() bool, explain func() string) // fails the test if the condition is not met in time
}

func newWorld(t *testing.T, f *fault) *world {
	w := &world{T: t, fault: f, sim: atlastest.New(), running: map[atlas.List]string{}}
	w.sim.AddServiceAccount(clientID, secret)
	w.sim.AddServiceAccount("other", secret)
	w.sim.AddAPIKey(clientID, secret)
	for _, list := range []atlas.List{victim, neighbor, bystander} {
		w.sim.AddProject(list.ProjectID, "Project")
		w.sim.AddCluster(list.ProjectID, list.ClusterName, atlastest.DedicatedCluster)
		download := atlastest.Job{
			Delivery: "download", Created: time.Now().Add(-time.Minute), Takes: time.Second, LinkLife: 30 * time.Minute,
		}
		w.running[list] = w.sim.AddJobs(list, atlastest.Job{}, download)[0]
	}
	return w
}

// newSocketWorld returns a world with real sockets and real time, in which every target has been polled.
func newSocketWorld(t *testing.T, f *fault) *world {
	t.Helper()
	w := newWorld(t, f)
	w.waitFor = func(condition func() bool, explain func() string) {
		t.Helper()
		testutil.Eventually(t, condition, explain)
	}
	secure := f.tls || f.http2
	w.network = newNetwork(w.listen(secure))
	cfg := w.parseConfig(secure)
	for i := range cfg.Targets {
		target := &cfg.Targets[i]
		target.Interval, target.FullPollInterval, target.Timeout = fastInterval, fastInterval, longTimeout
		if f.failsSlowly() {
			target.Interval = slowInterval
		}
		if f.needsShortTimeout() && f.affects(target.List) {
			target.Timeout = shortTimeout
		}
	}
	w.startPolling(cfg, w.listen(false))
	endpoint := httptest.NewServer(w.exporter.Handler(nil))
	t.Cleanup(endpoint.Close)
	w.fetch = func(path string) string {
		t.Helper()
		return getBody(t, endpoint.URL+path)
	}
	w.expectEverythingPolled()
	return w
}

// newSimulatedWorld returns a world with simulated time, in which every target has been polled. It must be called in a
// synctest bubble.
func newSimulatedWorld(t *testing.T, f *fault) *world {
	t.Helper()
	w := newWorld(t, f)
	w.waitFor = func(condition func() bool, explain func() string) {
		t.Helper()
		for deadline := time.Now().Add(3 * time.Hour); ; time.Sleep(10 * time.Second) {
			synctest.Wait()
			if condition() {
				return
			}
			if time.Now().After(deadline) {
				t.Fatalf("condition not met within three hours: %s", explain())
			}
		}
	}
	pipe := atlastest.NewPipe(w.sim)
	t.Cleanup(pipe.Close)
	w.network = newNetwork(pipe.DialContext)
	w.startPolling(w.parseConfig(false), pipe.DialContext)
	handler := w.exporter.Handler(nil)
	w.fetch = func(path string) string {
		response := httptest.NewRecorder()
		handler.ServeHTTP(response, httptest.NewRequest(http.MethodGet, path, http.NoBody))
		return response.Body.String()
	}
	w.expectEverythingPolled()
	return w
}

func (w *world) expectEverythingPolled() {
	w.Helper()
	w.waitForPolls(1)
	w.expectMetrics(slices.Concat(w.lastKnownState(victim), w.lastKnownState(neighbor), w.lastKnownState(bystander))...)
}

// listen serves the simulator on a socket, and returns how to connect to it.
func (w *world) listen(secure bool) dialFunc {
	api := httptest.NewUnstartedServer(w.sim)
	api.Config.ErrorLog = log.New(io.Discard, "", 0)
	if secure {
		api.EnableHTTP2 = w.fault.http2
		api.TLS = &tls.Config{
			MinVersion: tls.VersionTLS12,
			GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
				return w.network.certificate.Load(), nil
			},
		}
		api.StartTLS()
	} else {
		api.Start()
	}
	w.Cleanup(api.Close)
	return dialTo(api.Listener.Addr().String())
}

// parseConfig returns the configuration that a user would write.
func (w *world) parseConfig(secure bool) *config.Config {
	scheme, credential := "http", "service_account: {client_id: %s, client_secret: %s}"
	if secure {
		scheme = "https"
	}
	if w.fault.apiKey {
		credential = "api_key: {public_key: %s, private_key: %s}"
	}
	cfg, err := config.Parse("test", fmt.Appendf(nil, `
atlas: {base_url: %s://%s}
credentials:
  default: {%s}
  other: {service_account: {client_id: other, client_secret: %s}}
projects:
  - {id: %s, credential: default, clusters: [{name: prod}]}
  - {id: %s, credential: default, clusters: [{name: prod}]}
  - {id: %s, credential: other, clusters: [{name: prod}]}
`, scheme, atlasHost, fmt.Sprintf(credential, clientID, secret), secret,
		victim.ProjectID, neighbor.ProjectID, bystander.ProjectID))
	if err != nil {
		w.Fatal(err)
	}
	if secure {
		authority := testutil.NewAuthority(w.T)
		cfg.RootCAs = authority.Pool
		w.network.authority = authority
		w.network.certificate.Store(certify(authority, atlasHost, time.Now().Add(time.Hour)))
	}
	return cfg
}

// startPolling starts an exporter whose polls are counted. The bystander's client connects directly.
func (w *world) startPolling(cfg *config.Config, direct dialFunc) {
	w.Helper()
	logger := slog.New(slog.NewTextHandler(&w.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	var err error
	w.exporter, err = server.New(cfg, server.Options{Build: collector.BuildInfo{Version: "test"}, Logger: logger})
	if err != nil {
		w.Fatal(err)
	}
	w.Cleanup(w.exporter.Close)
	w.polls = newPolls()
	clients := map[string]poll.Client{}
	for _, credential := range cfg.Credentials {
		options := cfg.ClientOptions(credential)
		options.UserAgent, options.Logger, options.DialContext = "test", logger, w.network.DialContext
		if credential.Name == "other" {
			options.BaseURL, options.DialContext = "http://127.0.0.1", direct
		}
		client, err := atlas.NewClient(options)
		if err != nil {
			w.Fatal(err)
		}
		w.Cleanup(client.Close)
		clients[credential.Name] = countedClient{client, w.polls}
	}
	if err := w.exporter.Manager().Apply(cfg.Poll(clients)); err != nil {
		w.Fatal(err)
	}
	ctx, cancel := context.WithCancel(w.Context())
	var running sync.WaitGroup
	running.Go(func() { w.exporter.Manager().Run(ctx) })
	w.Cleanup(func() { cancel(); w.polls.release(); w.network.cut(); running.Wait() })
}

// waitForPolls waits until every target has been polled the given number of times from now on.
func (w *world) waitForPolls(times int) {
	w.Helper()
	begun := map[atlas.List]int{}
	for list := range w.running {
		begun[list] = w.polls.count(list)
	}
	w.waitFor(func() bool {
		for list, n := range begun {
			if len(w.polls.since(list, n)) < times {
				return false
			}
		}
		return true
	}, w.log.String)
}

// expectMetrics waits until /metrics contains all wanted lines, and none of those that begin with an exclamation mark.
func (w *world) expectMetrics(wanted ...string) {
	w.Helper()
	var metrics string
	holds := func(line string) bool {
		text, unwanted := strings.CutPrefix(line, "!")
		return strings.Contains("\n"+metrics, "\n"+text) != unwanted
	}
	w.waitFor(func() bool {
		metrics = w.getPage("/metrics")
		return !slices.ContainsFunc(wanted, func(line string) bool { return !holds(line) })
	}, func() string {
		missing := slices.DeleteFunc(slices.Clone(wanted), holds)
		return fmt.Sprintf("missing or unwanted:\n%s\nin\n%s\nlog:\n%s", strings.Join(missing, "\n"), metrics, w.log.String())
	})
}

// failAllJobs lets the job in progress of every target fail in Atlas.
func (w *world) failAllJobs() {
	for list, id := range w.running {
		w.sim.ChangeJob(list, id, func(j *atlastest.Job) { j.Takes, j.Outcome = time.Nanosecond, atlastest.Fails })
	}
}

// getPage returns a page of the exporter, which must not contain secrets.
func (w *world) getPage(path string) string {
	w.Helper()
	page := w.fetch(path)
	w.expectNoSecrets(path, page)
	return page
}

// expectNoSecrets checks that a text has no secret and no link. The responses of the faults are full of them.
func (w *world) expectNoSecrets(name, text string) {
	w.Helper()
	encoded := strings.TrimPrefix(basicAuthorization, "Basic ")
	for _, mark := range []string{secret, encoded, "token-", "NEVER-SHOW", ".tar.gz"} {
		if at := strings.Index(text, mark); at >= 0 {
			w.Errorf("%s contains %s: %s", name, mark, text[max(0, at-200):min(len(text), at+200)])
		}
	}
}

// expectOnlyAtlasHost checks that the exporter connected to no other host.
func (w *world) expectOnlyAtlasHost() {
	w.Helper()
	for _, host := range w.network.dialedHosts() {
		if host != atlasHost {
			w.Errorf("a connection to %s", host)
		}
	}
}
