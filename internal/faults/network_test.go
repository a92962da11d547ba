package faults

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"net"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"atlas-restore-exporter/internal/testutil"
)

type dialFunc = func(ctx context.Context, network, address string) (net.Conn, error)

// dialTo connects to an address instead of the requested one.
func dialTo(address string) dialFunc {
	return func(ctx context.Context, network, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, network, address)
	}
}

// network connects the exporter to the Atlas API. It records the requested hosts and can close every connection.
type network struct {
	regular     dialFunc
	current     atomic.Pointer[dialFunc]
	certificate atomic.Pointer[tls.Certificate]
	authority   *testutil.Authority

	mu     sync.Mutex
	conns  []*testutil.FreezableConn
	cuts   int
	dialed map[string]bool // hosts
}

func newNetwork(regular dialFunc) *network {
	n := &network{regular: regular, dialed: map[string]bool{}}
	n.current.Store(&regular)
	return n
}

func (n *network) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	n.mu.Lock()
	n.dialed[host] = true
	cuts := n.cuts
	n.mu.Unlock()
	conn, err := (*n.current.Load())(ctx, network, address)
	if err != nil {
		return nil, err
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.cuts != cuts { // while the connection was being opened
		_ = conn.Close()
	}
	freezable := &testutil.FreezableConn{Conn: conn}
	n.conns = append(n.conns, freezable)
	return freezable, nil
}

// freeze makes all connections stop forwarding without closing them.
func (n *network) freeze() {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, conn := range n.conns {
		conn.Freeze()
	}
}

func (n *network) dialedHosts() []string {
	n.mu.Lock()
	defer n.mu.Unlock()
	var hosts []string
	for host := range n.dialed {
		hosts = append(hosts, host)
	}
	return hosts
}

// cut closes all connections.
func (n *network) cut() {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, conn := range n.conns {
		_ = conn.Close()
	}
	n.conns = nil
	n.cuts++
}

// redirectDials lets other open the connections until end is called.
func (n *network) redirectDials(other dialFunc) (end func()) {
	n.current.Store(&other)
	n.cut()
	return func() { n.current.Store(&n.regular); n.cut() }
}

// present makes the server present another certificate until end is called.
func (n *network) present(certificate *tls.Certificate) (end func()) {
	previous := n.certificate.Swap(certificate)
	n.cut()
	return func() { n.certificate.Store(previous); n.cut() }
}

// rejectDial returns the error of a dial to an address on which nothing listens.
func rejectDial(context.Context, string, string) (net.Conn, error) {
	return nil, &net.OpError{Op: "dial", Net: "tcp", Err: syscall.ECONNREFUSED}
}

// certify returns a certificate for a name.
func certify(a *testutil.Authority, name string, until time.Time) *tls.Certificate {
	pair := a.Issue(name, &x509.Certificate{NotAfter: until, DNSNames: []string{name}})
	return &pair
}
