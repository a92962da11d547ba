package e2e

import (
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"atlas-restore-exporter/internal/testutil"
)

// process is a program that runs until the test ends, or earlier.
type process struct {
	t              *testing.T
	command        *exec.Cmd
	stdout, stderr testutil.Buffer
	exited         chan struct{}
}

// newCommand returns a command of the built binary. Its environment is that of the test without proxies, and env.
func newCommand(t *testing.T, env []string, args ...string) *exec.Cmd {
	t.Helper()
	command := exec.CommandContext(t.Context(), binaryPath, args...)
	command.Env = slices.DeleteFunc(os.Environ(), func(variable string) bool {
		name, _, _ := strings.Cut(strings.ToLower(variable), "=")
		return strings.HasSuffix(name, "_proxy")
	})
	command.Env = append(command.Env, "GORACE=atexit_sleep_ms=0") // by default, it exits a second later
	command.Env = append(command.Env, env...)
	return command
}

// startProcess starts a command, and kills it when the test ends.
func startProcess(t *testing.T, command *exec.Cmd) *process {
	t.Helper()
	p := &process{t: t, command: command, exited: make(chan struct{})}
	command.Stdout, command.Stderr = &p.stdout, &p.stderr
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(p.exited)
		_ = command.Wait()
	}()
	t.Cleanup(func() {
		_ = command.Process.Kill()
		<-p.exited
		if strings.Contains(p.stderr.String(), "WARNING: DATA RACE") {
			t.Error(p.stderr.String())
		}
	})
	return p
}

// startCommand starts the built binary with a command line.
func startCommand(t *testing.T, args ...string) *process {
	t.Helper()
	return startProcess(t, newCommand(t, nil, args...))
}

// startExporter starts the built binary with a configuration file, on a port that the system chooses.
func startExporter(t *testing.T, configFile string) *process {
	t.Helper()
	return startCommand(t, "--config.file", configFile, "--web.listen-address=127.0.0.1:0")
}

func (p *process) sendSignal(signal os.Signal) {
	p.t.Helper()
	if err := p.command.Process.Signal(signal); err != nil {
		p.t.Fatal(err)
	}
}

// waitForExit returns the exit status: -1 if a signal has killed the process.
func (p *process) waitForExit() int {
	p.t.Helper()
	select {
	case <-p.exited:
		return p.command.ProcessState.ExitCode()
	case <-time.After(30 * time.Second):
		p.t.Fatalf("%s doesn't exit: %s", p.command, p.stderr.String())
		return 0
	}
}

// stop terminates the process gracefully, and checks that the exit status is 0.
func (p *process) stop() {
	p.t.Helper()
	p.sendSignal(syscall.SIGTERM)
	if status := p.waitForExit(); status != 0 {
		p.t.Errorf("exit status %d: %s", status, p.stderr.String())
	}
}

// listening matches the log line with the address of a socket that is bound, in either log format.
var listening = regexp.MustCompile(`msg"?[=:]"Listening on"[ ,]"?address"?[=:]"?([0-9.:]+)`)

// waitForURL waits until the exporter listens, and returns its URL.
func (p *process) waitForURL() string {
	p.t.Helper()
	var match []string
	testutil.Eventually(p.t, func() bool {
		match = listening.FindStringSubmatch(p.stderr.String())
		return match != nil || p.hasExited()
	}, p.stderr.String)
	if match == nil {
		p.t.Fatalf("exited: %s", p.stderr.String())
	}
	return "http://" + match[1]
}

func (p *process) hasExited() bool {
	select {
	case <-p.exited:
		return true
	default:
		return false
	}
}

// waitForReady waits until the exporter has polled every target, and returns its URL.
func (p *process) waitForReady() string {
	p.t.Helper()
	url := p.waitForURL()
	testutil.Eventually(p.t, func() bool {
		status, _ := fetch(p.t, url+"/-/ready")
		return status == 200
	}, p.stderr.String)
	return url
}
