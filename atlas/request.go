package atlas

import (
	"bytes"
	"compress/flate"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// Limits of requests. A page of 500 jobs is much smaller than 1 MiB. A page of a sharded cluster with private links
// for each shard is a few MiB.
const (
	maxBody      = 16 << 20
	maxErrorBody = 64 << 10
	maxErrorText = 1 << 10 // of an error that is kept
	maxTries     = 3       // of one request
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
	version   string    // of the resource
	mark      *PageMark // of the page that needn't be decoded; nil if the request is not for a page of restore jobs
}

// pageQuery returns the query for a page of a list.
func pageQuery(number, size int) url.Values {
	return url.Values{"pageNum": {strconv.Itoa(number)}, "itemsPerPage": {strconv.Itoa(size)}}
}

// response is a response with status 200.
type response struct {
	body      []byte    // valid until the call that received the response returns
	date      Timestamp // see responseTime
	mark      PageMark  // of a page of restore jobs
	unchanged bool      // the page matches the mark of the request, and the body must not be used
}

// get lets decode read a response with status 200. An error of decode is a MalformedError. Other responses are errors;
// see the package comment. Failures that may be temporary are retried while the deadline of ctx allows it.
func (c *Client) get(ctx context.Context, request apiRequest, decode func(response) error) error {
	limit := c.rateLimit(request.bucket)
	for try := 1; ; try++ {
		if err := limit.wait(ctx); err != nil {
			return err
		}
		received, err := c.receive(ctx, request, limit, decode)
		if received || try == maxTries || ctx.Err() != nil {
			return err
		}
		delay, retry := retryDelay(err, try)
		if !retry || !endsBeforeDeadline(ctx, delay) || sleep(ctx, delay) != nil {
			return err
		}
	}
}

// receive sends the request once, and lets decode read a response with status 200. It has a buffer only as long as that
// takes, because many requests can be waiting for the rate limit.
func (c *Client) receive(
	ctx context.Context, request apiRequest, limit *rateLimit, decode func(response) error,
) (received bool, err error) {
	buffer := newBuffer()
	defer buffer.release()
	response, err := c.attempt(ctx, request, limit, buffer)
	if err != nil {
		return false, err
	}
	if err := decode(response); err != nil {
		return true, &MalformedError{Operation: request.operation, Err: err}
	}
	return true, nil
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
	return jitter(firstRetry), isConnectionLost(err)
}

// isConnectionLost reports whether the connection was lost before the response was complete. Package net/http does not
// export the errors of HTTP/2.
func isConnectionLost(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) ||
		errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE) ||
		strings.Contains(err.Error(), "http2: client connection lost") || // no response to a ping
		strings.Contains(err.Error(), "http2: server sent GOAWAY")
}

// attempt sends the request once, and reads the body of the response to a buffer.
func (c *Client) attempt(
	ctx context.Context, request apiRequest, limit *rateLimit, buffer *buffer,
) (response, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.baseURL+request.path, http.NoBody)
	if err != nil {
		return response{}, err
	}
	req.URL.RawQuery = request.query
	req.Header.Set("Accept", "application/vnd.atlas."+request.version+"+json")
	req.Header.Set("User-Agent", c.userAgent)

	if err := c.auth.prepare(ctx); err != nil {
		return response{}, err
	}
	start := time.Now()
	resp, err := c.auth.roundTrip(req, request.bucket.projectID)
	if err != nil {
		return response{}, c.noResponse(request, start, err)
	}
	defer func() { _ = resp.Body.Close() }()
	size := int64(maxBody)
	if resp.StatusCode != http.StatusOK {
		size = maxErrorBody
	}
	body, err := buffer.read(ctx, resp.Body, size+1)
	if remaining, ok := limit.update(resp.Header); ok {
		c.observer.RateLimit(request.bucket.projectID, request.operation, remaining)
	}
	if resp.StatusCode != http.StatusOK {
		return response{}, c.errorResponse(request, start, resp, body, limit)
	}
	if err != nil {
		return response{}, c.noResponse(request, start, err)
	}
	c.observer.Request(request.operation, resp.StatusCode, time.Since(start))
	c.observer.Credential(c.credential, true)
	limit.accepted()
	if len(body) > maxBody {
		return response{}, &MalformedError{Operation: request.operation, Err: errTooLarge}
	}
	return c.newResponse(request, body, responseTime(resp.Header)), nil
}

// newResponse returns a response without secrets.
func (c *Client) newResponse(request apiRequest, body []byte, date Timestamp) response {
	secrets, r := c.secrets(), response{date: date}
	if request.mark != nil {
		r.mark = markOf(body, secrets, date)
		r.unchanged = request.mark.matches(r.mark)
	}
	if !r.unchanged {
		r.body = redactBody(body, secrets)
	}
	return r
}

var errTooLarge = fmt.Errorf("response is larger than %d MiB", maxBody>>20)

// redactBody replaces the given secrets, which a hostile response may contain as the value of any field. Short secrets,
// which Atlas doesn't issue, could be a part of any response.
func redactBody(body []byte, secrets []string) []byte {
	const minLength = 16
	for _, secret := range secrets {
		if len(secret) >= minLength && bytes.Contains(body, []byte(secret)) {
			body = bytes.ReplaceAll(body, []byte(secret), []byte(redacted))
		}
	}
	return body
}

// responseTime returns the later of the Date header, which may be absent or invalid, and the current time. A clock that
// is behind, that of Atlas or of a proxy or the local one, must not make the times of jobs implausible.
func responseTime(header http.Header) Timestamp {
	now := TimestampOf(time.Now())
	if date, err := http.ParseTime(header.Get("Date")); err == nil {
		return max(now, TimestampOf(date))
	}
	return now
}

// errorResponse reports a response with another status than 200, and returns it as an error.
func (c *Client) errorResponse(
	request apiRequest, start time.Time, resp *http.Response, body []byte, limit *rateLimit,
) error {
	apiErr := decodeError(request.operation, resp.StatusCode, resp.Header, body, c.secrets()...)
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
	return transportError(err, c.secrets())
}

// transportError returns a network error with a sanitized text. An error with a long text is not wrapped.
func transportError(err error, secrets []string) error {
	if urlErr, ok := errors.AsType[*url.Error](err); ok {
		err = urlErr.Err // without the URL, which is long and known
	}
	text := err.Error()
	withoutQuotes := quotedPattern.ReplaceAllString(text, `"…"`)
	sanitized := &networkError{text: sanitizeText(withoutQuotes, secrets...), err: err}
	if len(text) > maxErrorText {
		sanitized.err = nil // it quotes the response, and would retain it
	}
	return sanitized
}

func (c *Client) rateLimit(key bucket) *rateLimit {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.rateLimitLocked(key)
}

// rateLimitLocked is rateLimit for callers that hold c.mu.
func (c *Client) rateLimitLocked(key bucket) *rateLimit {
	switch {
	case c.rateLimits[key] != nil:
	case key.single:
		key.single = false
		lists := c.rateLimitLocked(key)
		key.single = true
		c.rateLimits[key] = lists.forSingleItems()
	default:
		c.rateLimits[key] = newRateLimit(c.reserve)
	}
	return c.rateLimits[key]
}
