package e2e

import (
	"encoding/base64"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
)

// proxy is an HTTP proxy that requires a password, and connects every client to the same address.
type proxy struct {
	url         string // with user and password
	destination string
	accepted    atomic.Int64
}

func newProxy(t *testing.T, destination string) *proxy {
	t.Helper()
	p := &proxy{destination: destination}
	server := httptest.NewServer(p)
	t.Cleanup(server.Close)
	p.url = strings.Replace(server.URL, "http://", "http://exporter:"+proxyPassword+"@", 1)
	return p
}

// address returns the address of the proxy, without user and password.
func (p *proxy) address() string {
	_, address, _ := strings.Cut(p.url, "@")
	return address
}

func (p *proxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodConnect || r.Header.Get("Proxy-Authorization") != basicAuth("exporter", proxyPassword) {
		w.Header().Set("Proxy-Authenticate", "Basic")
		conn, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			panic(err)
		}
		// A hostile reason phrase, which net/http can't send.
		_, _ = io.WriteString(conn, "HTTP/1.1 407 "+proxyPassword+" "+r.Header.Get("Proxy-Authorization")+"\r\n\r\n")
		_ = conn.Close()
		return
	}
	p.accepted.Add(1)
	upstream, err := (&net.Dialer{}).DialContext(r.Context(), "tcp", p.destination)
	if err != nil {
		http.Error(w, "no connection", http.StatusBadGateway)
		return
	}
	client, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(err)
	}
	_, _ = io.WriteString(client, "HTTP/1.1 200 Connection established\r\n\r\n")
	go func() { _, _ = io.Copy(upstream, client); _ = upstream.Close() }()
	go func() { _, _ = io.Copy(client, upstream); _ = client.Close() }()
}

// basicAuth returns the header of HTTP basic authentication.
func basicAuth(user, password string) string {
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(user+":"+password))
}
