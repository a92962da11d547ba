package atlas

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"sync"
	"sync/atomic"
	"time"
)

const (
	maxHeader    = 64 << 10
	dialTimeout  = 10 * time.Second
	idleTimeout  = 90 * time.Second
	pingInterval = 5 * time.Second // without a frame from the server, until the HTTP/2 connection is checked
	pingTimeout  = 5 * time.Second // until an HTTP/2 connection that did not return a ping is closed

	// maxConnections bounds the connections that are opened for one request: net/http opens another one, without a
	// delay, each time that a server rejects the request with GOAWAY.
	maxConnections = 5
)

var errTooManyConnections = errors.New("server closes each connection instead of responding")

// connections is the http.RoundTripper of a client. It keeps connections open, and replaces all of them if they stop
// responding.
type connections struct {
	options Options

	mu           sync.Mutex
	transport    *http.Transport
	lastResponse time.Time
}

func newConnections(options Options) *connections {
	return &connections{options: options, transport: newTransport(options)}
}

// RoundTrip implements http.RoundTripper.
func (c *connections) RoundTrip(req *http.Request) (*http.Response, error) {
	transport, start := c.current(), time.Now()
	ctx, cancel := context.WithCancelCause(req.Context())
	var opened atomic.Int32
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{GotConn: func(info httptrace.GotConnInfo) {
		if !info.Reused && opened.Add(1) > maxConnections {
			cancel(errTooManyConnections)
		}
	}})
	resp, err := transport.RoundTrip(req.WithContext(ctx))
	if err != nil {
		cancel(nil)
		if errors.Is(req.Context().Err(), context.DeadlineExceeded) {
			c.replaceUnlessResponded(transport, start)
		}
		if errors.Is(context.Cause(ctx), errTooManyConnections) {
			err = errTooManyConnections
		}
		return nil, err
	}
	c.responded()
	if resp.StatusCode == http.StatusSwitchingProtocols { // reading its body would ignore ctx
		_ = resp.Body.Close()
		resp.Body = http.NoBody
	}
	resp.Body = &cancelingBody{resp.Body, cancel}
	return resp, nil
}

func (c *connections) current() *http.Transport {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.transport
}

func (c *connections) responded() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.lastResponse = time.Now()
}

// replaceUnlessResponded replaces the connections after a request has timed out, unless any request got a response
// since the request started. Pings don't detect a server that only responds to pings.
func (c *connections) replaceUnlessResponded(transport *http.Transport, start time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.transport == transport && !c.lastResponse.After(start) {
		c.transport = newTransport(c.options)
	}
	if c.transport != transport { // it was replaced, and other requests may still use it
		transport.CloseIdleConnections()
	}
}

// CloseIdleConnections closes the connections that no request uses.
func (c *connections) CloseIdleConnections() { c.current().CloseIdleConnections() }

// cancelingBody releases the context of a request when its response has been read.
type cancelingBody struct {
	io.ReadCloser
	cancel context.CancelCauseFunc
}

func (b *cancelingBody) Close() error {
	defer b.cancel(nil)
	return b.ReadCloser.Close()
}

// newTransport returns a transport that keeps one connection for each concurrent request. Go's default of two for each
// host would open a new connection for nearly every request.
func newTransport(options Options) *http.Transport {
	dial := options.DialContext
	if dial == nil {
		dial = (&net.Dialer{Timeout: dialTimeout}).DialContext
	}
	return &http.Transport{
		Proxy:                  http.ProxyFromEnvironment,
		DialContext:            dial,
		TLSClientConfig:        &tls.Config{RootCAs: options.RootCAs, MinVersion: tls.VersionTLS12},
		TLSHandshakeTimeout:    dialTimeout,
		ForceAttemptHTTP2:      true,
		MaxIdleConns:           max(options.Concurrency, 2),
		MaxIdleConnsPerHost:    max(options.Concurrency, 2),
		IdleConnTimeout:        idleTimeout,
		MaxResponseHeaderBytes: maxHeader,
		OnProxyConnectResponse: checkProxyResponse,
		// All requests share one HTTP/2 connection. Pings detect a connection that a middlebox silently stopped
		// forwarding, which would otherwise block every request until the operating system gives up.
		HTTP2: &http.HTTP2Config{SendPingTimeout: pingInterval, PingTimeout: pingTimeout},
	}
}

// checkProxyResponse returns an error if a proxy rejects a connection. The error of net/http would quote the proxy,
// which may send back its password.
func checkProxyResponse(_ context.Context, _ *url.URL, _ *http.Request, response *http.Response) error {
	if response.StatusCode == http.StatusOK {
		return nil
	}
	return fmt.Errorf("proxy returned %d %s", response.StatusCode, http.StatusText(response.StatusCode))
}
