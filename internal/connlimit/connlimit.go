// Package connlimit bounds the connections of an HTTP server so that idle clients can't use up the file descriptors
// that the rest of the program needs.
//
// At the limit, a new connection replaces the one that has been idle for longest. A connection is idle before its first
// request and between two requests. If every connection is serving a request, the new one is closed.
package connlimit

import (
	"crypto/tls"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// maxConnections is the limit if the number of file descriptors doesn't require a lower one.
const maxConnections = 512

// Default returns a limit well below the number of file descriptors that the process may open.
func Default() int {
	const share = 4 // of the descriptors; the others are for Atlas, files and the runtime
	descriptors, known := maxDescriptors()
	if !known {
		return maxConnections
	}
	return int(max(min(descriptors/share, maxConnections), 1))
}

// Limiter bounds the open connections of all listeners that it wraps.
type Limiter struct {
	limit    int
	rejected atomic.Uint64

	mu    sync.Mutex
	conns map[*conn]struct{}
}

// New returns a limiter that allows at most limit connections.
func New(limit int) *Limiter { return &Limiter{limit: limit, conns: map[*conn]struct{}{}} }

// Rejected returns how many connections were rejected, or closed in favor of others.
func (l *Limiter) Rejected() uint64 { return l.rejected.Load() }

// Listen returns a listener that accepts connections from inner within the limit. The server must call ConnState.
func (l *Limiter) Listen(inner net.Listener) net.Listener { return &listener{inner, l} }

// ConnState is the hook of http.Server by which the limiter learns which connections are idle.
func (l *Limiter) ConnState(c net.Conn, state http.ConnState) {
	if wrapper, ok := c.(*tls.Conn); ok {
		c = wrapper.NetConn()
	}
	limited, ok := c.(*conn)
	if !ok {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	switch state {
	case http.StateActive:
		limited.idle = false
	case http.StateNew, http.StateIdle:
		limited.idle, limited.since = true, time.Now()
	case http.StateClosed, http.StateHijacked:
		delete(l.conns, limited)
	}
}

type listener struct {
	net.Listener
	limiter *Limiter
}

func (l *listener) Accept() (net.Conn, error) {
	for {
		inner, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		accepted := &conn{Conn: inner, limiter: l.limiter, idle: true, since: time.Now()}
		if l.limiter.admit(accepted) {
			return accepted, nil
		}
		_ = inner.Close()
	}
}

// admit adds a connection, if necessary in place of the one that has been idle for longest.
func (l *Limiter) admit(accepted *conn) bool {
	l.mu.Lock()
	var oldest *conn
	if len(l.conns) >= l.limit {
		oldest = l.longestIdle()
		l.rejected.Add(1)
		if oldest == nil {
			l.mu.Unlock()
			return false
		}
		delete(l.conns, oldest)
	}
	l.conns[accepted] = struct{}{}
	l.mu.Unlock()
	if oldest != nil {
		_ = oldest.Conn.Close()
	}
	return true
}

// longestIdle returns the connection that has been idle for longest, or nil if none is idle. The caller must hold l.mu.
func (l *Limiter) longestIdle() *conn {
	var oldest *conn
	for c := range l.conns {
		if c.idle && (oldest == nil || c.since.Before(oldest.since)) {
			oldest = c
		}
	}
	return oldest
}

// conn is a connection within the limit. The limiter's mu guards idle and since.
type conn struct {
	net.Conn
	limiter *Limiter
	idle    bool
	since   time.Time
}

// Close closes the connection and gives its place back.
func (c *conn) Close() error {
	c.limiter.mu.Lock()
	delete(c.limiter.conns, c)
	c.limiter.mu.Unlock()
	return c.Conn.Close()
}

// CloseWrite closes the sending direction. The HTTP server uses it to let the client read an error response to a
// request that was not read to its end.
func (c *conn) CloseWrite() error {
	if inner, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return inner.CloseWrite()
	}
	return nil
}
