package faults

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"atlas-restore-exporter/atlas/atlastest"
)

// rewriteList replaces a pattern in the responses to requests for the victim's list, not in those for a single job.
func rewriteList(pattern func(w *world) string, by string) trigger {
	return func(w *world) func() {
		return w.respond(func(rw http.ResponseWriter, r *http.Request) {
			response := w.realResponse(r)
			if strings.HasSuffix(r.URL.Path, "/restoreJobs") {
				response = withReplaced(response, pattern(w), by)
			}
			relay(rw, response)
		})
	}
}

// withoutRunningJob serves lists without the job that is in progress, whose totalCount agrees, until the job has failed:
// two lists without a finished job remove it, so that a slow machine would miss the failure.
func withoutRunningJob(w *world) func() {
	end := w.respond(func(rw http.ResponseWriter, r *http.Request) {
		response := w.realResponse(r)
		var page struct {
			Results    []map[string]any `json:"results"`
			TotalCount int              `json:"totalCount"`
		}
		if !strings.HasSuffix(r.URL.Path, "/restoreJobs") {
			relay(rw, response)
			return
		}
		if err := json.Unmarshal(response.Body.Bytes(), &page); err != nil {
			panic(err)
		}
		page.Results = slices.DeleteFunc(page.Results, func(job map[string]any) bool {
			return job["id"] == w.running[victim] && job["failed"] != true
		})
		page.TotalCount = len(page.Results)
		response.Body.Reset()
		if err := json.NewEncoder(response.Body).Encode(page); err != nil {
			panic(err)
		}
		relay(rw, response)
	})
	return func() {
		end()
		byID := func(r atlastest.Request) bool { return strings.HasSuffix(r.Path, "/"+w.running[victim]) }
		if len(w.sim.Requests(byID)) == 0 {
			w.Error("the job was not requested by its ID")
		}
	}
}

// contentFaults are valid responses with content that must not mislead the exporter.
func contentFaults() []fault {
	constant := func(pattern string) func(*world) string { return func(*world) string { return pattern } }
	runningID := func(w *world) string { return fmt.Sprintf(`"id":%q`, w.running[victim]) }
	return []fault{
		{
			name:     "a list that contradicts its own `totalCount`",
			effect:   "`list_inconsistent`; no job is removed, unfinished jobs are requested one by one",
			reach:    oneTarget,
			maxPolls: 1,
			triggers: map[string]trigger{
				"no jobs":        rewriteList(constant(`(?s)"results":\[.*\]`), `"results":[]`),
				"no count":       rewriteList(constant(`"totalCount":\d+`), `"totalCount":0`),
				"too many":       rewriteList(constant(`"totalCount":\d+`), `"totalCount":601`),
				"one is missing": rewriteList(constant(`"totalCount":\d+`), `"totalCount":3`),
			},
		},
		{
			name:     "lists that lack an unfinished job",
			effect:   "none; the job is requested by its ID, and removed only if Atlas doesn't find it",
			reach:    oneTarget,
			lasts:    10 * time.Minute,
			triggers: map[string]trigger{"": withoutRunningJob},
		},
		{
			name:     "jobs without a readable ID in a list",
			effect:   "`malformed_jobs_total`; no job is removed, unfinished jobs are requested one by one",
			reach:    oneTarget,
			maxPolls: 1,
			triggers: map[string]trigger{
				"a number": rewriteList(runningID, `"id":17`),
				"a link":   rewriteList(runningID, `"id":"`+link+`"`),
				"none":     rewriteList(runningID, `"di":null`),
			},
		},
		{
			name:     "an optional field that is unreadable or has an implausible time",
			effect:   "`malformed_fields_total`; the field is omitted, and the creation time replaces an end time that is unreadable",
			reach:    oneTarget,
			maxPolls: 1,
			triggers: map[string]trigger{
				"a snapshot in the year 9999": rewrite(`"timestamp":"[^"]*"`, `"timestamp":"9999-12-31T23:59:59Z"`),
				"an end in the year 9999":     rewrite(`"finishedAt":"[^"]*"`, `"finishedAt":"9999-12-31T23:59:59Z"`),
				"a date that is a number":     rewrite(`"finishedAt":"[^"]*"`, `"finishedAt":17`),
				"an ID that is an object":     rewrite(`"snapshotId":"[^"]*"`, `"snapshotId":{"url":"`+link+`"}`),
				"a target that is a list":     rewrite(`"targetClusterName":"[^"]*"`, `"targetClusterName":["`+link+`"]`),
				"links that are a number":     rewrite(`"deliveryType":"`, `"deliveryUrl":17,"deliveryType":"`),
			},
		},
		{
			name:     "a link instead of an ID or name, in any encoding",
			effect:   "none; the value is replaced with `link`",
			reach:    oneTarget,
			maxPolls: 1,
			triggers: map[string]trigger{
				"a snapshot":        rewrite(`"snapshotId":"[^"]*"`, `"snapshotId":"`+link+`"`),
				"without a scheme":  rewrite(`"snapshotId":"[^"]*"`, `"snapshotId":"`+strings.TrimPrefix(link, "https://")+`"`),
				"a target":          rewrite(`"targetClusterName":"[^"]*"`, `"targetClusterName":"`+url.QueryEscape(link)+`"`),
				"escaped":           rewrite(`"snapshotId":"[^"]*"`, `"snapshotId":"`+strings.ReplaceAll(link, "/", `\\/`)+`"`),
				"with a line break": rewrite(`"snapshotId":"[^"]*"`, `"snapshotId":"x.example.net/a\nNEVER-SHOW"`),
			},
		},
	}
}
