package atlas_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"atlas-restore-exporter/atlas"
	"atlas-restore-exporter/internal/testutil"
)

// fragileNetwork opens in-memory connections to the server that listened last. The existing ones can be frozen.
type fragileNetwork struct {
	server atomic.Pointer[listener]
	dials  atomic.Int32
	mu     sync.Mutex
	conns  []*testutil.FreezableConn
}

func (n *fragileNetwork) DialContext(context.Context, string, string) (net.Conn, error) {
	client, server := net.Pipe()
	conn := &testutil.FreezableConn{Conn: client}
	n.dials.Add(1)
	n.mu.Lock()
	n.conns = append(n.conns, conn)
	n.mu.Unlock()
	n.server.Load().accepted <- server
	return conn, nil
}

// freeze stops forwarding on the existing connections.
func (n *fragileNetwork) freeze() {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, conn := range n.conns {
		conn.Freeze()
	}
}

// isClosed reports whether the client has closed a connection. The first one has number 0.
func (n *fragileNetwork) isClosed(number int) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.conns[number].SetDeadline(time.Time{}) != nil
}

// listener accepts the connections of a fragileNetwork.
type listener struct {
	accepted chan net.Conn
	closing  sync.Once
}

func (l *listener) Accept() (net.Conn, error) {
	server, open := <-l.accepted
	if !open {
		return nil, net.ErrClosed
	}
	return server, nil
}

func (l *listener) Close() error {
	l.closing.Do(func() { close(l.accepted) })
	return nil
}

func (l *listener) Addr() net.Addr { return &net.TCPAddr{} }

// http2World is a client that polls over HTTP/2 through a fragile network.
type http2World struct {
	*testing.T
	network fragileNetwork
	tls     *tls.Config
	client  *atlas.Client
	api     *http.Server // the server that accepts new connections
	servers []*http.Server
}

// newCertificate returns a certificate for example.com and the authorities that it is trusted by.
func newCertificate() (tls.Certificate, *x509.CertPool) {
	server := httptest.NewUnstartedServer(nil) // only for its certificate and a client that trusts it
	server.StartTLS()
	defer server.Close()
	transport := server.Client().Transport.(*http.Transport) //nolint:forcetypeassert // documented
	return server.TLS.Certificates[0], transport.TLSClientConfig.RootCAs
}

// withHTTP2 runs a test in simulated time, in which every poll has succeeded so far.
func withHTTP2(t *testing.T, test func(w *http2World)) {
	certificate, roots := newCertificate()
	synctest.Test(t, func(t *testing.T) {
		w := &http2World{T: t}
		w.tls = &tls.Config{Certificates: []tls.Certificate{certificate}, NextProtos: []string{"h2"}}
		w.serve()
		var err error
		w.client, err = atlas.NewClient(atlas.Options{
			BaseURL: "https://example.com", Credential: account, RootCAs: roots, Concurrency: 8,
			DialContext: w.network.DialContext,
		})
		if err != nil {
			t.Fatal(err)
		}
		if err := w.poll(); err != nil {
			t.Fatal(err)
		}
		test(w)
		w.client.Close()
		for _, api := range w.servers {
			_ = api.Close()
		}
	})
}

// serve starts a server that accepts the new connections of the network.
func (w *http2World) serve(change ...func(api *http.Server)) {
	next := &listener{accepted: make(chan net.Conn, 16)}
	w.network.server.Store(next)
	w.api = &http.Server{Handler: newAtlas(), ReadHeaderTimeout: time.Hour, TLSConfig: w.tls.Clone()}
	for _, change := range change {
		change(w.api)
	}
	w.servers = append(w.servers, w.api)
	go func(api *http.Server) { _ = api.ServeTLS(next, "", "") }(w.api)
}

func (w *http2World) poll() error {
	ctx, cancel := context.WithTimeout(w.Context(), 30*time.Second)
	defer cancel()
	_, err := readAll(ctx, w.client, dedicated)
	return err
}

func TestClient_ReplacesAnHTTP2ConnectionThatSilentlyStoppedForwarding(t *testing.T) {
	withHTTP2(t, func(w *http2World) {
		w.network.freeze()
		if err := w.poll(); err != nil {
			w.Errorf("not recovered within the poll: %v", err)
		}
	})
}

func TestClient_ConnectsAgainAfterGOAWAY(t *testing.T) {
	withHTTP2(t, func(w *http2World) {
		old := w.api
		w.serve() // new connections reach another server, as after a change of DNS
		_ = old.Shutdown(w.Context())
		if err := w.poll(); err != nil {
			w.Errorf("the poll after GOAWAY failed: %v", err)
		}
		if n := w.network.dials.Load(); n != 2 {
			w.Errorf("%d connections, want a second one", n)
		}
	})
}

func TestClient_ConnectsAgainAfterTheServerRestarted(t *testing.T) {
	withHTTP2(t, func(w *http2World) {
		old := w.api
		w.serve()
		_ = old.Close() // without GOAWAY
		if err := w.poll(); err != nil {
			w.Errorf("not recovered within the poll: %v", err)
		}
	})
}
