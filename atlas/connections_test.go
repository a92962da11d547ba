package atlas_test

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"atlas-restore-exporter/atlas"
	"atlas-restore-exporter/atlas/atlastest"
)

// switchProtocols responds with status 101 and keeps the connection open.
func switchProtocols(w http.ResponseWriter, _ *http.Request) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(err)
	}
	_, _ = io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n")
	_, _ = io.Copy(io.Discard, conn) // until the client closes it
	_ = conn.Close()
}

func TestClient_DoesNotWaitAfterASwitchOfProtocols(t *testing.T) {
	for name, match := range map[string]func(*http.Request) bool{
		"API": atlastest.PathHas("/restoreJobs"), "token endpoint": atlastest.TokenRequests,
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				sim := newAtlas()
				sim.Script(match, 0, http.HandlerFunc(switchProtocols))
				start := time.Now()
				err := readError(t, connect(t, sim, account))
				if apiErr, ok := errors.AsType[*atlas.Error](err); !ok ||
					apiErr.Status != http.StatusSwitchingProtocols {
					t.Errorf("got %v", err)
				}
				if took := time.Since(start); took > time.Second {
					t.Errorf("returned after %v", took)
				}
			})
		})
	}
}

// connectionKey is the context key of the number of the connection of a request.
type connectionKey struct{}

func TestClient_ReplacesAConnectionThatOnlyRespondsToPings(t *testing.T) {
	withHTTP2(t, func(w *http2World) {
		connections := 0
		w.serve(func(api *http.Server) {
			respond := api.Handler
			api.ConnContext = func(ctx context.Context, _ net.Conn) context.Context {
				connections++
				return context.WithValue(ctx, connectionKey{}, connections)
			}
			api.Handler = http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
				if r.Context().Value(connectionKey{}) == 1 {
					<-r.Context().Done()
					return
				}
				respond.ServeHTTP(rw, r)
			})
		})
		w.client.Close() // the next poll connects to the new server
		first, second := w.poll(), w.poll()
		if !isTimeout(first) || second != nil {
			w.Errorf("polls returned %v, %v; want a timeout, then success", first, second)
		}
	})
}

func TestClient_BoundsTheConnectionsThatAServerClosesWithGOAWAY(t *testing.T) {
	certificate, roots := newCertificate()
	listener, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{
		MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{certificate}, NextProtos: []string{"h2"},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = listener.Close() }()
	var accepted atomic.Int32
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			accepted.Add(1)
			go sendGOAWAY(conn)
		}
	}()
	client, err := atlas.NewClient(atlas.Options{
		BaseURL: "https://example.com", Credential: key, RootCAs: roots,
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, network, listener.Addr().String())
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	if err := readError(t, client); err.Error() != "server closes each connection instead of responding" {
		t.Errorf("got %v", err)
	}
	if n := accepted.Load(); n > 10 {
		t.Errorf("%d connections for one request", n)
	}
}

// sendGOAWAY sends the frames SETTINGS and GOAWAY (RFC 9113) as soon as the client has sent a request.
func sendGOAWAY(conn net.Conn) {
	defer func() { _ = conn.Close() }()
	buffer := make([]byte, 1<<10)
	if _, err := conn.Write([]byte{0, 0, 0, 4, 0, 0, 0, 0, 0}); err != nil {
		return
	}
	for total := 0; total < 200; { // the preface and SETTINGS of the client have less than 100 bytes
		n, err := conn.Read(buffer)
		if err != nil {
			return
		}
		total += n
	}
	_, _ = conn.Write([]byte{0, 0, 8, 7, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0})
	_, _ = io.Copy(io.Discard, conn)
}
