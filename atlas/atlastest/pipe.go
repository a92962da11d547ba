package atlastest

import (
	"context"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"sync"
)

// Pipe serves a handler over in-memory connections. Unlike sockets, they work with the fake clock of testing/synctest.
// Set atlas.Options.DialContext to the method DialContext.
type Pipe struct {
	server   *http.Server
	listener *pipeListener
	served   sync.WaitGroup
}

// NewPipe starts serving a handler. The caller must call Close.
func NewPipe(handler http.Handler) *Pipe {
	pipe := &Pipe{
		server:   &http.Server{Handler: handler, ErrorLog: log.New(io.Discard, "", 0)}, //nolint:gosec // in memory
		listener: &pipeListener{conns: make(chan net.Conn), closed: make(chan struct{})},
	}
	pipe.served.Go(func() { _ = pipe.server.Serve(pipe.listener) })
	return pipe
}

// DialContext connects to the handler. It ignores the address.
func (p *Pipe) DialContext(ctx context.Context, _, _ string) (net.Conn, error) {
	client, server := net.Pipe()
	select {
	case p.listener.conns <- server:
		return client, nil
	case <-p.listener.closed:
		return nil, &net.OpError{Op: "dial", Net: "pipe", Err: errors.New("connection refused")}
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// Close closes all connections and waits until the server has stopped.
func (p *Pipe) Close() {
	_ = p.server.Close()
	_ = p.listener.Close() // Serve may not have registered it yet
	p.served.Wait()
}

// pipeListener accepts the server ends of connections.
type pipeListener struct {
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
}

func (l *pipeListener) Accept() (net.Conn, error) {
	select {
	case conn := <-l.conns:
		return conn, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *pipeListener) Close() error {
	l.once.Do(func() { close(l.closed) })
	return nil
}

func (l *pipeListener) Addr() net.Addr { return pipeAddr{} }

type pipeAddr struct{}

func (pipeAddr) Network() string { return "pipe" }

func (pipeAddr) String() string { return "pipe" }
