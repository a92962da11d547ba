package server

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/binary"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"atlas-restore-exporter/internal/testutil"
)

// startTLSEndpoint returns an endpoint with a certificate, and the authority that issued it.
func startTLSEndpoint(t *testing.T) (*testutil.Authority, *endpoint) {
	t.Helper()
	authority := testutil.NewAuthority(t)
	authority.IssueServer()
	webFile := filepath.Join(authority.Dir, "web.yaml")
	testutil.WriteFile(t, webFile, "tls_server_config: {cert_file: server.pem, key_file: server-key.pem}\n")
	return authority, startEndpoint(t, newSimulation(t, "{name: prod}").configFile, func(o *Options) {
		o.WebConfigFile = webFile
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
	authority, e := startTLSEndpoint(t)
	transport := newHTTP2Transport(t, authority.Pool)
	if status := e.scrapeHTTP2(transport, http.NoBody, strings.Repeat("x", 1<<10)); status != http.StatusOK {
		t.Errorf("1 KiB: status %d", status)
	}
	if status := e.scrapeHTTP2(transport, http.NoBody, strings.Repeat("x", 2*maxHeaderBytes)); status == http.StatusOK {
		t.Errorf("%d KiB: status %d", 2*maxHeaderBytes>>10, status)
	}
}

func TestHTTP2_AnEndlessBodyDoesNotDelayTheResponse(t *testing.T) {
	authority, e := startTLSEndpoint(t)
	body, writer := io.Pipe()
	defer func() { _ = writer.Close() }()
	if status := e.scrapeHTTP2(newHTTP2Transport(t, authority.Pool), body, ""); status != http.StatusOK {
		t.Errorf("status %d", status)
	}
}

// Types and flags of HTTP/2 frames.
const (
	frameData, frameHeaders, frameReset, frameSettings, framePing, frameContinuation = 0, 1, 3, 4, 6, 9

	endStream, endHeaders = 1, 4
)

// frame returns the text of an HTTP/2 frame.
func frame(kind, flags byte, stream uint32, payload string) string {
	length := len(payload)
	head := []byte{byte(length >> 16), byte(length >> 8), byte(length), kind, flags}
	return string(binary.BigEndian.AppendUint32(head, stream)) + payload
}

// requestHeaders returns the compressed header of a request. The method is GET or POST.
func requestHeaders(method, path, accept string) string {
	methods := map[string]string{http.MethodGet: "\x82", http.MethodPost: "\x83"}
	text := func(s string) string { return string([]byte{byte(len(s))}) + s }
	return methods[method] + "\x87\x04" + text(path) + "\x01" + text("exporter") + "\x0f\x04" + text(accept)
}

// dialHTTP2 opens an HTTP/2 connection with a flow-control window of zero bytes, so that the endpoint can send only the
// headers of responses. With HTTP/1, the buffers of the kernel would take a part of the response.
func (e *endpoint) dialHTTP2(roots *x509.CertPool) net.Conn {
	e.Helper()
	config := &tls.Config{RootCAs: roots, NextProtos: []string{"h2"}, MinVersion: tls.VersionTLS12}
	conn, err := (&tls.Dialer{Config: config}).DialContext(e.Context(), "tcp", e.address)
	if err != nil {
		e.Fatal(err)
	}
	e.Cleanup(func() { _ = conn.Close() })
	const initialWindowSize = "\x00\x04\x00\x00\x00\x00"
	if _, err := io.WriteString(conn, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"+
		frame(frameSettings, 0, 0, initialWindowSize)); err != nil {
		e.Fatal(err)
	}
	return conn
}

// startStalledScrape requests /metrics and waits until the response begins, whose body the client never reads.
func (e *endpoint) startStalledScrape(roots *x509.CertPool, accept string) {
	e.Helper()
	conn := e.dialHTTP2(roots)
	request := requestHeaders(http.MethodGet, "/metrics", accept)
	if _, err := io.WriteString(conn, frame(frameHeaders, endStream|endHeaders, 1, request)); err != nil {
		e.Fatal(err)
	}
	_ = conn.SetReadDeadline(time.Now().Add(ioTimeout))
	for head := make([]byte, 9); head[3] != frameHeaders; { // until the response begins
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

// Clients that don't read their responses use all the slots for uncached scrapes and more uncached scrapes follow.
func TestLimits_ClientsThatNeverReadKeepNoOtherClientOut(t *testing.T) {
	t.Parallel()
	authority, e := startTLSEndpoint(t)
	client := &http.Client{Transport: &http.Transport{
		TLSClientConfig: &tls.Config{RootCAs: authority.Pool, MinVersion: tls.VersionTLS12},
	}}
	testutil.Eventually(t, func() bool {
		status, _ := get(t, client, "https://"+e.address+"/-/ready")
		return status == http.StatusOK
	}, e.log.String)
	for range 4 * maxConcurrent {
		e.startStalledScrape(authority.Pool, "text/plain")
	}
	for range maxConcurrent {
		e.startStalledScrape(authority.Pool, protobuf)
	}
	const scrapeTimeout = 10 * time.Second // the default of Prometheus
	for _, accept := range []string{protobuf, "text/plain", protobuf} {
		start := time.Now()
		status, _ := get(t, client, "https://"+e.address+"/metrics", "Accept", accept)
		if took := time.Since(start); status != http.StatusOK || took > scrapeTimeout {
			t.Errorf("%s: status %d after %v", accept, status, took)
		}
	}
}
