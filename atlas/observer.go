package atlas

import "time"

// Observer receives the events of a Client, for example to count them. Its methods are called concurrently and must
// not block. Operations are those of the function Operations.
type Observer interface {
	// Request reports a response of the API. The status is 0 if there was no complete response. The first request of
	// digest authentication, which is not authenticated, is not reported.
	Request(operation string, status int, took time.Duration)
	// Token reports a response of the token endpoint. The status is 0 if there was no complete response.
	Token(credential string, status int)
	// Credential reports whether a credential was accepted or rejected.
	Credential(credential string, accepted bool)
	// RateLimit reports the number of requests that Atlas still allows.
	RateLimit(projectID, operation string, remaining int)
	// UnknownValue reports an undocumented value. The field is one of UnknownValueFields.
	UnknownValue(field string)
	// MalformedField reports a field of a job that was omitted because it is unreadable or implausible. The field is one
	// of MalformedFields.
	MalformedField(field string)
	// MalformedJobs reports items that are not jobs or have no ID.
	MalformedJobs(backupType BackupType, n int)
}

// NopObserver discards all events. Embed it to implement only some of the methods.
type NopObserver struct{}

var _ Observer = NopObserver{}

// Request does nothing.
func (NopObserver) Request(string, int, time.Duration) {}

// Token does nothing.
func (NopObserver) Token(string, int) {}

// Credential does nothing.
func (NopObserver) Credential(string, bool) {}

// RateLimit does nothing.
func (NopObserver) RateLimit(string, string, int) {}

// UnknownValue does nothing.
func (NopObserver) UnknownValue(string) {}

// MalformedField does nothing.
func (NopObserver) MalformedField(string) {}

// MalformedJobs does nothing.
func (NopObserver) MalformedJobs(BackupType, int) {}
