package server

import (
	"crypto/tls"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"atlas-restore-exporter/internal/testutil"
)

const password = "let me in"

// mutualTLS is an endpoint that requires a client certificate and a password.
type mutualTLS struct {
	*endpoint
	authority *testutil.Authority
	server    tls.Certificate
	hash      string // of the password
}

func startMutualTLS(t *testing.T) *mutualTLS {
	t.Helper()
	m := &mutualTLS{authority: testutil.NewAuthority(t), hash: testutil.HashPassword(t, password)}
	m.server = m.authority.IssueServer()
	webFile := filepath.Join(m.authority.Dir, "web.yaml")
	testutil.WriteFile(t, webFile, fmt.Sprintf(`
tls_server_config:
  cert_file: server.pem
  key_file: server-key.pem
  client_auth_type: RequireAndVerifyClientCert
  client_ca_file: ca.pem
basic_auth_users: {prometheus: %q}
`, m.hash))
	m.endpoint = startEndpoint(t, newSimulation(t, "{name: prod}").configFile, func(o *Options) {
		o.WebConfigFile, o.EnableLifecycle, o.ReadTimeout = webFile, true, 500*time.Millisecond
	})
	return m
}

// clientConfig returns the TLS configuration of an authorized client.
func (m *mutualTLS) clientConfig() *tls.Config {
	return &tls.Config{
		RootCAs: m.authority.Pool, MinVersion: tls.VersionTLS12,
		Certificates: []tls.Certificate{m.authority.IssueClient(time.Time{})},
	}
}

// request sends a request and returns the response, or nil if there is none.
func (m *mutualTLS) request(t *testing.T, config *tls.Config, user, password, method, path string) *reply {
	t.Helper()
	if certificates := config.Certificates; certificates != nil {
		// Without this, crypto/tls would not send a certificate that the server doesn't accept.
		config.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
			return &certificates[0], nil
		}
	}
	transport := &http.Transport{
		TLSClientConfig: config, DisableKeepAlives: true,
		ForceAttemptHTTP2: config.MaxVersion != tls.VersionTLS11, // HTTP/2 forbids it
	}
	request, err := http.NewRequestWithContext(t.Context(), method, "https://"+m.address+path, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	if user != "" {
		request.SetBasicAuth(user, password)
	}
	response, err := transport.RoundTrip(request)
	if err != nil {
		t.Log(err)
		return nil
	}
	defer func() { _ = response.Body.Close() }()
	body, _ := io.ReadAll(response.Body)
	if response.ProtoMajor != 2 {
		t.Errorf("%s: %s", path, response.Proto)
	}
	return &reply{response.StatusCode, response.Header, string(body)}
}

// protectedRequests are requests with the status code of their response to an authorized client.
var protectedRequests = map[string]int{
	"GET /metrics": 200, "GET /": 200, "GET /-/healthy": 200, "GET /debug/pprof/": 404, "POST /-/reload": 200,
}

func TestTLS_AuthorizedClientsAreServed(t *testing.T) {
	m := startMutualTLS(t)
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		for target, want := range protectedRequests {
			config := m.clientConfig()
			config.MaxVersion = version
			method, path, _ := strings.Cut(target, " ")
			got := m.request(t, config, "prometheus", password, method, path)
			if got == nil || got.status != want {
				t.Errorf("%s with %s: %+v", target, tls.VersionName(version), got)
				continue
			}
			for _, header := range securityHeaderNames {
				if got.header.Get(header) == "" {
					t.Errorf("%s: no header %s", target, header)
				}
			}
		}
	}
}

func TestTLS_WrongCredentialsAreRejected(t *testing.T) {
	m := startMutualTLS(t)
	for name, login := range map[string][2]string{
		"wrong password": {"prometheus", "let me out"}, "no login": {"", ""}, "empty password": {"prometheus", ""},
		"hash as password": {"prometheus", m.hash}, "another user": {"grafana", password},
	} {
		t.Run(name, func(t *testing.T) {
			for target := range protectedRequests {
				method, path, _ := strings.Cut(target, " ")
				got := m.request(t, m.clientConfig(), login[0], login[1], method, path)
				if got == nil || got.status != http.StatusUnauthorized || got.header.Get("WWW-Authenticate") != "Basic" ||
					strings.Contains(got.body, "mongodbatlas") {
					t.Errorf("%s: %+v", target, got)
				}
			}
		})
	}
	for _, mark := range []string{password, "let me out", "$2a$"} {
		if strings.Contains(m.log.String(), mark) {
			t.Errorf("the log contains %s: %s", mark, m.log)
		}
	}
}

func TestTLS_UntrustedConnectionsGetNoResponse(t *testing.T) {
	m := startMutualTLS(t)
	for name, change := range map[string]func(*testing.T, *tls.Config){
		"TLS 1.1": func(_ *testing.T, c *tls.Config) {
			c.MinVersion, c.MaxVersion = tls.VersionTLS10, tls.VersionTLS11
		},
		"no certificate": func(_ *testing.T, c *tls.Config) { c.Certificates = nil },
		"certificate of another authority": func(t *testing.T, c *tls.Config) {
			c.Certificates = []tls.Certificate{testutil.NewAuthority(t).IssueClient(time.Time{})}
		},
		"expired certificate": func(_ *testing.T, c *tls.Config) {
			c.Certificates = []tls.Certificate{m.authority.IssueClient(time.Now().Add(-time.Hour))}
		},
		"certificate of a server": func(_ *testing.T, c *tls.Config) { c.Certificates = []tls.Certificate{m.server} },
		"untrusted server":        func(t *testing.T, c *tls.Config) { c.RootCAs = testutil.NewAuthority(t).Pool },
	} {
		t.Run(name, func(t *testing.T) {
			for target := range protectedRequests {
				config := m.clientConfig()
				change(t, config)
				method, path, _ := strings.Cut(target, " ")
				if got := m.request(t, config, "prometheus", password, method, path); got != nil {
					t.Errorf("%s: %+v", target, got)
				}
			}
		})
	}
}

func TestTLS_PlainHTTPIsRejected(t *testing.T) {
	m := startMutualTLS(t)
	got := m.exchange(formatRequest("GET", "/metrics"))
	if got.status != http.StatusBadRequest || strings.Contains(got.body, "mongodbatlas") {
		t.Errorf("status %d: %s", got.status, got.body)
	}
}

func TestTLS_UnfinishedHandshakesAreClosed(t *testing.T) {
	t.Parallel()
	m := startMutualTLS(t)
	m.expectClosed(m.send(""), "no handshake")
	m.expectClosed(m.send("\x16\x03\x01\x02\x00\x01"), "half a handshake")
}

func TestTLS_APasswordIsEnoughWithoutClientCertificates(t *testing.T) {
	authority := testutil.NewAuthority(t)
	authority.IssueServer()
	webFile := filepath.Join(authority.Dir, "web.yaml")
	testutil.WriteFile(t, webFile, fmt.Sprintf(`
tls_server_config: {cert_file: server.pem, key_file: server-key.pem}
basic_auth_users: {prometheus: %q}
`, testutil.HashPassword(t, password)))
	e := startEndpoint(t, newSimulation(t, "{name: prod}").configFile, func(o *Options) { o.WebConfigFile = webFile })
	client := &http.Client{Transport: newHTTP2Transport(t, authority.Pool)}
	for url, want := range map[string]int{
		"https://" + e.address: 401, "https://prometheus:wrong@" + e.address: 401,
		"https://prometheus:let%20me%20in@" + e.address: 200,
	} {
		if status, body := get(t, client, url+"/metrics"); status != want {
			t.Errorf("%s: status %d, want %d: %s", url, status, want, body)
		}
	}
}

func TestRun_RejectsAnInvalidWebConfiguration(t *testing.T) {
	webFile := filepath.Join(t.TempDir(), "web.yaml")
	testutil.WriteFile(t, webFile, "tls_server_config: {cert_file: missing.pem, key_file: key.pem}\n")
	s := newSimulation(t, "{name: prod}")
	options := testOptions(t.Output())
	options.WebConfigFile = webFile
	err := Run(t.Context(), s.loadConfig(), options)
	if err == nil || !strings.HasPrefix(err.Error(), "web configuration: ") {
		t.Errorf("error %v", err)
	}
}
