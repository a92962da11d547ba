package main

import (
	"context"
	"errors"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
)

// process is a command line that runs in a process of its own.
type process struct {
	*program
	command *exec.Cmd
}

// spawn starts the program with an environment that has nothing of this one's proxies, and what is given on top. change,
// if not nil, may change the command before it starts.
func spawn(t *testing.T, env []string, change func(*exec.Cmd), args ...string) *process {
	t.Helper()
	p := &process{&program{t: t, status: make(chan int, 1)}, exec.CommandContext(t.Context(), os.Args[0], args...)}
	p.command.Env = slices.DeleteFunc(os.Environ(), func(variable string) bool {
		name, _, _ := strings.Cut(strings.ToLower(variable), "=")
		return strings.HasSuffix(name, "_proxy")
	})
	p.command.Env = append(append(p.command.Env, asProgram+"=1"), env...)
	p.command.Stdout, p.command.Stderr = &p.stdout, &p.stderr
	if change != nil {
		change(p.command)
	}
	if err := p.command.Start(); err != nil {
		t.Fatal(err)
	}
	p.stop = func() { _ = p.command.Process.Signal(syscall.SIGTERM) }
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = p.command.Wait()
		p.status <- p.command.ProcessState.ExitCode()
	}()
	t.Cleanup(func() {
		_ = p.command.Process.Kill()
		<-ended
	})
	return p
}

// TestSystemdSocket hands the program a socket that somebody else has opened, as systemd does.
func TestSystemdSocket(t *testing.T) {
	_, configFile := newSim(t, "{name: prod}")
	path := filepath.Join(t.TempDir(), "socket")
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = listener.Close() }()
	file, err := listener.(*net.UnixListener).File()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = file.Close() }()
	p := spawn(t, []string{"LISTEN_FDS=1"}, func(command *exec.Cmd) {
		shell := []string{"/bin/sh", "-c", `LISTEN_PID=$$ exec "$0" "$@"`} // only a process itself knows its id in time
		command.Path, command.Args = shell[0], append(shell, command.Args...)
		command.ExtraFiles = []*os.File{file}
	}, "--config.file", configFile, "--web.systemd-socket", "--web.listen-address=127.0.0.1:1")
	client := &http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", path)
	}}}
	status, body := 0, ""
	eventually(t, func() bool {
		status, body = fetch(t, client, "http://exporter/metrics")
		return status == 200 && strings.Contains(body, "poll_success{")
	}, func() string { return body + p.stderr.String() })
	p.stop()
	if status := p.wait(); status != 0 {
		t.Errorf("exit status %d: %s", status, p.stderr.String())
	}

	p = spawn(t, nil, nil, "--config.file", configFile, "--web.systemd-socket")
	if status := p.wait(); status != 1 || !strings.Contains(p.stderr.String(), "no socket activation file descriptors found") {
		t.Errorf("without a socket: %d %s", status, p.stderr.String())
	}
	if _, err := os.Stat(path); errors.Is(err, os.ErrNotExist) {
		t.Error("the socket is gone: whoever opened it has to close it")
	}
}
