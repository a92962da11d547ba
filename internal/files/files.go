// Package files reads small regular files without ever blocking the caller for longer than a timeout.
//
// Configuration, secret and certificate files may be on a network mount that hangs, or their path may name a FIFO
// without a writer. A read of such a file blocks in the kernel and can't be interrupted, so it runs in a goroutine of
// its own, which the caller abandons when the timeout expires. While an abandoned read is still blocked, further reads
// of the same path fail at once, so the number of abandoned goroutines is bounded by the number of paths.
package files

import (
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"time"
)

// Timeout bounds one read.
const Timeout = 5 * time.Second

// The errors that a caller may want to distinguish. They don't contain the path, which may be a secret that was put in
// the wrong place.
var (
	ErrTimeout    = fmt.Errorf("reading did not finish within %v; check the file system that the file is on", Timeout)
	ErrNotRegular = errors.New("must be a regular file")
)

// TooLargeError means that a file has more than Limit bytes.
type TooLargeError struct{ Limit int64 }

func (e *TooLargeError) Error() string {
	return fmt.Sprintf("is larger than %d KiB", e.Limit>>10)
}

// blocked has the paths with an abandoned read that has not returned.
var blocked sync.Map

// Read returns the content of a regular file of at most limit bytes. Its errors are ErrTimeout, errors that wrap
// ErrNotRegular, a *TooLargeError, or a *fs.PathError.
func Read(path string, limit int64) ([]byte, error) { return readWithin(Timeout, read, path, limit) }

type result struct {
	text []byte
	err  error
}

func readWithin(
	timeout time.Duration, read func(string, int64) ([]byte, error), path string, limit int64,
) ([]byte, error) {
	if _, is := blocked.Load(path); is {
		return nil, ErrTimeout
	}
	done := make(chan result, 1)
	go func() {
		text, err := read(path, limit)
		done <- result{text, err}
	}()
	timer := time.NewTimer(timeout)
	defer timer.Stop()
	select {
	case r := <-done:
		return r.text, r.err
	case <-timer.C:
	}
	blocked.Store(path, true)
	go func() {
		<-done
		blocked.Delete(path)
	}()
	return nil, ErrTimeout
}

func read(path string, limit int64) ([]byte, error) {
	// O_NONBLOCK keeps the open of a FIFO without a writer from blocking. It has no effect on regular files.
	file, err := os.OpenFile(path, os.O_RDONLY|nonblock, 0) //nolint:gosec // the user names the file
	if err != nil {
		return nil, err
	}
	defer func() { _ = file.Close() }()
	info, err := file.Stat()
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		kind := "FIFO, socket, or device"
		if info.IsDir() {
			kind = "directory"
		}
		return nil, fmt.Errorf("it is a %s, but %w", kind, ErrNotRegular)
	}
	text, err := io.ReadAll(io.LimitReader(file, limit+1))
	if err == nil && int64(len(text)) > limit {
		return nil, &TooLargeError{limit}
	}
	return text, err
}
