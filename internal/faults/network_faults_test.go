package faults

import (
	"context"
	"io"
	"net"
	"net/http"
	"strings"
	"time"

	"atlas-restore-exporter/atlas/atlastest"
	"atlas-restore-exporter/collector/poll"
	"atlas-restore-exporter/internal/testutil"
)

func networkFaults() []fault {
	name := func(code uint32) trigger {
		return func(w *world) func() {
			server := newNameServer(w.T)
			w.network.redirectDials(server.dialer(w.network.regular))
			w.expectMetrics(successMetrics(victim)...) // as long as names resolve
			server.code.Store(code)
			w.network.cut()
			return func() { server.code.Store(0) }
		}
	}
	present := func(by func(w *world) *testutil.Authority, name string, life time.Duration) trigger {
		return func(w *world) func() {
			return w.network.present(certify(by(w), name, time.Now().Add(life)))
		}
	}
	known := func(w *world) *testutil.Authority { return w.network.authority }
	unknown := func(w *world) *testutil.Authority { return testutil.NewAuthority(w.T) }
	return []fault{
		{name: "connection refused", reason: poll.ReasonNetwork, reach: oneNetwork, maxPolls: 1, triggers: map[string]trigger{
			"nothing listens": func(w *world) func() { return w.network.redirectDials(dialTo("127.0.0.1:1")) },
			"closed at once": func(w *world) func() {
				return w.network.redirectDials(dialTo(listen(w.T, func(conn net.Conn) { _ = conn.Close() })))
			},
		}},
		{
			name:     "connection attempts that hang",
			reason:   poll.ReasonTimeout,
			reach:    oneNetwork,
			maxPolls: 1,
			tls:      true,
			triggers: map[string]trigger{
				"before they are made": func(w *world) func() {
					return w.network.redirectDials(
						func(ctx context.Context, _, _ string) (net.Conn, error) { <-ctx.Done(); return nil, ctx.Err() },
					)
				},
				"before TLS": func(w *world) func() {
					return w.network.redirectDials(dialTo(listen(w.T, func(conn net.Conn) { _, _ = io.Copy(io.Discard, conn) })))
				},
				"before the name is resolved": name(silent),
			},
		},
		{
			name:     "the name of the server does not resolve",
			reason:   poll.ReasonNetwork,
			reach:    oneNetwork,
			maxPolls: 1,
			triggers: map[string]trigger{
				"no such name":   name(noSuchName),
				"server failure": name(serverFailure),
			},
		},
		{
			name:     "a certificate that is expired, for another name, or of an unknown authority",
			reason:   poll.ReasonNetwork,
			reach:    oneNetwork,
			maxPolls: 1,
			tls:      true,
			triggers: map[string]trigger{
				"expired":           present(known, atlasHost, -time.Minute),
				"another name":      present(known, "elsewhere.test", time.Hour),
				"unknown authority": present(unknown, atlasHost, time.Hour),
			},
		},
		{
			name:     "Atlas is unreachable for three hours, while the access token expires",
			reason:   poll.ReasonNetwork,
			reach:    oneNetwork,
			maxPolls: 6,
			lasts:    3 * time.Hour,
			triggers: map[string]trigger{
				"connection refused": func(w *world) func() { return w.network.redirectDials(rejectDial) },
			},
		},
		{
			name:     "connection reset or closed mid-response",
			reason:   poll.ReasonNetwork,
			reach:    oneTarget,
			maxPolls: 1,
			triggers: map[string]trigger{
				"reset in the body":          respond(resetAfter("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{\"results\":[")),
				"reset before the response":  respond(resetAfter("")),
				"closed in the body":         respond(atlastest.BreakOff().ServeHTTP),
				"closed before the response": respond(rawResponse(func(*http.Request) string { return "" })),
				"closed between the chunks": respond(rawResponse(func(*http.Request) string {
					return "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{\"res\r\n"
				})),
			},
		},
		{
			name:     "an HTTP/2 stream that is reset mid-response",
			reason:   poll.ReasonNetwork,
			reach:    oneTarget,
			maxPolls: 1,
			http2:    true,
			triggers: map[string]trigger{
				"": respond(atlastest.BreakOff().ServeHTTP),
			},
		},
		{
			name:   "an HTTP/2 connection that silently stops delivering data",
			effect: "none; the connection is replaced after 10 seconds",
			reach:  oneTarget,
			http2:  true,
			triggers: map[string]trigger{
				"": func(w *world) func() { w.network.freeze(); return func() {} },
			},
		},
		{
			name:     "no response within `polling.timeout`",
			reason:   poll.ReasonTimeout,
			reach:    oneTarget,
			maxPolls: 1,
			triggers: map[string]trigger{
				"none": respond(atlastest.Hang().ServeHTTP),
				"late": respond(func(w http.ResponseWriter, r *http.Request) {
					select {
					case <-r.Context().Done():
					case <-time.After(2 * shortTimeout):
						_, _ = io.WriteString(w, `{"results":[]}`)
					}
				}),
				"one byte a second": respond(atlastest.Slow(time.Second).ServeHTTP),
				"one byte of header a second": respond(func(w http.ResponseWriter, _ *http.Request) {
					takeOverConnection(w, func(conn *net.TCPConn) {
						for _, b := range []byte("HTTP/1.1 200 OK\r\n") {
							if _, err := conn.Write([]byte{b}); err != nil {
								return
							}
							time.Sleep(time.Second / 4) // a header takes longer than any timeout here
						}
					})
				}),
			},
		},
		{
			name:     "a response that is not HTTP, or has endless headers",
			reason:   poll.ReasonNetwork,
			reach:    oneTarget,
			maxPolls: 1,
			bounded:  true,
			triggers: map[string]trigger{
				"another protocol": respond(rawResponse(allSecrets)),
				"an invalid header": respond(rawResponse(func(r *http.Request) string {
					return "HTTP/1.1 200 OK\r\n" + r.Header.Get("Authorization") + "\r\n\r\n"
				})),
				"another status line": respond(
					rawResponse(func(r *http.Request) string { return "HTTP/1.1 " + allSecrets(r) + "\r\n\r\n" }),
				),
				"a huge header": respond(func(w http.ResponseWriter, r *http.Request) {
					w.Header().Set("X", strings.Repeat(allSecrets(r), 1<<14))
					_, _ = io.WriteString(w, `{"results":[]}`)
				}),
				"endless headers": respond(func(w http.ResponseWriter, _ *http.Request) {
					takeOverConnection(w, func(conn *net.TCPConn) {
						writeEndlessly(conn, "HTTP/1.1 200 OK\r\n", strings.Repeat("X: x\r\n", 1<<10))
					})
				}),
			},
		},
	}
}
