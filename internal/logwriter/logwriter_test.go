package logwriter

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// pipe is a destination that can be stuck or broken.
type pipe struct {
	mu     sync.Mutex
	text   strings.Builder
	stuck  chan struct{} // if not nil, writes block until it is closed
	broken bool
}

func (p *pipe) Write(message []byte) (int, error) {
	if p.stuck != nil {
		<-p.stuck
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.broken {
		return 0, errors.New("broken pipe")
	}
	return p.text.Write(message)
}

func (p *pipe) String() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.text.String()
}

func report(dropped uint64) []byte { return fmt.Appendf(nil, "dropped %d\n", dropped) }

func TestWriter_WritesMessagesInOrder(t *testing.T) {
	var destination pipe
	w := New(&destination, report)
	for i := range 100 {
		_, _ = fmt.Fprintf(w, "%d\n", i)
	}
	w.Close(t.Context())
	lines := strings.Fields(destination.String())
	if len(lines) != 100 || lines[0] != "0" || lines[99] != "99" {
		t.Errorf("got %d lines: %v", len(lines), lines)
	}
}

func TestWriter_DoesNotBlockDropsBeyondTheBoundAndReportsTheDrops(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		destination := &pipe{stuck: make(chan struct{})}
		w := New(destination, report)
		_, _ = w.Write([]byte("first\n"))
		synctest.Wait() // the goroutine is stuck in the first message
		for range maxMessages + 10 {
			_, _ = w.Write([]byte("x\n"))
		}
		if w.Dropped() != 10 {
			t.Errorf("%d messages were dropped, want 10", w.Dropped())
		}
		close(destination.stuck)
		synctest.Wait()
		_, _ = w.Write([]byte("later\n"))
		w.Close(t.Context())
		text := destination.String()
		if strings.Count(text, "x\n") != maxMessages || !strings.HasSuffix(text, "dropped 10\nlater\n") {
			t.Errorf("%d messages, end %q", strings.Count(text, "x\n"), text[len(text)-40:])
		}
	})
}

func TestWriter_BoundsTheBufferedBytes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		destination := &pipe{stuck: make(chan struct{})}
		w := New(destination, report)
		message := make([]byte, 1<<20)
		for range 10 {
			_, _ = w.Write(message)
		}
		if want := uint64(10 - maxBytes>>20); w.Dropped() != want {
			t.Errorf("%d messages were dropped, want %d", w.Dropped(), want)
		}
		close(destination.stuck)
		w.Close(t.Context())
	})
}

func TestWriter_CloseEndsWithItsContextIfTheDestinationIsStuck(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		destination := &pipe{stuck: make(chan struct{})}
		w := New(destination, report)
		_, _ = w.Write([]byte("x\n"))
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		start := time.Now()
		w.Close(ctx)
		if took := time.Since(start); took != time.Second {
			t.Errorf("Close took %v", took)
		}
		close(destination.stuck)
	})
}

func TestWriter_CountsMessagesThatABrokenDestinationDoesNotAccept(t *testing.T) {
	destination := &pipe{broken: true}
	w := New(destination, report)
	_, _ = w.Write([]byte("x\n"))
	w.Close(t.Context())
	if w.Dropped() != 1 {
		t.Errorf("%d messages were dropped, want 1", w.Dropped())
	}
}
