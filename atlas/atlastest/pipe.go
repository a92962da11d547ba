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

// Pipe serves a handler over connections in memory: real HTTP without sockets, which is what testing/synctest can put
// under its clock. Give DialContext to the client.
type Pipe struct {
	server   *http.Server
	listener *pipeListener
	served   sync.WaitGroup
}

// NewPipe starts to serve.
func NewPipe(handler http.Handler) *Pipe {
	pipe := &Pipe{
		server:   &http.Server{Handler: handler, ErrorLog: log.New(io.Discard, "", 0)}, //nolint:gosec // in memory
		listener: &pipeListener{conns: make(chan net.Conn), closed: make(chan struct{})},
	}
	pipe.served.Go(func() { _ = pipe.server.Serve(pipe.listener) })
	return pipe
}

// DialContext connects to the handler, whatever the address.
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

// Close ends all connections.
func (p *Pipe) Close() {
	_ = p.server.Close()
	_ = p.listener.Close() // the server may not have got to know it yet
	p.served.Wait()
}

// pipeListener hands the server's ends of connections to the server.
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
