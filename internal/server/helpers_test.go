package server

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"atlas-restore-exporter/atlas"
	"atlas-restore-exporter/atlas/atlastest"
	"atlas-restore-exporter/collector"
	"atlas-restore-exporter/internal/config"
	"atlas-restore-exporter/internal/testutil"
)

const (
	payments = "32b6e34b3d91647abb20e7b8"
	secret   = "NEVER-SHOW-THIS-SECRET"

	ioTimeout = 30 * time.Second // of connections that tests open
)

// prod is the target of the dedicated cluster that every simulation contains.
var prod = atlas.List{ProjectID: payments, ClusterName: "prod", BackupType: atlas.Dedicated}

// simulation is a simulated Atlas API on a loopback socket, with a configuration file that polls it every second.
type simulation struct {
	*atlastest.Server
	*testing.T
	configFile string
}

// newSimulation returns a simulation with the clusters prod (dedicated) and team (Flex). The configuration file
// contains the given clusters.
func newSimulation(t *testing.T, clusters string) *simulation {
	t.Helper()
	s := &simulation{Server: atlastest.New(), T: t, configFile: filepath.Join(t.TempDir(), "config.yaml")}
	s.AddServiceAccount("mdb_sa_id_1", secret)
	s.AddProject(payments, "Payments")
	s.AddCluster(payments, "prod", atlastest.DedicatedCluster)
	s.AddCluster(payments, "team", atlastest.FlexCluster)
	listener := httptest.NewServer(s)
	t.Cleanup(listener.Close)
	testutil.WriteFile(t, s.configFile, fmt.Sprintf(`
atlas: {base_url: %q}
credentials: {default: {service_account: {client_id: mdb_sa_id_1, client_secret: %s}}}
polling: {interval: 1s}
projects: [{id: %s, clusters: [%s]}]
`, listener.URL, secret, payments, clusters))
	return s
}

// editConfig replaces a text in the configuration file.
func (s *simulation) editConfig(old, replacement string) {
	s.Helper()
	text := testutil.ReadFile(s.T, s.configFile)
	if !strings.Contains(text, old) {
		s.Fatalf("the configuration does not contain %q", old)
	}
	testutil.WriteFile(s.T, s.configFile, strings.Replace(text, old, replacement, 1))
}

func (s *simulation) loadConfig() *config.Config {
	s.Helper()
	cfg, err := config.Load(s.configFile)
	if err != nil {
		s.Fatal(err)
	}
	return cfg
}

// countTokens returns the number of requests for access tokens.
func (s *simulation) countTokens() int {
	return len(s.Requests(func(r atlastest.Request) bool { return r.Path == "/api/oauth/token" }))
}

// testOptions returns options that log to log, at the level debug.
func testOptions(log io.Writer) Options {
	return Options{
		ListenAddresses: []string{"127.0.0.1:0"},
		Build:           collector.BuildInfo{Version: "1.2.3", Revision: "abc", GoVersion: "go1"},
		Logger:          slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug})),
	}
}

// endpoint is an exporter that Run serves in this process, on a loopback socket.
type endpoint struct {
	*testing.T
	address string
	log     *testutil.Buffer
	cancel  context.CancelFunc
	ended   chan error // receives the result of Run once
}

// startEndpoint serves a configuration file until the test ends. change adapts the options; it may be nil.
func startEndpoint(t *testing.T, configFile string, change func(*Options)) *endpoint {
	t.Helper()
	e := &endpoint{T: t, log: &testutil.Buffer{}, ended: make(chan error, 1)}
	options := testOptions(e.log)
	options.Load = func() (*config.Config, error) { return config.Load(configFile) }
	listening := make(chan string, 1)
	options.OnListen = func(address net.Addr) { listening <- address.String() }
	if change != nil {
		change(&options)
	}
	cfg, err := options.Load()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	e.cancel = cancel
	go func() { e.ended <- Run(ctx, cfg, options) }()
	t.Cleanup(func() {
		if err := e.stop(); err != nil {
			t.Errorf("Run returned %v", err)
		}
	})
	select {
	case e.address = <-listening:
	case err := <-e.ended:
		e.ended <- err
		t.Fatalf("Run ended before it listened: %v", err)
	}
	return e
}

// stop ends Run and returns its result.
func (e *endpoint) stop() error {
	e.cancel()
	err := <-e.ended
	e.ended <- err
	return err
}

// get requests a path and returns the status code and the body.
func (e *endpoint) get(path string) (status int, body string) {
	e.Helper()
	return get(e.T, http.DefaultClient, "http://"+e.address+path)
}

// expectStatus fails the test unless a GET of path returns the status code.
func (e *endpoint) expectStatus(path string, want int) {
	e.Helper()
	if status, body := e.get(path); status != want {
		e.Errorf("GET %s: status %d, want %d: %.200s", path, status, want, body)
	}
}

func (e *endpoint) waitUntilReady() {
	e.Helper()
	testutil.Eventually(e.T, func() bool { status, _ := e.get("/-/ready"); return status == http.StatusOK }, e.log.String)
}

// waitForMetrics waits until /metrics contains all the given texts, and returns its body.
func (e *endpoint) waitForMetrics(wanted ...string) (body string) {
	e.Helper()
	testutil.Eventually(e.T, func() bool {
		_, body = e.get("/metrics")
		return !slices.ContainsFunc(wanted, func(text string) bool { return !strings.Contains(body, text) })
	}, func() string { return fmt.Sprintf("%q in\n%s", wanted, body) })
	return body
}

// get requests a URL over a new connection. If there is no complete response, it returns status 0 and the error.
func get(t *testing.T, client *http.Client, url string, headers ...string) (status int, body string) {
	t.Helper()
	return testutil.SendRequest(t, client, http.MethodGet, url, headers...)
}

// send opens a connection and writes a text to it. The connection is closed when the test ends.
func (e *endpoint) send(text string) *net.TCPConn {
	e.Helper()
	conn, err := (&net.Dialer{}).DialContext(e.Context(), "tcp", e.address)
	if err != nil {
		e.Fatal(err)
	}
	e.Cleanup(func() { _ = conn.Close() })
	tcp, ok := conn.(*net.TCPConn)
	if !ok {
		e.Fatalf("connection is a %T", conn)
	}
	if _, err := io.WriteString(tcp, text); err != nil {
		e.Fatal(err)
	}
	return tcp
}

// reply is a response whose body was read.
type reply struct {
	status int
	header http.Header
	body   string
}

// exchange sends the text of a request over a new connection and returns the response.
func (e *endpoint) exchange(request string) reply {
	e.Helper()
	return e.readReply(e.send(request), request)
}

func (e *endpoint) readReply(conn net.Conn, request string) reply {
	e.Helper()
	_ = conn.SetReadDeadline(time.Now().Add(ioTimeout))
	method, _, _ := strings.Cut(request, " ")
	response, err := http.ReadResponse(bufio.NewReader(conn), &http.Request{Method: method})
	if err != nil {
		e.Fatalf("%.100q: %v", request, err)
	}
	defer func() { _ = response.Body.Close() }()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		e.Fatalf("%.100q: %v", request, err)
	}
	return reply{response.StatusCode, response.Header, string(text)}
}

// formatRequest returns the text of a request without a body.
func formatRequest(method, path string, headers ...string) string {
	lines := append([]string{method + " " + path + " HTTP/1.1", "Host: exporter", "Connection: close"}, headers...)
	return strings.Join(lines, "\r\n") + "\r\n\r\n"
}

// expectClosed waits until the endpoint closed a connection.
func (e *endpoint) expectClosed(conn *net.TCPConn, description string) {
	e.Helper()
	_ = conn.SetReadDeadline(time.Now().Add(ioTimeout))
	if _, err := io.Copy(io.Discard, conn); os.IsTimeout(err) {
		e.Fatalf("%s: connection is not closed within %v", description, ioTimeout)
	}
}
