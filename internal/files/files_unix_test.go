//go:build unix

package files

import (
	"errors"
	"path/filepath"
	"syscall"
	"testing"
)

func TestRead_RejectsAFIFOWithoutBlocking(t *testing.T) {
	path := filepath.Join(t.TempDir(), "fifo")
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		t.Skipf("no FIFOs here: %v", err)
	}
	if _, err := Read(path, 10); !errors.Is(err, ErrNotRegular) {
		t.Errorf("got %v", err)
	}
}
