package atlastest

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"atlas-restore-exporter/atlas"
)

const (
	projectID    = "32b6e34b3d91647abb20e7b8"
	projectsPath = "/api/atlas/v2/groups"
	projectPath  = projectsPath + "/" + projectID
)

var (
	dedicated = atlas.List{ProjectID: projectID, ClusterName: "prod", BackupType: atlas.Dedicated}
	flex      = atlas.List{ProjectID: projectID, ClusterName: "team", BackupType: atlas.Flex}
)

// recording is a recorded response of Atlas.
type recording struct {
	body   []byte
	header string // status line and headers
}

// readRecording skips the test if the recordings, which are not part of the project, are not available.
func readRecording(t *testing.T, name string) recording {
	t.Helper()
	dir := os.Getenv("ATLAS_CONTRACT_DIR")
	if dir == "" {
		t.Skip("ATLAS_CONTRACT_DIR is not set; it must be a directory with captured/, recorded responses of Atlas")
	}
	body, err := os.ReadFile(filepath.Join(dir, "captured", name+".json"))
	if err != nil {
		t.Fatal(err)
	}
	header, err := os.ReadFile(filepath.Join(dir, "captured", name+".headers.txt"))
	if err != nil {
		t.Fatal(err)
	}
	return recording{body, string(header)}
}

// newServer returns a server with a dedicated cluster that has a tag, and a Flex cluster.
func newServer() *Server {
	sim := New()
	sim.AddServiceAccount("id", "secret")
	sim.AddProject(projectID, "Payments")
	sim.AddCluster(projectID, "prod", DedicatedCluster)
	sim.AddCluster(projectID, "team", FlexCluster)
	sim.ChangeCluster(projectID, "prod", func(c *ClusterState) { c.Tags = map[string]string{"env": "test"} })
	return sim
}

func TestServer_RendersJobsAsRecorded(t *testing.T) {
	hourAgo := time.Now().Add(-time.Hour)
	for _, test := range []struct {
		recording string
		list      atlas.List
		job       Job
		single    bool
	}{
		{recording: "dedicated-list-one-finished-automated", list: dedicated, job: Job{Created: hourAgo, Takes: time.Minute}},
		{recording: "dedicated-get-automated-in-progress", list: dedicated, job: Job{Created: hourAgo}, single: true},
		{
			recording: "dedicated-get-download-ready", list: dedicated, single: true,
			job: Job{Created: hourAgo, Takes: time.Minute, LinkLife: 2 * time.Hour, Delivery: "download"},
		},
		{recording: "flex-get-running", list: flex, job: Job{Created: hourAgo}, single: true},
		{recording: "flex-list-page1-of-22", list: flex, job: Job{Created: hourAgo, Takes: time.Minute}},
	} {
		t.Run(test.recording, func(t *testing.T) {
			recorded := readRecording(t, test.recording)
			sim := newServer()
			resource := resources[test.list.BackupType]
			path := projectPath + "/" + resource.collection + "/" + test.list.ClusterName + "/" + resource.tail
			id := sim.AddJobs(test.list, test.job)[0]
			if test.single {
				path += "/" + id
			} else if test.list == flex { // the recording is the first page of many
				for range 150 {
					sim.AddJobs(flex, test.job)
				}
			}
			response := get(t, sim, path, resource.version)
			expectHeaders(t, response, recorded)
			expectShape(t, response, recorded, nil, nil)
		})
	}
}

func TestServer_ReturnsErrorsAsRecorded(t *testing.T) {
	for _, test := range []struct{ recording, path, version string }{
		{"error-400-flex-api-on-dedicated-list", "/flexClusters/prod/backup/restoreJobs", "2024-11-13"},
		{"error-400-cluster-api-on-flex", "/clusters/team/backup/restoreJobs", "2023-01-01"},
		{"error-404-cluster-not-found", "/clusters/none/backup/restoreJobs", "2023-01-01"},
		{"error-401-digest-challenge", "/clusters/prod/backup/restoreJobs", ""},
	} {
		t.Run(test.recording, func(t *testing.T) {
			recorded := readRecording(t, test.recording)
			response := get(t, newServer(), projectPath+test.path, test.version)
			expectHeaders(t, response, recorded)
			expectShape(t, response, recorded, nil, nil)
		})
	}
}

func TestServer_ListsProjectsAndClustersAsRecorded(t *testing.T) {
	t.Run("projects", func(t *testing.T) {
		recorded := readRecording(t, "discovery-list-groups")
		response := get(t, newServer(), projectsPath, "2023-01-01")
		expectHeaders(t, response, recorded)
		expectShape(t, response, recorded, nil, []string{
			".results[].tags[].key: string", ".results[].tags[].value: string", // the recorded project has tags
		})
	})
	t.Run("Flex clusters", func(t *testing.T) {
		recorded := readRecording(t, "discovery-list-flexclusters")
		response := get(t, newServer(), projectPath+"/flexClusters", "2024-11-13")
		expectHeaders(t, response, recorded)
		expectShape(t, response, recorded, nil, nil)
	})
	t.Run("dedicated clusters", func(t *testing.T) { // recorded with an older version of the resource
		recorded := readRecording(t, "discovery-list-clusters")
		response := get(t, newServer(), projectPath+"/clusters", "2024-08-05")
		expectStatus(t, response, recorded)
		expectShape(t, response, recorded, []string{
			".results[].replicationSpecs[].regionConfigs[].analyticsSpecs.diskSizeGB: float64",
			".results[].replicationSpecs[].regionConfigs[].electableSpecs.diskSizeGB: float64",
			".results[].replicationSpecs[].regionConfigs[].readOnlySpecs.diskSizeGB: float64",
		}, []string{
			".results[].diskSizeGB: float64", ".results[].replicationSpecs[].numShards: float64",
		})
	})
}

func expectHeaders(t *testing.T, response *httptest.ResponseRecorder, recorded recording) {
	t.Helper()
	expectStatus(t, response, recorded)
	if contentType := response.Header().Get("Content-Type"); !strings.Contains(
		recorded.header, "Content-Type: "+contentType+"\n") {
		t.Errorf("content type %s, recorded %s", contentType, recorded.header)
	}
}

func expectStatus(t *testing.T, response *httptest.ResponseRecorder, recorded recording) {
	t.Helper()
	if status := fmt.Sprintf("HTTP/2.0 %d ", response.Code); !strings.HasPrefix(recorded.header, status) {
		t.Errorf("status %d, recorded %s", response.Code, recorded.header)
	}
}

// expectShape compares the fields and their types with the recording, except for extra and missing fields.
func expectShape(t *testing.T, response *httptest.ResponseRecorder, recorded recording, extra, missing []string) {
	t.Helper()
	got, want := shape(t, response.Body.Bytes()), shape(t, recorded.body)
	for _, line := range want {
		if !slices.Contains(got, line) && !slices.Contains(missing, line) {
			t.Errorf("recorded but not simulated: %s", line)
		}
	}
	for _, line := range got {
		if !slices.Contains(want, line) && !slices.Contains(extra, line) {
			t.Errorf("simulated but not recorded: %s", line)
		}
	}
}

// get sends a request with a new access token. If version is empty, the request is not authenticated.
func get(t *testing.T, sim *Server, path, version string) *httptest.ResponseRecorder {
	t.Helper()
	request := httptest.NewRequest(http.MethodGet, path, http.NoBody)
	if version != "" {
		request.Header.Set("Authorization", "Bearer "+newToken(t, sim))
		request.Header.Set("Accept", "application/vnd.atlas."+version+"+json")
	}
	response := httptest.NewRecorder()
	sim.ServeHTTP(response, request)
	return response
}

func newToken(t *testing.T, sim *Server) string {
	t.Helper()
	request := httptest.NewRequest(http.MethodPost, tokenPath, strings.NewReader("grant_type=client_credentials"))
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	request.SetBasicAuth("id", "secret")
	response := httptest.NewRecorder()
	sim.ServeHTTP(response, request)
	var token struct {
		AccessToken string `json:"access_token"`
	}
	if err := json.Unmarshal(response.Body.Bytes(), &token); err != nil {
		t.Fatal(err)
	}
	return token.AccessToken
}

// shape returns each path of a JSON document with the type of its value, sorted and without duplicates.
func shape(t *testing.T, body []byte) []string {
	t.Helper()
	var document any
	if err := json.Unmarshal(body, &document); err != nil {
		t.Fatal(err)
	}
	var lines []string
	var walk func(path string, value any)
	walk = func(path string, value any) {
		switch value := value.(type) {
		case map[string]any:
			for key, field := range value {
				walk(path+"."+key, field)
			}
		case []any:
			lines = append(lines, path+": a list")
			for _, item := range value {
				walk(path+"[]", item)
			}
		default:
			lines = append(lines, fmt.Sprintf("%s: %T", path, value))
		}
	}
	walk("", document)
	slices.Sort(lines)
	return slices.Compact(lines)
}
