package atlas

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"strings"

	"github.com/icholy/digest"
)

// staleNonce is the parameter of a challenge that means that only the nonce has expired (RFC 7616 section 3.3).
const staleNonce = "stale=true"

// digestAuth authenticates with an API key, using HTTP digest authentication (RFC 7616). The library caches the
// challenge, so that most calls take one request instead of two.
type digestAuth struct {
	digest  digest.Transport
	private Secret
}

func newDigestAuth(base http.RoundTripper, key *APIKey) *digestAuth {
	return &digestAuth{
		digest: digest.Transport{
			Transport: unauthorizedRecorder{base}, Username: key.PublicKey, Password: key.PrivateKey.Reveal(),
		},
		private: key.PrivateKey,
	}
}

func (d *digestAuth) prepare(context.Context) error { return nil }

func (d *digestAuth) secrets() []string { return []string{d.private.Reveal()} }

// roundTrip retries the request once if the nonce has expired. The library responds to one challenge only, and among
// concurrent requests the second nonce may have expired too.
func (d *digestAuth) roundTrip(req *http.Request, _ string) (*http.Response, error) {
	var unauthorized http.Response
	req = req.WithContext(context.WithValue(req.Context(), unauthorizedKey{}, &unauthorized))
	for try := 1; ; try++ {
		resp, err := d.digest.RoundTrip(req)
		if err == nil && resp.StatusCode != http.StatusUnauthorized {
			return resp, nil
		}
		if unauthorized.StatusCode == 0 || req.Context().Err() != nil {
			return resp, err
		}
		// The library has consumed the response, and returns an error if it doesn't support the challenge. Return the
		// recorded response instead, because its body has the reason.
		if try > 1 || !strings.Contains(strings.ToLower(unauthorized.Header.Get("WWW-Authenticate")), staleNonce) {
			return &unauthorized, nil
		}
	}
}

// unauthorizedKey is the context key of the *http.Response that unauthorizedRecorder sets.
type unauthorizedKey struct{}

// unauthorizedRecorder limits the body of each response with status 401, and copies the last one to the context value.
type unauthorizedRecorder struct{ base http.RoundTripper }

func (u unauthorizedRecorder) RoundTrip(req *http.Request) (*http.Response, error) {
	resp, err := u.base.RoundTrip(req)
	if err != nil || resp.StatusCode != http.StatusUnauthorized {
		return resp, err
	}
	body, err := bufferBody(resp)
	if unauthorized, ok := req.Context().Value(unauthorizedKey{}).(*http.Response); ok && err == nil {
		*unauthorized = *resp
		unauthorized.Body = io.NopCloser(bytes.NewReader(body))
	}
	return resp, err
}
