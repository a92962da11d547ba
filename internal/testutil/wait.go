package testutil

import (
	"bytes"
	"os"
	"sync"
	"testing"
	"time"
)

// waitTimeout is the time after which Eventually gives up.
const waitTimeout = 30 * time.Second

// Eventually waits until condition returns true. After 30 s it fails the test with the text that explain returns.
func Eventually(t testing.TB, condition func() bool, explain func() string) {
	t.Helper()
	for deadline := time.Now().Add(waitTimeout); !condition(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("condition not met within %v: %s", waitTimeout, explain())
		}
	}
}

// WriteFile writes a file that only its owner can read.
func WriteFile(t testing.TB, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// ReadFile returns the content of a file.
func ReadFile(t testing.TB, path string) string {
	t.Helper()
	text, err := os.ReadFile(path) //nolint:gosec // the path is part of a test
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// Buffer is a buffer that a program may write while a test reads it.
type Buffer struct {
	mu   sync.Mutex
	data bytes.Buffer
}

// Write appends p to the buffer. It never fails.
func (b *Buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.data.Write(p)
}

// String returns everything that was written so far.
func (b *Buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.data.String()
}
