package server

import (
	"net/http"
	"slices"
	"strings"
	"testing"
)

var (
	servedPaths = []string{
		"/", "/metrics", "/-/healthy", "/-/ready", "/runbooks", "/runbooks/atlasrestorefailed?project=x",
	}
	otherPaths = []string{
		"/-/quit", "/-/", "/-/healthy/", "/metrics/", "/metrics/x", "/metrics.json", "/status", "/config", "/config.yaml",
		"/web.yaml", "/index.html", "/status.html", "/favicon.ico", "/robots.txt", "/.git/config", "/api/v1/query", "/probe",
		"/health", "/report", "/runbooks/", "/debug/", "/debug/pprof", "/debug/pprof/",
		"/debug/pprof/heap", "/debug/pprof/cmdline",
		"/debug/pprof/profile", "/debug/vars", "/debug/requests", "/debug/events", "/%2e%2e/config.yaml",
		"/..%2fconfig.yaml", "/" + strings.Repeat("a", 1000), "/metrics%00", "/%2d/healthy/x",
	}
	readMethods  = []string{"GET", "HEAD"}
	otherMethods = []string{"POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND", "get"}

	// securityHeaderNames are the headers of every response of the exporter.
	securityHeaderNames = []string{
		"Content-Security-Policy", "Referrer-Policy", "X-Content-Type-Options", "X-Frame-Options",
	}
)

// expectReplies sends a request for each method and path, and checks the status code and the rules for every response:
// security headers, no name of the software, and short error texts that don't repeat the path.
func (e *endpoint) expectReplies(methods, paths []string, statuses ...int) {
	e.Helper()
	for _, path := range paths {
		for _, method := range methods {
			got := e.exchange(formatRequest(method, path))
			if !slices.Contains(statuses, got.status) {
				e.Errorf("%s %s: status %d, want %v: %.100s", method, path, got.status, statuses, got.body)
			}
			for _, name := range securityHeaderNames {
				if got.header.Get(name) == "" {
					e.Errorf("%s %s: status %d without %s", method, path, got.status, name)
				}
			}
			if server := got.header.Get("Server"); server != "" {
				e.Errorf("%s %s: header Server: %s", method, path, server)
			}
			repeated := strings.Contains(got.body, path) && path != "/-/reload" && path != "/"
			if got.status != http.StatusOK && (len(got.body) > 200 || repeated) {
				e.Errorf("%s %s: %s", method, path, got.body)
			}
		}
	}
}

func TestRoutes_ServeDocumentedPathsToReaders(t *testing.T) {
	e := startEndpoint(t, newSimulation(t, "{name: prod}").configFile, nil)
	e.waitUntilReady()
	e.expectReplies(readMethods, append(servedPaths, "/?%gg"), http.StatusOK) // an invalid query doesn't change the path
}

func TestRoutes_RejectOtherMethods(t *testing.T) {
	e := startEndpoint(t, newSimulation(t, "{name: prod}").configFile, nil)
	e.expectReplies(otherMethods, append(servedPaths, "/?%gg"), http.StatusMethodNotAllowed)
	e.expectReplies(append(readMethods, otherMethods[1:]...), []string{"/-/reload"}, http.StatusMethodNotAllowed)
	e.expectReplies([]string{"POST"}, []string{"/-/reload"}, http.StatusForbidden)
}

func TestRoutes_ServeNothingElse(t *testing.T) {
	e := startEndpoint(t, newSimulation(t, "{name: prod}").configFile, nil)
	e.expectReplies(append(readMethods, otherMethods...), otherPaths, http.StatusNotFound)
	e.expectReplies(readMethods, []string{"/runbooks/index", "/runbooks/x"}, http.StatusNotFound)
}

func TestRoutes_AllowTheBrowserToLoadNothing(t *testing.T) {
	e := startEndpoint(t, newSimulation(t, "{name: prod}").configFile, nil)
	policy := e.exchange(formatRequest("GET", "/")).header.Get("Content-Security-Policy")
	if !strings.HasPrefix(policy, "default-src 'none'; ") {
		t.Errorf("content security policy %q", policy)
	}
}
