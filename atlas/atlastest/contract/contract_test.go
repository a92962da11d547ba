// Package contract checks the simulated API and the requests of the client against the OpenAPI description of Atlas. It
// is a separate module, because only this test needs the validator, which has many dependencies.
package contract

import (
	"bytes"
	"context"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/getkin/kin-openapi/routers/legacy"

	"atlas-restore-exporter/atlas"
	"atlas-restore-exporter/atlas/atlastest"
)

const project = "32b6e34b3d91647abb20e7b8"

// loadDescription loads the OpenAPI description, which is not part of the project. It skips the test if the description
// is not available.
func loadDescription(t *testing.T) routers.Router {
	t.Helper()
	dir := os.Getenv("ATLAS_CONTRACT_DIR")
	if dir == "" {
		t.Skip("ATLAS_CONTRACT_DIR is not set; it must be a directory with atlas-openapi-restore.json")
	}
	doc, err := openapi3.NewLoader().LoadFromFile(filepath.Join(dir, "atlas-openapi-restore.json"))
	if err != nil {
		t.Fatal(err)
	}
	amend(doc)
	router, err := legacy.NewRouter(doc, openapi3.DisableExamplesValidation(), openapi3.DisableSchemaPatternValidation())
	if err != nil {
		t.Fatal(err)
	}
	return router
}

// amend changes the description so that it allows recorded responses.
func amend(doc *openapi3.T) {
	doc.Servers = openapi3.Servers{{URL: "/"}}
	schemas := doc.Components.Schemas
	timestamp := schemas["ApiBSONTimestampView"].Value.Properties
	timestamp["date"].Value.Nullable = true // all 854 dedicated jobs have an object of nulls
	timestamp["increment"].Value.Nullable = true
	timestamp["increment"].Value.Min = nil // a counter within the second: 1 in the documented legacy job
	readPreference := schemas["BiConnector"].Value.Properties["readPreference"].Value
	readPreference.Enum = nil // recorded in lower case
	// The name of a region is a string, and hardware of one provider can match the schema of another.
	region := schemas["CloudRegionConfig20240805"].Value.Properties["regionName"].Value
	region.Type, region.OneOf = &openapi3.Types{openapi3.TypeString}, nil
	for _, name := range []string{"HardwareSpec20240805", "DedicatedHardwareSpec20240805"} {
		hardware := schemas[name].Value
		hardware.AnyOf, hardware.OneOf = hardware.OneOf, nil
	}
	parameters := schemas["ApiError"].Value.Properties["parameters"].Value
	parameters.Items = openapi3.NewSchemaRef("", openapi3.NewSchema()) // strings and numbers
}

// validator serves the simulated API, and validates each request and response.
type validator struct {
	*testing.T
	router routers.Router
	sim    http.Handler
	seen   map[string]int // number of responses by path and status
}

func (v *validator) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	recorder := httptest.NewRecorder()
	r.Header.Del("Accept-Encoding")
	v.sim.ServeHTTP(recorder, r)
	if r.URL.Path != "/api/oauth/token" {
		v.validate(r, recorder.Result())
	}
	maps.Copy(w.Header(), recorder.Header())
	w.WriteHeader(recorder.Code)
	_, _ = w.Write(recorder.Body.Bytes())
}

func (v *validator) validate(r *http.Request, response *http.Response) {
	route, parameters, err := v.router.FindRoute(r)
	if err != nil {
		v.Errorf("%s %s: %v", r.Method, r.URL, err)
		return
	}
	request := &openapi3filter.RequestValidationInput{
		Request: r, PathParams: parameters, Route: route,
		Options: &openapi3filter.Options{AuthenticationFunc: openapi3filter.NoopAuthenticationFunc},
	}
	if err := openapi3filter.ValidateRequest(context.Background(), request); err != nil {
		v.Errorf("request %s: %v", r.URL, err)
	}
	for name := range r.URL.Query() {
		if route.Operation.Parameters.GetByInAndName("query", name) == nil {
			v.Errorf("request %s: query parameter %s is not documented", r.URL, name)
		}
	}
	accepted := route.Operation.Responses.Status(http.StatusOK).Value.Content
	if accepted[r.Header.Get("Accept")] == nil {
		v.Errorf("request %s: version %s is not documented", r.URL, r.Header.Get("Accept"))
	}
	body, err := io.ReadAll(response.Body)
	if err != nil {
		v.Fatal(err)
	}
	v.seen[route.Path+" "+response.Status]++
	if err := openapi3filter.ValidateResponse(context.Background(), &openapi3filter.ResponseValidationInput{
		RequestValidationInput: request, Status: response.StatusCode, Header: response.Header,
		Body:    io.NopCloser(bytes.NewReader(body)),
		Options: &openapi3filter.Options{MultiError: true},
	}); err != nil {
		v.Errorf("response to %s: %v\n%s", r.URL, err, body)
	}
}

// expectSeen fails the test if fewer than n kinds of responses were validated.
func (v *validator) expectSeen(n int) {
	v.Helper()
	if len(v.seen) < n {
		v.Errorf("only %d kinds of responses were validated: %v", len(v.seen), v.seen)
	}
}

// connect returns a simulated API with a project, and a client whose requests and responses are validated.
func connect(t *testing.T) (*atlastest.Server, *atlas.Client, *validator) {
	t.Helper()
	sim := atlastest.New()
	sim.ServerlessServed = true
	sim.AddAPIKey("abcdefgh", "secret")
	sim.AddProject(project, "Payments")
	v := &validator{t, loadDescription(t), sim, map[string]int{}}
	server := httptest.NewServer(v)
	t.Cleanup(server.Close)
	client, err := atlas.NewClient(atlas.Options{
		BaseURL:    server.URL,
		Credential: atlas.Credential{APIKey: &atlas.APIKey{PublicKey: "abcdefgh", PrivateKey: "secret"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	return sim, client, v
}

// listTest is a list of restore jobs, and the delivery type of its downloads if it has any.
type listTest struct {
	backupType atlas.BackupType
	kind       atlastest.ClusterKind
	download   string
}

var listTests = []listTest{
	{atlas.Dedicated, atlastest.DedicatedCluster, "download"},
	{atlas.Collection, atlastest.DedicatedCluster, ""},
	{atlas.Flex, atlastest.FlexCluster, "DOWNLOAD"},
	{atlas.Serverless, atlastest.ServerlessInstance, ""},
	{atlas.Legacy, atlastest.LegacyCluster, "download"},
}

func (l listTest) list(cluster string) atlas.List {
	return atlas.List{ProjectID: project, ClusterName: cluster, BackupType: l.backupType}
}

func TestContract_JobsInEachStageMatchTheDescription(t *testing.T) {
	for _, test := range listTests {
		t.Run(string(test.backupType), func(t *testing.T) {
			sim, client, v := connect(t)
			sim.AddCluster(project, "prod", test.kind)
			list := test.list("prod")
			ids := sim.AddJobs(list, jobsInEachStage(test.backupType, test.download)...)
			for _, err := range client.RestoreJobs(t.Context(), list) {
				if err != nil {
					t.Error(err)
				}
			}
			for _, id := range ids {
				if _, err := client.RestoreJob(t.Context(), list, id); err != nil {
					t.Errorf("%s: %v", id, err)
				}
			}
			v.expectSeen(2)
		})
	}
}

func TestContract_NotFoundErrorsMatchTheDescription(t *testing.T) {
	for _, test := range listTests {
		t.Run(string(test.backupType), func(t *testing.T) {
			sim, client, v := connect(t)
			sim.AddCluster(project, "prod", test.kind)
			if _, err := client.RestoreJob(t.Context(), test.list("prod"), "6a794733c0eb9e7a17740663"); err == nil {
				t.Error("no error for a job that doesn't exist")
			}
			for _, err := range client.RestoreJobs(t.Context(), test.list("none")) {
				if err == nil {
					t.Error("no error for a cluster that doesn't exist")
				}
			}
			v.expectSeen(2)
		})
	}
}

func TestContract_ProjectsAndClustersMatchTheDescription(t *testing.T) {
	sim, client, v := connect(t)
	sim.AddCluster(project, "prod", atlastest.DedicatedCluster)
	sim.AddCluster(project, "old", atlastest.LegacyCluster)
	sim.AddCluster(project, "team", atlastest.FlexCluster)
	sim.SetProjectTags(project, map[string]string{"team": "payments"})
	sim.ChangeCluster(project, "prod", func(c *atlastest.ClusterState) {
		c.PointInTimeEnabled, c.Tags = true, map[string]string{"env": "prod"}
	})
	sim.ChangeCluster(project, "team", func(c *atlastest.ClusterState) { c.ListedAsDedicated = true })
	sim.AddCluster(project, "free", atlastest.FreeCluster)
	if _, err := client.Project(t.Context(), project); err != nil {
		t.Error(err)
	}
	if _, err := client.Projects(t.Context()); err != nil {
		t.Error(err)
	}
	for _, kind := range []atlas.ClusterKind{atlas.DedicatedClusters, atlas.FlexClusters} {
		if clusters, err := client.Clusters(t.Context(), project, kind); err != nil || len(clusters.Clusters) == 0 {
			t.Errorf("%s: %v, %v", kind, clusters, err)
		}
	}
	v.expectSeen(4)
}

// jobsInEachStage returns jobs in each stage, with each outcome and delivery type of the backup type.
func jobsInEachStage(backupType atlas.BackupType, download string) []atlastest.Job {
	now := time.Now()
	hourAgo := now.Add(-time.Hour)
	jobs := []atlastest.Job{
		{Queued: time.Hour},
		{Created: hourAgo, Takes: 2 * time.Hour, Documents: 1000},
		{Created: hourAgo, Takes: time.Minute},
		{Created: hourAgo, Takes: time.Minute, Outcome: atlastest.Fails},
	}
	switch backupType {
	case atlas.Dedicated, atlas.Serverless:
		jobs = append(jobs, atlastest.Job{Delivery: "pointInTime", PointInTime: hourAgo})
	case atlas.Collection:
		jobs = append(jobs, atlastest.Job{PointInTime: hourAgo, WriteStrategy: "OVERWRITE_EXISTING"},
			atlastest.Job{Created: hourAgo, Takes: time.Minute, IndexesTake: 2 * time.Hour},
			atlastest.Job{Created: hourAgo, Takes: time.Minute, FailedIndexes: 2},
			atlastest.Job{Created: hourAgo, Takes: time.Minute, Outcome: atlastest.IsCancelled})
	case atlas.Legacy:
		jobs = append(jobs, atlastest.Job{BatchID: "5a66783b80eef5354c77ee13"})
	case atlas.Flex:
	}
	if download == "" {
		return jobs
	}
	finished := atlastest.Job{Created: hourAgo, Takes: time.Minute, Delivery: download}
	ready, expired, sharded := finished, finished, finished
	ready.LinkLife, expired.LinkLife = 2*time.Hour, time.Minute
	sharded.LinkLife, sharded.Shards = 2*time.Hour, 3
	return append(jobs, atlastest.Job{Delivery: download}, ready, expired, sharded)
}
