package atlas_test

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"atlas-restore-exporter/atlas"
)

// freezer opens in-memory connections that can stop forwarding without being closed, as after a middlebox lost its
// state. Connections that are opened later forward again.
type freezer struct {
	accepted chan net.Conn
	closing  sync.Once
	dials    atomic.Int32
	frozen   atomic.Int32 // connections up to this number are frozen
}

func (f *freezer) DialContext(context.Context, string, string) (net.Conn, error) {
	client, server := net.Pipe()
	number := f.dials.Add(1)
	f.accepted <- server
	return &freezable{Conn: client, frozen: func() bool { return number <= f.frozen.Load() }}, nil
}

// freeze stops forwarding on the existing connections.
func (f *freezer) freeze() { f.frozen.Store(f.dials.Load()) }

func (f *freezer) Accept() (net.Conn, error) {
	server, open := <-f.accepted
	if !open {
		return nil, net.ErrClosed
	}
	return server, nil
}

func (f *freezer) Close() error {
	f.closing.Do(func() { close(f.accepted) })
	return nil
}

func (f *freezer) Addr() net.Addr { return &net.TCPAddr{} }

// freezable is a connection that discards all data while it is frozen.
type freezable struct {
	net.Conn
	frozen func() bool
}

func (c *freezable) Write(data []byte) (int, error) {
	if c.frozen() {
		return len(data), nil
	}
	return c.Conn.Write(data)
}

func (c *freezable) Read(data []byte) (int, error) {
	for {
		n, err := c.Conn.Read(data)
		if err != nil || !c.frozen() {
			return n, err
		}
	}
}

func TestClient_ReplacesAnHTTP2ConnectionThatSilentlyStoppedForwarding(t *testing.T) {
	certificates := httptest.NewUnstartedServer(nil) // only for its certificate and a client that trusts it
	certificates.StartTLS()
	certificate := certificates.TLS.Certificates[0]
	transport := certificates.Client().Transport.(*http.Transport) //nolint:forcetypeassert // documented
	roots := transport.TLSClientConfig.RootCAs
	certificates.Close()
	synctest.Test(t, func(t *testing.T) {
		network := &freezer{accepted: make(chan net.Conn, 16)}
		api := &http.Server{Handler: newAtlas(), ReadHeaderTimeout: time.Hour}
		api.TLSConfig = certificates.TLS.Clone()
		api.TLSConfig.Certificates = append(api.TLSConfig.Certificates[:0:0], certificate)
		api.TLSConfig.NextProtos = []string{"h2"}
		go func() { _ = api.ServeTLS(network, "", "") }()
		client, err := atlas.NewClient(atlas.Options{
			BaseURL: "https://example.com", Credential: account, RootCAs: roots, Concurrency: 8,
			DialContext: network.DialContext,
		})
		if err != nil {
			t.Fatal(err)
		}
		poll := func() error {
			ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
			defer cancel()
			_, err := readAll(ctx, client, dedicated)
			return err
		}
		if err := poll(); err != nil {
			t.Fatal(err)
		}
		network.freeze()
		first, second := poll(), poll()
		if second != nil {
			t.Errorf("not recovered within two polls: %v, %v", first, second)
		}
		client.Close()
		_ = api.Close()
	})
}
