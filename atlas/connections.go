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

	"golang.org/x/time/rate"
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

	// At most maxReplacements replacements of the connections after failed requests, and one more each
	// replacementInterval: the cause of the failures may be Atlas, to which new connections make no difference.
	maxReplacements     = 5
	replacementInterval = time.Minute
)

var errTooManyConnections = errors.New("server closes each connection instead of responding")

// connections is the http.RoundTripper of a client. It keeps connections open, and replaces all of them if requests on
// them fail.
type connections struct {
	options Options

	mu           sync.Mutex
	transport    *http.Transport
	replacements *rate.Limiter
}

func newConnections(options Options) *connections {
	return &connections{
		options: options, transport: newTransport(options),
		replacements: rate.NewLimiter(rate.Every(replacementInterval), maxReplacements),
	}
}

// RoundTrip implements http.RoundTripper.
func (c *connections) RoundTrip(req *http.Request) (*http.Response, error) {
	sent := &sentRequest{connections: c, parent: req.Context(), transport: c.current()}
	ctx, cancel := context.WithCancelCause(req.Context())
	var opened atomic.Int32
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{GotConn: func(info httptrace.GotConnInfo) {
		if !info.Reused && opened.Add(1) > maxConnections {
			cancel(errTooManyConnections)
		}
	}})
	resp, err := sent.transport.RoundTrip(req.WithContext(ctx))
	if err != nil {
		cancel(nil)
		sent.failed()
		if errors.Is(context.Cause(ctx), errTooManyConnections) {
			err = errTooManyConnections
		}
		return nil, err
	}
	if resp.StatusCode == http.StatusSwitchingProtocols { // reading its body would ignore ctx
		_ = resp.Body.Close()
		resp.Body = http.NoBody
	}
	resp.Body = &responseBody{ReadCloser: resp.Body, sent: sent, cancel: cancel}
	return resp, nil
}

func (c *connections) current() *http.Transport {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.transport
}

// replace replaces the connections of a transport, within the limit.
func (c *connections) replace(transport *http.Transport) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.transport == transport && c.replacements.Allow() {
		c.transport = newTransport(c.options)
	}
}

// CloseIdleConnections closes the connections that no request uses.
func (c *connections) CloseIdleConnections() { c.current().CloseIdleConnections() }

// sentRequest is a request and the transport that sent it.
type sentRequest struct {
	connections *connections
	parent      context.Context //nolint:containedctx // its error is the reason why the request ended
	transport   *http.Transport
}

// failed replaces the connections after a request without a complete response, unless the caller canceled it. A
// connection can return pings and other responses and still be the cause: all requests share one HTTP/2 connection, and
// it stays open regardless of the failures of single requests.
func (s *sentRequest) failed() {
	if !errors.Is(s.parent.Err(), context.Canceled) {
		s.connections.replace(s.transport)
	}
	s.closeReplaced()
}

// closeReplaced closes the idle connections of a transport that was replaced. Other requests may still use it.
func (s *sentRequest) closeReplaced() {
	if s.connections.current() != s.transport {
		s.transport.CloseIdleConnections()
	}
}

// responseBody reports whether the response is complete, and releases the context of the request when it is closed.
type responseBody struct {
	io.ReadCloser
	sent   *sentRequest
	cancel context.CancelCauseFunc
	err    error // of the last read
	closed bool
}

func (b *responseBody) Read(p []byte) (n int, err error) {
	n, b.err = b.ReadCloser.Read(p)
	return n, b.err
}

// Close treats a response as complete if the reader stops before the end of the body.
func (b *responseBody) Close() error {
	defer b.cancel(nil)
	err := b.ReadCloser.Close()
	if b.closed {
		return err
	}
	b.closed = true
	if b.err == nil || errors.Is(b.err, io.EOF) {
		b.sent.closeReplaced()
	} else {
		b.sent.failed()
	}
	return err
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
