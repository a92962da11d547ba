package atlas

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"strings"

	"github.com/icholy/digest"
	"golang.org/x/oauth2"
)

// Credential is what a Client shows to Atlas: exactly one of a service account and an API key.
type Credential struct {
	Name           string // for the Observer; belongs to exactly one organization
	ServiceAccount *ServiceAccount
	APIKey         *APIKey
}

// ServiceAccount is an OAuth 2 client.
type ServiceAccount struct {
	ClientID     string
	ClientSecret Secret
}

// APIKey is a key pair for HTTP digest authentication.
type APIKey struct {
	PublicKey  string
	PrivateKey Secret
}

// authenticator sends requests with credentials. An answer of 401 is final: whatever can be done about it was done.
type authenticator interface {
	// prepare gets what must be there before a request can be sent.
	prepare(ctx context.Context) error
	roundTrip(req *http.Request, projectID string) (*http.Response, error)
	// secrets returns what must not be shown, as it stands now.
	secrets() []string
}

// staleNonce is how a challenge says that only the nonce has expired.
const staleNonce = "stale=true"

// bearer authenticates by service account. There is one token, asked for when the first request needs it, and reused
// until shortly before it expires: an account may have no more than 100 live ones.
type bearer struct {
	base   http.RoundTripper
	tokens *tokenSource
}

func (b *bearer) prepare(ctx context.Context) error {
	if _, err := b.tokens.token(ctx); err != nil {
		return &noTokenError{err}
	}
	return nil
}

func (b *bearer) secrets() []string { return b.tokens.secrets() }

func (b *bearer) roundTrip(req *http.Request, projectID string) (*http.Response, error) {
	token, err := b.tokens.token(req.Context())
	if err != nil {
		return nil, &noTokenError{err}
	}
	resp, err := b.send(req, token, projectID)
	if err != nil || resp.StatusCode != http.StatusUnauthorized {
		return resp, err
	}
	if foreign, err := membership(resp); err != nil || foreign {
		return resp, err
	}
	fresh, err := b.tokens.replace(req.Context(), token, projectID)
	if err != nil {
		return nil, &noTokenError{err}
	}
	if fresh == token {
		return resp, nil
	}
	resp, err = b.send(req, fresh, projectID)
	if err == nil && resp.StatusCode == http.StatusUnauthorized {
		b.tokens.refusedAnew(projectID)
	}
	return resp, err
}

func (b *bearer) send(req *http.Request, token *oauth2.Token, projectID string) (*http.Response, error) {
	req = req.Clone(req.Context())
	req.Header.Set("Authorization", "Bearer "+token.AccessToken)
	resp, err := b.base.RoundTrip(req)
	if err == nil && resp.StatusCode < http.StatusTooManyRequests && resp.StatusCode != http.StatusUnauthorized {
		b.tokens.accepted(projectID)
	}
	return resp, err
}

// noTokenError says that the API was not asked, for want of a token.
type noTokenError struct{ err error }

func (t *noTokenError) Error() string { return "no token: " + t.err.Error() }

func (t *noTokenError) Unwrap() error { return t.err }

// membership reports whether a 401 is about what the credential may see, and leaves the body to be read once more.
func membership(resp *http.Response) (bool, error) {
	body, err := buffer(resp)
	return decodeError("", resp.StatusCode, resp.Header, body).Membership(), err
}

// buffer reads a body, up to the bound of error bodies, and leaves it to be read once more.
func buffer(resp *http.Response) ([]byte, error) {
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxErrorBody))
	_ = resp.Body.Close()
	resp.Body = io.NopCloser(bytes.NewReader(body))
	return body, err
}

// keyPair authenticates by API key. The challenge is kept, so that a call is one request and not two.
type keyPair struct {
	digest  digest.Transport
	private Secret
}

func newKeyPair(base http.RoundTripper, key *APIKey) *keyPair {
	return &keyPair{
		digest:  digest.Transport{Transport: refusals{base}, Username: key.PublicKey, Password: key.PrivateKey.Reveal()},
		private: key.PrivateKey,
	}
}

func (k *keyPair) prepare(context.Context) error { return nil }

func (k *keyPair) secrets() []string { return []string{k.private.Reveal()} }

// roundTrip tries once more when Atlas says that it only was the nonce that had expired: the library answers each
// challenge once, and with many requests at a time the second nonce may have expired as well.
func (k *keyPair) roundTrip(req *http.Request, _ string) (*http.Response, error) {
	var refused http.Response
	req = req.WithContext(context.WithValue(req.Context(), refusedKey{}, &refused))
	for try := 1; ; try++ {
		resp, err := k.digest.RoundTrip(req)
		if err == nil && resp.StatusCode != http.StatusUnauthorized {
			return resp, nil
		}
		if refused.StatusCode == 0 || req.Context().Err() != nil {
			return resp, err
		}
		// The library has read the refusal, and failed if it holds no challenge that it understands: say what it said.
		if try > 1 || !strings.Contains(strings.ToLower(refused.Header.Get("WWW-Authenticate")), staleNonce) {
			return &refused, nil
		}
	}
}

// refusedKey is the key of the context's value to which refusals copies.
type refusedKey struct{}

// refusals bounds the body of every 401, and keeps a copy of the last one for whoever made the request.
type refusals struct{ base http.RoundTripper }

func (r refusals) RoundTrip(req *http.Request) (*http.Response, error) {
	resp, err := r.base.RoundTrip(req)
	if err != nil || resp.StatusCode != http.StatusUnauthorized {
		return resp, err
	}
	body, err := buffer(resp)
	if refused, ok := req.Context().Value(refusedKey{}).(*http.Response); ok && err == nil {
		*refused = *resp
		refused.Body = io.NopCloser(bytes.NewReader(body))
	}
	return resp, err
}
