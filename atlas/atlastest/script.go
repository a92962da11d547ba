package atlastest

import (
	"compress/gzip"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// rule is a scripted answer.
type rule struct {
	match func(*http.Request) bool
	left  int // how often it is still given; below zero for ever
	then  http.Handler
}

// Script gives an answer of its own to the next requests that match: to as many as times says, to all for zero. Rules
// are tried in the order of their making. The function that it returns takes the rule back.
func (s *Server) Script(match func(*http.Request) bool, times int, then http.Handler) (remove func()) {
	if times == 0 {
		times = -1
	}
	added := &rule{match, times, then}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.rules = append(s.rules, added)
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		added.left = 0
	}
}

func (s *Server) scripted(r *http.Request) http.Handler {
	s.mu.Lock()
	rules := slices.Clone(s.rules)
	s.mu.Unlock()
	for _, rule := range rules {
		if rule.match(r) && s.takeTurn(rule) { // a match may use the server itself
			return rule.then
		}
	}
	return nil
}

func (s *Server) takeTurn(rule *rule) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if rule.left == 0 {
		return false
	}
	rule.left--
	return true
}

// PathHas matches requests whose path contains a text.
func PathHas(text string) func(*http.Request) bool {
	return func(r *http.Request) bool { return strings.Contains(r.URL.Path, text) }
}

// TokenRequests matches requests for access tokens.
func TokenRequests(r *http.Request) bool { return r.URL.Path == tokenPath }

// APIError answers with Atlas' error shape.
func APIError(status int, code, detail string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		apiError(status, code, detail).write(w, r)
	})
}

// RetryAfter answers 429 with a Retry-After header of any content, or without one where it is empty.
func RetryAfter(value string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		refusal := apiError(http.StatusTooManyRequests, "RATE_LIMITED_TOKEN_BUCKET", "Rate limit exceeded.")
		if value != "" {
			refusal.header = http.Header{"Retry-After": {value}}
		}
		refusal.write(w, r)
	})
}

// Body answers with any status, content type and body.
func Body(status int, contentType, body string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", contentType)
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	})
}

// Redirect answers with a redirect.
func Redirect(location string) http.Handler {
	return http.RedirectHandler(location, http.StatusFound)
}

// Hang never answers.
func Hang() http.Handler {
	return http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body) // until then the server does not notice that the client has gone
		<-r.Context().Done()
	})
}

// Slow answers 200 and sends one byte of JSON in each interval.
func Slow(interval time.Duration) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		control := http.NewResponseController(w)
		for {
			if _, err := io.WriteString(w, " "); err != nil {
				return
			}
			_ = control.Flush()
			select {
			case <-r.Context().Done():
				return
			case <-time.After(interval):
			}
		}
	})
}

// BreakOff announces a body and closes the connection within it.
func BreakOff() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "1000")
		_, _ = io.WriteString(w, `{"results":[`)
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	})
}

// Huge answers 200 with a body of so many bytes; compressed, it is small on the wire.
func Huge(size int, compressed bool) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		var body io.Writer = w
		if compressed {
			w.Header().Set("Content-Encoding", "gzip")
			zip := gzip.NewWriter(w)
			defer func() { _ = zip.Close() }()
			body = zip
		} else {
			w.Header().Set("Content-Length", strconv.Itoa(size))
		}
		chunk := strings.Repeat(" ", 1<<20)
		for left := size; left > 0; left -= len(chunk) {
			if _, err := io.WriteString(body, chunk[:min(left, len(chunk))]); err != nil {
				return
			}
		}
	})
}

// Status answers with a status and an empty body.
func Status(status int) http.Handler { return Body(status, "text/plain", "") }

// Pages answers a list without end: each page has jobs of its own and a link to the next.
func Pages(job func(page, item int) string, perPage int) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		page, _ := strconv.Atoi(r.URL.Query().Get("pageNum"))
		items := make([]string, perPage)
		for item := range items {
			items[item] = job(page, item)
		}
		_, _ = fmt.Fprintf(w, `{"results":[%s],"links":[{"rel":"next","href":"x"}]}`, strings.Join(items, ","))
	})
}
