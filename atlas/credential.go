package atlas

import (
	"bytes"
	"context"
	"io"
	"net/http"
)

// Credential authenticates a Client. Exactly one of ServiceAccount and APIKey must be set.
type Credential struct {
	Name           string // passed to the Observer
	ServiceAccount *ServiceAccount
	APIKey         *APIKey
}

// ServiceAccount is an OAuth 2.0 client.
type ServiceAccount struct {
	ClientID     string
	ClientSecret Secret
}

// APIKey is a key pair for HTTP digest authentication.
type APIKey struct {
	PublicKey  string
	PrivateKey Secret
}

// authenticator sends authenticated requests. If roundTrip returns a response with status 401, retrying is useless.
type authenticator interface {
	// prepare gets everything that is needed before a request can be sent.
	prepare(ctx context.Context) error
	roundTrip(req *http.Request, projectID string) (*http.Response, error)
	// secrets returns the current secrets, which must not appear in errors.
	secrets() []string
}

// bufferBody reads the body up to the size limit of error bodies, and replaces it so that it can be read again.
func bufferBody(resp *http.Response) ([]byte, error) {
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxErrorBody))
	_ = resp.Body.Close()
	resp.Body = io.NopCloser(bytes.NewReader(body))
	return body, err
}
