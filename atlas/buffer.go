package atlas

import (
	"bytes"
	"context"
	"io"
	"sync"

	"golang.org/x/sync/semaphore"
)

// buffer is a buffer for the body of a response. Most responses are as large as the previous ones.
type buffer struct {
	bytes.Buffer

	held []*semaphore.Weighted // of sizeClasses
}

// maxPooled is the largest size of a buffer that is kept for other responses.
const maxPooled = 1 << 20

var buffers = sync.Pool{New: func() any { return &buffer{} }}

// sizeClass bounds how many bodies above a size are kept in memory at once, for all clients together. Otherwise, large
// responses to all concurrent requests could use all memory.
type sizeClass struct {
	above  int64
	bodies *semaphore.Weighted
}

var sizeClasses = []sizeClass{{256 << 10, semaphore.NewWeighted(32)}, {1 << 20, semaphore.NewWeighted(4)}}

func newBuffer() *buffer {
	b, _ := buffers.Get().(*buffer)
	return b
}

// release empties the buffer, and allows other responses to use it.
func (b *buffer) release() {
	b.Reset()
	for _, bodies := range b.held {
		bodies.Release(1)
	}
	b.held = b.held[:0]
	if b.Cap() <= maxPooled {
		buffers.Put(b)
	}
}

// read reads the body of a response up to a size into an empty buffer. A large body waits until few enough others are
// kept.
func (b *buffer) read(ctx context.Context, body io.Reader, size int64) ([]byte, error) {
	for _, class := range sizeClasses {
		if size <= class.above {
			break
		}
		if ended, err := b.readUpTo(body, class.above); ended || err != nil {
			return b.Bytes(), err
		}
		if err := class.bodies.Acquire(ctx, 1); err != nil {
			return b.Bytes(), err
		}
		b.held = append(b.held, class.bodies)
	}
	_, err := b.readUpTo(body, size)
	return b.Bytes(), err
}

// readUpTo reads until the buffer has a size, and reports whether the body ended before.
func (b *buffer) readUpTo(body io.Reader, size int64) (ended bool, err error) {
	_, err = b.ReadFrom(io.LimitReader(body, size-int64(b.Len())))
	return int64(b.Len()) < size, err
}
