package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"
)

// ending is the environment variable that lets the test binary start a child, and end in the way that it names.
const ending = "BENCHMARK_ENDING"

func TestMain(m *testing.M) {
	if way := os.Getenv(ending); way != "" {
		if supervise(func(ctx context.Context) error { return startAndEnd(ctx, way) }) != nil {
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

func startAndEnd(ctx context.Context, way string) error {
	if err := start(child(ctx, "sleep", "600")); err != nil {
		return err
	}
	_, _ = fmt.Fprintln(os.Stderr, "started")
	switch way {
	case "return":
		return nil
	case "error":
		return errors.New("an error")
	}
	<-ctx.Done()
	return ctx.Err()
}

// TestSupervise_EndsChildren ends a process that has a child in several ways. The child has ended when nothing has the
// pipe open that it inherited.
func TestSupervise_EndsChildren(t *testing.T) {
	signals := map[string]os.Signal{"return": nil, "error": nil, "SIGINT": os.Interrupt, "SIGTERM": syscall.SIGTERM}
	if runtime.GOOS == "linux" {
		signals["SIGKILL"] = os.Kill
	}
	for way, signal := range signals {
		t.Run(way, func(t *testing.T) {
			output, input, err := os.Pipe()
			if err != nil {
				t.Fatal(err)
			}
			parent := exec.CommandContext(t.Context(), os.Args[0])
			parent.Env, parent.Stderr = append(os.Environ(), ending+"="+way), input
			if err := parent.Start(); err != nil {
				t.Fatal(err)
			}
			_ = input.Close()
			if err := output.SetReadDeadline(time.Now().Add(5 * time.Minute)); err != nil {
				t.Fatal(err)
			}
			started := make([]byte, len("started\n"))
			if _, err := io.ReadFull(output, started); err != nil {
				t.Fatal(err)
			}
			if signal != nil {
				if err := parent.Process.Signal(signal); err != nil {
					t.Fatal(err)
				}
			}
			if rest, err := io.ReadAll(output); err != nil || strings.TrimSpace(string(rest)) != "" {
				t.Errorf("output %q, error %v", rest, err)
			}
			if err := parent.Wait(); (err == nil) != (way == "return") {
				t.Errorf("the process ended with %v", err)
			}
		})
	}
}
