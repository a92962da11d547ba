package server

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"atlas-restore-exporter/internal/testutil"
)

// startTLSEndpoint returns an endpoint with a certificate, and the authority that issued it.
func startTLSEndpoint(t *testing.T, writeTimeout time.Duration) (*testutil.Authority, *endpoint) {
	t.Helper()
	authority := testutil.NewAuthority(t)
	authority.IssueServer()
	webFile := filepath.Join(authority.Dir, "web.yaml")
	testutil.WriteFile(t, webFile, "tls_server_config: {cert_file: server.pem, key_file: server-key.pem}\n")
	return authority, startEndpoint(t, newSimulation(t, "{name: prod}").configFile, func(o *Options) {
		o.WebConfigFile, o.WriteTimeout = webFile, writeTimeout
	})
}

func newHTTP2Transport(t *testing.T, roots *x509.CertPool) *http.Transport {
	t.Helper()
	transport := &http.Transport{
		TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}, ForceAttemptHTTP2: true,
	}
	t.Cleanup(transport.CloseIdleConnections)
	return transport
}

// scrapeHTTP2 requests /metrics and returns the status code of the response, or 0 if there is none.
func (e *endpoint) scrapeHTTP2(transport *http.Transport, body io.Reader, header string) int {
	e.Helper()
	request, err := http.NewRequestWithContext(e.Context(), http.MethodGet, "https://"+e.address+"/metrics", body)
	if err != nil {
		e.Fatal(err)
	}
	request.Header.Set("X-Test", header)
	response, err := transport.RoundTrip(request)
	if err != nil {
		return 0
	}
	defer func() { _ = response.Body.Close() }()
	if _, err := io.Copy(io.Discard, response.Body); err != nil || response.ProtoMajor != 2 {
		e.Errorf("%s: %v", response.Proto, err)
	}
	return response.StatusCode
}

func TestHTTP2_LargeHeadersAreRejected(t *testing.T) {
	authority, e := startTLSEndpoint(t, 0)
	transport := newHTTP2Transport(t, authority.Pool)
	if status := e.scrapeHTTP2(transport, http.NoBody, strings.Repeat("x", 1<<10)); status != http.StatusOK {
		t.Errorf("1 KiB: status %d", status)
	}
	if status := e.scrapeHTTP2(transport, http.NoBody, strings.Repeat("x", 2*maxHeaderBytes)); status == http.StatusOK {
		t.Errorf("%d KiB: status %d", 2*maxHeaderBytes>>10, status)
	}
}

func TestHTTP2_AnEndlessBodyDoesNotDelayTheResponse(t *testing.T) {
	authority, e := startTLSEndpoint(t, 0)
	body, writer := io.Pipe()
	defer func() { _ = writer.Close() }()
	if status := e.scrapeHTTP2(newHTTP2Transport(t, authority.Pool), body, ""); status != http.StatusOK {
		t.Errorf("status %d", status)
	}
}

// startStalledScrape requests /metrics over HTTP/2 with a flow-control window of zero bytes, so that the endpoint can
// send only the header of the response. With HTTP/1, the buffers of the kernel would take a part of the response.
func (e *endpoint) startStalledScrape(roots *x509.CertPool, accept string) {
	e.Helper()
	config := &tls.Config{RootCAs: roots, NextProtos: []string{"h2"}, MinVersion: tls.VersionTLS12}
	conn, err := (&tls.Dialer{Config: config}).DialContext(e.Context(), "tcp", e.address)
	if err != nil {
		e.Fatal(err)
	}
	e.Cleanup(func() { _ = conn.Close() })
	frame := func(kind, flags, stream byte, payload string) string {
		return string([]byte{0, 0, byte(len(payload)), kind, flags, 0, 0, 0, stream}) + payload
	}
	const (
		settings, headers     = 4, 1 // types of frames
		endStream, endHeaders = 1, 4 // flags
		initialWindowSize     = "\x00\x04\x00\x00\x00\x00"
	)
	request := "\x82\x87\x04\x08/metrics\x01\x08exporter" + // method GET, scheme https, path and authority
		"\x0f\x04" + string(rune(len(accept))) + accept
	_, err = io.WriteString(conn, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"+
		frame(settings, 0, 0, initialWindowSize)+frame(headers, endStream|endHeaders, 1, request))
	if err != nil {
		e.Fatal(err)
	}
	_ = conn.SetReadDeadline(time.Now().Add(ioTimeout))
	for head := make([]byte, 9); head[3] != headers; { // until the response begins
		if _, err := io.ReadFull(conn, head); err != nil {
			e.Fatal(err)
		}
		length := int64(head[0])<<16 | int64(head[1])<<8 | int64(head[2])
		if _, err := io.CopyN(io.Discard, conn, length); err != nil {
			e.Fatal(err)
		}
	}
}

// protobuf is a format that the cached exposition can't serve.
const protobuf = "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited"

// Clients that don't read their responses use all the slots for uncached scrapes.
func TestLimits_OnlyUncachedScrapesAreLimited(t *testing.T) {
	t.Parallel()
	authority, e := startTLSEndpoint(t, 3*time.Second)
	client := &http.Client{Transport: &http.Transport{
		TLSClientConfig: &tls.Config{RootCAs: authority.Pool, MinVersion: tls.VersionTLS12},
	}}
	waitForStatus := func(path string, want int, headers ...string) {
		t.Helper()
		var status int
		testutil.Eventually(t, func() bool {
			status, _ = get(t, client, "https://"+e.address+path, headers...)
			return status == want
		}, func() string { return fmt.Sprintf("GET %s: status %d, want %d", path, status, want) })
	}
	waitForStatus("/-/ready", http.StatusOK)
	for range 4 * maxScrapes {
		e.startStalledScrape(authority.Pool, "text/plain")
	}
	for range maxScrapes {
		e.startStalledScrape(authority.Pool, protobuf)
	}
	waitForStatus("/metrics", http.StatusServiceUnavailable, "Accept", protobuf)
	for _, path := range []string{"/metrics", "/", "/-/healthy", "/-/ready"} {
		waitForStatus(path, http.StatusOK)
	}
	waitForStatus("/metrics", http.StatusOK, "Accept", protobuf) // after the write timeout
}
