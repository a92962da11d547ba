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

// Error is a refusal: Atlas answered, with another status than 200.
type Error struct {
	Endpoint   string        // what was asked, one of the fixed words of the Observer
	Status     int           // HTTP status
	Code       string        // Atlas' errorCode or OAuth's error; empty where the answer has none
	Detail     string        // Atlas' own words, fit to be shown; empty where the answer has none
	RetryAfter time.Duration // how long Atlas asks to wait; zero where it does not ask
}

func (e *Error) Error() string {
	text := fmt.Sprintf("atlas answered %d", e.Status)
	if e.Code != "" {
		text += " " + e.Code
	}
	if e.Detail != "" {
		text += ": " + e.Detail
	}
	return text
}

// Token reports whether the token endpoint refused: it did not get as far as the API.
func (e *Error) Token() bool { return e.Endpoint == EndpointToken }

// JobNotFound reports whether the answer says that the job itself is gone, as opposed to its cluster or project.
func (e *Error) JobNotFound() bool {
	return e.Status == http.StatusNotFound && (strings.Contains(e.Code, "RESTORE_JOB_NOT_FOUND") ||
		e.Code == "TENANT_RESTORE_NOT_FOUND" || e.Code == "INVALID_JOB_ID")
}

// Membership reports whether a 401 is about what the credential may see, not about the credential itself: Atlas
// answers 401, not 403, for a project of another organization.
func (e *Error) Membership() bool {
	switch e.Code {
	case "NOT_IN_GROUP", "USER_CANNOT_ACCESS_GROUP", "USER_UNAUTHORIZED":
		return true
	}
	return false
}

// Unsupported reports whether the answer says that the project can't have what the path is about at all.
func (e *Error) Unsupported() bool {
	return e.Status == http.StatusForbidden && e.Code == "FEATURE_UNSUPPORTED"
}

// MalformedError says that an answer with status 200 could not be read.
type MalformedError struct {
	Endpoint string
	Err      error // never quotes what was read
	Job      bool  // the answer is JSON and complete; it is only the single job in it that can't be read
}

func (e *MalformedError) Error() string { return "atlas answered what can't be read: " + e.Err.Error() }

func (e *MalformedError) Unwrap() error { return e.Err }

// ErrBudget says that a request was not sent because the requests that Atlas allows for the project are used up, and
// the deadline comes before the next one is allowed.
var ErrBudget = errors.New("the project's request budget at atlas is used up")

// networkError is a failure of the connection, in words that are fit to be shown: Go's own may quote the answer.
type networkError struct {
	text string
	err  error
}

func (e *networkError) Error() string { return e.text }

func (e *networkError) Unwrap() error { return e.err }

// codePattern is what an error code looks like; anything else in its place is not shown.
var codePattern = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_.-]{0,79}$`)

// decodeError returns the refusal that an answer is. The body may be anything: Atlas' ApiError with or without an
// errorCode, OAuth's error, a proxy's HTML, nothing.
func decodeError(endpoint string, status int, header http.Header, body []byte, secrets ...string) *Error {
	refusal := &Error{Endpoint: endpoint, Status: status, RetryAfter: retryAfter(header.Get("Retry-After"))}
	var fields map[string]json.RawMessage
	if json.Unmarshal(body, &fields) != nil {
		return refusal
	}
	text := func(key string) string {
		var s string
		_ = json.Unmarshal(fields[key], &s) // what is not a string is as good as absent
		return s
	}
	refusal.Code = text("errorCode")
	if refusal.Code == "" {
		refusal.Code = text("error") // a number in Atlas' shape, a word in OAuth's
	}
	if !codePattern.MatchString(refusal.Code) || showable(refusal.Code, secrets...) != refusal.Code {
		refusal.Code = ""
	}
	refusal.Detail = showable(text("detail"), secrets...)
	if refusal.Detail == "" {
		refusal.Detail = showable(text("error_description"), secrets...)
	}
	return refusal
}

// maxRetryAfter bounds what an answer can make a client wait.
const maxRetryAfter = time.Hour

// retryAfter reads the header of that name: seconds or a date. What is absent, absurd or past is zero.
func retryAfter(value string) time.Duration {
	value = strings.TrimSpace(value)
	if seconds, err := strconv.ParseUint(value, 10, 32); err == nil {
		return min(time.Duration(seconds)*time.Second, maxRetryAfter)
	}
	if date, err := http.ParseTime(value); err == nil {
		return min(max(time.Until(date), 0), maxRetryAfter)
	}
	return 0
}
