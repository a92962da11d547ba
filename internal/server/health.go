package server

import (
	"context"
	"fmt"
	"net/http"
	"time"
)

// healthTimeout is shorter than the default timeout of container health checks.
const healthTimeout = 4 * time.Second

// CheckHealth requests url and returns an error unless an exporter responds. A response that requires TLS or
// authentication comes from a live process, so it is not an error.
func CheckHealth(ctx context.Context, url string) error {
	ctx, cancel := context.WithTimeout(ctx, healthTimeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		return err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer func() { _ = response.Body.Close() }()
	status := response.StatusCode
	if status < http.StatusOK || status >= http.StatusInternalServerError || status == http.StatusNotFound {
		return fmt.Errorf("unexpected response from %s: status %s", url, response.Status)
	}
	return nil
}
