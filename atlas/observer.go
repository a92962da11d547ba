package atlas

import "time"

// Observer is told what a Client does, so that it can become metrics without this package knowing any. Its methods are
// called from many goroutines at once and must not block.
//
// Endpoints are a few fixed words, one a route: see Endpoints.
type Observer interface {
	// Request reports an answer of the API, or with status 0 a request that got none. Digest's first, unauthenticated
	// try is not reported.
	Request(endpoint string, status int, took time.Duration)
	// Token reports an answer of the token endpoint, or with status 0 a request that got none.
	Token(credential string, status int)
	// Credential reports whether the last use of a credential was accepted, or refused for its own sake.
	Credential(credential string, accepted bool)
	// RateLimit reports how many requests Atlas says are left.
	RateLimit(projectID, endpoint string, remaining int)
	// UnknownValue reports a word that is not in Atlas' documented list for the field, one of UnknownValueFields.
	UnknownValue(field string)
	// MalformedJobs reports jobs that could not be read.
	MalformedJobs(backupType BackupType, n int)
}

// NopObserver ignores everything.
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

// MalformedJobs does nothing.
func (NopObserver) MalformedJobs(BackupType, int) {}
