// Package connlimit bounds the connections of an HTTP server so that its clients can't use up the file descriptors that
// the rest of the program needs.
//
// At the limit, a new connection replaces the one that has made no progress for the longest time. It may be waiting
// for a request, for the rest of one, or for a client that does not read its response. A client that sends and reads
// within its timeout is therefore served, no matter how many others do not.
package connlimit

import (
	"net"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// maxConnections is the limit if the number of file descriptors doesn't require a lower one.
	maxConnections = 512

	// maxWrite is the largest single write. A larger one is split, because only a finished write counts as progress.
	maxWrite = 64 << 10
)

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
	start    time.Time // of the clock by which progress is measured
	rejected atomic.Uint64

	mu    sync.Mutex
	conns map[*conn]struct{}
}

// New returns a limiter that allows at most limit connections.
func New(limit int) *Limiter {
	return &Limiter{limit: limit, start: time.Now(), conns: map[*conn]struct{}{}}
}

// Rejected returns how many connections were closed in favor of others.
func (l *Limiter) Rejected() uint64 { return l.rejected.Load() }

// Listen returns a listener that accepts connections from inner within the limit.
func (l *Limiter) Listen(inner net.Listener) net.Listener { return &listener{inner, l} }

type listener struct {
	net.Listener
	limiter *Limiter
}

func (l *listener) Accept() (net.Conn, error) {
	inner, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	accepted := &conn{Conn: inner, limiter: l.limiter}
	accepted.progressed()
	l.limiter.admit(accepted)
	return accepted, nil
}

// admit adds a connection, if necessary in place of another one.
func (l *Limiter) admit(accepted *conn) {
	l.mu.Lock()
	var evicted *conn
	if len(l.conns) >= l.limit {
		evicted = l.longestWithoutProgress()
		delete(l.conns, evicted)
		l.rejected.Add(1)
	}
	l.conns[accepted] = struct{}{}
	l.mu.Unlock()
	if evicted != nil {
		_ = evicted.Conn.Close()
	}
}

// longestWithoutProgress returns the connection whose last progress is the oldest. The caller must hold l.mu.
func (l *Limiter) longestWithoutProgress() *conn {
	var longest *conn
	for c := range l.conns {
		if longest == nil || c.progress.Load() < longest.progress.Load() {
			longest = c
		}
	}
	return longest
}

// conn is a connection within the limit.
type conn struct {
	net.Conn
	limiter  *Limiter
	progress atomic.Int64 // time of the last read or write since limiter.start
}

func (c *conn) progressed() { c.progress.Store(int64(time.Since(c.limiter.start))) }

// Read reads from the connection. Received bytes are progress.
func (c *conn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if n > 0 {
		c.progressed()
	}
	return n, err
}

// Write writes all of p. Sent bytes are progress.
func (c *conn) Write(p []byte) (int, error) {
	written := 0
	for {
		part := p[written:min(written+maxWrite, len(p))]
		n, err := c.Conn.Write(part)
		written += n
		if n > 0 {
			c.progressed()
		}
		if err != nil || written == len(p) {
			return written, err
		}
	}
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
