package atlas_test

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"log"
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

// serveFirst starts a server that lets a handler respond to requests on its first connection. The handler may call next
// to respond as usual. The next poll connects to the server.
func (w *http2World) serveFirst(respond func(rw http.ResponseWriter, r *http.Request, next http.Handler)) {
	connections := 0
	w.serve(func(api *http.Server) {
		next := api.Handler
		api.ConnContext = func(ctx context.Context, _ net.Conn) context.Context {
			connections++
			return context.WithValue(ctx, connectionKey{}, connections)
		}
		api.ErrorLog = log.New(io.Discard, "", 0)
		api.Handler = http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
			if r.Context().Value(connectionKey{}) == 1 {
				respond(rw, r, next)
				return
			}
			next.ServeHTTP(rw, r)
		})
	})
	w.client.Close()
}

// silent never responds.
func silent(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }

// startBody responds with headers and the beginning of a body, which it never completes.
func startBody(body string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, body)
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
	}
}

func TestClient_ReplacesAnHTTP2ConnectionThatStaysOpenButFails(t *testing.T) {
	for name, test := range map[string]struct {
		respond http.HandlerFunc
		matches func(error) bool
	}{
		"responds to pings only": {silent, isTimeout},
		"no body":                {startBody(""), isTimeout},
		"one byte of the body":   {startBody("{"), isTimeout},
		"one byte a second":      {atlastest.Slow(time.Second).ServeHTTP, isTimeout},
		"resets each stream":     {func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, isNetwork},
		"resets streams in mid-response": {func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, "{")
			panic(http.ErrAbortHandler)
		}, isNetwork},
	} {
		t.Run(name, func(t *testing.T) {
			withHTTP2(t, func(w *http2World) {
				w.serveFirst(func(rw http.ResponseWriter, r *http.Request, _ http.Handler) { test.respond(rw, r) })
				first, second := w.poll(), w.poll()
				if !test.matches(first) || second != nil {
					w.Errorf("polls returned %v, %v; want a failure, then success", first, second)
				}
			})
		})
	}
}

func TestClient_ReplacesAnHTTP2ConnectionThatRespondsToAnotherListOnly(t *testing.T) {
	withHTTP2(t, func(w *http2World) {
		w.serveFirst(func(rw http.ResponseWriter, r *http.Request, next http.Handler) {
			if atlastest.PathHas("/prod/")(r) {
				<-r.Context().Done()
				return
			}
			next.ServeHTTP(rw, r)
		})
		done := make(chan struct{})
		go func() {
			defer close(done)
			for range 120 {
				if _, err := readAll(w.Context(), w.client, flex); err != nil {
					w.Errorf("the other list: %v", err)
				}
				time.Sleep(time.Second / 2)
			}
		}()
		synctest.Wait() // until the other list has a connection
		first, second := w.poll(), w.poll()
		if !isTimeout(first) || second != nil {
			w.Errorf("polls returned %v, %v; want a timeout, then success", first, second)
		}
		<-done
	})
}

func TestClient_BoundsTheConnectionsIfAtlasItselfDoesNotRespondToAList(t *testing.T) {
	withHTTP2(t, func(w *http2World) {
		w.serve(func(api *http.Server) {
			next := api.Handler
			api.Handler = http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
				if atlastest.PathHas("/prod/")(r) {
					startBody("{")(rw, r)
					return
				}
				next.ServeHTTP(rw, r)
			})
		})
		w.client.Close()
		const minutes = 10
		before := w.network.dials.Load()
		for start := time.Now(); time.Since(start) < minutes*time.Minute; {
			ctx, cancel := context.WithTimeout(w.Context(), time.Second)
			if _, err := readAll(ctx, w.client, dedicated); !isTimeout(err) {
				w.Fatalf("got %v", err)
			}
			cancel()
			if _, err := readAll(w.Context(), w.client, flex); err != nil {
				w.Fatalf("the other list: %v", err)
			}
		}
		if n := w.network.dials.Load() - before; n < 2 || n > 6+minutes {
			w.Errorf("%d connections in %d minutes", n, minutes)
		}
	})
}

func TestClient_IsNotHeldUpByAnHTTP2ConnectionThatAllowsOneStream(t *testing.T) {
	withHTTP2(t, func(w *http2World) {
		w.serve(func(api *http.Server) {
			api.HTTP2 = &http.HTTP2Config{MaxConcurrentStreams: 1}
			next := api.Handler
			api.Handler = http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
				if atlastest.PathHas("/prod/")(r) {
					<-r.Context().Done()
					return
				}
				next.ServeHTTP(rw, r)
			})
		})
		w.client.Close()
		start, done := time.Now(), make(chan error)
		go func() { done <- w.poll() }()
		synctest.Wait()
		for range 20 {
			if _, err := readAll(w.Context(), w.client, flex); err != nil {
				w.Errorf("the other list: %v", err)
			}
		}
		if took := time.Since(start); took > time.Second {
			w.Errorf("the other list took %v", took)
		}
		if err := <-done; !isTimeout(err) {
			w.Errorf("got %v", err)
		}
		if n := w.network.dials.Load(); n > 4 {
			w.Errorf("%d connections", n)
		}
	})
}

func TestClient_ClosesAReplacedConnectionWhenItsLastRequestHasEnded(t *testing.T) {
	withHTTP2(t, func(w *http2World) {
		w.serveFirst(func(rw http.ResponseWriter, r *http.Request, next http.Handler) {
			if atlastest.PathHas("/prod/")(r) {
				<-r.Context().Done()
				return
			}
			time.Sleep(40 * time.Second) // until another request has timed out
			next.ServeHTTP(rw, r)
		})
		done := make(chan error)
		go func() {
			_, err := readAll(w.Context(), w.client, flex)
			done <- err
		}()
		synctest.Wait() // until the other request has a connection
		if err := w.poll(); !isTimeout(err) {
			w.Errorf("got %v", err)
		}
		if err := <-done; err != nil {
			w.Errorf("the other list: %v", err)
		}
		synctest.Wait()
		if !w.network.isClosed(1) {
			w.Error("the replaced connection is open")
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
