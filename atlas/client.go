// Package atlas reads restore jobs from the MongoDB Atlas Administration API (version 2). It never writes: every
// request but the one for a token is a GET.
package atlas

import (
	"compress/flate"
	"compress/gzip"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"sync"
	"syscall"
	"time"
)

// Bounds on what is read from the network. A page of 500 jobs is well under a MiB; one of a sharded cluster with
// private links for every shard is some MiB.
const (
	maxBody      = 16 << 20
	maxErrorBody = 64 << 10
	maxHeader    = 64 << 10
	maxTries     = 3 // of one request, where trying again is safe and useful
	firstRetry   = 500 * time.Millisecond
	dialTimeout  = 10 * time.Second
	idleTimeout  = 90 * time.Second
	maxLogged    = 1000 // unknown words, each of which is logged once
)

// Options configure a Client.
type Options struct {
	// BaseURL is scheme and host, like https://cloud.mongodb.com. Credentials are sent nowhere else.
	BaseURL    string
	Credential Credential
	// UserAgent names the program and its version.
	UserAgent string
	// RootCAs are the certificate authorities to trust; nil stands for the system's.
	RootCAs *x509.CertPool
	// Concurrency is how many requests are expected at a time: as many connections are kept.
	Concurrency int
	// Reserve is the share of each of Atlas' request budgets, from 0 to less than 1, that is left to others.
	Reserve float64
	// DialContext opens connections; nil stands for the net package's. Tests put a network in memory here.
	DialContext func(ctx context.Context, network, address string) (net.Conn, error)
	// Observer is told what the client does; nil stands for nobody.
	Observer Observer
	// Logger gets what no Observer can tell; nil stands for nowhere.
	Logger *slog.Logger
}

// Client reads from one organization with one credential. It is safe for use by many goroutines.
type Client struct {
	baseURL    string
	credential string
	userAgent  string
	auth       authenticator
	transport  *http.Transport
	observer   Observer
	logger     *slog.Logger
	reserve    float64

	mu      sync.Mutex
	budgets map[bucket]*budget
	logged  map[unknownWord]struct{}
}

// bucket names one of Atlas' token buckets.
type bucket struct{ projectID, set string }

// NewClient returns a client that has not sent anything yet: the first token is asked for when it is needed.
func NewClient(options Options) (*Client, error) {
	base, err := url.Parse(options.BaseURL)
	if err != nil || base.Host == "" || (base.Scheme != "http" && base.Scheme != "https") {
		return nil, errors.New("base url: want http:// or https:// and a host")
	}
	client := &Client{
		baseURL:    base.Scheme + "://" + base.Host,
		credential: options.Credential.Name,
		userAgent:  options.UserAgent,
		transport:  newTransport(options),
		observer:   options.Observer,
		logger:     options.Logger,
		reserve:    options.Reserve,
		budgets:    map[bucket]*budget{},
		logged:     map[unknownWord]struct{}{},
	}
	if client.observer == nil {
		client.observer = NopObserver{}
	}
	if client.logger == nil {
		client.logger = slog.New(slog.DiscardHandler)
	}
	switch credential := options.Credential; {
	case credential.ServiceAccount != nil && credential.APIKey == nil:
		tokenClient := &http.Client{
			Transport:     tokenTransport{client.transport, options.UserAgent},
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		}
		tokens := newTokenSource(credential, client.baseURL, tokenClient, client.observer)
		client.auth = &bearer{base: client.transport, tokens: tokens}
	case credential.APIKey != nil && credential.ServiceAccount == nil:
		client.auth = newKeyPair(client.transport, credential.APIKey)
	default:
		return nil, fmt.Errorf("credential %q: want either a service account or an api key", credential.Name)
	}
	return client, nil
}

// newTransport returns a transport that keeps as many connections as are used: Go's default of two a host would open
// a new one for nearly every request.
func newTransport(options Options) *http.Transport {
	dial := options.DialContext
	if dial == nil {
		dial = (&net.Dialer{Timeout: dialTimeout}).DialContext
	}
	return &http.Transport{
		Proxy:                  http.ProxyFromEnvironment,
		DialContext:            dial,
		TLSClientConfig:        &tls.Config{RootCAs: options.RootCAs, MinVersion: tls.VersionTLS12},
		TLSHandshakeTimeout:    dialTimeout,
		ForceAttemptHTTP2:      true,
		MaxIdleConns:           max(options.Concurrency, 2),
		MaxIdleConnsPerHost:    max(options.Concurrency, 2),
		IdleConnTimeout:        idleTimeout,
		MaxResponseHeaderBytes: maxHeader,
	}
}

// Close closes the connections that are not in use.
func (c *Client) Close() { c.transport.CloseIdleConnections() }

// call is one thing to ask for.
type call struct {
	endpoint  string // for the Observer
	set       string // of endpoints that share a bucket
	projectID string
	path      string // below the base URL, escaped
	query     string
	version   string // of the resource
}

// get returns the body of an answer with status 200. Everything else is an error: an *Error where Atlas refused, a
// *MalformedError where the body can't be what it should, else a failure of the network or the context's error.
//
// What is safe and useful to try again is tried again, as long as the context's deadline leaves room for it. When it
// does not, the last answer is the error.
func (c *Client) get(ctx context.Context, what call) ([]byte, error) {
	budget := c.budget(what)
	for try := 1; ; try++ {
		if err := budget.wait(ctx); err != nil {
			return nil, err
		}
		body, err := c.attempt(ctx, what, budget)
		if err == nil || try == maxTries || ctx.Err() != nil {
			return body, err
		}
		delay, again := retryDelay(err, try)
		if !again || !fits(ctx, delay) || sleep(ctx, delay) != nil {
			return nil, err
		}
	}
}

// retryDelay reports whether to try again after an error, and when. After a 429 it is the budget that waits.
func retryDelay(err error, try int) (time.Duration, bool) {
	if refusal, ok := errors.AsType[*Error](err); ok {
		switch refusal.Status {
		case http.StatusTooManyRequests:
			return 0, !refusal.Token()
		case http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
			return jitter(max(refusal.RetryAfter, firstRetry<<try)), !refusal.Token()
		}
		return 0, false
	}
	broken := errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) ||
		errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
	return jitter(firstRetry), broken
}

// attempt sends one request.
func (c *Client) attempt(ctx context.Context, what call, budget *budget) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.baseURL+what.path, http.NoBody)
	if err != nil {
		return nil, err
	}
	req.URL.RawQuery = what.query
	req.Header.Set("Accept", "application/vnd.atlas."+what.version+"+json")
	req.Header.Set("User-Agent", c.userAgent)

	if err := c.auth.prepare(ctx); err != nil {
		return nil, err
	}
	start := time.Now()
	resp, err := c.auth.roundTrip(req, what.projectID)
	if err != nil {
		return nil, c.failed(what, start, err)
	}
	defer func() { _ = resp.Body.Close() }()
	limit := int64(maxBody)
	if resp.StatusCode != http.StatusOK {
		limit = maxErrorBody
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, limit+1))
	if remaining, told := budget.observe(resp.Header); told {
		c.observer.RateLimit(what.projectID, what.endpoint, remaining)
	}
	if resp.StatusCode != http.StatusOK {
		return nil, c.refused(what, start, resp, body, budget)
	}
	if err != nil {
		return nil, c.failed(what, start, err)
	}
	c.observer.Request(what.endpoint, resp.StatusCode, time.Since(start))
	c.observer.Credential(c.credential, true)
	budget.accepted()
	if len(body) > maxBody {
		return nil, &MalformedError{Endpoint: what.endpoint, Err: fmt.Errorf("more than %d MiB", maxBody>>20)}
	}
	return body, nil
}

// refused reports an answer with another status than 200, and returns it as an error.
func (c *Client) refused(what call, start time.Time, resp *http.Response, body []byte, budget *budget) error {
	refusal := decodeError(what.endpoint, resp.StatusCode, resp.Header, body, c.auth.secrets()...)
	c.observer.Request(what.endpoint, resp.StatusCode, time.Since(start))
	c.observer.Credential(c.credential, refusal.Status != http.StatusUnauthorized || refusal.Membership())
	if refusal.Status == http.StatusTooManyRequests {
		budget.refused(refusal)
	} else {
		budget.accepted()
	}
	return refusal
}

// failed reports a request without a whole answer, and returns why.
func (c *Client) failed(what call, start time.Time, err error) error {
	if token, ok := errors.AsType[*noTokenError](err); ok {
		return token
	}
	c.observer.Request(what.endpoint, 0, time.Since(start))
	if _, ok := errors.AsType[flate.CorruptInputError](err); ok ||
		errors.Is(err, gzip.ErrHeader) || errors.Is(err, gzip.ErrChecksum) {
		return &MalformedError{Endpoint: what.endpoint, Err: err}
	}
	return transportError(err, c.auth.secrets())
}

// transportError returns a failure of the network in words that are fit to be shown.
func transportError(err error, secrets []string) error {
	if wrapped, ok := errors.AsType[*url.Error](err); ok {
		err = wrapped.Err // the URL is no news, and long
	}
	return &networkError{text: showable(err.Error(), secrets...), err: err}
}

func (c *Client) budget(what call) *budget {
	key := bucket{what.projectID, what.set}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.budgets[key] == nil {
		c.budgets[key] = newBudget(c.reserve)
	}
	return c.budgets[key]
}
