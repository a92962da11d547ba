package atlas

import (
	"context"
	"encoding/base64"
	"errors"
	"net/http"
	"net/url"
	"sync"
	"time"

	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"
)

const (
	tokenTimeout    = 10 * time.Second
	tokenLifetime   = time.Hour       // as documented; taken where an answer does not tell
	tokenMargin     = time.Minute     // a token is replaced this long before it expires
	replaceInterval = 5 * time.Minute // between two replacements of tokens that were refused
	firstTokenDelay = 10 * time.Second
	maxTokenDelay   = 5 * time.Minute
)

// tokenSource holds the one token of a service account, and what is known of it.
type tokenSource struct {
	credential string
	config     clientcredentials.Config
	client     *http.Client
	observer   Observer

	lock chan struct{} // of one element: who holds it may ask for a token; waiting for it ends with a context

	mu       sync.Mutex
	current  *oauth2.Token
	renew    time.Time       // when current is due
	worked   map[string]bool // projects on which a token of this account was accepted
	hopeless map[string]bool // projects that since refused a token as soon as it was there
	replaced time.Time       // when a refused token was last replaced
	failure  error           // of the last request for a token, held against every caller
	failures int
	retry    time.Time // until then
}

func newTokenSource(credential Credential, baseURL string, client *http.Client, observer Observer) *tokenSource {
	return &tokenSource{
		credential: credential.Name,
		config: clientcredentials.Config{
			ClientID:     credential.ServiceAccount.ClientID,
			ClientSecret: credential.ServiceAccount.ClientSecret.Reveal(),
			TokenURL:     baseURL + "/api/oauth/token",
			AuthStyle:    oauth2.AuthStyleInHeader,
		},
		client:   client,
		observer: observer,
		lock:     make(chan struct{}, 1),
		worked:   map[string]bool{},
		hopeless: map[string]bool{},
	}
}

// token returns the current token, or asks for one: once for all who wait for it.
func (s *tokenSource) token(ctx context.Context) (*oauth2.Token, error) {
	if token := s.usable(); token != nil {
		return token, nil
	}
	release, err := s.acquire(ctx)
	if err != nil {
		return nil, err
	}
	defer release()
	if token := s.usable(); token != nil {
		return token, nil
	}
	return s.request(ctx)
}

// replace returns another token instead of one that was refused on a project: the one that somebody else got in the
// meantime, or a new one. It returns the refused token itself where a new one would be of no use: the project has
// never accepted one, or has refused a new one as well, so that the token is not what is wrong; or the last replacement
// was too short a time ago.
func (s *tokenSource) replace(ctx context.Context, refused *oauth2.Token, projectID string) (*oauth2.Token, error) {
	release, err := s.acquire(ctx)
	if err != nil {
		return nil, err
	}
	defer release()
	if !s.dismiss(refused, projectID) {
		return refused, nil
	}
	if token := s.usable(); token != nil {
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

func (s *tokenSource) usable() *oauth2.Token {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.current != nil && time.Now().Before(s.renew) {
		return s.current
	}
	return nil
}

// dismiss drops a refused token if that is sensible, and reports whether another one should be used.
func (s *tokenSource) dismiss(refused *oauth2.Token, projectID string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.current != refused {
		return true
	}
	if !s.worked[projectID] || s.hopeless[projectID] || time.Since(s.replaced) < replaceInterval {
		return false
	}
	s.current, s.replaced = nil, time.Now()
	return true
}

// accepted remembers that a project took a token.
func (s *tokenSource) accepted(projectID string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.worked[projectID] = true
	delete(s.hopeless, projectID)
}

// refusedAnew remembers that a project refused a token that had replaced one that it refused.
func (s *tokenSource) refusedAnew(projectID string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.hopeless[projectID] = true
}

// request asks for a token. A failure is held against everybody for a while, so that a wrong secret or an outage does
// not cost a request per poll. Only who holds the lock may call it.
func (s *tokenSource) request(ctx context.Context) (*oauth2.Token, error) {
	if err := s.held(); err != nil {
		return nil, err
	}
	asked := time.Now()
	tokenCtx, cancel := context.WithTimeout(context.WithValue(ctx, oauth2.HTTPClient, s.client), tokenTimeout)
	defer cancel()
	token, err := s.config.Token(tokenCtx)
	if err != nil && ctx.Err() != nil {
		return nil, ctx.Err() // the caller's deadline says nothing about the endpoint
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if err != nil {
		s.fail(tokenError(err, s.sensitive()))
		return nil, s.failure
	}
	s.observer.Token(s.credential, http.StatusOK)
	life := tokenLifetime
	if !token.Expiry.IsZero() { // one that is absurdly short must not cost a token a request
		life = max(token.Expiry.Sub(asked), 2*tokenMargin)
	}
	s.current, s.renew = token, asked.Add(life-tokenMargin)
	s.failure, s.failures = nil, 0
	return token, nil
}

// held returns the last failure while it still holds.
func (s *tokenSource) held() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.failure != nil && time.Now().Before(s.retry) {
		return s.failure
	}
	return nil
}

func (s *tokenSource) fail(err error) {
	delay := min(firstTokenDelay<<min(s.failures, 10), maxTokenDelay)
	status := 0
	if refusal, ok := errors.AsType[*Error](err); ok {
		status = refusal.Status
		delay = max(delay, refusal.RetryAfter)
		if status == http.StatusUnauthorized || status == http.StatusForbidden {
			s.observer.Credential(s.credential, false)
		}
	}
	s.observer.Token(s.credential, status)
	s.failure, s.failures, s.retry = err, s.failures+1, time.Now().Add(jitter(delay))
}

func (s *tokenSource) secrets() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.sensitive()
}

func (s *tokenSource) sensitive() []string {
	secret := s.config.ClientSecret
	sent := url.QueryEscape(s.config.ClientID) + ":" + url.QueryEscape(secret) // as the library sends them
	list := []string{secret, url.QueryEscape(secret), base64.StdEncoding.EncodeToString([]byte(sent))}
	if s.current != nil {
		list = append(list, s.current.AccessToken)
	}
	return list
}

// tokenError turns the library's errors, which quote whole answers, into this package's.
func tokenError(err error, secrets []string) error {
	if refusal, ok := errors.AsType[*oauth2.RetrieveError](err); ok && refusal.Response != nil {
		if refusal.Response.StatusCode == http.StatusOK {
			return &MalformedError{Endpoint: EndpointToken, Err: errors.New("an error with status 200")}
		}
		return decodeError(EndpointToken, refusal.Response.StatusCode, refusal.Response.Header, refusal.Body, secrets...)
	}
	if failure, ok := errors.AsType[*url.Error](err); ok {
		return transportError(failure, secrets)
	}
	return &MalformedError{Endpoint: EndpointToken, Err: errors.New("no token in the answer")}
}

// tokenTransport carries the library's requests for tokens. It reads each answer whole: the library would not tell a
// broken connection from a wrong answer.
type tokenTransport struct {
	base      http.RoundTripper
	userAgent string
}

func (t tokenTransport) RoundTrip(req *http.Request) (*http.Response, error) {
	req = req.Clone(req.Context())
	req.Header.Set("Accept", "application/json")
	req.Header.Set("User-Agent", t.userAgent)
	resp, err := t.base.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	if _, err := buffer(resp); err != nil {
		return nil, err
	}
	return resp, nil
}
