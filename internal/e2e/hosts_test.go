package e2e

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"atlas-restore-exporter/atlas/atlastest"
	"atlas-restore-exporter/internal/testutil"
)

// credentials are the credentials of either kind, as a configuration contains them.
var credentials = map[string]string{
	"service_account": "service_account: {client_id: mdb_sa_id_1, client_secret: " + secret + "}",
	"api_key":         "api_key: {public_key: publickey, private_key: " + secret + "}",
}

// The Atlas API sends the exporter to another host: by every means of HTTP and JSON, in the response to every kind of
// request, with both kinds of credentials.
func TestOtherHosts_NeverGetARequest(t *testing.T) {
	w := newHostsWorld(t)
	const project = "/api/atlas/v2/groups/" + payments
	for _, place := range []place{
		{request: "token", cluster: "prod", match: atlastest.TokenRequests, credential: "service_account"},
		{request: "list", cluster: "prod", match: func(r *http.Request) bool {
			return strings.HasSuffix(r.URL.Path, "/restoreJobs")
		}},
		{request: "second page", cluster: "long", match: func(r *http.Request) bool {
			return r.URL.Query().Get("pageNum") == "2"
		}},
		{request: "job", cluster: "long", match: func(r *http.Request) bool {
			return strings.Contains(r.URL.Path, "/restoreJobs/")
		}},
		{request: "project", cluster: "prod", match: func(r *http.Request) bool { return r.URL.Path == project }},
	} {
		for kind := range credentials {
			if place.credential == "" || place.credential == kind {
				t.Run(kind+" "+place.request, func(t *testing.T) { w.expectNoRequests(t, place, kind) })
			}
		}
	}
}

// place is a kind of request whose response names another host.
type place struct {
	request    string
	cluster    string
	match      func(*http.Request) bool
	credential string // if not empty, the only kind of credential that sends such requests
}

// hostsWorld is a simulated Atlas API and another host that must never get a request.
type hostsWorld struct {
	sim      *atlastest.Server
	url      string
	other    string
	requests atomic.Int64 // that the other host got
}

func newHostsWorld(t *testing.T) *hostsWorld {
	t.Helper()
	w := &hostsWorld{}
	w.sim, _ = simulateAtlas(t, "{name: prod}")
	w.sim.AddAPIKey("publickey", secret)
	w.sim.AddCluster(payments, "long", atlastest.DedicatedCluster)
	jobs := make([]atlastest.Job, 1100)
	for i := range jobs {
		jobs[i] = atlastest.Job{Created: ago(time.Duration(i) * time.Hour), Takes: time.Minute}
	}
	jobs[1000].Takes = 0 // unfinished, and not on the newest page: it is requested by its ID
	w.sim.AddJobs(dedicated("long"), jobs...)
	w.url = serve(t, w.sim)

	other := httptest.NewServer(http.HandlerFunc(func(response http.ResponseWriter, r *http.Request) {
		w.requests.Add(1)
		t.Logf("the other host got a request for %s with %v", r.URL, r.Header)
		_, _ = fmt.Fprint(response, `{"results":[],"access_token":"x","token_type":"Bearer","name":"x"}`)
	}))
	t.Cleanup(other.Close)
	w.other = other.URL
	if fetch(t, w.other); w.requests.Swap(0) != 1 {
		t.Fatal("the other host doesn't count")
	}
	return w
}

// expectNoRequests lets the responses in one place name the other host by every means, and checks that it gets no
// request.
func (w *hostsWorld) expectNoRequests(t *testing.T, place place, credential string) {
	t.Helper()
	configFile := filepath.Join(t.TempDir(), "config.yaml")
	testutil.WriteFile(t, configFile, fmt.Sprintf(`
atlas: {base_url: %q}
credentials: {default: {%s}}
polling: {interval: 10s, active_interval: 1s} # a poll may take 10 s
projects: [{id: %s, clusters: [{name: %s}]}]
`, w.url, credentials[credential], payments, place.cluster))
	for name, response := range redirections(w.other) {
		if place.cluster == "long" && !slices.Contains([]string{"302", "401", "headers", "links"}, name) {
			continue // long lists take time to read, and redirects are alike
		}
		t.Run(name, func(t *testing.T) {
			counting, count := countRequests(response)
			remove := w.sim.Script(place.match, 0, counting)
			defer remove()
			if place.request == "job" {
				pollUntilJobRequested(t, configFile)
			} else {
				startCommand(t, "check", "--config.file", configFile).waitForExit()
			}
			if count.Load() == 0 {
				t.Error("no such request was sent")
			}
			if n := w.requests.Swap(0); n != 0 {
				t.Errorf("the other host got %d requests", n)
			}
		})
	}
}

// jobRequested matches the number of finished requests for a job by its ID if it is not 0.
var jobRequested = regexp.MustCompile(`exporter_api_requests_total\{[^}]*operation="dedicated_job"[^}]*\} [1-9]`)

// pollUntilJobRequested runs the exporter until it has handled the response to a request for a single job, which only
// incremental polls send.
func pollUntilJobRequested(t *testing.T, configFile string) {
	t.Helper()
	p := startExporter(t, configFile)
	url := p.waitForURL()
	testutil.Eventually(t, func() bool {
		_, metrics := fetch(t, url+"/metrics")
		return jobRequested.MatchString(metrics)
	}, p.stderr.String)
	p.stop()
}

// redirections are responses that name another host.
func redirections(other string) map[string]http.HandlerFunc {
	responses := map[string]http.HandlerFunc{
		"without a scheme": atlastest.Redirect(strings.TrimPrefix(other, "http:")).ServeHTTP,
		"with a password":  atlastest.Redirect(strings.Replace(other, "//", "//user:password@", 1)).ServeHTTP,
		"headers":          headersNaming(other),
		"links":            linksNaming(other),
	}
	for _, status := range []int{300, 301, 302, 303, 307, 308, 201, 401} {
		responses[fmt.Sprint(status)] = func(w http.ResponseWriter, r *http.Request) {
			const challenge = `Digest realm="x", domain=%q, nonce="n", algorithm=MD5, qop="auth"`
			w.Header().Set("Location", other+r.URL.RequestURI())
			w.Header().Set("WWW-Authenticate", fmt.Sprintf(challenge, other))
			w.WriteHeader(status)
		}
	}
	return responses
}

func headersNaming(other string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		for key, value := range map[string]string{
			"Link": "<" + other + `>; rel="next"`, "Refresh": "0; url=" + other, "Content-Location": other,
			"Location": other, "Alt-Svc": `h2="` + strings.TrimPrefix(other, "http://") + `"`,
		} {
			w.Header().Set(key, value)
		}
		_, _ = fmt.Fprint(w, `{"results":[]}`)
	}
}

func linksNaming(other string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		results := fmt.Sprintf(`[{"id":"68b1c2d3e4f5a6b7c8d9e0f1","deliveryType":"download",`+
			`"deliveryUrl":["%s/archive.tar.gz"],"links":[{"rel":"self","href":%[1]q}]}]`, other)
		if n := r.URL.Query().Get("pageNum"); len(n) > 1 || n > "4" {
			results = "[]"
		}
		_, _ = fmt.Fprintf(w, `{"id":"x","name":"x","access_token":"x","token_type":"Bearer","results":%s,`+
			`"links":[{"rel":"next","href":%q},{"rel":"self","href":%[2]q}]}`, results, other+r.URL.RequestURI())
	}
}
