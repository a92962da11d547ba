package testutil

import (
	"net"
	"sync/atomic"
)

// FreezableConn is a connection that stops forwarding without being closed when it is frozen, as after a middlebox lost
// its state.
type FreezableConn struct {
	net.Conn
	frozen atomic.Bool
}

// Freeze makes the connection discard all data from now on.
func (c *FreezableConn) Freeze() { c.frozen.Store(true) }

// Write implements net.Conn.
func (c *FreezableConn) Write(data []byte) (int, error) {
	if c.frozen.Load() {
		return len(data), nil
	}
	return c.Conn.Write(data)
}

// Read implements net.Conn.
func (c *FreezableConn) Read(data []byte) (int, error) {
	for {
		n, err := c.Conn.Read(data)
		if err != nil || !c.frozen.Load() {
			return n, err
		}
	}
}
