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

const listOfProjects = "/api/atlas/v2/groups"

// TestRecordings holds the simulator to recorded answers: the same fields, of the same types, in the same order.
func TestRecordings(t *testing.T) {
	dir := os.Getenv("ATLAS_CONTRACT_DIR")
	if dir == "" {
		t.Skip("ATLAS_CONTRACT_DIR is not set: it names a folder with captured/, recorded answers of Atlas")
	}
	const project = "32b6e34b3d91647abb20e7b8"
	dedicated := atlas.List{ProjectID: project, ClusterName: "prod", BackupType: atlas.Dedicated}
	flex := atlas.List{ProjectID: project, ClusterName: "team", BackupType: atlas.Flex}
	hourAgo := time.Now().Add(-time.Hour)
	for _, test := range []struct {
		recording string
		list      atlas.List
		job       Job
		path      string // instead of the list's
		version   string
		single    bool
		extra     []string // what only the version has that is simulated
		missing   []string // what it has no longer
	}{
		{recording: "dedicated-list-one-finished-automated", list: dedicated, job: Job{Created: hourAgo, Takes: time.Minute}},
		{recording: "dedicated-get-automated-in-progress", list: dedicated, job: Job{Created: hourAgo}, single: true},
		{recording: "dedicated-get-download-ready", list: dedicated, single: true,
			job: Job{Created: hourAgo, Takes: time.Minute, LinkLife: 2 * time.Hour, Delivery: "download"}},
		{recording: "flex-get-running", list: flex, job: Job{Created: hourAgo}, single: true},
		{recording: "flex-list-page1-of-22", list: flex, job: Job{Created: hourAgo, Takes: time.Minute}},
		{recording: "error-400-flex-api-on-dedicated-list", path: "/flexClusters/prod/backup/restoreJobs", version: "2024-11-13"},
		{recording: "error-400-cluster-api-on-flex", path: "/clusters/team/backup/restoreJobs", version: "2023-01-01"},
		{recording: "error-404-cluster-not-found", path: "/clusters/none/backup/restoreJobs", version: "2023-01-01"},
		{recording: "discovery-list-flexclusters", path: "/flexClusters", version: "2024-11-13"},
		{ // recorded at an older version
			recording: "discovery-list-clusters", path: "/clusters", version: "2024-08-05",
			missing: []string{".results[].diskSizeGB: float64", ".results[].replicationSpecs[].numShards: float64"},
			extra: []string{
				".results[].replicationSpecs[].regionConfigs[].analyticsSpecs.diskSizeGB: float64",
				".results[].replicationSpecs[].regionConfigs[].electableSpecs.diskSizeGB: float64",
				".results[].replicationSpecs[].regionConfigs[].readOnlySpecs.diskSizeGB: float64",
			},
		},
		{recording: "discovery-list-groups", path: listOfProjects, version: "2023-01-01", missing: []string{
			".results[].tags[].key: string", ".results[].tags[].value: string", // of a project with tags
		}},
		{recording: "error-401-digest-challenge", path: "/clusters/prod/backup/restoreJobs"},
	} {
		t.Run(test.recording, func(t *testing.T) {
			recorded, err := os.ReadFile(filepath.Join(dir, "captured", test.recording+".json"))
			if err != nil {
				t.Fatal(err)
			}
			head, err := os.ReadFile(filepath.Join(dir, "captured", test.recording+".headers.txt"))
			if err != nil {
				t.Fatal(err)
			}
			sim := New()
			sim.AddServiceAccount("id", "secret")
			sim.AddProject(project, "Payments")
			sim.AddCluster(project, "prod", DedicatedCluster)
			sim.AddCluster(project, "team", FlexCluster)
			sim.ChangeCluster(project, "prod", func(c *ClusterState) { c.Tags = map[string]string{"env": "test"} })
			path := "/api/atlas/v2/groups/" + project + test.path
			switch test.path {
			case listOfProjects:
				path = listOfProjects
			case "":
				resource := resources[test.list.BackupType]
				path += "/" + resource.collection + "/" + test.list.ClusterName + "/" + resource.tail
				id := sim.AddJobs(test.list, test.job)[0]
				test.version = resource.version
				if test.single {
					path += "/" + id
				} else if test.list == flex { // the recording is a first page of many
					for range 150 {
						sim.AddJobs(flex, test.job)
					}
				}
			}
			answer := ask(t, sim, path, test.version)
			if status := fmt.Sprintf("HTTP/2.0 %d ", answer.Code); !strings.HasPrefix(string(head), status) {
				t.Errorf("status %d, recorded %s", answer.Code, head)
			}
			contentType := answer.Header().Get("Content-Type")
			if !strings.Contains(string(head), "Content-Type: "+contentType+"\n") && test.extra == nil {
				t.Errorf("content type %s, recorded %s", contentType, head)
			}
			got, want := shape(t, answer.Body.Bytes()), shape(t, recorded)
			for _, line := range want {
				if !slices.Contains(got, line) && !slices.Contains(test.missing, line) {
					t.Errorf("recorded, but not simulated: %s", line)
				}
			}
			for _, line := range got {
				if !slices.Contains(want, line) && !slices.Contains(test.extra, line) {
					t.Errorf("simulated, but not recorded: %s", line)
				}
			}
		})
	}
}

// ask asks with a fresh token or, without a version, without any.
func ask(t *testing.T, sim *Server, path, version string) *httptest.ResponseRecorder {
	t.Helper()
	request := httptest.NewRequest(http.MethodGet, path, http.NoBody)
	if version != "" {
		login := httptest.NewRequest(http.MethodPost, tokenPath, strings.NewReader("grant_type=client_credentials"))
		login.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		login.SetBasicAuth("id", "secret")
		answer := httptest.NewRecorder()
		sim.ServeHTTP(answer, login)
		var token struct {
			AccessToken string `json:"access_token"`
		}
		if err := json.Unmarshal(answer.Body.Bytes(), &token); err != nil {
			t.Fatal(err)
		}
		request.Header.Set("Authorization", "Bearer "+token.AccessToken)
		request.Header.Set("Accept", "application/vnd.atlas."+version+"+json")
	}
	answer := httptest.NewRecorder()
	sim.ServeHTTP(answer, request)
	return answer
}

// shape returns every path in a JSON document with the type of what is there, without repetitions.
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
			for key, below := range value {
				walk(path+"."+key, below)
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
