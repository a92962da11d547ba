package atlas

import (
	"context"
	"net/http"

	"golang.org/x/oauth2"
)

// bearerAuth authenticates as a service account. All requests share one access token, because Atlas allows an account
// at most 100 valid tokens.
type bearerAuth struct {
	base   http.RoundTripper
	tokens *tokenSource
}

func (b *bearerAuth) prepare(ctx context.Context) error {
	if _, err := b.tokens.token(ctx); err != nil {
		return &noTokenError{err}
	}
	return nil
}

func (b *bearerAuth) secrets() []string { return b.tokens.secrets() }

// roundTrip retries the request with another token if the token was rejected and a new one may be accepted.
func (b *bearerAuth) roundTrip(req *http.Request, projectID string) (*http.Response, error) {
	token, err := b.tokens.token(req.Context())
	if err != nil {
		return nil, &noTokenError{err}
	}
	resp, err := b.send(req, token, projectID)
	if err != nil || resp.StatusCode != http.StatusUnauthorized {
		return resp, err
	}
	if membership, err := isMembershipError(resp); err != nil || membership {
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
		b.tokens.rejectedReplacement(projectID)
	}
	return resp, err
}

func (b *bearerAuth) send(req *http.Request, token *oauth2.Token, projectID string) (*http.Response, error) {
	req = req.Clone(req.Context())
	req.Header.Set("Authorization", "Bearer "+token.AccessToken)
	resp, err := b.base.RoundTrip(req)
	if err == nil && resp.StatusCode < http.StatusTooManyRequests && resp.StatusCode != http.StatusUnauthorized {
		b.tokens.accepted(projectID)
	}
	return resp, err
}

// isMembershipError reports whether the credential of a response with status 401 is valid, but has no access to the
// project. The body of the response can be read again.
func isMembershipError(resp *http.Response) (bool, error) {
	body, err := bufferBody(resp)
	return decodeError("", resp.StatusCode, resp.Header, body).Membership(), err
}

// noTokenError means that no request was sent to the API, because no access token is available.
type noTokenError struct{ err error }

func (t *noTokenError) Error() string { return "no access token: " + t.err.Error() }

func (t *noTokenError) Unwrap() error { return t.err }
