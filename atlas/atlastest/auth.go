package atlastest

import (
	"crypto/md5" //nolint:gosec // digest authentication of Atlas uses MD5
	"encoding/hex"
	"fmt"
	"net/http"
	"strings"
	"time"
)

const (
	tokenPath = "/api/oauth/token" //nolint:gosec // a path
	maxTokens = 100                // valid tokens of a service account
	tokenLife = time.Hour          // as documented
	realm     = "MMS Public API"
)

type token struct {
	account string
	expires time.Time
}

// RevokeTokens invalidates all access tokens.
func (s *Server) RevokeTokens() {
	s.mu.Lock()
	defer s.mu.Unlock()
	clear(s.tokens)
}

// tokenResponse returns the response of the token endpoint.
func (s *Server) tokenResponse(r *http.Request) response {
	reject := func(status int, code, description string) response {
		return response{status: status, body: map[string]any{"error": code, "error_description": description}}
	}
	id, secret, ok := r.BasicAuth()
	if account, known := s.accounts[id]; !ok || !known || account.secret != secret {
		return reject(http.StatusUnauthorized, "invalid_client", "Invalid credentials provided.")
	}
	if r.Method != http.MethodPost || r.FormValue("grant_type") != "client_credentials" {
		return reject(http.StatusBadRequest, "unsupported_grant_type", "Unsupported grant type.")
	}
	now, valid := time.Now(), 0
	for value, token := range s.tokens {
		switch {
		case now.After(token.expires):
			delete(s.tokens, value)
		case token.account == id:
			valid++
		}
	}
	if valid >= maxTokens {
		return reject(http.StatusForbidden, "access_denied", "Access Token limit reached for this service account.")
	}
	s.serial++
	value := "token-" + serialHex(s.serial)
	s.tokens[value] = token{id, now.Add(tokenLife)}
	return response{status: http.StatusOK, body: map[string]any{
		"access_token": value, "expires_in": int(tokenLife.Seconds()), "token_type": "Bearer",
	}}
}

// authenticate returns the credential of a request, or a challenge if it has no valid one.
func (s *Server) authenticate(r *http.Request) (credential, *response) {
	header := r.Header.Get("Authorization")
	if value, ok := strings.CutPrefix(header, "Bearer "); ok {
		if token, known := s.tokens[value]; known && time.Now().Before(token.expires) {
			return s.accounts[token.account], nil
		}
		return credential{}, s.challenge(false)
	}
	if parameters, ok := strings.CutPrefix(header, "Digest "); ok {
		digest := parseDigest(parameters)
		issued, nonceKnown := s.nonces[digest["nonce"]]
		key, keyKnown := s.keys[digest["username"]]
		if !nonceKnown || !keyKnown || digest["response"] != digestResponse(digest, key.secret, r) {
			return credential{}, s.challenge(false)
		}
		if s.NonceLife > 0 && time.Since(issued) > s.NonceLife {
			return credential{}, s.challenge(true)
		}
		return key, nil
	}
	return credential{}, s.challenge(false)
}

// challenge returns a response with status 401, as it was recorded.
func (s *Server) challenge(stale bool) *response {
	s.serial++
	nonce := serialHex(s.serial)
	s.nonces[nonce] = time.Now()
	return &response{
		status: http.StatusUnauthorized,
		header: http.Header{"Www-Authenticate": {fmt.Sprintf(
			`Digest realm="%s", domain="", nonce="%s", algorithm=MD5, qop="auth", stale=%t`, realm, nonce, stale)}},
		body: map[string]any{
			"error": http.StatusUnauthorized, "reason": "Unauthorized",
			"detail": "You are not authorized for this resource.", "errorCode": "UNEXPECTED_ERROR",
		},
	}
}

// parseDigest parses the parameters of an Authorization header with the digest scheme.
func parseDigest(parameters string) map[string]string {
	values := map[string]string{}
	for part := range strings.SplitSeq(parameters, ",") {
		if key, value, ok := strings.Cut(strings.TrimSpace(part), "="); ok {
			values[key] = strings.Trim(value, `"`)
		}
	}
	return values
}

// digestResponse returns the expected response parameter for qop=auth and MD5 (RFC 7616 section 3.4.1).
func digestResponse(digest map[string]string, secret string, r *http.Request) string {
	hash := func(parts ...string) string {
		sum := md5.Sum([]byte(strings.Join(parts, ":"))) //nolint:gosec // see the import
		return hex.EncodeToString(sum[:])
	}
	return hash(hash(digest["username"], realm, secret), digest["nonce"], digest["nc"], digest["cnonce"], digest["qop"],
		hash(r.Method, r.URL.RequestURI()))
}
