package atlastest

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"atlas-restore-exporter/atlas"
)

// bucket is the token bucket of a project and a set of operations.
type bucket struct {
	tokens float64
	filled time.Time
}

// RemainingRequests returns the number of tokens in a bucket that has been used before.
func (s *Server) RemainingRequests(projectID, bucket string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return int(s.buckets[projectID+" "+bucket].tokens)
}

// limit calls respond if the request has an acceptable version and its bucket has a token.
func (s *Server) limit(r *http.Request, projectID, bucket, version string, respond func() response) response {
	requested, ok := strings.CutPrefix(r.Header.Get("Accept"), "application/vnd.atlas.")
	requested, isJSON := strings.CutSuffix(requested, "+json")
	if _, err := time.Parse(time.DateOnly, requested); !ok || !isJSON || err != nil || requested < version {
		return errorResponse(http.StatusNotAcceptable, "INVALID_VERSION_DATE", "Want a version date in Accept.")
	}
	header, rejection := s.takeToken(projectID, bucket, r.URL.Path)
	if rejection != nil {
		return *rejection
	}
	response := respond()
	response.header = header
	if response.status == http.StatusOK {
		response.version = version
	}
	return response
}

// takeToken takes a token from a bucket. It returns the RateLimit headers, or the documented response with status 429.
func (s *Server) takeToken(projectID, name, path string) (http.Header, *response) {
	capacity, refill := 1200, 500
	if name == string(atlas.DedicatedClusters) {
		capacity, refill = 10_000, 5000
	}
	if s.Capacity != 0 {
		capacity, refill = s.Capacity, s.RefillPerMinute
	}
	if capacity < 0 {
		return http.Header{}, nil
	}
	now := time.Now()
	b := s.buckets[projectID+" "+name]
	if b == nil {
		b = &bucket{float64(capacity), now}
		s.buckets[projectID+" "+name] = b
	}
	perSecond := float64(refill) / 60
	b.tokens = min(b.tokens+now.Sub(b.filled).Seconds()*perSecond, float64(capacity))
	b.filled = now
	header := http.Header{"Ratelimit-Limit": {strconv.Itoa(capacity)}}
	if b.tokens < 1 {
		wait := int((1-b.tokens)/perSecond) + 1
		operation := strings.TrimPrefix(path, "/")
		rejection := errorResponse(http.StatusTooManyRequests, "RATE_LIMITED_TOKEN_BUCKET", fmt.Sprintf(
			"Rate limit exceeded for %s. Please retry after %d seconds.", operation, wait),
			operation, wait, capacity, refill, 60)
		header.Set("RateLimit-Remaining", "0")
		header.Set("Retry-After", strconv.Itoa(wait))
		rejection.header = header
		return nil, &rejection
	}
	b.tokens--
	header.Set("RateLimit-Remaining", strconv.Itoa(int(b.tokens)))
	return header, nil
}
