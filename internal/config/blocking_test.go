//go:build unix

package config

import (
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

func TestLoad_RejectsAFIFOWithoutBlocking(t *testing.T) {
	path := filepath.Join(t.TempDir(), "secret")
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		t.Skipf("FIFOs are not supported: %v", err)
	}
	text := `
credentials:
  default: {service_account: {client_id: a, client_secret_file: "` + path + `"}}
projects:
  - {id: 32b6e34b3d91647abb20e7b8, clusters: [{name: prod}]}
`
	start := time.Now()
	_, err := Parse("test", []byte(text))
	want := "can't read " + path + ": it is a FIFO, socket, or device, but must be a regular file"
	if err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("got %v", err)
	}
	if took := time.Since(start); took > time.Second {
		t.Errorf("took %v", took)
	}
}
