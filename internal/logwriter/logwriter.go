// Package logwriter keeps a log reader that is slow, stuck or gone from blocking the program.
//
// Log handlers write synchronously, so a full pipe blocks every goroutine that logs: polls, reloads and the shutdown. A
// Writer accepts each message at once and passes it on from a goroutine of its own. If the destination doesn't keep up,
// a bounded number of messages is buffered and further ones are dropped and counted. Once the destination accepts
// messages again, the Writer reports how many were lost.
package logwriter

import (
	"context"
	"io"
	"sync"
	"sync/atomic"
)

// The bounds of the buffer.
const (
	maxMessages = 4096
	maxBytes    = 4 << 20
)

// Writer is an io.Writer that never blocks. Each Write is one message.
type Writer struct {
	destination io.Writer
	report      func(dropped uint64) []byte
	dropped     atomic.Uint64

	mu      sync.Mutex
	buffer  [][]byte
	size    int    // of the buffered messages and of the one that is being written
	lost    uint64 // dropped since the last report
	closed  bool
	wake    chan struct{} // buffered; signals the goroutine that there is work
	drained chan struct{} // closed when the goroutine has ended
}

// New returns a Writer to destination. Report renders the message that informs about dropped messages, in the format of
// the log. The caller must call Close.
func New(destination io.Writer, report func(dropped uint64) []byte) *Writer {
	w := &Writer{
		destination: destination, report: report, wake: make(chan struct{}, 1), drained: make(chan struct{}),
	}
	go w.run()
	return w
}

// Write buffers a copy of the message, or drops the message if the buffer is full. It always succeeds.
func (w *Writer) Write(message []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed || len(w.buffer) >= maxMessages || w.size+len(message) > maxBytes {
		w.lost++
		w.dropped.Add(1)
		return len(message), nil
	}
	w.buffer = append(w.buffer, append([]byte(nil), message...))
	w.size += len(message)
	w.signal()
	return len(message), nil
}

// Dropped returns the number of messages that were dropped so far.
func (w *Writer) Dropped() uint64 { return w.dropped.Load() }

// Close writes the buffered messages and stops the Writer. It returns as soon as that is done or ctx ends.
// Messages written later are dropped.
func (w *Writer) Close(ctx context.Context) {
	w.mu.Lock()
	w.closed = true
	w.signal()
	w.mu.Unlock()
	select {
	case <-w.drained:
	case <-ctx.Done():
	}
}

// signal wakes the goroutine. The caller must hold w.mu.
func (w *Writer) signal() {
	select {
	case w.wake <- struct{}{}:
	default: // it is awake already
	}
}

func (w *Writer) run() {
	defer close(w.drained)
	for {
		message, last := w.next()
		switch {
		case message != nil:
			w.write(message)
		case last:
			return
		default:
			<-w.wake
		}
	}
}

// next removes the next message from the buffer: first the buffered messages, then the report about lost ones.
// Without a message it returns nil, and whether there will be no more.
func (w *Writer) next() (message []byte, last bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.buffer) > 0 {
		message, w.buffer = w.buffer[0], w.buffer[1:]
		return message, false
	}
	w.buffer = nil // release the array
	if w.lost > 0 {
		lost := w.lost
		w.lost = 0
		return w.report(lost), false
	}
	return nil, w.closed
}

// write writes one message. A message that the destination doesn't accept is dropped.
func (w *Writer) write(message []byte) {
	_, err := w.destination.Write(message)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.size = max(w.size-len(message), 0)
	if err != nil {
		w.dropped.Add(1)
	}
}
