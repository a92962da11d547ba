package faults

import (
	"io"
	"net/http"
	"strconv"
	"strings"

	"atlas-restore-exporter/atlas/atlastest"
	"atlas-restore-exporter/collector/poll"
)

func bodyFaults() []fault {
	body := func(contentType, text string) trigger {
		return respond(atlastest.Body(200, contentType, text).ServeHTTP)
	}
	json := func(text string) trigger { return body("application/json", text) }
	gzipped := func(body string) trigger {
		return respond(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Encoding", "gzip")
			_, _ = io.WriteString(w, body)
		})
	}
	redirects := map[string]trigger{}
	for _, status := range []int{301, 302, 303, 307, 308} {
		redirects[strconv.Itoa(status)] = respond(func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "http://elsewhere.test/?"+r.Header.Get("Authorization"), status)
		})
	}
	packed := compress(`{"results":[` + strings.Repeat(`{"id":"a"},`, 1000) + `{}]}`)
	return []fault{
		{name: "truncated gzip", reason: poll.ReasonNetwork, reach: oneTarget, maxPolls: 1, triggers: map[string]trigger{
			"in the middle":   gzipped(packed[:len(packed)/2]),
			"in the checksum": gzipped(packed[:len(packed)-4]),
			"in the header":   gzipped(packed[:5]),
		}},
		{name: "invalid gzip", reason: poll.ReasonMalformed, reach: oneTarget, maxPolls: 1, triggers: map[string]trigger{
			"from the start":       gzipped(`{"results":[]} and so on`),
			"later":                gzipped(packed[:10] + strings.Repeat("\xff", 100)),
			"but for the checksum": gzipped(packed[:len(packed)-8] + "12345678"),
		}},
		{
			name:     "an endless body, with or without compression",
			reason:   poll.ReasonMalformed,
			reach:    oneTarget,
			maxPolls: 1,
			bounded:  true,
			triggers: map[string]trigger{
				"1 GiB in 1 MiB of gzip": respond(atlastest.Huge(1<<30, true).ServeHTTP),
				"1 TiB announced":        respond(atlastest.Huge(1<<40, false).ServeHTTP),
				"endless chunks": respond(func(w http.ResponseWriter, _ *http.Request) {
					writeEndlessly(w, `{"results":[`, strings.Repeat(`{"id":"a"},`, 1<<10))
				}),
				"very many small things": func(w *world) func() { return json(`{"results":[` + strings.Repeat(`{},`, 5<<20) + `{}]}`)(w) },
				"very deep":              func(w *world) func() { return json(strings.Repeat(`{"results":[`, 1<<20))(w) },
			},
		},
		{
			name:     "HTML with status 200",
			reason:   poll.ReasonMalformed,
			reach:    oneTarget,
			maxPolls: 1,
			triggers: map[string]trigger{
				"and its type": body(
					"text/html",
					"<html><title>Sign in</title>"+link+secret+"</html>",
				),
				"as JSON": json("<!doctype html>" + link + secret),
			},
		},
		{
			name:     "JSON of another shape, or truncated",
			reason:   poll.ReasonMalformed,
			reach:    oneTarget,
			maxPolls: 1,
			triggers: map[string]trigger{
				"nothing":            json(""),
				"null":               json("null"),
				"an object":          json("{}"),
				"a list":             json("[]"),
				"a text":             json(`"` + link + `"`),
				"a number":           json("17"),
				"results null":       json(`{"results":null}`),
				"results an object":  json(`{"results":{"url":"` + link + `"}}`),
				"results a text":     json(`{"results":"` + link + `"}`),
				"results of no jobs": json(`{"results":[17,"` + link + `",null,{}],"totalCount":4}`),
				"totalCount a text":  json(`{"results":[],"totalCount":"` + link + `"}`),
				"two values":         json(`{"results":[]}{"results":[]}`),
				"truncated":          json(`{"results":[{"id":"6a794733c0eb9e7a17740663","deliveryUrl":["` + link),
				"closed without a length": respond(
					rawResponse(func(*http.Request) string { return "HTTP/1.0 200 OK\r\n\r\n{\"results\":[{" }),
				),
			},
		},
		{
			name:     "an error with status 200, even if it contains an empty list",
			reason:   poll.ReasonMalformed,
			reach:    oneTarget,
			maxPolls: 1,
			triggers: map[string]trigger{
				"an error code": json(`{"errorCode":"SERVICE_UNAVAILABLE","results":[],"totalCount":0}`),
				"an error":      json(`{"error":503,"results":[],"totalCount":0}`),
				"a status":      json(`{"status":503,"results":[],"totalCount":0}`),
				"a detail":      json(`{"detail":"` + link + `","results":[]}`),
			},
		},
		{
			name:   "JSON of another content type",
			effect: "none; the content type is ignored",
			reach:  oneTarget,
			triggers: map[string]trigger{
				"HTML":     retype("text/html"),
				"none":     retype(""),
				"nonsense": retype("garbage;;="),
			},
		},
		{name: "a redirect to another host", reason: poll.ReasonOther, reach: oneTarget, maxPolls: 1, triggers: redirects},
	}
}
