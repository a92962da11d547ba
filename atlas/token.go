package atlas

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"
)

const (
	tokenTimeout    = 10 * time.Second
	minTokenWait    = time.Second / 2 // without a response, until that counts as a failure of the token endpoint
	tokenLifetime   = time.Hour       // as documented; used if a response has no lifetime
	tokenMargin     = time.Minute     // a token is renewed this long before it expires
	replaceInterval = 5 * time.Minute // minimum time between two replacements of rejected tokens
	firstTokenDelay = 10 * time.Second
	maxTokenDelay   = 5 * time.Minute
)

// tokenSource caches the access token of a service account. Concurrent callers share one token request.
type tokenSource struct {
	credential string
	config     clientcredentials.Config
	client     *http.Client
	observer   Observer
	// encodedSecret is the secret in each encoding in which it is sent, and in Basic authentication without escapes.
	encodedSecret []string

	// lock has capacity 1 and serializes token requests. Unlike a mutex, waiting for it can be cancelled.
	lock chan struct{}

	mu                  sync.Mutex
	current             *oauth2.Token
	renewAt             time.Time       // when current must be renewed
	expiresAt           time.Time       // when current expires
	earlier             []earlierToken  // replaced tokens that may still be valid, newest first
	acceptedBy          map[string]bool // projects that accepted a token of this account
	replacementRejected map[string]bool // projects that rejected a replacement since they last accepted a token
	unprovenReplaced    bool            // whether a token was replaced although no token was accepted yet
	replacedAt          time.Time       // when a rejected token was last replaced
	failure             error           // of the last token request; returned to all callers until retryAt
	failures            int             // in a row
	retryAt             time.Time
}

func newTokenSource(credential Credential, baseURL string, client *http.Client, observer Observer) *tokenSource {
	id, secret := credential.ServiceAccount.ClientID, credential.ServiceAccount.ClientSecret.Reveal()
	basicAuth := url.QueryEscape(id) + ":" + url.QueryEscape(secret)
	return &tokenSource{
		credential: credential.Name,
		encodedSecret: []string{
			secret, url.QueryEscape(secret), base64.StdEncoding.EncodeToString([]byte(basicAuth)),
			base64.StdEncoding.EncodeToString([]byte(id + ":" + secret)),
		},
		config: clientcredentials.Config{
			ClientID:     id,
			ClientSecret: secret,
			TokenURL:     baseURL + "/api/oauth/token",
			AuthStyle:    oauth2.AuthStyleInHeader,
		},
		client:              client,
		observer:            observer,
		lock:                make(chan struct{}, 1),
		acceptedBy:          map[string]bool{},
		replacementRejected: map[string]bool{},
	}
}

// token returns the current token. If there is none, or it must be renewed, it requests one. If that fails, it returns
// the current token until that expires.
func (s *tokenSource) token(ctx context.Context) (*oauth2.Token, error) {
	if token := s.valid(); token != nil {
		return token, nil
	}
	release, err := s.acquire(ctx)
	if err != nil {
		return nil, err
	}
	defer release()
	if token := s.valid(); token != nil {
		return token, nil
	}
	token, err := s.request(ctx)
	if err != nil {
		if current := s.unexpired(); current != nil && ctx.Err() == nil {
			return current, nil
		}
	}
	return token, err
}

// replace returns a token to use instead of one that a project rejected: the current token if it was replaced
// meanwhile, else a new token. It returns the rejected token itself if a new one would be useless; see discard.
func (s *tokenSource) replace(ctx context.Context, rejected *oauth2.Token, projectID string) (*oauth2.Token, error) {
	release, err := s.acquire(ctx)
	if err != nil {
		return nil, err
	}
	defer release()
	if !s.discard(rejected, projectID) {
		return rejected, nil
	}
	if token := s.valid(); token != nil {
		return token, nil
	}
	return s.request(ctx)
}

func (s *tokenSource) acquire(ctx context.Context) (release func(), err error) {
	select {
	case s.lock <- struct{}{}:
		return func() { <-s.lock }, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// valid returns the current token, or nil if it must be renewed.
func (s *tokenSource) valid() *oauth2.Token {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.current != nil && time.Now().Before(s.renewAt) {
		return s.current
	}
	return nil
}

// unexpired returns the current token, or nil if it has expired.
func (s *tokenSource) unexpired() *oauth2.Token {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.current != nil && time.Now().Before(s.expiresAt) {
		return s.current
	}
	return nil
}

// discard drops a rejected token, and reports whether another token should be used. The token is kept if it isn't the
// cause: the project has never accepted a token although others did, or has rejected a new one too. It is also kept if
// a token was replaced shortly before. The first token of an account may be bad by itself, so it is replaced once.
func (s *tokenSource) discard(rejected *oauth2.Token, projectID string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.current != rejected {
		return true
	}
	unproven := len(s.acceptedBy) == 0 && !s.unprovenReplaced
	if !unproven && !s.acceptedBy[projectID] || s.replacementRejected[projectID] ||
		time.Since(s.replacedAt) < replaceInterval {
		return false
	}
	s.unprovenReplaced = s.unprovenReplaced || unproven
	s.retire()
	s.replacedAt = time.Now()
	return true
}

// accepted records that a project accepted a token.
func (s *tokenSource) accepted(projectID string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.acceptedBy[projectID] = true
	delete(s.replacementRejected, projectID)
}

// rejectedReplacement records that a project rejected both a token and its replacement.
func (s *tokenSource) rejectedReplacement(projectID string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.replacementRejected[projectID] = true
}

// request requests a new token. A failure is cached for all callers, so that a wrong secret or an outage doesn't cost
// a request for every poll. The caller must hold s.lock.
func (s *tokenSource) request(ctx context.Context) (*oauth2.Token, error) {
	if err := s.cachedFailure(); err != nil {
		return nil, err
	}
	requested := time.Now()
	tokenCtx, cancel := context.WithTimeout(context.WithValue(ctx, oauth2.HTTPClient, s.client), tokenTimeout)
	defer cancel()
	token, err := s.config.Token(tokenCtx)
	if err == nil && !printable(token.AccessToken) {
		token, err = nil, errUnusableToken
	}
	if err != nil && ctx.Err() != nil && time.Since(requested) < minTokenWait {
		return nil, ctx.Err() // the caller's deadline is not a failure of the token endpoint
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if err != nil {
		s.fail(convertTokenError(err, s.secretsLocked()))
		return nil, s.failure
	}
	s.observer.Token(s.credential, http.StatusOK)
	s.retire()
	s.expiresAt = requested.Add(tokenLifetime)
	if !token.Expiry.IsZero() {
		s.expiresAt = token.Expiry
	}
	// A very short lifetime must not lead to a token request for every API request.
	s.current, s.renewAt = token, requested.Add(max(s.expiresAt.Sub(requested), 2*tokenMargin)-tokenMargin)
	s.failure, s.failures = nil, 0
	return token, nil
}

func (s *tokenSource) cachedFailure() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.failure != nil && time.Now().Before(s.retryAt) {
		return s.failure
	}
	return nil
}

// fail caches a failure, with exponential backoff. The caller must hold s.mu.
func (s *tokenSource) fail(err error) {
	delay := min(firstTokenDelay<<min(s.failures, 10), maxTokenDelay)
	status := 0
	if apiErr, ok := errors.AsType[*Error](err); ok {
		status = apiErr.Status
		delay = max(delay, min(apiErr.RetryAfter, maxTokenDelay)) // no list can be read meanwhile
		if status == http.StatusUnauthorized || status == http.StatusForbidden {
			s.observer.Credential(s.credential, false)
		}
	}
	s.observer.Token(s.credential, status)
	s.failure, s.failures, s.retryAt = err, s.failures+1, time.Now().Add(jitter(delay))
}

func (s *tokenSource) secrets() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.secretsLocked()
}

// secretsLocked returns the secret in each of its encodings, and the tokens that may be valid. The caller must hold
// s.mu.
func (s *tokenSource) secretsLocked() []string {
	secrets := slices.Clip(s.encodedSecret)
	if s.current != nil {
		secrets = append(secrets, s.current.AccessToken)
	}
	for _, earlier := range s.earlier {
		if time.Now().Before(earlier.expiresAt) {
			secrets = append(secrets, earlier.token)
		}
	}
	return secrets
}

// earlierToken is a token that was replaced before it expired.
type earlierToken struct {
	token     string
	expiresAt time.Time
}

// retire discards the current token. A response may contain it as long as it is valid. The caller must hold s.mu.
func (s *tokenSource) retire() {
	const maxEarlier = 16 // more than are replaced within the lifetime of a token
	if s.current == nil {
		return
	}
	s.earlier = slices.Insert(s.earlier, 0, earlierToken{s.current.AccessToken, s.expiresAt})
	s.earlier = s.earlier[:min(len(s.earlier), maxEarlier)]
	s.current = nil
}

// errUnusableToken means that an access token can't be sent in a header.
var errUnusableToken = errors.New("the access token contains invalid characters")

// printable reports whether a token consists of printable ASCII characters without spaces.
func printable(token string) bool {
	return !strings.ContainsFunc(token, func(r rune) bool { return r <= ' ' || r > '~' })
}

// convertTokenError converts an error of package oauth2, which quotes the whole response, to an error of this package.
func convertTokenError(err error, secrets []string) error {
	if retrieveErr, ok := errors.AsType[*oauth2.RetrieveError](err); ok && retrieveErr.Response != nil {
		resp := retrieveErr.Response
		if resp.StatusCode == http.StatusOK {
			return &MalformedError{Operation: OperationToken, Err: errors.New("error response with status 200")}
		}
		return decodeError(OperationToken, resp.StatusCode, resp.Header, retrieveErr.Body, secrets...)
	}
	if urlErr, ok := errors.AsType[*url.Error](err); ok {
		return transportError(urlErr, secrets)
	}
	if errors.Is(err, errUnusableToken) {
		return &MalformedError{Operation: OperationToken, Err: errUnusableToken}
	}
	return &MalformedError{Operation: OperationToken, Err: errors.New("no access token in the response")}
}

// tokenTransport sends the token requests of package oauth2. It buffers each response, because oauth2 reports a lost
// connection and a malformed response as the same error.
type tokenTransport struct {
	base      http.RoundTripper
	userAgent string
}

func (t tokenTransport) RoundTrip(req *http.Request) (*http.Response, error) {
	req = req.Clone(req.Context())
	req.Header.Set("Accept", "application/json")
	req.Header.Set("User-Agent", t.userAgent)
	resp, err := t.send(req)
	if err != nil {
		return nil, err
	}
	body, err := bufferBody(resp)
	if err != nil {
		return nil, err
	}
	resp.Body = io.NopCloser(bytes.NewReader(withReadableLifetime(body)))
	return resp, nil
}

// send retries the request once if the connection was lost before the response. Package net/http retries only other
// methods than POST.
func (t tokenTransport) send(req *http.Request) (*http.Response, error) {
	resp, err := t.base.RoundTrip(req)
	if err == nil || !isConnectionLost(err) || req.Context().Err() != nil || req.GetBody == nil {
		return resp, err
	}
	body, err := req.GetBody()
	if err != nil {
		return nil, err
	}
	req = req.Clone(req.Context())
	req.Body = body
	return t.base.RoundTrip(req)
}

// withReadableLifetime returns a response of the token endpoint without its lifetime if that isn't an integer, which
// package oauth2 rejects.
func withReadableLifetime(body []byte) []byte {
	var fields map[string]json.RawMessage
	if json.Unmarshal(body, &fields) != nil || fields["expires_in"] == nil {
		return body
	}
	var seconds json.Number
	if err := json.Unmarshal(fields["expires_in"], &seconds); err == nil {
		if _, err := strconv.ParseInt(string(seconds), 10, 64); err == nil {
			return body
		}
	}
	delete(fields, "expires_in")
	if changed, err := json.Marshal(fields); err == nil {
		return changed
	}
	return body
}
