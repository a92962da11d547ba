package atlas

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"slices"
	"sync"
	"time"
)

// Options configure a Client. BaseURL and Credential are required.
type Options struct {
	// BaseURL is the scheme and host of the API, such as https://cloud.mongodb.com. Credentials are only sent there.
	BaseURL    string
	Credential Credential
	// UserAgent is the name and version of the program.
	UserAgent string
	// RootCAs are the trusted certificate authorities. If nil, those of the system are used.
	RootCAs *x509.CertPool
	// Concurrency is the expected number of concurrent requests. The client keeps as many idle connections.
	Concurrency int
	// Reserve is the share of each rate limit that is left to other programs, at least 0 and less than 1.
	Reserve float64
	// DialContext opens connections. If nil, a net.Dialer is used. Tests set it to use an in-memory network.
	DialContext func(ctx context.Context, network, address string) (net.Conn, error)
	// Observer receives the events of the client. If nil, they are discarded.
	Observer Observer
	// Logger logs unknown values in responses. If nil, they are not logged.
	Logger *slog.Logger
	// Previous is the client that this one replaces, or nil. Its secrets may still be valid, so they are removed from
	// responses, too.
	Previous *Client
}

// Client reads from the Atlas API with one credential. It is safe for concurrent use.
type Client struct {
	baseURL     string
	credential  string
	userAgent   string
	auth        authenticator
	connections *connections
	observer    Observer
	logger      *slog.Logger
	reserve     float64
	earlier     []string // secrets of replaced clients, newest first

	mu         sync.Mutex
	rateLimits map[bucket]*rateLimit
	smallPages map[List]time.Time // until when small pages are requested
	logged     map[logEntry]struct{}
}

// NewClient returns a client. It sends no requests: the first access token is requested when it is needed.
func NewClient(options Options) (*Client, error) {
	base, err := url.Parse(options.BaseURL)
	if err != nil || base.Host == "" || (base.Scheme != "http" && base.Scheme != "https") {
		return nil, errors.New("invalid base url: must start with http:// or https:// and contain a host")
	}
	client := &Client{
		baseURL:     base.Scheme + "://" + base.Host,
		credential:  options.Credential.Name,
		userAgent:   options.UserAgent,
		connections: newConnections(options),
		observer:    options.Observer,
		logger:      options.Logger,
		reserve:     options.Reserve,
		smallPages:  map[List]time.Time{},
		rateLimits:  map[bucket]*rateLimit{},
		logged:      map[logEntry]struct{}{},
	}
	if options.Previous != nil {
		const maxEarlier = 256 // secrets of a rotation per minute, for an hour
		client.earlier = options.Previous.secrets()
		client.earlier = slices.Clone(client.earlier[:min(len(client.earlier), maxEarlier)])
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
			Transport:     tokenTransport{client.connections, options.UserAgent},
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		}
		tokens := newTokenSource(credential, client.baseURL, tokenClient, client.observer)
		client.auth = &bearerAuth{base: client.connections, tokens: tokens}
	case credential.APIKey != nil && credential.ServiceAccount == nil:
		client.auth = newDigestAuth(client.connections, credential.APIKey)
	default:
		return nil, fmt.Errorf("credential %q: exactly one of service account and api key is required", credential.Name)
	}
	return client, nil
}

// secrets returns the secrets that responses and errors must not contain, newest first.
func (c *Client) secrets() []string { return append(slices.Clip(c.auth.secrets()), c.earlier...) }

// Close closes idle connections. Requests in progress are not interrupted.
func (c *Client) Close() { c.connections.CloseIdleConnections() }
