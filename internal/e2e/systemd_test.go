package e2e

import (
	"context"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"atlas-restore-exporter/internal/testutil"
)

func TestSystemdSocket_IsServedAndLeftInPlace(t *testing.T) {
	_, configFile := simulateAtlas(t, "{name: prod}")
	path := filepath.Join(t.TempDir(), "socket")
	p := startWithSocket(t, openSocket(t, path), "--config.file", configFile, "--web.systemd-socket",
		"--web.listen-address=127.0.0.1:1")

	client := &http.Client{Transport: &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "unix", path)
		},
	}}
	status, body := 0, ""
	testutil.Eventually(t, func() bool {
		status, body = testutil.SendRequest(t, client, http.MethodGet, "http://exporter/metrics")
		return status == http.StatusOK && strings.Contains(body, "poll_success{")
	}, func() string { return body + p.stderr.String() })
	p.stop()
	if _, err := os.Stat(path); err != nil {
		t.Errorf("the program that opened the socket has to remove it: %v", err)
	}
}

func TestSystemdSocket_IsRequiredIfTheFlagIsSet(t *testing.T) {
	_, configFile := simulateAtlas(t, "{name: prod}")
	p := startCommand(t, "--config.file", configFile, "--web.systemd-socket")
	const want = "no socket activation file descriptors found"
	if status := p.waitForExit(); status != 1 || !strings.Contains(p.stderr.String(), want) {
		t.Errorf("exit status %d: %s", status, p.stderr.String())
	}
}

// openSocket listens on a Unix domain socket, as systemd does, until the test ends.
func openSocket(t *testing.T, path string) *os.File {
	t.Helper()
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "unix", path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	file, err := listener.(*net.UnixListener).File()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = file.Close() })
	return file
}

// startWithSocket starts the built binary with a socket, by the protocol of systemd's socket activation.
func startWithSocket(t *testing.T, socket *os.File, args ...string) *process {
	t.Helper()
	command := newCommand(t, []string{"LISTEN_FDS=1"}, args...)
	shell := []string{"/bin/sh", "-c", `LISTEN_PID=$$ exec "$0" "$@"`} // the ID exists only in the process itself
	command.Path, command.Args = shell[0], append(shell, command.Args...)
	command.ExtraFiles = []*os.File{socket}
	return startProcess(t, command)
}
