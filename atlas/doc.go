// Package atlas reads restore jobs, projects and clusters from the MongoDB Atlas Administration API, version 2. The
// client is read-only: every request is a GET, except the POST that requests an access token.
//
// [NewClient] returns a [Client] for one credential. [Client.RestoreJobs] reads a list of restore jobs page by page,
// and [Client.RestoreJob] reads one job. The API has five wire formats for restore jobs, one for each [BackupType].
// All of them are converted to [RestoreJob].
//
// # Authentication
//
// A [Credential] is a service account (OAuth 2.0 client credentials) or an API key (HTTP digest authentication). The
// access token of a service account is requested when it is first needed, and is renewed a minute before it expires. If
// that fails, the token is used until it expires. A rejected token is replaced once for all waiting requests, and at
// most once in five minutes. It is not replaced if the credential is valid but isn't a member of the project.
//
// # Rate limits
//
// Atlas limits requests with a token bucket for each project and set of operations. The client keeps a copy of each
// bucket, corrects it with the RateLimit headers of responses, and waits before it sends a request that would exceed
// the limit. After a response with status 429, requests to the bucket wait for Retry-After or an exponential backoff.
// If a wait would exceed the deadline of the context, the client returns the last 429 response or
// [ErrRateLimitExhausted] without a request. [Options.Reserve] leaves a share of each bucket to other programs.
//
// # Errors
//
// Methods return one of these errors:
//
//   - [*Error] if the status of the response is not 200. Its methods classify the error code.
//   - [*MalformedError] if a response with status 200 can't be decoded.
//   - [ErrRateLimitExhausted] if no request was sent because of the rate limit.
//   - the error of the context, or of the network.
//
// After a request without a complete response, later requests use new connections, at most five times, and then once a
// minute. A 429 response, a 502, 503 or 504 response, and a lost connection are retried at most twice, as long as the
// deadline of the context allows it.
//
// # Paging
//
// Pages are requested by number. Links in responses are never followed, and neither are redirects. Jobs that are
// created while a list is read shift the pages, so a job can be returned twice. The order of a list is not documented.
//
// # Untrusted data
//
// Everything from the network is untrusted. Responses are limited in size. A job requires only an ID. Any other field
// that can't be read, or has an implausible time, is omitted and reported to the [Observer]. The status is unknown if
// an unreadable field may report a failure. Strings in a [RestoreJob] are short and printable. Download links are
// counted but not kept. Links in other strings are replaced, in any encoding. If a key of an object is repeated, it is
// treated as unreadable. Kept parts of a response are copies. Error texts are one line, without links and without
// secrets. A [Secret] prints as <redacted>.
package atlas
