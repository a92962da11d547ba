package atlas

import (
	"compress/flate"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"syscall"
	"time"
)

// Limits of requests. A page of 500 jobs is much smaller than 1 MiB. A page of a sharded cluster with private links
// for each shard is a few MiB.
const (
	maxBody      = 16 << 20
	maxErrorBody = 64 << 10
	maxTries     = 3 // of one request
	firstRetry   = 500 * time.Millisecond
)

const projectsPath = "/api/atlas/v2/groups"

func projectPath(projectID string) string { return projectsPath + "/" + url.PathEscape(projectID) }

// apiRequest describes a GET request to the API.
type apiRequest struct {
	operation string // passed to the Observer
	bucket    bucket
	path      string // escaped
	query     string
	version   string // of the resource
}

// pageQuery returns the query for a page of a list.
func pageQuery(number, size int) url.Values {
	return url.Values{"pageNum": {strconv.Itoa(number)}, "itemsPerPage": {strconv.Itoa(size)}}
}

// get returns the body of a response with status 200. Other results are errors; see the package comment. Failures that
// may be temporary are retried while the deadline of ctx allows it.
func (c *Client) get(ctx context.Context, request apiRequest) ([]byte, error) {
	limit := c.rateLimit(request.bucket)
	for try := 1; ; try++ {
		if err := limit.wait(ctx); err != nil {
			return nil, err
		}
		body, err := c.attempt(ctx, request, limit)
		if err == nil || try == maxTries || ctx.Err() != nil {
			return body, err
		}
		delay, retry := retryDelay(err, try)
		if !retry || !endsBeforeDeadline(ctx, delay) || sleep(ctx, delay) != nil {
			return nil, err
		}
	}
}

// retryDelay returns the delay before the next try, or false if the error is permanent. After a 429 response, the rate
// limit waits. Token requests are not retried here, because tokenSource caches their failures.
func retryDelay(err error, try int) (delay time.Duration, retry bool) {
	if apiErr, ok := errors.AsType[*Error](err); ok {
		switch apiErr.Status {
		case http.StatusTooManyRequests:
			return 0, !apiErr.FromTokenEndpoint()
		case http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
			return jitter(max(apiErr.RetryAfter, firstRetry<<try)), !apiErr.FromTokenEndpoint()
		}
		return 0, false
	}
	connectionLost := errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) ||
		errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
	return jitter(firstRetry), connectionLost
}

// attempt sends the request once.
func (c *Client) attempt(ctx context.Context, request apiRequest, limit *rateLimit) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.baseURL+request.path, http.NoBody)
	if err != nil {
		return nil, err
	}
	req.URL.RawQuery = request.query
	req.Header.Set("Accept", "application/vnd.atlas."+request.version+"+json")
	req.Header.Set("User-Agent", c.userAgent)

	if err := c.auth.prepare(ctx); err != nil {
		return nil, err
	}
	start := time.Now()
	resp, err := c.auth.roundTrip(req, request.bucket.projectID)
	if err != nil {
		return nil, c.noResponse(request, start, err)
	}
	defer func() { _ = resp.Body.Close() }()
	size := int64(maxBody)
	if resp.StatusCode != http.StatusOK {
		size = maxErrorBody
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, size+1))
	if remaining, ok := limit.update(resp.Header); ok {
		c.observer.RateLimit(request.bucket.projectID, request.operation, remaining)
	}
	if resp.StatusCode != http.StatusOK {
		return nil, c.errorResponse(request, start, resp, body, limit)
	}
	if err != nil {
		return nil, c.noResponse(request, start, err)
	}
	c.observer.Request(request.operation, resp.StatusCode, time.Since(start))
	c.observer.Credential(c.credential, true)
	limit.accepted()
	if len(body) > maxBody {
		err := fmt.Errorf("response is larger than %d MiB", maxBody>>20)
		return nil, &MalformedError{Operation: request.operation, Err: err}
	}
	return body, nil
}

// errorResponse reports a response with another status than 200, and returns it as an error.
func (c *Client) errorResponse(
	request apiRequest, start time.Time, resp *http.Response, body []byte, limit *rateLimit,
) error {
	apiErr := decodeError(request.operation, resp.StatusCode, resp.Header, body, c.auth.secrets()...)
	c.observer.Request(request.operation, resp.StatusCode, time.Since(start))
	c.observer.Credential(c.credential, apiErr.Status != http.StatusUnauthorized || apiErr.Membership())
	if apiErr.Status == http.StatusTooManyRequests {
		limit.rejected(apiErr)
	} else {
		limit.accepted()
	}
	return apiErr
}

// noResponse reports a request without a complete response, and returns the error.
func (c *Client) noResponse(request apiRequest, start time.Time, err error) error {
	if noToken, ok := errors.AsType[*noTokenError](err); ok {
		return noToken
	}
	c.observer.Request(request.operation, 0, time.Since(start))
	if _, ok := errors.AsType[flate.CorruptInputError](err); ok ||
		errors.Is(err, gzip.ErrHeader) || errors.Is(err, gzip.ErrChecksum) {
		return &MalformedError{Operation: request.operation, Err: err}
	}
	return transportError(err, c.auth.secrets())
}

// transportError returns a network error with a sanitized text.
func transportError(err error, secrets []string) error {
	if urlErr, ok := errors.AsType[*url.Error](err); ok {
		err = urlErr.Err // without the URL, which is long and known
	}
	return &networkError{text: sanitizeText(err.Error(), secrets...), err: err}
}

func (c *Client) rateLimit(key bucket) *rateLimit {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.rateLimits[key] == nil {
		c.rateLimits[key] = newRateLimit(c.reserve)
	}
	return c.rateLimits[key]
}
