package faults

import (
	"compress/gzip"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"sync"
	"testing"

	"atlas-restore-exporter/atlas/atlastest"
)

// respond lets a handler respond to requests for the victim's restore jobs.
func respond(handler http.HandlerFunc) trigger {
	return func(w *world) func() { return w.respond(handler) }
}

// respondToTokenRequests lets a handler respond to token requests of the victim's credential.
func respondToTokenRequests(handler http.HandlerFunc) trigger {
	return func(w *world) func() { return w.respondToTokenRequests(handler) }
}

// rewrite replaces a pattern in the responses for the victim.
func rewrite(pattern, by string) trigger {
	return func(w *world) func() {
		return w.respond(
			func(rw http.ResponseWriter, r *http.Request) { relay(rw, withReplaced(w.realResponse(r), pattern, by)) },
		)
	}
}

// retype changes the content type of the responses for the victim.
func retype(contentType string) trigger {
	return func(w *world) func() {
		return w.respond(func(rw http.ResponseWriter, r *http.Request) {
			response := w.realResponse(r)
			response.Header()["Content-Type"] = []string{contentType}
			relay(rw, response)
		})
	}
}

// takeOverConnection takes over the connection of a request.
func takeOverConnection(w http.ResponseWriter, use func(conn *net.TCPConn)) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(err) // an HTTP/2 connection can not be taken over
	}
	defer func() { _ = conn.Close() }()
	use(conn.(*net.TCPConn))
}

// listen serves connections, each until handle returns, and returns its address.
func listen(t *testing.T, handle func(net.Conn)) (address string) {
	t.Helper()
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var served sync.WaitGroup
	served.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			served.Go(func() { defer func() { _ = conn.Close() }(); handle(conn) })
		}
	})
	t.Cleanup(func() { _ = listener.Close(); served.Wait() })
	return listener.Addr().String()
}

// writeEndlessly writes until the reader closes the connection.
func writeEndlessly(w io.Writer, start, part string) {
	_, err := io.WriteString(w, start)
	for err == nil {
		_, err = io.WriteString(w, part)
	}
}

// resetAfter sends the beginning of a response and resets the connection.
func resetAfter(beginning string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		takeOverConnection(w, func(conn *net.TCPConn) {
			_, _ = io.WriteString(conn, beginning)
			_ = conn.SetLinger(0)
		})
	}
}

// rawResponse sends arbitrary bytes and closes the connection.
func rawResponse(text func(r *http.Request) string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		takeOverConnection(w, func(conn *net.TCPConn) { _, _ = io.WriteString(conn, text(r)) })
	}
}

// compress returns a text in gzip format.
func compress(text string) string {
	var packed strings.Builder
	zip := gzip.NewWriter(&packed)
	_, _ = io.WriteString(zip, text)
	_ = zip.Close()
	return packed.String()
}

// allSecrets returns a text with everything that must never be exposed.
func allSecrets(r *http.Request) string {
	return fmt.Sprintf("%s %s %s", r.Header.Get("Authorization"), secret, link)
}

// unmodified is the header of requests to which the simulator responds without a fault.
const unmodified = "X-Unmodified"

// isVictimsList matches requests for the victim's restore jobs.
func isVictimsList(r *http.Request) bool {
	return strings.Contains(r.URL.Path, victim.ProjectID+"/clusters") && r.Header.Get(unmodified) == ""
}

// respond lets a handler respond to requests for the victim's restore jobs until end is called.
func (w *world) respond(handler http.HandlerFunc) (end func()) {
	return w.sim.Script(isVictimsList, 0, handler)
}

// respondToTokenRequests revokes the victim's tokens and lets a handler respond to requests for new ones until end is
// called.
func (w *world) respondToTokenRequests(handler http.HandlerFunc) (end func()) {
	w.revokeTokens()
	return w.sim.Script(func(r *http.Request) bool {
		return atlastest.TokenRequests(r) && r.Header.Get("Authorization") == basicAuthorization &&
			r.Header.Get(unmodified) == ""
	}, 0, handler)
}

// realResponse returns the response of the simulator to a request.
func (w *world) realResponse(r *http.Request) *httptest.ResponseRecorder {
	request := r.Clone(r.Context())
	request.Header.Set(unmodified, "yes")
	request.Header.Del("Accept-Encoding")
	response := httptest.NewRecorder()
	w.sim.ServeHTTP(response, request)
	return response
}

// withReplaced replaces a pattern in the body of a response.
func withReplaced(response *httptest.ResponseRecorder, pattern, by string) *httptest.ResponseRecorder {
	body := regexp.MustCompile(pattern).ReplaceAllLiteralString(response.Body.String(), by)
	response.Body.Reset()
	response.Body.WriteString(body)
	return response
}

// relay sends a recorded response.
func relay(w http.ResponseWriter, response *httptest.ResponseRecorder) {
	response.Header().Del("Content-Length")
	maps.Copy(w.Header(), response.Header())
	w.WriteHeader(response.Code)
	_, _ = response.Body.WriteTo(w)
}

// revokeTokens invalidates the tokens that the victim's credential has used so far.
func (w *world) revokeTokens() {
	used := map[string]bool{}
	ofVictim := func(r atlastest.Request) bool { return strings.Contains(r.Path, victim.ProjectID) }
	for _, request := range w.sim.Requests(ofVictim) {
		used[request.Header.Get("Authorization")] = true
	}
	w.sim.Script(func(r *http.Request) bool { return used[r.Header.Get("Authorization")] }, 0,
		rejectWith(http.StatusUnauthorized, "UNEXPECTED_ERROR"))
}

// getBody returns the body of a response of the exporter.
func getBody(t *testing.T, url string) string {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Accept-Encoding", "identity")
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}
