package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"sync"
	"syscall"
	"time"
)

// children are the processes that were started and have not ended.
var children sync.WaitGroup

// supervise calls do with a context that the first signal cancels. It returns when all children have ended.
func supervise(do func(ctx context.Context) error) error {
	ctx, cancel := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, cancel) // the second signal ends the program at once
	err := do(ctx)
	cancel()
	children.Wait()
	return err
}

// child returns a command that ends when ctx is canceled, and at the latest with this process, even if it is killed.
func child(ctx context.Context, name string, args ...string) *exec.Cmd {
	command := exec.CommandContext(ctx, name, args...) //nolint:gosec // programs of the project and tools in PATH
	command.Stderr = os.Stderr
	endWithParent(command)
	return command
}

// start starts a command that runs until its context is canceled.
func start(command *exec.Cmd) error {
	if err := command.Start(); err != nil {
		return err
	}
	children.Go(func() { _ = command.Wait() })
	return nil
}

// goBuild runs the go command in the root of the project, and returns the path of the program that it builds.
func goBuild(ctx context.Context, dir string, args ...string) (program string, err error) {
	program = filepath.Join(dir, "program")
	build := child(ctx, "go", append(args[:1:1], append([]string{"-o", program}, args[1:]...)...)...)
	build.Dir = filepath.Join("..", "..")
	if err := build.Run(); err != nil {
		return "", fmt.Errorf("go %v: %w", args, err)
	}
	return program, nil
}

// waitUntil waits until a condition is true.
func waitUntil(ctx context.Context, condition func() bool) error {
	const most = time.Minute
	for start := time.Now(); !condition(); time.Sleep(50 * time.Millisecond) {
		if err := ctx.Err(); err != nil {
			return err
		}
		if time.Since(start) > most {
			return errors.New("a process that was started is not ready after a minute")
		}
	}
	return nil
}

// sleep waits for a time, unless ctx is canceled meanwhile.
func sleep(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}
