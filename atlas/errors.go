package atlas

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// Error is a response whose status is not 200. Methods that classify its error code are in codes.go.
type Error struct {
	Operation  string        // one of Operations, or OperationToken
	Status     int           // HTTP status
	Code       string        // errorCode of Atlas, or error of OAuth; empty if absent
	Detail     string        // explanation from the response, sanitized; empty if absent
	RetryAfter time.Duration // value of the Retry-After header; zero if absent
}

func (e *Error) Error() string {
	text := fmt.Sprintf("atlas api returned %d", e.Status)
	if e.Code != "" {
		text += " " + e.Code
	}
	if e.Detail != "" {
		text += ": " + e.Detail
	}
	return text
}

// FromTokenEndpoint reports whether the token endpoint returned the error. If so, no request was sent to the API.
func (e *Error) FromTokenEndpoint() bool { return e.Operation == OperationToken }

// MalformedError is a response with status 200 that can't be decoded.
type MalformedError struct {
	Operation string
	Err       error // never quotes the response
}

func (e *MalformedError) Error() string { return "malformed atlas response: " + e.Err.Error() }

func (e *MalformedError) Unwrap() error { return e.Err }

// ErrRateLimitExhausted means that a request was not sent: the rate limit of the project is exhausted, and the next
// request is allowed only after the deadline.
var ErrRateLimitExhausted = errors.New("atlas api rate limit of the project exhausted")

// networkError is a network error with a sanitized text, because errors of net/http may quote the response.
type networkError struct {
	text string
	err  error
}

func (e *networkError) Error() string { return e.text }

func (e *networkError) Unwrap() error { return e.err }

// codePattern matches valid error codes. Other values are not shown.
var codePattern = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_.-]{0,79}$`)

// decodeError converts an error response. The body can be anything: an ApiError of Atlas with or without an errorCode,
// an error of OAuth, HTML from a proxy, or empty.
func decodeError(operation string, status int, header http.Header, body []byte, secrets ...string) *Error {
	apiErr := &Error{Operation: operation, Status: status, RetryAfter: retryAfter(header)}
	var fields map[string]json.RawMessage
	if json.Unmarshal(body, &fields) != nil {
		return apiErr
	}
	text := func(key string) string {
		var s string
		_ = json.Unmarshal(fields[key], &s) // other types are treated as absent
		return s
	}
	apiErr.Code = text("errorCode")
	if apiErr.Code == "" {
		apiErr.Code = text("error") // a number in an ApiError, a string in an error of OAuth
	}
	if !codePattern.MatchString(apiErr.Code) || sanitizeText(apiErr.Code, secrets...) != apiErr.Code {
		apiErr.Code = ""
	}
	apiErr.Detail = sanitizeText(text("detail"), secrets...)
	if apiErr.Detail == "" {
		apiErr.Detail = sanitizeText(text("error_description"), secrets...)
	}
	return apiErr
}

// maxRetryAfter is the longest wait that a response can request.
const maxRetryAfter = time.Hour

// retryAfter returns the duration of the Retry-After header, which has seconds or a date. A date is relative to the
// Date header or the local clock, of which either may be wrong: the shorter duration counts. It returns zero if the
// value is absent, invalid or in the past.
func retryAfter(header http.Header) time.Duration {
	value := strings.TrimSpace(header.Get("Retry-After"))
	if seconds, err := strconv.ParseUint(value, 10, 32); err == nil {
		return min(time.Duration(seconds)*time.Second, maxRetryAfter)
	}
	if until, err := http.ParseTime(value); err == nil {
		delay := time.Until(until)
		if date, err := http.ParseTime(header.Get("Date")); err == nil && until.After(date) {
			if byDate := until.Sub(date); delay <= 0 || byDate < delay {
				delay = byDate
			}
		}
		return min(max(delay, 0), maxRetryAfter)
	}
	return 0
}
