package atlas_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"atlas-restore-exporter/atlas"
	"atlas-restore-exporter/atlas/atlastest"
)

const (
	project = "32b6e34b3d91647abb20e7b8"
	secret  = "mdb_sa_sk_NEVER_SHOW_THIS"
	private = "11111111-NEVER-SHOW-THIS"
)

var (
	dedicated = atlas.List{ProjectID: project, ClusterName: "prod", BackupType: atlas.Dedicated}
	flex      = atlas.List{ProjectID: project, ClusterName: "team", BackupType: atlas.Flex}

	account = atlas.Credential{Name: "default", ServiceAccount: &atlas.ServiceAccount{ClientID: "mdb_sa_id_1", ClientSecret: secret}}
	key     = atlas.Credential{Name: "default", APIKey: &atlas.APIKey{PublicKey: "abcdefgh", PrivateKey: private}}
)

// newAtlas returns a simulated Atlas with a cluster of each kind, and both credentials.
func newAtlas() *atlastest.Server {
	sim := atlastest.New()
	sim.AddServiceAccount("mdb_sa_id_1", secret)
	sim.AddAPIKey("abcdefgh", private)
	sim.AddProject(project, "Payments")
	sim.AddCluster(project, "prod", atlastest.DedicatedCluster)
	sim.AddCluster(project, "old", atlastest.LegacyCluster)
	sim.AddCluster(project, "team", atlastest.FlexCluster)
	sim.AddCluster(project, "fn", atlastest.ServerlessInstance)
	return sim
}

// connect returns a client of a handler behind a pipe, and what it logs.
func connect(t *testing.T, handler http.Handler, credential atlas.Credential, observer atlas.Observer) *atlas.Client {
	t.Helper()
	pipe := atlastest.NewPipe(handler)
	client, err := atlas.NewClient(atlas.Options{
		BaseURL: "http://atlas.test", Credential: credential, UserAgent: "atlas-restore-exporter/test", Concurrency: 8,
		DialContext: pipe.DialContext, Observer: observer,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { client.Close(); pipe.Close() })
	return client
}

func readAll(ctx context.Context, client *atlas.Client, list atlas.List) (jobs []atlas.RestoreJob, err error) {
	for page, err := range client.RestoreJobs(ctx, list) {
		if err != nil {
			return nil, err
		}
		jobs = append(jobs, page.Jobs...)
	}
	return jobs, nil
}

// deadline returns a context that ends as that of a poll does.
func deadline(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	t.Cleanup(cancel)
	return ctx
}

func tokens(sim *atlastest.Server) int {
	return len(sim.Requests(func(r atlastest.Request) bool { return r.Path == "/api/oauth/token" }))
}

// TestEveryBackupType reads a list and a single job of each kind, with each kind of credential.
func TestEveryBackupType(t *testing.T) {
	for _, credential := range []atlas.Credential{account, key} {
		for _, list := range []atlas.List{
			dedicated, flex,
			{ProjectID: project, ClusterName: "prod", BackupType: atlas.Collection},
			{ProjectID: project, ClusterName: "old", BackupType: atlas.Legacy},
			{ProjectID: project, ClusterName: "fn", BackupType: atlas.Serverless},
		} {
			synctest.Test(t, func(t *testing.T) {
				sim := newAtlas()
				sim.ServerlessServed = true
				created := time.Now().Truncate(time.Second).Add(-time.Hour)
				ids := sim.AddJobs(list, atlastest.Job{Created: created, Takes: 20 * time.Minute})
				client := connect(t, sim, credential, nil)
				jobs, err := readAll(deadline(t), client, list)
				if err != nil || len(jobs) != 1 {
					t.Fatalf("%s: %v, %v", list.BackupType, jobs, err)
				}
				job, err := client.RestoreJob(deadline(t), list, ids[0])
				if err != nil || job != jobs[0] {
					t.Errorf("%s: single job %+v, %v; in the list %+v", list.BackupType, job, err, jobs[0])
				}
				if status := job.StatusAt(time.Now()); job.ID != ids[0] || status != atlas.StatusCompleted ||
					job.DeliveryType != atlas.DeliveryAutomated || job.Created != atlas.TimestampOf(created) {
					t.Errorf("%s: %+v is %s", list.BackupType, job, status)
				}
				_, err = client.RestoreJob(deadline(t), list, "6a794733c0eb9e7a17740663")
				if refusal, ok := errors.AsType[*atlas.Error](err); !ok || !refusal.JobNotFound() {
					t.Errorf("%s: a job that is not there: %v", list.BackupType, err)
				}
			})
		}
	}
}

// TestRequests looks at what goes over the wire.
func TestRequests(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sim := newAtlas()
		for range 1200 {
			sim.AddJobs(flex, atlastest.Job{Takes: time.Minute})
		}
		client := connect(t, sim, account, nil)
		jobs, err := readAll(deadline(t), client, flex)
		if err != nil || len(jobs) != 1200 {
			t.Fatalf("%d jobs, %v", len(jobs), err)
		}
		if name, err := client.ProjectName(deadline(t), project); name != "Payments" || err != nil {
			t.Errorf("project name %q, %v", name, err)
		}
		var seen []string
		for _, request := range sim.Requests(nil) {
			seen = append(seen, fmt.Sprintf("%s %s?%s %s %s %s", request.Method, request.Path, request.Query,
				request.Header.Get("Accept"), request.Header.Get("Accept-Encoding"), request.Header.Get("User-Agent")))
		}
		base := "GET /api/atlas/v2/groups/" + project
		tail := " gzip atlas-restore-exporter/test"
		want := []string{
			"POST /api/oauth/token? application/json" + tail,
			base + "/flexClusters/team/backup/restoreJobs?includeCount=true&itemsPerPage=500&pageNum=1 application/vnd.atlas.2024-11-13+json" + tail,
			base + "/flexClusters/team/backup/restoreJobs?includeCount=true&itemsPerPage=500&pageNum=2 application/vnd.atlas.2024-11-13+json" + tail,
			base + "/flexClusters/team/backup/restoreJobs?includeCount=true&itemsPerPage=500&pageNum=3 application/vnd.atlas.2024-11-13+json" + tail,
			base + "? application/vnd.atlas.2023-01-01+json" + tail,
		}
		if !slices.Equal(seen, want) {
			t.Errorf("requests\n%s\nwant\n%s", strings.Join(seen, "\n"), strings.Join(want, "\n"))
		}
	})
}

// TestUnreadPagesCostNothing stops after the first page.
func TestUnreadPagesCostNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sim := newAtlas()
		for range 1200 {
			sim.AddJobs(flex, atlastest.Job{Takes: time.Minute})
		}
		client := connect(t, sim, key, nil)
		for range 2 {
			for _, err := range client.RestoreJobs(deadline(t), flex) {
				if err != nil {
					t.Fatal(err)
				}
				break
			}
		}
		if n := len(sim.Requests(nil)); n != 3 { // the first is answered with the challenge, which is kept
			t.Errorf("%d requests for two pages, want 3", n)
		}
	})
}

// TestTokens follows a service account's token through its life.
func TestTokens(t *testing.T) {
	t.Run("one for all, and another before it expires", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			sim := newAtlas()
			client := connect(t, sim, account, nil)
			if tokens(sim) != 0 {
				t.Error("a token was asked for before there was use for it")
			}
			var all sync.WaitGroup
			for range 20 {
				all.Go(func() {
					if _, err := readAll(deadline(t), client, dedicated); err != nil {
						t.Error(err)
					}
				})
			}
			all.Wait()
			for range 58 {
				time.Sleep(time.Minute)
				if _, err := readAll(deadline(t), client, dedicated); err != nil {
					t.Error(err)
				}
			}
			if n := tokens(sim); n != 1 {
				t.Errorf("%d tokens within 58 minutes, want 1", n)
			}
			time.Sleep(time.Minute + time.Second)
			if _, err := readAll(deadline(t), client, dedicated); err != nil || tokens(sim) != 2 {
				t.Errorf("%d tokens after 59 minutes, want 2; %v", tokens(sim), err)
			}
		})
	})
	t.Run("revoked", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			sim := newAtlas()
			client := connect(t, sim, account, nil)
			if _, err := readAll(deadline(t), client, dedicated); err != nil {
				t.Fatal(err)
			}
			sim.RevokeTokens()
			var all sync.WaitGroup
			for range 20 {
				all.Go(func() {
					if _, err := readAll(deadline(t), client, dedicated); err != nil {
						t.Errorf("after the revocation: %v", err)
					}
				})
			}
			all.Wait()
			if n := tokens(sim); n != 2 {
				t.Errorf("%d tokens, want one more for all", n)
			}
			sim.RevokeTokens()
			if _, err := readAll(deadline(t), client, dedicated); err == nil || tokens(sim) != 2 {
				t.Errorf("revoked again at once: %v with %d tokens, want a refusal", err, tokens(sim))
			}
			time.Sleep(5 * time.Minute)
			if _, err := readAll(deadline(t), client, dedicated); err != nil || tokens(sim) != 3 {
				t.Errorf("five minutes later: %v with %d tokens", err, tokens(sim))
			}
		})
	})
	t.Run("a lasting 401 burns none", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			sim := newAtlas()
			sim.AddProject("other", "Other")
			client := connect(t, sim, account, nil)
			if _, err := client.ProjectName(deadline(t), "other"); err != nil {
				t.Fatal(err)
			}
			sim.Script(atlastest.PathHas(project), 0, atlastest.APIError(401, "", "You are not authorized for this resource."))
			for range 50 {
				_, err := readAll(deadline(t), client, dedicated)
				if refusal, ok := errors.AsType[*atlas.Error](err); !ok || refusal.Status != 401 {
					t.Fatal(err)
				}
				if _, err := client.ProjectName(deadline(t), "other"); err != nil {
					t.Fatal(err)
				}
				time.Sleep(time.Minute)
			}
			if n := tokens(sim); n != 1 {
				t.Errorf("%d tokens, want 1", n)
			}
		})
	})
	t.Run("access that is lost burns one", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			sim := newAtlas()
			client := connect(t, sim, account, nil)
			if _, err := readAll(deadline(t), client, dedicated); err != nil {
				t.Fatal(err)
			}
			sim.Script(atlastest.PathHas(project), 0, atlastest.APIError(401, "", "You are not authorized for this resource."))
			for range 50 {
				if _, err := readAll(deadline(t), client, dedicated); err == nil {
					t.Fatal("no error")
				}
				time.Sleep(time.Minute)
			}
			if n := tokens(sim); n != 2 {
				t.Errorf("%d tokens, want 2", n)
			}
		})
	})
	t.Run("a life that is no life costs no token a request", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			sim := newAtlas()
			sim.Script(atlastest.TokenRequests, 0, atlastest.Body(200, "application/json", `{"access_token":"x","expires_in":-5,"token_type":"Bearer"}`))
			client := connect(t, sim, account, nil)
			for range 50 {
				_, _ = readAll(deadline(t), client, dedicated)
			}
			if n := tokens(sim); n != 1 {
				t.Errorf("%d tokens for 50 requests", n)
			}
		})
	})
	t.Run("the token endpoint is not followed elsewhere, and its Retry-After is heeded", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			sim := newAtlas()
			sim.Script(atlastest.TokenRequests, 1, atlastest.Redirect("http://elsewhere.test/"))
			sim.Script(atlastest.TokenRequests, 1, atlastest.RetryAfter("300"))
			client := connect(t, sim, account, nil)
			_, err := readAll(deadline(t), client, dedicated)
			if refusal, ok := errors.AsType[*atlas.Error](err); !ok || refusal.Status != 302 || len(sim.Requests(nil)) != 1 {
				t.Errorf("%v after %d requests", err, len(sim.Requests(nil)))
			}
			time.Sleep(12 * time.Second)
			for range 4 {
				if _, err := readAll(deadline(t), client, dedicated); err == nil {
					t.Error("no error")
				}
				time.Sleep(time.Minute)
			}
			if n := tokens(sim); n != 2 {
				t.Errorf("%d requests for tokens, want 2", n)
			}
		})
	})
	t.Run("an answer that breaks off", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			var said strings.Builder
			log.SetOutput(&said) // where net/http complains of a transport that returns an answer and an error
			defer log.SetOutput(os.Stderr)
			sim := newAtlas()
			sim.Script(atlastest.TokenRequests, 1, atlastest.BreakOff())
			if _, err := readAll(deadline(t), connect(t, sim, account, nil), dedicated); !isNetwork(err) || said.Len() > 0 {
				t.Errorf("%v, log: %s", err, said.String())
			}
		})
	})
	t.Run("a question of membership burns none", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			sim := newAtlas()
			client := connect(t, sim, account, nil)
			if _, err := readAll(deadline(t), client, dedicated); err != nil {
				t.Fatal(err)
			}
			sim.Script(atlastest.PathHas("backup"), 0, atlastest.APIError(401, "USER_CANNOT_ACCESS_GROUP", "No."))
			if _, err := readAll(deadline(t), client, dedicated); err == nil || tokens(sim) != 1 {
				t.Errorf("%v with %d tokens", err, tokens(sim))
			}
		})
	})
	t.Run("a refusal of the token endpoint is held against everybody for a while", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			sim := newAtlas()
			observer := &observer{}
			client := connect(t, sim, atlas.Credential{Name: "c", ServiceAccount: &atlas.ServiceAccount{ClientID: "mdb_sa_id_1", ClientSecret: "wrong"}}, observer)
			for range 60 {
				_, err := readAll(deadline(t), client, dedicated)
				refusal, ok := errors.AsType[*atlas.Error](err)
				if !ok || !refusal.Token() || refusal.Status != 401 || refusal.Code != "invalid_client" ||
					refusal.Detail != "Invalid credentials provided." {
					t.Fatalf("%#v", err)
				}
				time.Sleep(time.Minute)
			}
			if n := tokens(sim); n > 20 {
				t.Errorf("%d requests for tokens in an hour, want few", n)
			}
			if observer.accepted.Load() != 0 || observer.refused.Load() == 0 {
				t.Errorf("credential accepted %d and refused %d times", observer.accepted.Load(), observer.refused.Load())
			}
		})
	})
	t.Run("answers that are no token", func(t *testing.T) {
		for _, body := range []string{`{}`, `<html>`, `{"access_token":5}`, `{"error":"odd"}`} {
			synctest.Test(t, func(t *testing.T) {
				sim := newAtlas()
				sim.Script(atlastest.TokenRequests, 1, atlastest.Body(200, "application/json", body))
				client := connect(t, sim, account, nil)
				_, err := readAll(deadline(t), client, dedicated)
				if malformed, ok := errors.AsType[*atlas.MalformedError](err); !ok || malformed.Endpoint != atlas.EndpointToken {
					t.Errorf("%s: %v", body, err)
				}
				time.Sleep(time.Minute)
				if _, err := readAll(deadline(t), client, dedicated); err != nil {
					t.Errorf("a minute later: %v", err)
				}
			})
		}
	})
}

// observer counts.
type observer struct {
	atlas.NopObserver
	accepted, refused atomic.Int64
	malformed         atomic.Int64
	unknown           sync.Map
}

func (o *observer) Credential(_ string, accepted bool) {
	if accepted {
		o.accepted.Add(1)
	} else {
		o.refused.Add(1)
	}
}

func (o *observer) MalformedJobs(_ atlas.BackupType, n int) { o.malformed.Add(int64(n)) }

func (o *observer) UnknownValue(field string) { o.unknown.Store(field, true) }

// TestDigest lets nonces expire, one request at a time and many.
func TestDigest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sim := newAtlas()
		sim.NonceLife = time.Minute
		client := connect(t, sim, key, nil)
		for range 10 {
			if _, err := readAll(deadline(t), client, dedicated); err != nil {
				t.Fatal(err)
			}
			time.Sleep(40 * time.Second)
		}
		// Every second nonce has expired by then, and with none at the start that makes five challenges.
		if n := len(sim.Requests(func(r atlastest.Request) bool { return r.Status == 401 })); n != 5 {
			t.Errorf("%d challenges, want 5", n)
		}
		sim.ForgetRequests()
		remove := sim.Script(atlastest.PathHas(project), 2, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("WWW-Authenticate", `Digest realm="MMS Public API", domain="", nonce="gone", algorithm=MD5, qop="auth", stale=true`)
			w.WriteHeader(http.StatusUnauthorized)
		}))
		defer remove()
		if _, err := readAll(deadline(t), client, dedicated); err != nil {
			t.Errorf("two stale nonces in a row: %v", err)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		client := connect(t, newAtlas(), atlas.Credential{APIKey: &atlas.APIKey{PublicKey: "abcdefgh", PrivateKey: "wrong"}}, nil)
		_, err := readAll(deadline(t), client, dedicated)
		if refusal, ok := errors.AsType[*atlas.Error](err); !ok || refusal.Status != 401 || refusal.Detail != "You are not authorized for this resource." {
			t.Errorf("wrong key: %v", err)
		}
	})
}

// TestDigestAtOnce has many requests meet an expired nonce together.
func TestDigestAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sim := newAtlas()
		sim.NonceLife = time.Minute
		client := connect(t, sim, key, nil)
		for range 3 {
			var all sync.WaitGroup
			for range 20 {
				all.Go(func() {
					if _, err := readAll(deadline(t), client, dedicated); err != nil {
						t.Error(err)
					}
				})
			}
			all.Wait()
			time.Sleep(2 * time.Minute)
		}
	})
}

// TestRefusedKey has an API key refused in answers that hold no challenge, or an odd one: what Atlas says is kept.
func TestRefusedKey(t *testing.T) {
	for _, challenge := range []string{"", "Basic realm=x", `Digest nonce="`, `Digest realm="x", nonce="y", algorithm=ODD`} {
		synctest.Test(t, func(t *testing.T) {
			sim := newAtlas()
			sim.Script(atlastest.PathHas("restoreJobs"), 0, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if challenge != "" {
					w.Header().Set("WWW-Authenticate", challenge)
				}
				atlastest.APIError(401, "USER_CANNOT_ACCESS_GROUP", "Not yours.").ServeHTTP(w, r)
			}))
			client := connect(t, sim, key, nil)
			_, err := readAll(deadline(t), client, dedicated)
			if refusal, ok := errors.AsType[*atlas.Error](err); !ok || !refusal.Membership() || refusal.Detail != "Not yours." {
				t.Errorf("%q: %v", challenge, err)
			}
		})
	}
}

// TestBurstOfRefusals has many requests refused together: that is one refusal, and the longest wait counts.
func TestBurstOfRefusals(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sim := newAtlas()
		client := connect(t, sim, account, nil)
		if _, err := client.ProjectName(deadline(t), project); err != nil {
			t.Fatal(err)
		}
		arrived := make(chan struct{})
		var waiting atomic.Int64
		sim.Script(atlastest.PathHas("restoreJobs"), 8, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if waiting.Add(1) == 8 {
				close(arrived)
			}
			<-arrived
			atlastest.RetryAfter("").ServeHTTP(w, r)
		}))
		start := time.Now()
		var all sync.WaitGroup
		for range 8 {
			all.Go(func() {
				if _, err := readAll(deadline(t), client, dedicated); err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
		if took := time.Since(start); took < 10*time.Second || took > 12*time.Second {
			t.Errorf("all were served after %v, want ten seconds and a little", took)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		sim := newAtlas()
		client := connect(t, sim, account, nil)
		sim.Script(atlastest.PathHas("restoreJobs"), 1, atlastest.RetryAfter("120"))
		if _, err := readAll(deadline(t), client, dedicated); err == nil {
			t.Error("no error")
		}
		before := len(sim.Requests(nil))
		if _, err := client.RestoreJob(deadline(t), dedicated, "6a794733c0eb9e7a17740663"); err == nil || len(sim.Requests(nil)) != before {
			t.Error("a single job is asked for though the list's budget, which is the same, is closed")
		}
	})
}

// TestTryAgain lists what is tried again within a poll, and how long that takes.
func TestTryAgain(t *testing.T) {
	for _, test := range []struct {
		name    string
		times   int
		answer  http.Handler
		want    string // part of the error; none for success
		tries   int
		atLeast time.Duration
		atMost  time.Duration
	}{
		{"503", 2, atlastest.Status(503), "", 3, 2 * time.Second, 4 * time.Second},
		{"503 for long", 0, atlastest.Status(503), "atlas answered 503", 3, 2 * time.Second, 4 * time.Second},
		{"502 in HTML", 1, atlastest.Body(502, "text/html", "<html>"), "", 2, time.Second, 2 * time.Second},
		{"503 with Retry-After", 1, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Retry-After", "9")
			w.WriteHeader(http.StatusServiceUnavailable)
		}), "", 2, 9 * time.Second, 10 * time.Second},
		{"500", 1, atlastest.APIError(500, "UNEXPECTED_ERROR", "Unexpected error."), "atlas answered 500 UNEXPECTED_ERROR: Unexpected error.", 1, 0, 0},
		{"broken off", 1, atlastest.BreakOff(), "", 2, 500 * time.Millisecond, time.Second},
		{"429 with Retry-After", 1, atlastest.RetryAfter("7"), "", 2, 7 * time.Second, 8 * time.Second},
		{"429 without", 1, atlastest.RetryAfter(""), "", 2, 10 * time.Second, 11 * time.Second},
		{"429 that does not fit", 1, atlastest.RetryAfter("31"), "atlas answered 429 RATE_LIMITED_TOKEN_BUCKET", 1, 0, 0},
		{"429 with an absurd Retry-After", 1, atlastest.RetryAfter("99999999999999"), "", 2, 10 * time.Second, 11 * time.Second},
		{"429 with a negative Retry-After", 1, atlastest.RetryAfter("-5"), "", 2, 10 * time.Second, 11 * time.Second},
		{"404", 1, atlastest.Status(404), "atlas answered 404", 1, 0, 0},
		{"redirect", 0, atlastest.Redirect("http://elsewhere.test/"), "atlas answered 302", 1, 0, 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				sim := newAtlas()
				client := connect(t, sim, account, nil)
				if _, err := client.ProjectName(deadline(t), project); err != nil {
					t.Fatal(err)
				}
				sim.ForgetRequests()
				sim.Script(atlastest.PathHas("restoreJobs"), test.times, test.answer)
				start := time.Now()
				_, err := readAll(deadline(t), client, dedicated)
				took := time.Since(start)
				if (err == nil) != (test.want == "") || (err != nil && !strings.HasPrefix(err.Error(), test.want)) {
					t.Errorf("error %v, want %q", err, test.want)
				}
				if tries := len(sim.Requests(nil)); tries != test.tries {
					t.Errorf("%d tries, want %d", tries, test.tries)
				}
				if took < test.atLeast || took > test.atMost {
					t.Errorf("took %v, want %v to %v", took, test.atLeast, test.atMost)
				}
			})
		})
	}
}

// TestBudget holds requests to one project together: what one was told, all heed, and other projects don't.
func TestBudget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sim := newAtlas()
		sim.AddProject("other", "Other")
		sim.AddCluster("other", "prod", atlastest.DedicatedCluster)
		client := connect(t, sim, account, nil)
		sim.Script(atlastest.PathHas(project), 1, atlastest.RetryAfter("120"))
		for range 3 {
			_, err := readAll(deadline(t), client, dedicated)
			if refusal, ok := errors.AsType[*atlas.Error](err); !ok || refusal.Status != 429 || refusal.RetryAfter != 2*time.Minute {
				t.Errorf("%v", err)
			}
		}
		if n := len(sim.Requests(func(r atlastest.Request) bool { return strings.Contains(r.Path, project) })); n != 1 {
			t.Errorf("%d requests while Atlas asks to wait, want 1", n)
		}
		if _, err := readAll(deadline(t), client, atlas.List{ProjectID: "other", ClusterName: "prod", BackupType: atlas.Dedicated}); err != nil {
			t.Errorf("another project: %v", err)
		}
		time.Sleep(150 * time.Second)
		if _, err := readAll(deadline(t), client, dedicated); err != nil {
			t.Errorf("after the wait: %v", err)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		sim := newAtlas()
		sim.Capacity, sim.RefillPerMinute = 60, 25 // the documented proportion
		client := connect(t, sim, account, nil)
		start := time.Now()
		var failures, done int
		for time.Since(start) < 10*time.Minute {
			if _, err := readAll(deadline(t), client, dedicated); err != nil {
				failures++
			}
			done++
		}
		limited := len(sim.Requests(func(r atlastest.Request) bool { return r.Status == 429 }))
		if want := 60 + 25*10; failures > 0 || limited > 2 || done < want-10 || done > want+10 {
			t.Errorf("%d requests of which %d failed and %d were refused; want about %d, and none", done, failures, limited, want)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		before := len(sim.Requests(nil))
		if _, err := readAll(ctx, client, dedicated); !errors.Is(err, atlas.ErrBudget) || len(sim.Requests(nil)) != before {
			t.Errorf("no time for the next token: %v", err)
		}
	})
}

// TestHostileAnswers ends each of them by the deadline at the latest, with the failure that it is.
func TestHostileAnswers(t *testing.T) {
	for _, test := range []struct {
		name   string
		answer http.Handler
		want   func(error) bool
	}{
		{"200 MB", atlastest.Huge(200<<20, false), isMalformed},
		{"200 MB behind gzip", atlastest.Huge(200<<20, true), isMalformed},
		{"one byte a second", atlastest.Slow(time.Second), isTimeout},
		{"nothing", atlastest.Hang(), isTimeout},
		{"HTML", atlastest.Body(200, "text/html", "<html>hello</html>"), isMalformed},
		{"truncated JSON", atlastest.Body(200, "application/json", `{"results":[{"id":"a"`), isMalformed},
		{"no gzip", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Encoding", "gzip")
			_, _ = io.WriteString(w, "this is no gzip, but long enough to be taken for a header")
		}), isMalformed},
		{"a huge header", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("X", strings.Repeat("x", 1<<20))
		}), isNetwork},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				sim := newAtlas()
				client := connect(t, sim, account, nil)
				sim.Script(atlastest.PathHas("restoreJobs"), 0, test.answer)
				start := time.Now()
				_, err := readAll(deadline(t), client, dedicated)
				if !test.want(err) || time.Since(start) > 30*time.Second {
					t.Errorf("after %v: %v", time.Since(start), err)
				}
			})
		})
	}
}

func isMalformed(err error) bool { _, ok := errors.AsType[*atlas.MalformedError](err); return ok }

func isTimeout(err error) bool { return errors.Is(err, context.DeadlineExceeded) }

func isNetwork(err error) bool { return err != nil && !isMalformed(err) && !isTimeout(err) }

// TestSecretsInErrors has Atlas' words echo what must not be shown.
func TestSecretsInErrors(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sim := newAtlas()
		client := connect(t, sim, account, nil)
		echo := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			atlastest.APIError(403, secret, "You sent "+r.Header.Get("Authorization")+"\nand "+secret+
				" see https://user:"+secret+"@host/archive.tar.gz?sig=1 "+strings.Repeat("x", 500)).ServeHTTP(w, r)
		})
		sim.Script(atlastest.PathHas("restoreJobs"), 0, echo)
		_, err := readAll(deadline(t), client, dedicated)
		want := "atlas answered 403: You sent Bearer <redacted> and <redacted> see <link> "
		if err == nil || !strings.HasPrefix(err.Error(), want) || len([]rune(err.Error())) > 230 {
			t.Errorf("%v\nwant %s…", err, want)
		}
	})
	value := atlas.Secret(secret)
	var logged bytes.Buffer
	slog.New(slog.NewJSONHandler(&logged, nil)).Info("x", "secret", value)
	text, _ := value.MarshalText()
	yaml, _ := value.MarshalYAML()
	for _, shown := range []string{
		logged.String(), string(text), fmt.Sprint(yaml), fmt.Sprintf("%v %+v %#v %s %q", value, value, value, value, value),
		fmt.Sprintf("%v %+v %#v", account.ServiceAccount, *account.ServiceAccount, *account.ServiceAccount),
	} {
		if strings.Contains(shown, "NEVER") {
			t.Errorf("shown: %s", shown)
		}
	}
}

// TestUnknownWords counts every word and logs each once.
func TestUnknownWords(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sim := newAtlas()
		for range 5 {
			sim.AddJobs(flex, atlastest.Job{Extra: map[string]any{"status": "PAUSED/https://x"}}, atlastest.Job{Extra: map[string]any{"id": 7}})
		}
		pipe := atlastest.NewPipe(sim)
		defer pipe.Close()
		var logged bytes.Buffer
		observer := &observer{}
		client, err := atlas.NewClient(atlas.Options{
			BaseURL: "http://atlas.test", Credential: account, DialContext: pipe.DialContext, Observer: observer,
			Logger: slog.New(slog.NewTextHandler(&logged, nil)),
		})
		if err != nil {
			t.Fatal(err)
		}
		defer client.Close()
		jobs, err := readAll(deadline(t), client, flex)
		if err != nil || len(jobs) != 5 || jobs[0].StatusAt(time.Now()) != atlas.StatusUnknown {
			t.Errorf("%d jobs, %v", len(jobs), err)
		}
		if n := strings.Count(logged.String(), "PAUSED_link"); n != 1 {
			t.Errorf("logged %d times: %s", n, logged.String())
		}
		if _, counted := observer.unknown.Load("flex_status"); !counted || observer.malformed.Load() != 5 {
			t.Errorf("counted %t, %d malformed", counted, observer.malformed.Load())
		}
	})
}

// TestConnections counts real connections: as many as there are requests at a time, and no more afterwards.
func TestConnections(t *testing.T) {
	const atATime = 8
	sim := newAtlas()
	var opened atomic.Int64
	server := httptest.NewUnstartedServer(sim)
	server.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			opened.Add(1)
		}
	}
	server.Start()
	defer server.Close()
	client, err := atlas.NewClient(atlas.Options{BaseURL: server.URL, Credential: account, Concurrency: atATime})
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	for range 10 {
		var all sync.WaitGroup
		for range atATime {
			all.Go(func() {
				if _, err := readAll(t.Context(), client, dedicated); err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
	}
	if n := opened.Load(); n > atATime+1 {
		t.Errorf("%d connections for %d requests, %d at a time", n, 10*atATime, atATime)
	}
}

// TestTLS trusts whom it is told to trust, and no wrong name.
func TestTLS(t *testing.T) {
	server := httptest.NewUnstartedServer(newAtlas())
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.StartTLS()
	defer server.Close()
	roots := server.Client().Transport.(*http.Transport).TLSClientConfig.RootCAs
	read := func(options atlas.Options) error {
		options.Credential = account
		client, err := atlas.NewClient(options)
		if err != nil {
			t.Fatal(err)
		}
		defer client.Close()
		_, err = readAll(t.Context(), client, dedicated)
		return err
	}
	if err := read(atlas.Options{BaseURL: server.URL, RootCAs: roots}); err != nil {
		t.Errorf("its own authority: %v", err)
	}
	if err := read(atlas.Options{BaseURL: server.URL}); !isNetwork(err) || !strings.Contains(err.Error(), "unknown authority") {
		t.Errorf("an unknown authority: %v", err)
	}
	dial := func(ctx context.Context, network, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, network, server.Listener.Addr().String())
	}
	err := read(atlas.Options{BaseURL: "https://wrong.test", RootCAs: roots, DialContext: dial})
	if !isNetwork(err) || !strings.Contains(err.Error(), "wrong.test") {
		t.Errorf("a wrong name: %v", err)
	}
}

func TestNewClientRefuses(t *testing.T) {
	for _, options := range []atlas.Options{
		{Credential: account}, {BaseURL: "cloud.mongodb.com", Credential: account}, {BaseURL: "ftp://x", Credential: account},
		{BaseURL: "https://x"}, {BaseURL: "https://x", Credential: atlas.Credential{ServiceAccount: account.ServiceAccount, APIKey: key.APIKey}},
	} {
		if client, err := atlas.NewClient(options); err == nil {
			t.Errorf("%+v: no error, %v", options, client)
		}
	}
}
