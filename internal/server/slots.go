package server

import (
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

const (
	maxConcurrent = 8 // requests of one kind whose responses are made for one client alone

	slotTimeout = 5 * time.Second // how long a request waits for a slot
	slotRetry   = 50 * time.Millisecond
	stallLimit  = time.Second // a response that a client has not read for so long can be aborted for another request

	maxChunk = 64 << 10 // bytes of a response that are written without a sign of progress
)

// limitConcurrency serves at most maxConcurrent requests concurrently. Further requests wait for a slot, at most for
// slotTimeout, and then get status 503. Meanwhile, the response whose client has not read for longest is aborted, so
// that clients that never read can't keep others out.
func limitConcurrency(next http.Handler) http.Handler {
	s := &slots{start: time.Now(), used: map[*slot]struct{}{}}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		slot := &slot{ResponseWriter: w, start: s.start}
		if !s.wait(r, slot) {
			writeText(w, http.StatusServiceUnavailable, "too many concurrent requests")
			return
		}
		defer s.release(slot)
		next.ServeHTTP(slot, r)
	})
}

type slots struct {
	start time.Time // of the clock of all slots
	mu    sync.Mutex
	used  map[*slot]struct{}
}

// wait takes a slot, and reports whether it did before the request ended and within slotTimeout.
func (s *slots) wait(r *http.Request, taken *slot) bool {
	timeout := time.NewTimer(slotTimeout)
	defer timeout.Stop()
	retry := time.NewTicker(slotRetry)
	defer retry.Stop()
	for !s.take(taken) {
		select {
		case <-retry.C:
		case <-timeout.C:
			return false
		case <-r.Context().Done():
			return false
		}
	}
	return true
}

// take takes a slot if one is free. Otherwise, it aborts the response that has been stalled for longest, if any.
func (s *slots) take(taken *slot) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.used) < maxConcurrent {
		s.used[taken] = struct{}{}
		return true
	}
	var stalled *slot
	oldest := int64(time.Since(s.start) - stallLimit)
	for used := range s.used {
		if since := used.writing.Load(); since != 0 && since < oldest {
			stalled, oldest = used, since
		}
	}
	if stalled != nil {
		_ = http.NewResponseController(stalled.ResponseWriter).SetWriteDeadline(time.Unix(1, 0))
	}
	return false
}

func (s *slots) release(taken *slot) {
	s.mu.Lock()
	delete(s.used, taken)
	s.mu.Unlock()
}

// slot is a request that is being served.
type slot struct {
	http.ResponseWriter
	start   time.Time
	writing atomic.Int64 // time from start to the beginning of the current write, or 0 between two writes
}

// Write writes a part of the response.
func (s *slot) Write(p []byte) (written int, err error) {
	defer s.writing.Store(0)
	for {
		s.writing.Store(int64(time.Since(s.start)))
		n, err := s.ResponseWriter.Write(p[written:min(written+maxChunk, len(p))])
		written += n
		if err != nil || written == len(p) {
			return written, err
		}
	}
}

// Unwrap returns the underlying writer to http.ResponseController.
func (s *slot) Unwrap() http.ResponseWriter { return s.ResponseWriter }
