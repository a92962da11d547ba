package faults

import (
	"context"
	"net"
	"sync"
	"sync/atomic"
	"testing"
)

// nameServer is a DNS server that resolves every name to the loopback address, or returns an error code.
type nameServer struct {
	conn net.PacketConn
	code atomic.Uint32 // of the error; 0 means none
}

func newNameServer(t *testing.T) *nameServer {
	t.Helper()
	conn, err := (&net.ListenConfig{}).ListenPacket(t.Context(), "udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &nameServer{conn: conn}
	var served sync.WaitGroup
	served.Go(s.serve)
	t.Cleanup(func() { _ = conn.Close(); served.Wait() })
	return s
}

func (s *nameServer) serve() {
	query := make([]byte, 512)
	for {
		n, from, err := s.conn.ReadFrom(query)
		if err != nil {
			return
		}
		if code := s.code.Load(); code != silent {
			_, _ = s.conn.WriteTo(nameResponse(query[:n], byte(code)), from)
		}
	}
}

// Response codes of RFC 1035, section 4.1.1. If silent, the server doesn't respond.
const (
	serverFailure = 2
	noSuchName    = 3
	silent        = 255
)

// nameResponse returns the response to a query with one question (RFC 1035, section 4).
func nameResponse(query []byte, code byte) []byte {
	const header, question, addresses = 12, 4, 1
	end := header
	for query[end] != 0 { // labels, each after its length
		end += int(query[end]) + 1
	}
	end++
	kind := query[end+1]
	response := append(
		[]byte{query[0], query[1], 0x81, 0x80 | code, 0, 1, 0, 0, 0, 0, 0, 0},
		query[header:end+question]...)
	if code == 0 && kind == addresses {
		response[7] = 1
		response = append(response, 0xc0, header, 0, addresses, 0, 1, 0, 0, 0, 0, 0, 4, 127, 0, 0, 1)
	}
	return response
}

// dialer resolves the name with the server before it connects.
func (s *nameServer) dialer(regular dialFunc) dialFunc {
	resolver := &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, network, s.conn.LocalAddr().String())
	}}
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		host, _, err := net.SplitHostPort(address)
		if err != nil {
			return nil, err
		}
		if _, err := resolver.LookupHost(ctx, host); err != nil {
			return nil, &net.OpError{Op: "dial", Net: network, Err: err}
		}
		return regular(ctx, network, address)
	}
}
