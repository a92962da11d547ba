package poll

import (
	"context"
	"errors"
	"sync"
	"time"
)

// timeout is a context that ends after some time. It can be paused: meanwhile, no time passes and there is no deadline.
type timeout struct {
	context.Context // the parent

	ended  context.Context
	cancel context.CancelCauseFunc

	mu       sync.Mutex
	timer    *time.Timer
	paused   bool
	deadline time.Time
}

// withTimeout returns a context that ends with its parent, or after the time. The caller must cancel it.
func withTimeout(parent context.Context, after time.Duration) *timeout {
	t := &timeout{Context: parent, deadline: time.Now().Add(after)}
	t.ended, t.cancel = context.WithCancelCause(parent)
	t.timer = time.AfterFunc(after, func() { t.cancel(context.DeadlineExceeded) })
	return t
}

// pause stops the time until resume is called.
func (t *timeout) pause() (resume func()) {
	t.mu.Lock()
	defer t.mu.Unlock()
	left := time.Until(t.deadline)
	if !t.timer.Stop() {
		return func() {} // it has ended
	}
	t.paused = true
	return func() {
		t.mu.Lock()
		defer t.mu.Unlock()
		t.paused, t.deadline = false, time.Now().Add(left)
		t.timer.Reset(left)
	}
}

// Deadline implements context.Context.
func (t *timeout) Deadline() (deadline time.Time, ok bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.paused {
		return t.Context.Deadline()
	}
	return t.deadline, true
}

// Done implements context.Context.
func (t *timeout) Done() <-chan struct{} { return t.ended.Done() }

// Err implements context.Context.
func (t *timeout) Err() error {
	if errors.Is(context.Cause(t.ended), context.DeadlineExceeded) {
		return context.DeadlineExceeded
	}
	return t.ended.Err()
}

// AfterFunc lets package context watch the end without a goroutine.
func (t *timeout) AfterFunc(f func()) (stop func() bool) { return context.AfterFunc(t.ended, f) }
