package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/bcrypt"
)

// authority issues certificates, and writes them to its folder.
type authority struct {
	*testing.T
	dir    string
	cert   *x509.Certificate
	key    *ecdsa.PrivateKey
	pool   *x509.CertPool
	serial int64
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	a := &authority{T: t, dir: t.TempDir(), pool: x509.NewCertPool()}
	template := &x509.Certificate{IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}
	pair := a.issue("ca", template)
	a.cert, a.key = pair.Leaf, pair.PrivateKey.(*ecdsa.PrivateKey)
	a.pool.AddCert(a.cert)
	return a
}

// issue makes a certificate, and leaves it and its key as name.pem and name-key.pem.
func (a *authority) issue(name string, template *x509.Certificate) tls.Certificate {
	a.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		a.Fatal(err)
	}
	a.serial++
	template.SerialNumber = big.NewInt(a.serial)
	template.NotBefore = time.Now().Add(-2 * time.Hour)
	if template.NotAfter.IsZero() {
		template.NotAfter = time.Now().Add(time.Hour)
	}
	parent, signer := a.cert, a.key
	if parent == nil {
		parent, signer = template, key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), signer)
	if err != nil {
		a.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		a.Fatal(err)
	}
	writeFile(a.T, a.path(name), string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})))
	writeFile(a.T, a.path(name+"-key"), string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private})))
	pair, err := tls.LoadX509KeyPair(a.path(name), a.path(name+"-key"))
	if err != nil {
		a.Fatal(err)
	}
	return pair
}

func (a *authority) path(name string) string { return filepath.Join(a.dir, name+".pem") }

// server issues a certificate for this machine and for names.
func (a *authority) server(names ...string) tls.Certificate {
	a.Helper()
	return a.issue("server", &x509.Certificate{
		DNSNames: names, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	})
}

func (a *authority) client(notAfter time.Time) tls.Certificate {
	a.Helper()
	return a.issue("client", &x509.Certificate{NotAfter: notAfter, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}})
}

// hashed returns a password as it stands in a web configuration.
func hashed(t *testing.T, password string) string {
	t.Helper()
	hash, err := bcrypt.GenerateFromPassword([]byte(password), bcrypt.MinCost)
	if err != nil {
		t.Fatal(err)
	}
	return string(hash)
}

// TestMutualTLS serves those who have both a certificate and the password, by TLS 1.2 and newer.
func TestMutualTLS(t *testing.T) {
	_, configFile := newSim(t, "{name: prod}")
	a := newAuthority(t)
	serverCert := a.server()
	webFile := filepath.Join(a.dir, "web.yaml")
	writeFile(t, webFile, fmt.Sprintf(`
tls_server_config:
  cert_file: server.pem
  key_file: server-key.pem
  client_auth_type: RequireAndVerifyClientCert
  client_ca_file: ca.pem
basic_auth_users: {prometheus: %q}
`, hashed(t, "let me in")))
	e := newEndpoint(t, configFile, webFlags{ConfigFile: webFile, EnableLifecycle: true}, 500*time.Millisecond, 0)
	good := a.client(time.Time{})
	for _, test := range []struct {
		name           string
		change         func(*tls.Config)
		user, password string
		want           int // zero for no answer at all
	}{
		{"all is well", func(*tls.Config) {}, "prometheus", "let me in", 200},
		{"TLS 1.2", func(c *tls.Config) { c.MaxVersion = tls.VersionTLS12 }, "prometheus", "let me in", 200},
		{"TLS 1.1", func(c *tls.Config) { c.MinVersion, c.MaxVersion = tls.VersionTLS10, tls.VersionTLS11 }, "prometheus", "let me in", 0},
		{"wrong password", func(*tls.Config) {}, "prometheus", "let me out", 401},
		{"no password", func(*tls.Config) {}, "", "", 401},
		{"empty password", func(*tls.Config) {}, "prometheus", "", 401},
		{"the hash for a password", func(*tls.Config) {}, "prometheus", hashed(t, "let me in"), 401},
		{"another user", func(*tls.Config) {}, "grafana", "let me in", 401},
		{"no certificate", func(c *tls.Config) { c.Certificates = nil }, "prometheus", "let me in", 0},
		{"a certificate of somebody else", func(c *tls.Config) {
			c.Certificates = []tls.Certificate{newAuthority(t).client(time.Time{})}
		}, "prometheus", "let me in", 0},
		{"an expired certificate", func(c *tls.Config) {
			c.Certificates = []tls.Certificate{a.client(time.Now().Add(-time.Hour))}
		}, "prometheus", "let me in", 0},
		{"a server's certificate", func(c *tls.Config) { c.Certificates = []tls.Certificate{serverCert} }, "prometheus", "let me in", 0},
		{"no trust in the server", func(c *tls.Config) { c.RootCAs = newAuthority(t).pool }, "prometheus", "let me in", 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			config := &tls.Config{RootCAs: a.pool, MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{good}}
			test.change(config)
			if sent := config.Certificates; sent != nil { // the library would keep back what the server says that it does not take
				config.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &sent[0], nil }
			}
			http2 := config.MaxVersion != tls.VersionTLS11 // which it forbids by itself
			transport := &http.Transport{TLSClientConfig: config, ForceAttemptHTTP2: http2, DisableKeepAlives: true}
			for _, path := range []string{"/metrics", "/", "/-/healthy", "/debug/pprof/", "/-/reload"} {
				method, want := http.MethodGet, test.want
				if want == 200 && path == "/debug/pprof/" {
					want = 404
				}
				if path == "/-/reload" {
					method = http.MethodPost
				}
				request, err := http.NewRequestWithContext(t.Context(), method, "https://"+e.address+path, http.NoBody)
				if err != nil {
					t.Fatal(err)
				}
				if test.user != "" {
					request.SetBasicAuth(test.user, test.password)
				}
				response, err := transport.RoundTrip(request)
				if err != nil {
					if want != 0 {
						t.Errorf("%s: %v", path, err)
					}
					continue
				}
				body, _ := io.ReadAll(response.Body)
				_ = response.Body.Close()
				if response.StatusCode != want || response.ProtoMajor != 2 {
					t.Errorf("%s: %s %d, want %d: %.200s", path, response.Proto, response.StatusCode, want, body)
				}
				if want == 401 && (response.Header.Get("WWW-Authenticate") != "Basic" || strings.Contains(string(body), "mongodbatlas")) {
					t.Errorf("%s: %v %s", path, response.Header, body)
				}
				for _, header := range securityHeaders {
					if response.Header.Get(header) == "" && want != 401 { // which is not this program's own
						t.Errorf("%s: no %s", path, header)
					}
				}
			}
		})
	}
	if got := e.answer(request("GET", "/metrics")); got.status != 400 || strings.Contains(got.body, "mongodbatlas") {
		t.Errorf("without TLS: %d %s", got.status, got.body)
	}
	e.closed(e.send(""), "a connection without a handshake")
	e.closed(e.send("\x16\x03\x01\x02\x00\x01"), "half a handshake")
	for _, mark := range []string{"let me in", "let me out", "$2a$"} {
		if strings.Contains(e.log.String(), mark) {
			t.Errorf("%s is in the log: %s", mark, e.log.String())
		}
	}
}

// newTLSEndpoint returns an endpoint with a certificate, and the authority that issued it.
func newTLSEndpoint(t *testing.T, writeTimeout time.Duration) (*authority, *endpoint) {
	t.Helper()
	_, configFile := newSim(t, "{name: prod}")
	a := newAuthority(t)
	a.server()
	webFile := filepath.Join(a.dir, "web.yaml")
	writeFile(t, webFile, "tls_server_config: {cert_file: server.pem, key_file: server-key.pem}\n")
	return a, newEndpoint(t, configFile, webFlags{ConfigFile: webFile}, 0, writeTimeout)
}

// TestHTTP2Limits holds HTTP/2 to what holds for HTTP/1.
func TestHTTP2Limits(t *testing.T) {
	a, e := newTLSEndpoint(t, 0)
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: a.pool, MinVersion: tls.VersionTLS12}, ForceAttemptHTTP2: true}
	defer transport.CloseIdleConnections()
	for _, test := range []struct {
		size int
		want bool
	}{{1 << 10, true}, {2 * maxHeaderBytes, false}} {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://"+e.address+"/metrics", http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		request.Header.Set("X-Large", strings.Repeat("x", test.size))
		response, err := transport.RoundTrip(request)
		if err != nil {
			if test.want {
				t.Errorf("a header of %d bytes: %v", test.size, err)
			}
			continue
		}
		_, _ = io.Copy(io.Discard, response.Body)
		_ = response.Body.Close()
		if ok := response.StatusCode == http.StatusOK; ok != test.want || response.ProtoMajor != 2 {
			t.Errorf("a header of %d bytes: %s %d", test.size, response.Proto, response.StatusCode)
		}
	}
	body, writer := io.Pipe() // a body that never ends, and of which nobody wants anything
	defer func() { _ = writer.Close() }()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://"+e.address+"/metrics", body)
	if err != nil {
		t.Fatal(err)
	}
	response, err := transport.RoundTrip(request)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(io.Discard, response.Body); err != nil || response.StatusCode != http.StatusOK {
		t.Errorf("%d %v", response.StatusCode, err)
	}
	_ = response.Body.Close()
}
