// Package contract holds the simulator, and the client's requests, to the official description of the API. It is a
// module of its own because the validator is heavy, and nothing else needs it.
package contract

import (
	"bytes"
	"context"
	"io"
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

// description loads the official description, which is no part of this project.
func description(t *testing.T) routers.Router {
	t.Helper()
	dir := os.Getenv("ATLAS_CONTRACT_DIR")
	if dir == "" {
		t.Skip("ATLAS_CONTRACT_DIR is not set: it names a folder with atlas-openapi-restore.json, the official description of the API")
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

// amend makes the description allow what real answers were recorded to hold.
func amend(doc *openapi3.T) {
	doc.Servers = openapi3.Servers{{URL: "/"}}
	schemas := doc.Components.Schemas
	timestamp := schemas["ApiBSONTimestampView"].Value.Properties
	timestamp["date"].Value.Nullable = true // 854 of 854 dedicated jobs have an object full of nulls
	timestamp["increment"].Value.Nullable = true
	timestamp["increment"].Value.Min = nil                                     // a counter within the second: the documented sample of a legacy job has 1
	schemas["BiConnector"].Value.Properties["readPreference"].Value.Enum = nil // recorded in lower case
	// A region's name is a string, and what fits one provider's hardware can fit another's.
	region := schemas["CloudRegionConfig20240805"].Value.Properties["regionName"].Value
	region.Type, region.OneOf = &openapi3.Types{openapi3.TypeString}, nil
	for _, name := range []string{"HardwareSpec20240805", "DedicatedHardwareSpec20240805"} {
		hardware := schemas[name].Value
		hardware.AnyOf, hardware.OneOf = hardware.OneOf, nil
	}
	schemas["ApiError"].Value.Properties["parameters"].Value.Items = openapi3.NewSchemaRef("", openapi3.NewSchema()) // strings and numbers
}

// validator answers as the simulator does, and checks each request and answer.
type validator struct {
	*testing.T
	router routers.Router
	sim    http.Handler
	seen   map[string]int // answers by path of the description and status
}

func (v *validator) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	recorder := httptest.NewRecorder()
	r.Header.Del("Accept-Encoding")
	v.sim.ServeHTTP(recorder, r)
	if r.URL.Path != "/api/oauth/token" {
		v.validate(r, recorder.Result()) //nolint:bodyclose // in memory
	}
	for name, values := range recorder.Header() {
		w.Header()[name] = values
	}
	w.WriteHeader(recorder.Code)
	_, _ = w.Write(recorder.Body.Bytes())
}

func (v *validator) validate(r *http.Request, answer *http.Response) {
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
			v.Errorf("request %s: no query parameter %s is described", r.URL, name)
		}
	}
	accepted := route.Operation.Responses.Status(http.StatusOK).Value.Content
	if accepted[r.Header.Get("Accept")] == nil {
		v.Errorf("request %s: version %s is not described", r.URL, r.Header.Get("Accept"))
	}
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		v.Fatal(err)
	}
	v.seen[route.Path+" "+answer.Status]++
	response := &openapi3filter.ResponseValidationInput{
		RequestValidationInput: request, Status: answer.StatusCode, Header: answer.Header,
		Body:    io.NopCloser(bytes.NewReader(body)),
		Options: &openapi3filter.Options{MultiError: true},
	}
	if err := openapi3filter.ValidateResponse(context.Background(), response); err != nil {
		v.Errorf("answer to %s: %v\n%s", r.URL, err, body)
	}
}

const project = "32b6e34b3d91647abb20e7b8"

// TestContract has the client read every kind of job in every stage of its life, and refusals.
func TestContract(t *testing.T) {
	router := description(t)
	sim := atlastest.New()
	sim.ServerlessServed = true
	sim.AddAPIKey("abcdefgh", "secret")
	sim.AddProject(project, "Payments")
	v := &validator{t, router, sim, map[string]int{}}
	server := httptest.NewServer(v)
	defer server.Close()
	client, err := atlas.NewClient(atlas.Options{
		BaseURL:    server.URL,
		Credential: atlas.Credential{APIKey: &atlas.APIKey{PublicKey: "abcdefgh", PrivateKey: "secret"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()

	for _, test := range []struct {
		backupType atlas.BackupType
		kind       atlastest.ClusterKind
		download   string
	}{
		{atlas.Dedicated, atlastest.DedicatedCluster, "download"},
		{atlas.Collection, atlastest.DedicatedCluster, ""},
		{atlas.Flex, atlastest.FlexCluster, "DOWNLOAD"},
		{atlas.Serverless, atlastest.ServerlessInstance, ""},
		{atlas.Legacy, atlastest.LegacyCluster, "download"},
	} {
		list := atlas.List{ProjectID: project, ClusterName: "c-" + string(test.backupType), BackupType: test.backupType}
		sim.AddCluster(project, list.ClusterName, test.kind)
		ids := sim.AddJobs(list, lives(test.backupType, test.download)...)
		for _, err := range client.RestoreJobs(t.Context(), list) {
			if err != nil {
				t.Errorf("%v: %v", list, err)
			}
		}
		for _, id := range ids {
			if _, err := client.RestoreJob(t.Context(), list, id); err != nil {
				t.Errorf("%v %s: %v", list, id, err)
			}
		}
		if _, err := client.RestoreJob(t.Context(), list, "6a794733c0eb9e7a17740663"); err == nil {
			t.Errorf("%v: a job that is not there was read", list)
		}
		list.ClusterName = "none"
		for _, err := range client.RestoreJobs(t.Context(), list) {
			if err == nil {
				t.Errorf("%v: a cluster that is not there was read", list)
			}
		}
	}
	if _, err := client.ProjectName(t.Context(), project); err != nil {
		t.Error(err)
	}
	sim.AddCluster(project, "free", atlastest.FreeCluster)
	if _, err := client.Projects(t.Context()); err != nil {
		t.Error(err)
	}
	for _, kind := range []atlas.ClusterKind{atlas.DedicatedClusters, atlas.FlexClusters} {
		if clusters, err := client.Clusters(t.Context(), project, kind); err != nil || len(clusters) == 0 {
			t.Errorf("%s: %v, %v", kind, clusters, err)
		}
	}
	if len(v.seen) < 5*4+4 {
		t.Errorf("too few kinds of answers were validated: %v", v.seen)
	}
}

// lives returns jobs in every stage.
func lives(backupType atlas.BackupType, download string) []atlastest.Job {
	now := time.Now()
	jobs := []atlastest.Job{
		{Queued: time.Hour},
		{Created: now.Add(-time.Hour), Takes: 2 * time.Hour, Documents: 1000},
		{Created: now.Add(-time.Hour), Takes: time.Minute},
		{Created: now.Add(-time.Hour), Takes: time.Minute, Outcome: atlastest.Fails},
	}
	switch backupType {
	case atlas.Dedicated, atlas.Serverless:
		jobs = append(jobs, atlastest.Job{Delivery: "pointInTime", PointInTime: now.Add(-time.Hour)})
	case atlas.Collection:
		jobs = append(jobs, atlastest.Job{PointInTime: now.Add(-time.Hour)},
			atlastest.Job{Created: now.Add(-time.Hour), Takes: time.Minute, Outcome: atlastest.IsCancelled})
	case atlas.Legacy:
		jobs = append(jobs, atlastest.Job{BatchID: "5a66783b80eef5354c77ee13"})
	case atlas.Flex:
	}
	if download == "" {
		return jobs
	}
	return append(jobs,
		atlastest.Job{Delivery: download},
		atlastest.Job{Created: now.Add(-time.Hour), Takes: time.Minute, Delivery: download, LinkLife: 2 * time.Hour},
		atlastest.Job{Created: now.Add(-time.Hour), Takes: time.Minute, Delivery: download, LinkLife: time.Minute},
		atlastest.Job{Created: now.Add(-time.Hour), Takes: time.Minute, Delivery: download, LinkLife: 2 * time.Hour, Shards: 3},
	)
}
