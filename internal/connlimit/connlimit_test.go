package connlimit

import (
	"bufio"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"testing"
	"time"
)

// serve starts a server with at most limit connections.
func serve(t *testing.T, limit int, handler http.HandlerFunc) (*Limiter, *httptest.Server) {
	t.Helper()
	limiter := New(limit)
	server := httptest.NewUnstartedServer(handler)
	server.Listener = limiter.Listen(server.Listener)
	t.Cleanup(server.Close)
	return limiter, server
}

func dial(t *testing.T, server *httptest.Server) net.Conn {
	t.Helper()
	c, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// expectClosed fails unless the server closes the connection.
func expectClosed(t *testing.T, c net.Conn) {
	t.Helper()
	_ = c.SetReadDeadline(time.Now().Add(5 * time.Second))
	if _, err := c.Read(make([]byte, 1)); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("the connection was not closed: %v", err)
	}
}

func get(t *testing.T, client *http.Client, url string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	response, err := client.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	_, _ = io.Copy(io.Discard, response.Body)
	_ = response.Body.Close()
}

func TestLimiter_ServesARequestWhileIdleClientsHoldEveryConnection(t *testing.T) {
	limiter, server := serve(t, 3, func(http.ResponseWriter, *http.Request) {})
	server.Start()
	first := dial(t, server)
	for range 9 {
		dial(t, server)
	}
	get(t, server.Client(), server.URL)
	expectClosed(t, first)
	if n := limiter.Rejected(); n != 8 {
		t.Errorf("%d connections were rejected, want 8", n)
	}
}

func TestLimiter_ClosesTheLongestIdleConnectionFirst(t *testing.T) {
	_, server := serve(t, 2, func(http.ResponseWriter, *http.Request) {})
	server.Start()
	first, second := dial(t, server), dial(t, server)
	for _, c := range []net.Conn{second, first} { // first is idle for less time than second now
		if _, err := io.WriteString(c, "GET / HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
			t.Fatal(err)
		}
		response, err := http.ReadResponse(bufio.NewReader(c), nil)
		if err != nil {
			t.Fatal(err)
		}
		_ = response.Body.Close()
		time.Sleep(20 * time.Millisecond) // the server marks it as idle after the response
	}
	get(t, server.Client(), server.URL)
	expectClosed(t, second)
	if _, err := io.WriteString(first, "GET / HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
		t.Error(err)
	}
}

// Every place is taken by a client that does not read a response that is larger than the buffers of its connection.
func TestLimiter_ServesARequestWhileClientsThatNeverReadHoldEveryConnection(t *testing.T) {
	const limit = 3
	started := make(chan struct{}, limit)
	limiter, server := serve(t, limit, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/large" {
			started <- struct{}{}
			_, _ = w.Write(make([]byte, 64<<20))
		}
	})
	server.Start()
	for range limit {
		if _, err := io.WriteString(dial(t, server), "GET /large HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
			t.Fatal(err)
		}
		<-started
	}
	get(t, server.Client(), server.URL)
	if n := limiter.Rejected(); n != 1 {
		t.Errorf("%d connections were replaced, want 1", n)
	}
}

// A slow client that reads a large response all the time keeps its place: the stalled one is replaced.
func TestLimiter_KeepsASlowClientThatReads(t *testing.T) {
	const size = 64 << 20 // more than the buffers of a connection hold, so that the response isn't finished early
	limiter, server := serve(t, 2, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/large" {
			_, _ = w.Write(make([]byte, size))
		}
	})
	server.Start()
	idle := dial(t, server)
	slow := dial(t, server)
	if _, err := io.WriteString(slow, "GET /large HTTP/1.0\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	received := int64(0)
	for i := range 20 {
		n, err := io.CopyN(io.Discard, slow, 256<<10)
		received += n
		if err != nil {
			t.Fatalf("after %d bytes: %v", received, err)
		}
		if i == 15 {
			dial(t, server)
			expectClosed(t, idle)
		}
		time.Sleep(5 * time.Millisecond)
	}
	if n := limiter.Rejected(); n != 1 {
		t.Errorf("%d connections were replaced, want 1", n)
	}
	if rest, err := io.Copy(io.Discard, slow); err != nil || received+rest < size {
		t.Errorf("received %d bytes: %v", received+rest, err)
	}
}

func TestLimiter_GivesPlacesBack(t *testing.T) {
	limiter, server := serve(t, 1, func(http.ResponseWriter, *http.Request) {})
	server.Start()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	for range 5 {
		get(t, client, server.URL)
		time.Sleep(20 * time.Millisecond) // the server closes its side after the client has the response
	}
	if n := limiter.Rejected(); n != 0 {
		t.Errorf("%d connections were rejected", n)
	}
}

func TestLimiter_RecognizesConnectionsWithinTLS(t *testing.T) {
	_, server := serve(t, 2, func(http.ResponseWriter, *http.Request) {})
	server.StartTLS()
	idle := dial(t, server)
	get(t, server.Client(), server.URL)
	insecure := &tls.Config{InsecureSkipVerify: true}
	other := &http.Client{Transport: &http.Transport{TLSClientConfig: insecure}}
	time.Sleep(20 * time.Millisecond)
	get(t, other, server.URL)
	expectClosed(t, idle)
}

func TestDefault_IsBounded(t *testing.T) {
	if n := Default(); n < 1 || n > maxConnections {
		t.Errorf("the default is %d", n)
	}
}
