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

// rule is a scripted response.
type rule struct {
	match func(*http.Request) bool
	left  int // number of requests that it still applies to; if negative, all
	then  http.Handler
}

// Script handles the given number of matching requests with then instead of the simulated response. If times is 0, it
// handles all matching requests. If several rules match, the oldest applies. The returned function removes the rule.
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
		if rule.match(r) && s.useRule(rule) { // without the lock, because match may call methods of the server
			return rule.then
		}
	}
	return nil
}

func (s *Server) useRule(rule *rule) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if rule.left == 0 {
		return false
	}
	rule.left--
	return true
}

// PathHas matches requests whose path contains the text.
func PathHas(text string) func(*http.Request) bool {
	return func(r *http.Request) bool { return strings.Contains(r.URL.Path, text) }
}

// TokenRequests matches requests for access tokens.
func TokenRequests(r *http.Request) bool { return r.URL.Path == tokenPath }

// APIError responds with an ApiError of Atlas.
func APIError(status int, code, detail string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		errorResponse(status, code, detail).write(w, r)
	})
}

// RetryAfter responds with status 429 and a Retry-After header. If value is empty, there is no header.
func RetryAfter(value string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		rejection := errorResponse(http.StatusTooManyRequests, "RATE_LIMITED_TOKEN_BUCKET", "Rate limit exceeded.")
		if value != "" {
			rejection.header = http.Header{"Retry-After": {value}}
		}
		rejection.write(w, r)
	})
}

// Body responds with a status, a content type and a body.
func Body(status int, contentType, body string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", contentType)
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	})
}

// Redirect responds with a redirect.
func Redirect(location string) http.Handler {
	return http.RedirectHandler(location, http.StatusFound)
}

// Hang never responds.
func Hang() http.Handler {
	return http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body) // the server detects a closed connection only after the body is read
		<-r.Context().Done()
	})
}

// Slow responds with status 200 and sends one byte of JSON in each interval.
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

// BreakOff closes the connection in the middle of the body.
func BreakOff() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "1000")
		_, _ = io.WriteString(w, `{"results":[`)
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	})
}

// Huge responds with status 200 and a body of the given size. If compressed, few bytes are sent.
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

// Status responds with a status and an empty body.
func Status(status int) http.Handler { return Body(status, "text/plain", "") }

// Pages responds with an endless list: each page has different items and a link to the next page.
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
