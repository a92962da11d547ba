package atlas_test

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
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

	account = atlas.Credential{
		Name:           "default",
		ServiceAccount: &atlas.ServiceAccount{ClientID: "mdb_sa_id_1", ClientSecret: secret},
	}
	key = atlas.Credential{Name: "default", APIKey: &atlas.APIKey{PublicKey: "abcdefgh", PrivateKey: private}}
)

// newAtlas returns a simulated API with a cluster of each kind and both credentials.
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

// connect returns a client of a handler behind a pipe.
func connect(t *testing.T, handler http.Handler, credential atlas.Credential) *atlas.Client {
	t.Helper()
	return connectWith(t, handler, atlas.Options{
		Credential: credential, UserAgent: "atlas-restore-exporter/test", Concurrency: 8,
	})
}

// connectWith returns a client of a handler behind a pipe, with the given options.
func connectWith(t *testing.T, handler http.Handler, options atlas.Options) *atlas.Client {
	t.Helper()
	pipe := atlastest.NewPipe(handler)
	options.BaseURL, options.DialContext = "http://atlas.test", pipe.DialContext
	client, err := atlas.NewClient(options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { client.Close(); pipe.Close() })
	return client
}

// readAll returns the jobs on all pages of a list.
func readAll(ctx context.Context, client *atlas.Client, list atlas.List) (jobs []atlas.RestoreJob, err error) {
	for page, err := range client.RestoreJobs(ctx, list) {
		if err != nil {
			return nil, err
		}
		jobs = append(jobs, page.Jobs...)
	}
	return jobs, nil
}

// withDeadline returns a context with the deadline of a poll.
func withDeadline(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	t.Cleanup(cancel)
	return ctx
}

// expectRead reads the list of the dedicated cluster, and fails the test if that is an error.
func expectRead(t *testing.T, client *atlas.Client) {
	t.Helper()
	if _, err := readAll(withDeadline(t), client, dedicated); err != nil {
		t.Error(err)
	}
}

// expectReadError reads the list of the dedicated cluster, and fails the test if that is not an error.
func expectReadError(t *testing.T, client *atlas.Client) {
	t.Helper()
	if readError(t, client) == nil {
		t.Error("no error")
	}
}

// readError returns the error of reading the list of the dedicated cluster.
func readError(t *testing.T, client *atlas.Client) error {
	t.Helper()
	_, err := readAll(withDeadline(t), client, dedicated)
	return err
}

// expectStatus fails the test if the error is not an *atlas.Error with the given status.
func expectStatus(t *testing.T, err error, status int) {
	t.Helper()
	_ = asAPIError(t, err, status)
}

// asAPIError returns an error as *atlas.Error. It fails the test if the error doesn't have that type and status.
func asAPIError(t *testing.T, err error, status int) *atlas.Error {
	t.Helper()
	apiErr, ok := errors.AsType[*atlas.Error](err)
	if !ok || apiErr.Status != status {
		t.Fatalf("error %v, want status %d", err, status)
	}
	return apiErr
}

// expectTokenRequests fails the test if the number of requests for access tokens is not n.
func expectTokenRequests(t *testing.T, sim *atlastest.Server, n int) {
	t.Helper()
	if got := len(tokenRequests(sim)); got != n {
		t.Errorf("%d token requests, want %d", got, n)
	}
}

func tokenRequests(sim *atlastest.Server) []atlastest.Request {
	return sim.Requests(func(r atlastest.Request) bool { return r.Path == "/api/oauth/token" })
}

func requestsBelow(sim *atlastest.Server, path string) []atlastest.Request {
	return sim.Requests(func(r atlastest.Request) bool { return strings.Contains(r.Path, path) })
}

func requestsWithStatus(sim *atlastest.Server, status int) []atlastest.Request {
	return sim.Requests(func(r atlastest.Request) bool { return r.Status == status })
}

// concurrently calls f n times concurrently.
func concurrently(n int, f func()) {
	var group sync.WaitGroup
	for range n {
		group.Go(f)
	}
	group.Wait()
}

func isMalformed(err error) bool { _, ok := errors.AsType[*atlas.MalformedError](err); return ok }

func isTimeout(err error) bool { return errors.Is(err, context.DeadlineExceeded) }

func isNetwork(err error) bool { return err != nil && !isMalformed(err) && !isTimeout(err) }

// eventCounter counts the events of a client.
type eventCounter struct {
	atlas.NopObserver
	accepted, rejected atomic.Int64 // credentials
	malformed          atomic.Int64
	unknown            sync.Map

	mu      sync.Mutex
	omitted []string // fields
}

func (e *eventCounter) Credential(_ string, accepted bool) {
	if accepted {
		e.accepted.Add(1)
	} else {
		e.rejected.Add(1)
	}
}

func (e *eventCounter) MalformedJobs(_ atlas.BackupType, n int) { e.malformed.Add(int64(n)) }

func (e *eventCounter) UnknownValue(field string) { e.unknown.Store(field, true) }

func (e *eventCounter) MalformedField(field string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.omitted = append(e.omitted, field)
}

func (e *eventCounter) omittedFields() []string {
	e.mu.Lock()
	defer e.mu.Unlock()
	return slices.Clone(e.omitted)
}
