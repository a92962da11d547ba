package server

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"atlas-restore-exporter/atlas"
	"atlas-restore-exporter/atlas/atlastest"
	"atlas-restore-exporter/internal/testutil"
)

// expectStatuses sends each request and checks the status code of its response, which must not redirect to another
// host.
func (e *endpoint) expectStatuses(requests map[string]int) {
	e.Helper()
	for request, want := range requests {
		got := e.exchange(request)
		if got.status != want {
			e.Errorf("%.100q: status %d, want %d: %s", request, got.status, want, got.body)
		}
		if to := got.header.Get("Location"); strings.HasPrefix(to, "//") || strings.Contains(to, "://") {
			e.Errorf("%.100q is redirected to %s", request, to)
		}
	}
}

func TestLimits_InvalidRequestsAreRejected(t *testing.T) {
	e := startEndpoint(t, newSimulation(t, "{name: prod}").configFile, nil)
	e.expectStatuses(map[string]int{
		"GET /-/healthy HTTP/1.0\r\n\r\n":                                                      200,
		"GET /-/healthy HTTP/1.1\r\n\r\n":                                                      400, // no host
		"GET /-/healthy HTTP/3.7\r\nHost: x\r\n\r\n":                                           505,
		"GET /-/healthy HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n": 400,
		"GET /-/healthy HTTP/1.1\r\nHost: x\r\nContent-Length: -5\r\n\r\n":                     400,
		"GET /-/healthy HTTP/1.1\r\nHost: x\r\nX: a\x00b\r\n\r\n":                              400,
		"not HTTP\r\n\r\n": 400,
		"\x16\x03\x01\x00\xa5\x01\x00\x00\xa1\x03\x03\r\n\r\n": 400, // the beginning of TLS
	})
}

func TestLimits_RequestsForOtherHostsAreNotForwarded(t *testing.T) {
	e := startEndpoint(t, newSimulation(t, "{name: prod}").configFile, nil)
	e.expectStatuses(map[string]int{
		"CONNECT cloud.mongodb.com:443 HTTP/1.1\r\nHost: cloud.mongodb.com:443\r\nConnection: close\r\n\r\n":         405,
		"GET http://cloud.mongodb.com/api/atlas/v2 HTTP/1.1\r\nHost: cloud.mongodb.com\r\nConnection: close\r\n\r\n": 404,
		"GET //cloud.mongodb.com/ HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n":                                  307,
	})
}

func TestLimits_LargeHeadersAreRejected(t *testing.T) {
	t.Parallel()
	e := startEndpoint(t, newSimulation(t, "{name: prod}").configFile, nil)
	many := strings.TrimSuffix(strings.Repeat("X: x\r\n", maxHeaderBytes/3), "\r\n")
	e.expectStatuses(map[string]int{
		formatRequest("GET", "/-/healthy", "X-Large: "+strings.Repeat("x", maxHeaderBytes-1000)): 200,
		formatRequest("GET", "/-/healthy", "X-Large: "+strings.Repeat("x", 2*maxHeaderBytes)):    431,
		formatRequest("GET", "/-/healthy", many):                                                 431,
		formatRequest("GET", "/"+strings.Repeat("x", 2*maxHeaderBytes)):                          431,
	})
}

// Twice as many clients as concurrent scrapes are allowed never finish their requests.
func TestLimits_UnfinishedRequestsAreClosedAndDelayNoOtherClient(t *testing.T) {
	t.Parallel()
	e := startEndpoint(t, newSimulation(t, "{name: prod}").configFile, func(o *Options) {
		o.EnableLifecycle, o.ReadTimeout = true, 500*time.Millisecond
	})
	const scrape = "GET /metrics HTTP/1.1\r\nHost: exporter\r\n"
	for name, text := range map[string]string{
		"nothing":                            "",
		"an unfinished header":               scrape,
		"a missing body":                     scrape + "Content-Length: 10\r\n\r\n",
		"a missing body, last request":       scrape + "Content-Length: 10\r\nConnection: close\r\n\r\n",
		"an unfinished chunk":                scrape + "Transfer-Encoding: chunked\r\n\r\na\r\nx",
		"a missing body, request for reload": "POST /-/reload HTTP/1.1\r\nHost: exporter\r\nContent-Length: 10\r\n\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			var slow []*net.TCPConn
			for range 2 * maxConcurrent {
				slow = append(slow, e.send(text))
			}
			e.expectStatus("/-/healthy", http.StatusOK)
			for _, conn := range slow {
				e.expectClosed(conn, name)
			}
			var status int
			testutil.Eventually(t, func() bool { status, _ = e.get("/metrics"); return status == http.StatusOK },
				func() string { return fmt.Sprint("status of the scrape: ", status) })
		})
	}
}

func TestLimits_ASlowHeaderIsClosed(t *testing.T) {
	t.Parallel()
	e := startEndpoint(t, newSimulation(t, "{name: prod}").configFile, func(o *Options) {
		o.ReadTimeout = 500 * time.Millisecond
	})
	conn := e.send("GET /metrics HTTP/1.1\r\nHost: exporter\r\nX-Slow: ")
	go func() {
		for {
			if _, err := io.WriteString(conn, "x"); err != nil {
				return
			}
			time.Sleep(20 * time.Millisecond)
		}
	}()
	e.expectClosed(conn, "a header that arrives byte by byte")
}

func TestLimits_EndlessBodiesAreNotReadToTheEnd(t *testing.T) {
	t.Parallel()
	e := startEndpoint(t, newSimulation(t, "{name: prod}").configFile, enableLifecycle)
	const chunkSize, tooMuch = 64 << 10, 1 << 30
	chunk := fmt.Sprintf("%x\r\n%s\r\n", chunkSize, strings.Repeat("x", chunkSize))
	for _, target := range []string{"GET /metrics", "GET /", "POST /-/reload", "POST /nowhere"} {
		method, path, _ := strings.Cut(target, " ")
		conn := e.send(formatRequest(method, path, "Transfer-Encoding: chunked"))
		_ = conn.SetDeadline(time.Now().Add(ioTimeout))
		sent := 0
		var err error
		for err == nil && sent < tooMuch {
			var n int
			n, err = io.WriteString(conn, chunk)
			sent += n
		}
		if err == nil || os.IsTimeout(err) {
			t.Errorf("%s: %d MiB were read: %v", target, sent>>20, err)
		}
	}
}

// startLargeEndpoint serves a response that is larger than the buffers of a connection.
func startLargeEndpoint(t *testing.T, change func(*Options)) *endpoint {
	t.Helper()
	cluster := strings.Repeat("long-", 12)
	s := newSimulation(t, "{name: "+cluster+"}")
	s.AddCluster(payments, cluster, atlastest.DedicatedCluster)
	list := atlas.List{ProjectID: payments, ClusterName: cluster, BackupType: atlas.Dedicated}
	s.AddJobs(list, make([]atlastest.Job, 2500)...)
	s.editConfig("{interval: 1s}", "{interval: 1h}\njob_series: {max_per_target: 10000}")
	e := startEndpoint(t, s.configFile, change)
	e.waitUntilReady()
	return e
}

// startSlowScrape requests /metrics over a connection whose receive buffer is as small as possible.
func (e *endpoint) startSlowScrape() *net.TCPConn {
	e.Helper()
	conn := e.send("")
	if err := conn.SetReadBuffer(4 << 10); err != nil {
		e.Fatal(err)
	}
	if _, err := io.WriteString(conn, formatRequest("GET", "/metrics")); err != nil {
		e.Fatal(err)
	}
	return conn
}

// One client never reads its response, and another one reads a byte per second.
func TestLimits_SlowReadersDelayNoOtherClient(t *testing.T) {
	t.Parallel()
	e := startLargeEndpoint(t, nil)
	e.startSlowScrape()
	slow := e.startSlowScrape()
	go func() {
		for one := make([]byte, 1); ; time.Sleep(time.Second) {
			if _, err := slow.Read(one); err != nil {
				return
			}
		}
	}()
	for range 3 {
		status, body := e.get("/metrics")
		if status != http.StatusOK || !strings.Contains(body, "\nmongodbatlas_restore_job_info{") {
			t.Fatalf("status %d: %.300s", status, body)
		}
	}
}
