//go:build !linux

package server

import (
	"errors"
	"net"
)

func systemdListeners() ([]net.Listener, error) {
	return nil, errors.New("systemd sockets are only supported on linux")
}
