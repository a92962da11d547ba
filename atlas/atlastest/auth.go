package atlastest

import (
	"crypto/md5" //nolint:gosec // what Atlas' digest authentication uses
	"encoding/hex"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"atlas-restore-exporter/atlas"
)

const (
	tokenPath = "/api/oauth/token" //nolint:gosec // a path
	maxTokens = 100                // live ones that a service account may have
	tokenLife = time.Hour          // as documented
	realm     = "MMS Public API"
)

type token struct {
	account string
	expires time.Time
}

// RevokeTokens makes all access tokens invalid, as the revocation of a service account's tokens does.
func (s *Server) RevokeTokens() {
	s.mu.Lock()
	defer s.mu.Unlock()
	clear(s.tokens)
}

// issueToken is the token endpoint.
func (s *Server) issueToken(r *http.Request) answer {
	refuse := func(status int, code, description string) answer {
		return answer{status: status, body: map[string]any{"error": code, "error_description": description}}
	}
	id, secret, ok := r.BasicAuth()
	if account, known := s.accounts[id]; !ok || !known || account.secret != secret {
		return refuse(http.StatusUnauthorized, "invalid_client", "Invalid credentials provided.")
	}
	if r.Method != http.MethodPost || r.FormValue("grant_type") != "client_credentials" {
		return refuse(http.StatusBadRequest, "unsupported_grant_type", "Unsupported grant type.")
	}
	now, live := time.Now(), 0
	for value, token := range s.tokens {
		switch {
		case now.After(token.expires):
			delete(s.tokens, value)
		case token.account == id:
			live++
		}
	}
	if live >= maxTokens {
		return refuse(http.StatusForbidden, "access_denied", "Access Token limit reached for this service account.")
	}
	s.serial++
	value := "token-" + serialHex(s.serial)
	s.tokens[value] = token{id, now.Add(tokenLife)}
	return answer{status: http.StatusOK, body: map[string]any{
		"access_token": value, "expires_in": int(tokenLife.Seconds()), "token_type": "Bearer",
	}}
}

// authenticate returns the projects that the request's credential sees (none stands for all), or a refusal.
func (s *Server) authenticate(r *http.Request) (projects []string, refusal *answer) {
	header := r.Header.Get("Authorization")
	if value, ok := strings.CutPrefix(header, "Bearer "); ok {
		if token, known := s.tokens[value]; known && time.Now().Before(token.expires) {
			return s.accounts[token.account].projects, nil
		}
		return nil, s.challenge(false)
	}
	if parameters, ok := strings.CutPrefix(header, "Digest "); ok {
		digest := parseDigest(parameters)
		issued, known := s.nonces[digest["nonce"]]
		key, keyKnown := s.keys[digest["username"]]
		if !known || !keyKnown || digest["response"] != digestResponse(digest, key.secret, r) {
			return nil, s.challenge(false)
		}
		if s.NonceLife > 0 && time.Since(issued) > s.NonceLife {
			return nil, s.challenge(true)
		}
		return key.projects, nil
	}
	return nil, s.challenge(false)
}

// challenge is the 401 that was recorded.
func (s *Server) challenge(stale bool) *answer {
	s.serial++
	nonce := serialHex(s.serial)
	s.nonces[nonce] = time.Now()
	return &answer{
		status: http.StatusUnauthorized,
		header: http.Header{"Www-Authenticate": {fmt.Sprintf(
			`Digest realm="%s", domain="", nonce="%s", algorithm=MD5, qop="auth", stale=%t`, realm, nonce, stale)}},
		body: map[string]any{
			"error": http.StatusUnauthorized, "reason": "Unauthorized",
			"detail": "You are not authorized for this resource.", "errorCode": "UNEXPECTED_ERROR",
		},
	}
}

// parseDigest splits the parameters of an Authorization header of the digest scheme.
func parseDigest(parameters string) map[string]string {
	values := map[string]string{}
	for part := range strings.SplitSeq(parameters, ",") {
		if key, value, ok := strings.Cut(strings.TrimSpace(part), "="); ok {
			values[key] = strings.Trim(value, `"`)
		}
	}
	return values
}

// digestResponse is what RFC 7616 wants as response for qop=auth and MD5.
func digestResponse(digest map[string]string, secret string, r *http.Request) string {
	hash := func(parts ...string) string {
		sum := md5.Sum([]byte(strings.Join(parts, ":"))) //nolint:gosec // see the import
		return hex.EncodeToString(sum[:])
	}
	return hash(hash(digest["username"], realm, secret), digest["nonce"], digest["nc"], digest["cnonce"], digest["qop"],
		hash(r.Method, r.URL.RequestURI()))
}

type bucket struct {
	tokens float64
	filled time.Time
}

// Left returns how many requests are left in the bucket of a project and a set of endpoints that was asked at.
func (s *Server) Left(projectID, set string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return int(s.buckets[projectID+" "+set].tokens)
}

// take takes a token from the bucket of a project and a set of endpoints, and returns the headers that tell, or the
// documented 429.
func (s *Server) take(projectID, set, path string) (http.Header, *answer) {
	capacity, refill := 1200, 500
	if set == string(atlas.DedicatedClusters) {
		capacity, refill = 10_000, 5000
	}
	if s.Capacity != 0 {
		capacity, refill = s.Capacity, s.RefillPerMinute
	}
	if capacity < 0 {
		return http.Header{}, nil
	}
	now := time.Now()
	b := s.buckets[projectID+" "+set]
	if b == nil {
		b = &bucket{float64(capacity), now}
		s.buckets[projectID+" "+set] = b
	}
	perSecond := float64(refill) / 60
	b.tokens = min(b.tokens+now.Sub(b.filled).Seconds()*perSecond, float64(capacity))
	b.filled = now
	header := http.Header{"Ratelimit-Limit": {strconv.Itoa(capacity)}}
	if b.tokens < 1 {
		wait := int((1-b.tokens)/perSecond) + 1
		refusal := apiError(http.StatusTooManyRequests, "RATE_LIMITED_TOKEN_BUCKET", fmt.Sprintf(
			"Rate limit exceeded for %s. Please retry after %d seconds.", strings.TrimPrefix(path, "/"), wait),
			strings.TrimPrefix(path, "/"), wait, capacity, refill, 60)
		header.Set("RateLimit-Remaining", "0")
		header.Set("Retry-After", strconv.Itoa(wait))
		refusal.header = header
		return nil, &refusal
	}
	b.tokens--
	header.Set("RateLimit-Remaining", strconv.Itoa(int(b.tokens)))
	return header, nil
}
