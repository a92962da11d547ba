package main

import (
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"atlas-restore-exporter/atlas"
	"atlas-restore-exporter/atlas/atlastest"
	"atlas-restore-exporter/collector"
)

// TestNothingGoesElsewhere has Atlas send the exporter to another host, by every means that HTTP and Atlas' answers have,
// from every place, with both kinds of credentials. The other host is never asked for anything.
func TestNothingGoesElsewhere(t *testing.T) {
	var elsewhere atomic.Int64
	other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		elsewhere.Add(1)
		t.Logf("the other host is asked for %s with %v", r.URL, r.Header)
		_, _ = fmt.Fprint(w, `{"results":[],"access_token":"x","token_type":"Bearer","name":"x"}`)
	}))
	defer other.Close()
	if fetch(t, nil, other.URL); elsewhere.Swap(0) != 1 {
		t.Fatal("the other host does not count")
	}

	sim, _ := newSim(t, "{name: prod}")
	sim.AddAPIKey("publickey", secret)
	sim.AddCluster(payments, "long", atlastest.DedicatedCluster)
	jobs := make([]atlastest.Job, 1100)
	for i := range jobs {
		jobs[i] = atlastest.Job{Created: time.Now().Add(-time.Duration(i) * time.Hour), Takes: time.Minute}
	}
	jobs[1000].Takes = 0 // open, and not on the newest page
	sim.AddJobs(atlas.List{ProjectID: payments, ClusterName: "long", BackupType: atlas.Dedicated}, jobs...)
	server := httptest.NewServer(sim)
	defer server.Close()

	const project = "/api/atlas/v2/groups/" + payments
	places := []struct {
		name, cluster string
		match         func(*http.Request) bool
		credential    string
	}{
		{"token", "prod", atlastest.TokenRequests, "service_account"},
		{"list", "prod", func(r *http.Request) bool { return strings.HasSuffix(r.URL.Path, "/restoreJobs") }, ""},
		{"second page", "long", func(r *http.Request) bool { return r.URL.Query().Get("pageNum") == "2" }, ""},
		{"job", "long", func(r *http.Request) bool { return strings.Contains(r.URL.Path, "/restoreJobs/") }, ""},
		{"project", "prod", func(r *http.Request) bool { return r.URL.Path == project }, ""},
	}
	credentials := map[string]string{
		"service_account": "service_account: {client_id: mdb_sa_id_1, client_secret: " + secret + "}",
		"api_key":         "api_key: {public_key: publickey, private_key: " + secret + "}",
	}
	for kind, credential := range credentials {
		for _, place := range places {
			if place.credential != "" && place.credential != kind {
				continue
			}
			for name, answer := range signposts(other.URL) {
				if place.cluster == "long" && !slices.Contains([]string{"302", "401", "headers", "links"}, name) {
					continue // reading long lists takes its time, and one redirect is like another
				}
				config, err := parseConfig("test", fmt.Appendf(nil, "atlas: {base_url: %q}\ncredentials: {default: {%s}}\n"+
					"projects: [{id: %s, clusters: [{name: %s}]}]\n", server.URL, credential, payments, place.cluster))
				if err != nil {
					t.Fatal(err)
				}
				app := &app{logger: slog.New(slog.DiscardHandler), build: buildInfo()}
				exporter, err := app.newExporter(config, nil)
				if err != nil {
					t.Fatal(err)
				}
				poll := func() { exporter.manager.PollOnce(t.Context(), func(*collector.Snapshot) {}) }
				if place.name == "job" {
					poll() // a job is asked for once the list is known
				}
				var sent atomic.Int64
				remove := sim.Script(place.match, 0, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					sent.Add(1)
					answer(w, r)
				}))
				poll()
				remove()
				exporter.close()
				if sent.Load() == 0 {
					t.Errorf("%s, %s, %s: it was not asked", kind, place.name, name)
				}
				if n := elsewhere.Swap(0); n != 0 {
					t.Errorf("%s, %s, %s: the other host is asked %d times", kind, place.name, name, n)
				}
			}
		}
	}
}

// signposts are answers that point to another host.
func signposts(other string) map[string]http.HandlerFunc {
	posts := map[string]http.HandlerFunc{}
	for _, status := range []int{300, 301, 302, 303, 307, 308, 201, 401} {
		posts[fmt.Sprint(status)] = func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Location", other+r.URL.RequestURI())
			w.Header().Set("WWW-Authenticate", fmt.Sprintf(`Digest realm="x", domain=%q, nonce="n", algorithm=MD5, qop="auth"`, other))
			w.WriteHeader(status)
		}
	}
	posts["without a scheme"] = atlastest.Redirect(strings.TrimPrefix(other, "http:")).ServeHTTP
	posts["with a password"] = atlastest.Redirect(strings.Replace(other, "//", "//user:password@", 1)).ServeHTTP
	posts["headers"] = func(w http.ResponseWriter, _ *http.Request) {
		for key, value := range map[string]string{
			"Link": "<" + other + `>; rel="next"`, "Refresh": "0; url=" + other, "Content-Location": other, "Location": other,
			"Alt-Svc": `h2="` + strings.TrimPrefix(other, "http://") + `"`,
		} {
			w.Header().Set(key, value)
		}
		_, _ = fmt.Fprint(w, `{"results":[]}`)
	}
	posts["links"] = func(w http.ResponseWriter, r *http.Request) {
		job := `{"id":"68b1c2d3e4f5a6b7c8d9e0f1","deliveryType":"download","deliveryUrl":["` + other + `/archive.tar.gz"],"links":[{"rel":"self","href":"` + other + `"}]}`
		results := "[" + job + "]"
		if n := r.URL.Query().Get("pageNum"); len(n) > 1 || n > "4" {
			results = "[]"
		}
		_, _ = fmt.Fprintf(w, `{"id":"x","name":"x","access_token":"x","token_type":"Bearer","results":%s,"links":[{"rel":"next","href":%q},{"rel":"self","href":%[2]q}]}`,
			results, other+r.URL.RequestURI())
	}
	return posts
}
