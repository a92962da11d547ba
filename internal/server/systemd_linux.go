package server

import (
	"errors"
	"net"

	"github.com/coreos/go-systemd/v22/activation"
)

// systemdListeners returns the listening sockets that systemd passes to the process.
func systemdListeners() ([]net.Listener, error) {
	listeners, err := activation.Listeners()
	if err == nil && len(listeners) == 0 {
		err = errors.New("no socket activation file descriptors found; start the exporter from a systemd socket unit")
	}
	return listeners, err
}
