package server

import (
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"atlas-restore-exporter/internal/testutil"
)

// attack writes to a connection until the endpoint closes it or everything is written.
type attack func(conn net.Conn)

// http2Attacks are the attacks of one hostile client over HTTP/2. Stream IDs are odd.
func http2Attacks() map[string]attack {
	send := func(conn net.Conn, texts ...string) bool {
		_ = conn.SetWriteDeadline(time.Now().Add(ioTimeout))
		_, err := io.WriteString(conn, strings.Join(texts, ""))
		return err == nil
	}
	get := requestHeaders(http.MethodGet, "/metrics", "text/plain")
	page := requestHeaders(http.MethodGet, "/", "text/html")
	post := requestHeaders(http.MethodPost, "/-/reload", "text/plain")
	const many = 2_000
	return map[string]attack{
		"many streams whose response is not read": func(conn net.Conn) {
			for i := range uint32(many) {
				if !send(conn, frame(frameHeaders, endStream|endHeaders, 2*i+1, []string{get, page}[i%2])) {
					return
				}
			}
		},
		"streams that are reset at once": func(conn net.Conn) {
			for i := range uint32(many) {
				if !send(conn, frame(frameHeaders, endStream|endHeaders, 2*i+1, get),
					frame(frameReset, 0, 2*i+1, "\x00\x00\x00\x08")) {
					return
				}
			}
		},
		"endless header": func(conn net.Conn) {
			if !send(conn, frame(frameHeaders, endStream, 1, get)) {
				return
			}
			for range many {
				if !send(conn, frame(frameContinuation, 0, 1, strings.Repeat("\x40\x01a\x01b", 1000))) {
					return
				}
			}
		},
		"header that never ends": func(conn net.Conn) { send(conn, frame(frameHeaders, endStream, 1, get)) },
		"requests without their body": func(conn net.Conn) {
			for i := range uint32(100) {
				send(conn, frame(frameHeaders, endHeaders, 2*i+1, post))
			}
		},
		"empty data frames": func(conn net.Conn) {
			send(conn, frame(frameHeaders, endHeaders, 1, get))
			for range many {
				if !send(conn, frame(frameData, 0, 1, "")) {
					return
				}
			}
		},
		"pings and settings whose acknowledgment is not read": func(conn net.Conn) {
			for range many {
				if !send(conn, frame(framePing, 0, 0, "12345678"), frame(frameSettings, 0, 0, "")) {
					return
				}
			}
		},
		"data without a stream": func(conn net.Conn) { send(conn, frame(frameData, endStream, 7, "x")) },
	}
}

// expectServed checks that scrapes succeed within the default timeout of Prometheus, and that polls continue.
func (e *endpoint) expectServed(roots *x509.CertPool) {
	e.Helper()
	const scrapeTimeout = 10 * time.Second
	lastPoll := func() string {
		client := &http.Client{Transport: newHTTP2Transport(e.T, roots), Timeout: scrapeTimeout}
		status, body := get(e.T, client, "https://"+e.address+"/metrics")
		if status != http.StatusOK {
			e.Errorf("scrape: status %d: %s", status, body)
		}
		_, after, _ := strings.Cut(body, "\nmongodbatlas_restore_last_successful_poll_timestamp_seconds")
		line, _, _ := strings.Cut(after, "\n")
		return line
	}
	first := lastPoll()
	testutil.Eventually(e.T, func() bool { return lastPoll() != first },
		func() string { return "no further poll than" + first })
}

func TestHTTP2_HostileClientsKeepNoScrapeOut(t *testing.T) {
	const clients = 4
	for name, attack := range http2Attacks() {
		t.Run(name, func(t *testing.T) {
			authority, e := startTLSEndpoint(t)
			client := &http.Client{Transport: newHTTP2Transport(t, authority.Pool)}
			testutil.Eventually(t, func() bool {
				status, _ := get(t, client, "https://"+e.address+"/-/ready")
				return status == http.StatusOK
			}, e.log.String)
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			var attacks sync.WaitGroup
			for range clients {
				conn := e.dialHTTP2(authority.Pool)
				attacks.Go(func() { attack(conn) })
			}
			e.expectServed(authority.Pool)
			runtime.ReadMemStats(&after)
			if grown := int64(after.HeapAlloc) - int64(before.HeapAlloc); grown > 256<<20 {
				t.Errorf("the heap grew by %d MiB", grown>>20)
			}
			start := time.Now()
			if err := e.stop(); err != nil || time.Since(start) > shutdownTimeout+2*time.Second {
				t.Errorf("stopped after %v: %v", time.Since(start), err)
			}
			attacks.Wait()
		})
	}
}

// More clients than the connection limit begin a TLS handshake and never finish it.
func TestTLS_UnfinishedHandshakesKeepNoScrapeOut(t *testing.T) {
	authority, e := startTLSEndpoint(t)
	for i := range 1000 {
		e.send([]string{"", "\x16\x03\x01\x02\x00\x01", "\x16\x03\x01"}[i%3])
	}
	e.expectServed(authority.Pool)
}

// More clients than the connection limit request a large response and never read it.
func TestLimits_ClientsThatNeverReadLeaveConnectionsToOthers(t *testing.T) {
	const maxConnections = 20
	e := startLargeEndpoint(t, func(o *Options) { o.MaxConnections = maxConnections })
	for i := range 2 * maxConnections {
		conn := e.send("")
		if err := conn.SetReadBuffer(4 << 10); err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(conn, formatRequest("GET", "/metrics")); err != nil {
			t.Fatalf("client %d: %v", i, err)
		}
	}
	for range 3 {
		start := time.Now()
		status, body := e.get("/metrics")
		if took := time.Since(start); status != http.StatusOK || took > writeTimeout/2 {
			t.Errorf("status %d after %v: %.100s", status, took, body)
		}
	}
	e.waitForMetrics(fmt.Sprintf("\n%s ", "mongodbatlas_restore_exporter_connections_rejected_total"))
}

// A client that sends a second request within the body of the first can't make the endpoint take it for a request of
// another client.
func TestLimits_AmbiguousRequestsGetOneResponse(t *testing.T) {
	e := startEndpoint(t, newSimulation(t, "{name: prod}").configFile, enableLifecycle)
	const hidden = "POST /-/reload HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n"
	for _, request := range []string{
		"GET /-/healthy HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n" + hidden,
		"GET /-/healthy HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: x\r\n\r\n" + hidden,
		"GET /-/healthy HTTP/1.1\r\nHost: x\r\nContent-Length : 0\r\n\r\n" + hidden,
		"GET /-/healthy HTTP/1.1\r\nHost: x\r\nContent-Length: +5\r\n\r\n" + hidden,
		"GET /-/healthy HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n" + hidden,
	} {
		conn := e.send(request)
		_ = conn.SetReadDeadline(time.Now().Add(ioTimeout))
		_ = conn.CloseWrite()
		text, _ := io.ReadAll(conn)
		if n := strings.Count(string(text), "HTTP/1.1 "); n != 1 {
			t.Errorf("%q: %d responses: %s", request, n, text)
		}
	}
	if text := e.log.String(); strings.Contains(text, "configuration reloaded") {
		t.Errorf("a hidden request was executed: %s", text)
	}
}
