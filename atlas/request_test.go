package atlas_test

import (
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"atlas-restore-exporter/atlas/atlastest"
)

// retryTest is a response, the expected result, and the expected time within which the client retries it.
type retryTest struct {
	name     string
	times    int // number of requests with the response; 0 for all
	response http.Handler
	want     string // start of the error; if empty, success
	tries    int
	min, max time.Duration
}

func expectRetries(t *testing.T, tests []retryTest) {
	t.Helper()
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				sim := newAtlas()
				client := connect(t, sim, account)
				if _, err := client.Project(withDeadline(t), project); err != nil {
					t.Fatal(err)
				}
				sim.ForgetRequests()
				sim.Script(atlastest.PathHas("restoreJobs"), test.times, test.response)
				start := time.Now()
				_, err := readAll(withDeadline(t), client, dedicated)
				took := time.Since(start)
				if (err == nil) != (test.want == "") || (err != nil && !strings.HasPrefix(err.Error(), test.want)) {
					t.Errorf("error %v, want %q", err, test.want)
				}
				if tries := len(sim.Requests(nil)); tries != test.tries {
					t.Errorf("%d tries, want %d", tries, test.tries)
				}
				if took < test.min || took > test.max {
					t.Errorf("took %v, want %v to %v", took, test.min, test.max)
				}
			})
		})
	}
}

func TestRequest_RetriesTemporaryFailures(t *testing.T) {
	retryAfter9 := func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Retry-After", "9")
		w.WriteHeader(http.StatusServiceUnavailable)
	}
	expectRetries(t, []retryTest{
		{"two 503", 2, atlastest.Status(503), "", 3, 2 * time.Second, 4 * time.Second},
		{"only 503", 0, atlastest.Status(503), "atlas api returned 503", 3, 2 * time.Second, 4 * time.Second},
		{"502 with HTML", 1, atlastest.Body(502, "text/html", "<html>"), "", 2, time.Second, 2 * time.Second},
		{"503 with Retry-After", 1, http.HandlerFunc(retryAfter9), "", 2, 9 * time.Second, 10 * time.Second},
		{"lost connection", 1, atlastest.BreakOff(), "", 2, 500 * time.Millisecond, time.Second},
	})
}

func TestRequest_RetriesAfterARateLimit(t *testing.T) {
	expectRetries(t, []retryTest{
		{"Retry-After", 1, atlastest.RetryAfter("7"), "", 2, 7 * time.Second, 8 * time.Second},
		{"no Retry-After", 1, atlastest.RetryAfter(""), "", 2, 10 * time.Second, 11 * time.Second},
		{"negative Retry-After", 1, atlastest.RetryAfter("-5"), "", 2, 10 * time.Second, 11 * time.Second},
		{"huge Retry-After", 1, atlastest.RetryAfter("99999999999999"), "", 2, 10 * time.Second, 11 * time.Second},
		{
			"Retry-After beyond the deadline", 1, atlastest.RetryAfter("31"),
			"atlas api returned 429 RATE_LIMITED_TOKEN_BUCKET", 1, 0, 0,
		},
	})
}

func TestRequest_DoesNotRetryPermanentFailures(t *testing.T) {
	expectRetries(t, []retryTest{
		{
			"500", 1, atlastest.APIError(500, "UNEXPECTED_ERROR", "Unexpected error."),
			"atlas api returned 500 UNEXPECTED_ERROR: Unexpected error.", 1, 0, 0,
		},
		{"404", 1, atlastest.Status(404), "atlas api returned 404", 1, 0, 0},
		{"redirect", 0, atlastest.Redirect("http://elsewhere.test/"), "atlas api returned 302", 1, 0, 0},
	})
}

func TestRequest_HostileResponsesEndByTheDeadlineWithTheirOwnKindOfError(t *testing.T) {
	notGzip := func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Encoding", "gzip")
		_, _ = io.WriteString(w, "this is not gzip, but long enough for a header")
	}
	hugeHeader := func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("X", strings.Repeat("x", 1<<20)) }
	for _, test := range []struct {
		name     string
		response http.Handler
		want     func(error) bool
	}{
		{"200 MB", atlastest.Huge(200<<20, false), isMalformed},
		{"200 MB compressed", atlastest.Huge(200<<20, true), isMalformed},
		{"one byte per second", atlastest.Slow(time.Second), isTimeout},
		{"no response", atlastest.Hang(), isTimeout},
		{"HTML", atlastest.Body(200, "text/html", "<html>hello</html>"), isMalformed},
		{"truncated JSON", atlastest.Body(200, "application/json", `{"results":[{"id":"a"`), isMalformed},
		{"invalid gzip", http.HandlerFunc(notGzip), isMalformed},
		{"huge header", http.HandlerFunc(hugeHeader), isNetwork},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				sim := newAtlas()
				client := connect(t, sim, account)
				sim.Script(atlastest.PathHas("restoreJobs"), 0, test.response)
				start := time.Now()
				err := readError(t, client)
				if !test.want(err) || time.Since(start) > 30*time.Second {
					t.Errorf("after %v: %v", time.Since(start), err)
				}
			})
		})
	}
}
