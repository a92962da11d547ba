package main

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"atlas-restore-exporter/atlas"
	"atlas-restore-exporter/atlas/atlastest"
)

// endpoint is an exporter that serves, in this process and on a real socket.
type endpoint struct {
	*testing.T
	address string
	log     *buffer
}

// newEndpoint serves until the test ends. Timeouts that are zero are those of the program.
func newEndpoint(t *testing.T, configFile string, flags webFlags, readTimeout, writeTimeout time.Duration) *endpoint {
	t.Helper()
	e := &endpoint{T: t, log: &buffer{}}
	load := func() (*Config, error) { return LoadConfig(configFile) }
	config, err := load()
	if err != nil {
		t.Fatal(err)
	}
	app := &app{
		logger:      slog.New(slog.NewTextHandler(e.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
		build:       buildInfo(),
		readTimeout: readTimeout, writeTimeout: writeTimeout,
	}
	ctx, cancel := context.WithCancel(t.Context())
	bound, ended := make(chan string, 1), make(chan error, 1)
	go func() {
		ended <- app.serve(ctx, config, load, flags, "127.0.0.1:0", func(address net.Addr) { bound <- address.String() })
	}()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("it ended with %v", err)
		}
	})
	select {
	case e.address = <-bound:
	case err := <-ended:
		t.Fatalf("it does not serve: %v", err)
	}
	return e
}

// send opens a connection of its own and sends a text. The connection is closed when the test ends, at the latest.
func (e *endpoint) send(text string) *net.TCPConn {
	e.Helper()
	conn, err := (&net.Dialer{}).DialContext(e.Context(), "tcp", e.address)
	if err != nil {
		e.Fatal(err)
	}
	e.Cleanup(func() { _ = conn.Close() })
	tcp := conn.(*net.TCPConn)
	if _, err := io.WriteString(tcp, text); err != nil {
		e.Fatal(err)
	}
	return tcp
}

// reply is what an answer says, whose body was read.
type reply struct {
	status int
	header http.Header
	body   string
}

// answer sends a request as it is written, and returns the answer.
func (e *endpoint) answer(request string) reply {
	e.Helper()
	conn := e.send(request)
	_ = conn.SetReadDeadline(time.Now().Add(30 * time.Second))
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

func request(method, path string, headers ...string) string {
	lines := append([]string{method + " " + path + " HTTP/1.1", "Host: exporter", "Connection: close"}, headers...)
	return strings.Join(lines, "\r\n") + "\r\n\r\n"
}

// securityHeaders are those that every answer of the exporter has.
var securityHeaders = []string{"Content-Security-Policy", "Referrer-Policy", "X-Content-Type-Options", "X-Frame-Options"}

// TestNothingElseIsServed asks for everything in every way. All but a few of the answers are refusals.
func TestNothingElseIsServed(t *testing.T) {
	_, configFile := newSim(t, "{name: prod}")
	e := newEndpoint(t, configFile, webFlags{}, 0, 0)
	served := []string{"/", "/metrics", "/-/healthy", "/-/ready"}
	paths := append([]string{
		"/-/reload", "/-/quit", "/-/", "/-/healthy/", "/metrics/", "/metrics/x", "/metrics.json", "/status", "/config", "/config.yaml",
		"/web.yaml", "/index.html", "/status.html", "/favicon.ico", "/robots.txt", "/.git/config", "/api/v1/query", "/probe", "/health",
		"/debug/", "/debug/pprof", "/debug/pprof/", "/debug/pprof/heap", "/debug/pprof/cmdline", "/debug/pprof/profile",
		"/debug/vars", "/debug/requests", "/debug/events", "/%2e%2e/config.yaml", "/..%2fconfig.yaml", "/" + strings.Repeat("a", 1000),
		"/metrics%00", "/%2d/healthy/x", "/?%gg",
	}, served...)
	for _, path := range paths {
		known := slices.Contains(served, path) || path == "/?%gg" // an odd query is no other path
		for _, method := range []string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND", "get"} {
			want := []int{http.StatusNotFound}
			switch reads := method == "GET" || method == "HEAD"; {
			case path == "/-/ready" && reads:
				want = []int{http.StatusOK, http.StatusServiceUnavailable} // before the first poll
			case path == "/-/reload" && method == "POST":
				want = []int{http.StatusForbidden}
			case known && reads:
				want = []int{http.StatusOK}
			case known, path == "/-/reload":
				want = []int{http.StatusMethodNotAllowed}
			}
			got := e.answer(request(method, path))
			if !slices.Contains(want, got.status) {
				t.Errorf("%s %s: %d, want %v: %.100s", method, path, got.status, want, got.body)
			}
			for _, header := range securityHeaders {
				if got.header.Get(header) == "" {
					t.Errorf("%s %s: %d without %s", method, path, got.status, header)
				}
			}
			if got.status != http.StatusOK && (len(got.body) > 200 || strings.Contains(got.body, path) && path != "/-/reload" && len(path) > 1) {
				t.Errorf("%s %s: %s", method, path, got.body)
			}
			if server := got.header.Get("Server"); server != "" {
				t.Errorf("it says that it is %s", server)
			}
		}
	}
}

// TestOddRequests sends what no browser would.
func TestOddRequests(t *testing.T) {
	_, configFile := newSim(t, "{name: prod}")
	e := newEndpoint(t, configFile, webFlags{}, 0, 0)
	for _, test := range []struct {
		text string
		want int
	}{
		{"GET /-/healthy HTTP/1.0\r\n\r\n", 200},
		{"GET /-/healthy HTTP/1.1\r\n\r\n", 400}, // no host
		{"GET /-/healthy HTTP/3.7\r\nHost: x\r\n\r\n", 505},
		{"CONNECT cloud.mongodb.com:443 HTTP/1.1\r\nHost: cloud.mongodb.com:443\r\nConnection: close\r\n\r\n", 405},
		{"GET http://cloud.mongodb.com/api/atlas/v2 HTTP/1.1\r\nHost: cloud.mongodb.com\r\nConnection: close\r\n\r\n", 404},
		{"GET //cloud.mongodb.com/ HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", 307}, // to the clean path, at this host
		{"GET /-/healthy HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n", 400},
		{"GET /-/healthy HTTP/1.1\r\nHost: x\r\nContent-Length: -5\r\n\r\n", 400},
		{"GET /-/healthy HTTP/1.1\r\nHost: x\r\nX: a\x00b\r\n\r\n", 400},
		{"not HTTP\r\n\r\n", 400},
		{"\x16\x03\x01\x00\xa5\x01\x00\x00\xa1\x03\x03\r\n\r\n", 400}, // the beginning of TLS
		{request("GET", "/-/healthy", "X-Large: "+strings.Repeat("x", maxHeaderBytes-1000)), 200},
		{request("GET", "/-/healthy", "X-Large: "+strings.Repeat("x", 2*maxHeaderBytes)), 431},
		{request("GET", "/-/healthy", strings.TrimSuffix(strings.Repeat("X: x\r\n", maxHeaderBytes/3), "\r\n")), 431},
		{request("GET", "/"+strings.Repeat("x", 2*maxHeaderBytes)), 431},
	} {
		got := e.answer(test.text)
		if got.status != test.want {
			t.Errorf("%.100q: %d, want %d: %s", test.text, got.status, test.want, got.body)
		}
		if at := got.header.Get("Location"); strings.HasPrefix(at, "//") || strings.Contains(at, "://") {
			t.Errorf("%.100q is sent to %s", test.text, at)
		}
	}
}

// closed waits until the endpoint has closed a connection.
func (e *endpoint) closed(conn *net.TCPConn, what string) {
	e.Helper()
	_ = conn.SetReadDeadline(time.Now().Add(30 * time.Second))
	if _, err := io.Copy(io.Discard, conn); os.IsTimeout(err) {
		e.Fatalf("%s is not closed within half a minute", what)
	}
}

// TestSlowRequests has clients that never finish their requests, as many as there may be scrapes and more. They are cut
// off, and nobody else has to wait for them for longer.
func TestSlowRequests(t *testing.T) {
	_, configFile := newSim(t, "{name: prod}")
	e := newEndpoint(t, configFile, webFlags{EnableLifecycle: true}, 500*time.Millisecond, 0)
	const scrape = "GET /metrics HTTP/1.1\r\nHost: exporter\r\n"
	for name, text := range map[string]string{
		"nothing":                    "",
		"a header that does not end": scrape,
		"a body that does not come":  scrape + "Content-Length: 10\r\n\r\n",
		"a last body that does not":  scrape + "Content-Length: 10\r\nConnection: close\r\n\r\n",
		"a chunk that does not end":  scrape + "Transfer-Encoding: chunked\r\n\r\na\r\nx",
		"a body for a reload":        "POST /-/reload HTTP/1.1\r\nHost: exporter\r\nContent-Length: 10\r\n\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			var slow []*net.TCPConn
			for range 2 * maxScrapes {
				slow = append(slow, e.send(text))
			}
			if status, _ := fetch(t, nil, "http://"+e.address+"/-/healthy"); status != 200 {
				t.Errorf("healthy: %d", status)
			}
			for _, conn := range slow {
				e.closed(conn, name)
			}
			var status int
			eventually(t, func() bool { status, _ = fetch(t, nil, "http://"+e.address+"/metrics"); return status == 200 },
				func() string { return fmt.Sprint("scrape: ", status) })
		})
	}
	t.Run("a header byte by byte", func(*testing.T) {
		conn := e.send("GET /metrics HTTP/1.1\r\nHost: exporter\r\nX-Slow: ")
		go func() {
			for {
				if _, err := io.WriteString(conn, "x"); err != nil {
					return
				}
				time.Sleep(20 * time.Millisecond)
			}
		}()
		e.closed(conn, "a header byte by byte")
	})
}

// TestEndlessBody sends a body without end with every kind of request. It is not read for long.
func TestEndlessBody(t *testing.T) {
	_, configFile := newSim(t, "{name: prod}")
	e := newEndpoint(t, configFile, webFlags{EnableLifecycle: true}, 0, 0)
	const chunk = 64 << 10
	for _, head := range []string{
		request("GET", "/metrics", "Transfer-Encoding: chunked"), request("GET", "/", "Transfer-Encoding: chunked"),
		request("POST", "/-/reload", "Transfer-Encoding: chunked"), request("POST", "/nowhere", "Transfer-Encoding: chunked"),
	} {
		conn := e.send(head)
		_ = conn.SetDeadline(time.Now().Add(30 * time.Second))
		text, sent := fmt.Sprintf("%x\r\n%s\r\n", chunk, strings.Repeat("x", chunk)), 0
		var err error
		for err == nil && sent < 1<<30 {
			var n int
			n, err = io.WriteString(conn, text)
			sent += n
		}
		if err == nil || os.IsTimeout(err) {
			t.Errorf("%.20q: %d MiB were taken: %v", head, sent>>20, err)
		}
	}
}

// stall asks for a scrape by HTTP/2, and lets the endpoint send nothing of the answer but its header: what the kernel
// would take for a client that does not read is no help here.
func (e *endpoint) stall(roots *x509.CertPool, accept string) {
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
		settings, headers     = 4, 1
		endStream, endHeaders = 1, 4
		initialWindowSize     = "\x00\x04\x00\x00\x00\x00" // zero bytes
	)
	scrape := "\x82\x87\x04\x08/metrics\x01\x08exporter" + // method GET, scheme https, path and authority
		"\x0f\x04" + string(rune(len(accept))) + accept
	_, err = io.WriteString(conn, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"+
		frame(settings, 0, 0, initialWindowSize)+frame(headers, endStream|endHeaders, 1, scrape))
	if err != nil {
		e.Fatal(err)
	}
	_ = conn.SetReadDeadline(time.Now().Add(30 * time.Second))
	for head := make([]byte, 9); head[3] != headers; { // until the scrape has begun, and has its slot
		if _, err := io.ReadFull(conn, head); err != nil {
			e.Fatal(err)
		}
		length := int64(head[0])<<16 | int64(head[1])<<8 | int64(head[2])
		if _, err := io.CopyN(io.Discard, conn, length); err != nil {
			e.Fatal(err)
		}
	}
}

// TestConcurrentScrapes has many clients that don't read their scrapes: others get theirs. Of those that are made one by
// one there are so many at a time: others are told so at once, everything else is served, and the slots come back.
func TestConcurrentScrapes(t *testing.T) {
	a, e := newTLSEndpoint(t, 3*time.Second)
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: a.pool, MinVersion: tls.VersionTLS12}}}
	var status int
	get := func(path string, want int, headers ...string) {
		t.Helper()
		eventually(t, func() bool {
			status, _ = fetch(t, client, "https://"+e.address+path, headers...)
			return status == want
		}, func() string { return fmt.Sprintf("%s: status %d, want %d", path, status, want) })
	}
	get("/-/ready", http.StatusOK)
	const protobuf = "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited"
	for range 4 * maxScrapes {
		e.stall(a.pool, "text/plain")
	}
	for range maxScrapes {
		e.stall(a.pool, protobuf)
	}
	get("/metrics", http.StatusServiceUnavailable, "Accept", protobuf)
	for _, path := range []string{"/metrics", "/", "/-/healthy", "/-/ready"} {
		get(path, http.StatusOK)
	}
	get("/metrics", http.StatusOK, "Accept", protobuf)
}

// newLargeEndpoint serves more than what lies between two ends of a connection when nobody reads.
func newLargeEndpoint(t *testing.T) *endpoint {
	t.Helper()
	cluster := strings.Repeat("long-", 12)
	sim, configFile := newSim(t, "{name: "+cluster+"}")
	sim.AddCluster(payments, cluster, atlastest.DedicatedCluster)
	sim.AddJobs(atlas.List{ProjectID: payments, ClusterName: cluster, BackupType: atlas.Dedicated}, make([]atlastest.Job, 2500)...)
	text, err := os.ReadFile(configFile)
	if err != nil {
		t.Fatal(err)
	}
	writeFile(t, configFile, strings.Replace(string(text), "{interval: 1s}", "{interval: 1h}", 1)+"job_series: {max_per_target: 10000}\n")
	e := newEndpoint(t, configFile, webFlags{}, 0, 0)
	eventually(t, func() bool { status, _ := fetch(t, nil, "http://"+e.address+"/-/ready"); return status == 200 }, e.log.String)
	return e
}

// sluggish asks for a scrape, and keeps no more of the answer in the kernel than it must.
func (e *endpoint) sluggish() *net.TCPConn {
	e.Helper()
	conn := e.send("")
	if err := conn.SetReadBuffer(4 << 10); err != nil {
		e.Fatal(err)
	}
	if _, err := io.WriteString(conn, request("GET", "/metrics")); err != nil {
		e.Fatal(err)
	}
	return conn
}

// TestSlowReaders has a client that reads a byte a second, and one that never reads. Others get their scrapes.
func TestSlowReaders(t *testing.T) {
	e := newLargeEndpoint(t)
	e.sluggish()
	slow := e.sluggish()
	go func() {
		for one := make([]byte, 1); ; time.Sleep(time.Second) {
			if _, err := slow.Read(one); err != nil {
				return
			}
		}
	}()
	for range 3 {
		if status, body := fetch(t, nil, "http://"+e.address+"/metrics"); status != 200 || !strings.Contains(body, "\nmongodbatlas_restore_job_info{") {
			t.Fatalf("status %d: %.300s", status, body)
		}
	}
}
