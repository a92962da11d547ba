package runbooks

import (
	"crypto/sha256"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"strings"
	"testing"

	"atlas-restore-exporter/internal/testutil"
)

// get returns the status code and the body of a response.
func get(t *testing.T, path string) (status int, body string) {
	t.Helper()
	mux := http.NewServeMux()
	handler := Handler{Style: "body { color: red }"}
	mux.Handle("GET /runbooks", handler)
	mux.Handle("GET /runbooks/{alert}", handler)
	w := httptest.NewRecorder()
	mux.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, http.NoBody))
	return w.Code, w.Body.String()
}

func expectBody(t *testing.T, path string, wanted ...string) {
	t.Helper()
	status, body := get(t, path)
	if status != http.StatusOK {
		t.Errorf("%s: status %d", path, status)
	}
	for _, text := range wanted {
		if !strings.Contains(body, text) {
			t.Errorf("%s: %q is not in\n%s", path, text, body)
		}
	}
}

// The program in the directory generate, which needs a Markdown library, checks the pages themselves.
func TestPages_AreRenderedFromTheCurrentRunbooks(t *testing.T) {
	markdown := testutil.ReadFile(t, "../../deploy/runbooks/README.md")
	want := fmt.Sprintf("%x\n", sha256.Sum256([]byte(markdown)))
	if testutil.ReadFile(t, "pages/source.sha256") != want {
		t.Error("the runbooks have changed, run `go generate ./internal/runbooks`")
	}
	files, err := os.ReadDir("pages")
	if want := strings.Count(markdown, "\n## ") + 3; err != nil || len(files) != want {
		t.Errorf("%d files, want %d: %v", len(files), want, err)
	}
}

func TestIndex_LinksToEachRunbook(t *testing.T) {
	_, index := get(t, "/runbooks")
	links := strings.Split(index, `<a href="runbooks/`)[1:]
	if len(links) < 30 {
		t.Errorf("%d links", len(links))
	}
	for _, link := range links {
		path, _, _ := strings.Cut(link, `"`)
		expectBody(t, "/runbooks/"+path, `<a href="../runbooks">all runbooks</a>`, `<h2 id="meaning">`, `<h2 id="escalate">`,
			`<h2 id="notes">`, `<h3 id="the-command-check">`)
	}
}

// Earlier rules link to an entry of the index.
func TestIndex_HasAnAnchorForEachAlert(t *testing.T) {
	expectBody(t, "/runbooks", `<li id="atlasrestorefailed">`, "body { color: red }", `<a href="./">status page</a>`)
}

func TestRunbook_ContainsTheAlert(t *testing.T) {
	const query = "?project=32b6e34b3d91647abb20e7b8&cluster=prod-1&job=65c0f3a41e8b7d0012345678"
	expectBody(t, "/runbooks/AtlasRestoreFailed"+query,
		"<h1>AtlasRestoreFailed</h1>",
		"describe 65c0f3a41e8b7d0012345678 --clusterName prod-1 --projectId 32b6e34b3d91647abb20e7b8",
		"{project_id=&quot;32b6e34b3d91647abb20e7b8&quot;,cluster_name=&quot;prod-1&quot;}",
		`<a href="https://cloud.mongodb.com/v2/32b6e34b3d91647abb20e7b8#/clusters/backup/prod-1">`,
		`<a href="../?project=32b6e34b3d91647abb20e7b8&amp;cluster=prod-1">prod-1 on the status page</a>`)
}

func TestRunbook_ContainsTheTargetOfTheRestore(t *testing.T) {
	expectBody(t, "/runbooks/atlasrestoreunexpectedtarget?target_project=6f0e0d0c0b0a090807060504&target_cluster=copy",
		"atlas accessLists list --projectId 6f0e0d0c0b0a090807060504",
		"atlas clusters pause copy --projectId 6f0e0d0c0b0a090807060504", "--projectId PROJECT_ID")
}

// The responder follows links from runbook to runbook: each must contain the cluster and the job.
func TestRunbook_LinksToOtherRunbooksKeepTheAlert(t *testing.T) {
	expectBody(t, "/runbooks/atlasrestoretooslow", `<a href="atlasrestorefailed">AtlasRestoreFailed</a>`)
	expectBody(t, "/runbooks/atlasrestoretooslow?cluster=prod-1&job=65c0f3a41e8b7d0012345678&other=x&target_cluster=copy",
		`<a href="atlasrestorefailed?cluster=prod-1&amp;job=65c0f3a41e8b7d0012345678">AtlasRestoreFailed</a>`)
}

// A placeholder that contains another one would be replaced in part.
func TestPages_HaveNoPlaceholdersInLongerWords(t *testing.T) {
	files, err := pages.ReadDir("pages")
	if err != nil {
		t.Fatal(err)
	}
	for _, parameter := range parameters {
		inWord := regexp.MustCompile(`\w` + parameter.placeholder + `|` + parameter.placeholder + `\w`)
		for _, file := range files {
			if found := inWord.FindString(testutil.ReadFile(t, "pages/"+file.Name())); found != "" {
				t.Errorf("%s contains %s", file.Name(), found)
			}
		}
	}
}

func TestRunbook_IgnoresInvalidParameters(t *testing.T) {
	_, want := get(t, "/runbooks/atlasrestorefailed")
	for _, query := range []string{
		"project=%3Cscript%3E", "cluster=a%22%7D", "cluster=a+b", "cluster=" + strings.Repeat("a", 65), "cluster=a%0A",
		"job=1", "project=32B6E34B3D91647ABB20E7B8", "cluster=", "cluster=%gg", "other=prod",
		"target_project=1", "target_project=%3Cscript%3E", "target_cluster=%22%3E%3Cscript%3E", "target_cluster=a%3Bb",
		"target_cluster=$0",
	} {
		if _, got := get(t, "/runbooks/atlasrestorefailed?"+query); got != want {
			t.Errorf("%s changes the page: %s", query, got)
		}
	}
}

func TestRunbook_ExistsOnlyForAlerts(t *testing.T) {
	for _, path := range []string{
		"/runbooks/", "/runbooks/index", "/runbooks/AtlasRestore", "/runbooks/atlasrestorefailed.html",
		"/runbooks/..%2findex", "/runbooks/source.sha256", "/runbooks/%00", "/runbooks/atlasrestorefailed/",
	} {
		if status, body := get(t, path); status != http.StatusNotFound || len(body) > 100 {
			t.Errorf("%s: status %d: %s", path, status, body)
		}
	}
}
