package atlas_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"atlas-restore-exporter/atlas"
	"atlas-restore-exporter/atlas/atlastest"
)

func TestRateLimit_BlocksAProjectForRetryAfter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sim := newAtlas()
		client := connect(t, sim, account)
		sim.Script(atlastest.PathHas(project), 1, atlastest.RetryAfter("120"))
		for range 3 {
			if apiErr := asAPIError(t, readError(t, client), 429); apiErr.RetryAfter != 2*time.Minute {
				t.Errorf("%v", apiErr)
			}
		}
		if n := len(requestsBelow(sim, project)); n != 1 {
			t.Errorf("%d requests during Retry-After, want 1", n)
		}
		time.Sleep(150 * time.Second)
		expectRead(t, client)
	})
}

func TestRateLimit_DoesNotBlockOtherProjects(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sim := newAtlas()
		sim.AddProject("other", "Other")
		sim.AddCluster("other", "prod", atlastest.DedicatedCluster)
		client := connect(t, sim, account)
		sim.Script(atlastest.PathHas(project), 1, atlastest.RetryAfter("120"))
		expectReadError(t, client)
		other := atlas.List{ProjectID: "other", ClusterName: "prod", BackupType: atlas.Dedicated}
		if _, err := readAll(withDeadline(t), client, other); err != nil {
			t.Error(err)
		}
	})
}

func TestRateLimit_IsSharedByAListAndItsJobs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sim := newAtlas()
		client := connect(t, sim, account)
		sim.Script(atlastest.PathHas("restoreJobs"), 1, atlastest.RetryAfter("120"))
		expectReadError(t, client)
		before := len(sim.Requests(nil))
		_, err := client.RestoreJob(withDeadline(t), dedicated, "6a794733c0eb9e7a17740663")
		if err == nil || len(sim.Requests(nil)) != before {
			t.Errorf("a job was requested though the rate limit of its list is exhausted: %v", err)
		}
	})
}

// TestRateLimit_OfASingleJobDoesNotBlockItsList has jobs that are rejected for an hour.
func TestRateLimit_OfASingleJobDoesNotBlockItsList(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sim := newAtlas()
		client := connect(t, sim, account)
		sim.Script(atlastest.PathHas("restoreJobs/"), 0, atlastest.RetryAfter("3600"))
		readJob := func() {
			t.Helper()
			_, err := client.RestoreJob(withDeadline(t), dedicated, "6a794733c0eb9e7a17740663")
			_ = asAPIError(t, err, 429)
		}
		readJob()
		before := len(requestsWithStatus(sim, 429))
		for range 3 {
			expectRead(t, client)
			readJob()
		}
		if n := len(requestsWithStatus(sim, 429)); n != before {
			t.Errorf("%d requests for jobs during Retry-After", n-before)
		}
		time.Sleep(90 * time.Minute)
		readJob()
		if n := len(requestsWithStatus(sim, 429)); n == before {
			t.Error("no request for a job after Retry-After")
		}
	})
}

func TestRateLimit_CountsConcurrentRejectionsOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sim := newAtlas()
		client := connect(t, sim, account)
		if _, err := client.Project(withDeadline(t), project); err != nil {
			t.Fatal(err)
		}
		arrived := make(chan struct{})
		var waiting atomic.Int64
		respond := func(w http.ResponseWriter, r *http.Request) {
			if waiting.Add(1) == 8 {
				close(arrived)
			}
			<-arrived
			atlastest.RetryAfter("").ServeHTTP(w, r)
		}
		sim.Script(atlastest.PathHas("restoreJobs"), 8, http.HandlerFunc(respond))
		start := time.Now()
		concurrently(8, func() { expectRead(t, client) })
		if took := time.Since(start); took < 10*time.Second || took > 12*time.Second {
			t.Errorf("all requests succeeded after %v, want 10s to 12s", took)
		}
	})
}

// TestRateLimit_BlocksARequestThatIsWaitingForAToken lets the response with status 429 come during the wait.
func TestRateLimit_BlocksARequestThatIsWaitingForAToken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sim := newAtlas()
		sim.Capacity, sim.RefillPerMinute = 2, 1
		client := connect(t, sim, account)
		expectRead(t, client) // the response contains the capacity
		before := len(requestsBelow(sim, project))
		sim.Script(atlastest.PathHas(project), 1, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			time.Sleep(5 * time.Second)
			atlastest.RetryAfter("3000").ServeHTTP(w, r)
		}))
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
		defer cancel()
		concurrently(2, func() {
			_, err := readAll(ctx, client, dedicated)
			_ = asAPIError(t, err, 429)
		})
		if n := len(requestsBelow(sim, project)) - before; n != 1 {
			t.Errorf("%d requests, want only the one that was rejected", n)
		}
	})
}

func TestRateLimit_PacesRequestsByTheHeaders(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sim := newAtlas()
		sim.Capacity, sim.RefillPerMinute = 60, 25 // the documented proportion
		client := connect(t, sim, account)
		start := time.Now()
		var failures, done int
		for time.Since(start) < 10*time.Minute {
			if _, err := readAll(withDeadline(t), client, dedicated); err != nil {
				failures++
			}
			done++
		}
		rejected := len(requestsWithStatus(sim, 429))
		if want := 60 + 25*10; failures > 0 || rejected > 2 || done < want-10 || done > want+10 {
			t.Errorf("%d requests, %d failures, %d rejected; want about %d and 0", done, failures, rejected, want)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		before := len(sim.Requests(nil))
		_, err := readAll(ctx, client, dedicated)
		if !errors.Is(err, atlas.ErrRateLimitExhausted) || len(sim.Requests(nil)) != before {
			t.Errorf("the deadline is before the next token, but the error is %v", err)
		}
	})
}

// In the tests of the reserve, requestWorkers send requests concurrently for requestSpan.
const (
	requestWorkers = 8
	requestSpan    = 10 * time.Minute
)

// countRequests sends requests with a reserve of half of the bucket, and calls afterEach after each response.
func countRequests(t *testing.T, sim *atlastest.Server, afterEach func()) int {
	t.Helper()
	client := connectWith(t, sim, atlas.Options{Credential: account, Concurrency: requestWorkers, Reserve: 0.5})
	var sent atomic.Int32
	concurrently(requestWorkers, func() {
		for start := time.Now(); time.Since(start) < requestSpan; sent.Add(1) {
			if _, err := readAll(t.Context(), client, dedicated); err != nil {
				t.Error(err)
				return
			}
			afterEach()
		}
	})
	return int(sent.Load())
}

func TestReserve_LeavesAShareOfTheBucket(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sim := newAtlas()
		sim.Capacity, sim.RefillPerMinute = 120, 50
		var mu sync.Mutex
		remaining := sim.Capacity
		n := countRequests(t, sim, func() {
			mu.Lock()
			defer mu.Unlock()
			remaining = min(remaining, sim.RemainingRequests(project, "cloud_backups"))
		})
		// The limiter has the right size only after the first response.
		most := 60 + 10*25
		if n > most+2*requestWorkers || n < most*9/10 || remaining < 60-2*requestWorkers {
			t.Errorf("%d requests, want about %d; at least %d remained, want half of the bucket", n, most, remaining)
		}
	})
}

func TestReserve_LeavesAShareOfTheRefillIfOtherProgramsUseTheBucket(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sim := newAtlas()
		respond := func(w http.ResponseWriter, _ *http.Request) {
			time.Sleep(20 * time.Millisecond)
			w.Header().Set("RateLimit-Limit", "120")
			w.Header().Set("RateLimit-Remaining", "3")
			_, _ = io.WriteString(w, `{"results":[],"links":[]}`)
		}
		sim.Script(atlastest.PathHas("restoreJobs"), 0, http.HandlerFunc(respond))
		if n, most := countRequests(t, sim, func() {}), 10*25; n > most+2*requestWorkers || n < most*9/10 {
			t.Errorf("%d requests, want about %d", n, most)
		}
	})
}

func TestRateLimit_IsTheReasonIfTheCallerCannotContinueAfterTheWait(t *testing.T) {
	for name, prepare := range map[string]func(*atlastest.Server){
		"429":       func(sim *atlastest.Server) { sim.Script(atlastest.PathHas(project), 1, atlastest.RetryAfter("2")) },
		"no tokens": func(sim *atlastest.Server) { sim.Capacity, sim.RefillPerMinute = 1, 1 },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				sim := newAtlas()
				prepare(sim)
				client := connect(t, sim, account)
				ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
				defer cancel()
				ctx = atlas.WithPause(ctx, func(ctx context.Context, _ bool, wait func() error) error {
					_ = wait()
					<-ctx.Done()
					return ctx.Err()
				})
				var err error
				for range 2 {
					if _, err = readAll(ctx, client, dedicated); err != nil {
						break
					}
				}
				apiErr, rejected := errors.AsType[*atlas.Error](err)
				rejected = rejected && apiErr.Status == http.StatusTooManyRequests
				if !rejected && !errors.Is(err, atlas.ErrRateLimitExhausted) {
					t.Errorf("error %v", err)
				}
			})
		})
	}
}
