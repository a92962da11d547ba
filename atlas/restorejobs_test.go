package atlas_test

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"atlas-restore-exporter/atlas"
	"atlas-restore-exporter/atlas/atlastest"
)

// forEachList runs a test for one list of each backup type, with each kind of credential. The client is connected to
// the simulated API.
func forEachList(t *testing.T, f func(t *testing.T, sim *atlastest.Server, client *atlas.Client, list atlas.List)) {
	t.Helper()
	for _, credential := range []atlas.Credential{account, key} {
		for _, list := range []atlas.List{
			dedicated, flex,
			{ProjectID: project, ClusterName: "prod", BackupType: atlas.Collection},
			{ProjectID: project, ClusterName: "old", BackupType: atlas.Legacy},
			{ProjectID: project, ClusterName: "fn", BackupType: atlas.Serverless},
		} {
			t.Run(string(list.BackupType), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					sim := newAtlas()
					sim.ServerlessServed = true
					f(t, sim, connect(t, sim, credential), list)
				})
			})
		}
	}
}

func TestRestoreJobs_ReadsEachBackupTypeWithEachCredential(t *testing.T) {
	forEachList(t, func(t *testing.T, sim *atlastest.Server, client *atlas.Client, list atlas.List) {
		created := time.Now().Truncate(time.Second).Add(-time.Hour)
		ids := sim.AddJobs(list, atlastest.Job{Created: created, Takes: 20 * time.Minute})
		jobs, err := readAll(withDeadline(t), client, list)
		if err != nil || len(jobs) != 1 {
			t.Fatalf("%v, %v", jobs, err)
		}
		job := jobs[0]
		if status := job.StatusAt(time.Now()); job.ID != ids[0] || status != atlas.StatusCompleted ||
			job.DeliveryType != atlas.DeliveryAutomated || job.Created != atlas.TimestampOf(created) {
			t.Errorf("%+v is %s", job, status)
		}
	})
}

func TestRestoreJob_ReturnsTheSameJobAsTheList(t *testing.T) {
	forEachList(t, func(t *testing.T, sim *atlastest.Server, client *atlas.Client, list atlas.List) {
		ids := sim.AddJobs(list, atlastest.Job{Created: time.Now().Add(-time.Hour), Takes: 20 * time.Minute})
		jobs, err := readAll(withDeadline(t), client, list)
		if err != nil || len(jobs) != 1 {
			t.Fatalf("%v, %v", jobs, err)
		}
		if job, err := client.RestoreJob(withDeadline(t), list, ids[0]); err != nil || job != jobs[0] {
			t.Errorf("single job %+v, %v; in the list %+v", job, err, jobs[0])
		}
	})
}

func TestRestoreJob_ReturnsJobNotFoundIfTheJobDoesNotExist(t *testing.T) {
	forEachList(t, func(t *testing.T, _ *atlastest.Server, client *atlas.Client, list atlas.List) {
		_, err := client.RestoreJob(withDeadline(t), list, "6a794733c0eb9e7a17740663")
		if apiErr, ok := errors.AsType[*atlas.Error](err); !ok || !apiErr.JobNotFound() {
			t.Error(err)
		}
	})
}

func TestRestoreJobs_RequestsPagesByNumber(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sim := newAtlas()
		for range 1200 {
			sim.AddJobs(flex, atlastest.Job{Takes: time.Minute})
		}
		client := connect(t, sim, account)
		jobs, err := readAll(withDeadline(t), client, flex)
		if err != nil || len(jobs) != 1200 {
			t.Fatalf("%d jobs, %v", len(jobs), err)
		}
		var queries []string
		for _, request := range requestsBelow(sim, "/flexClusters/team/backup/restoreJobs") {
			queries = append(queries, request.Query)
		}
		want := []string{
			"includeCount=true&itemsPerPage=500&pageNum=1",
			"includeCount=true&itemsPerPage=500&pageNum=2",
			"includeCount=true&itemsPerPage=500&pageNum=3",
		}
		if !slices.Equal(queries, want) {
			t.Errorf("queries %q, want %q", queries, want)
		}
	})
}

func TestRestoreJobs_SendsDocumentedHeaders(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sim := newAtlas()
		client := connect(t, sim, account)
		if _, err := readAll(withDeadline(t), client, flex); err != nil {
			t.Error(err)
		}
		if got, err := client.Project(withDeadline(t), project); got.Name != "Payments" || err != nil {
			t.Errorf("project name %q, %v", got.Name, err)
		}
		var requests []string
		for _, request := range sim.Requests(nil) {
			requests = append(requests, fmt.Sprintf("%s %s %s %s %s", request.Method, request.Path,
				request.Header.Get("Accept"), request.Header.Get("Accept-Encoding"), request.Header.Get("User-Agent")))
		}
		base := "GET /api/atlas/v2/groups/" + project
		tail := " gzip atlas-restore-exporter/test"
		want := []string{
			"POST /api/oauth/token application/json" + tail,
			base + "/flexClusters/team/backup/restoreJobs application/vnd.atlas.2024-11-13+json" + tail,
			base + " application/vnd.atlas.2023-01-01+json" + tail,
		}
		if !slices.Equal(requests, want) {
			t.Errorf("requests\n%s\nwant\n%s", strings.Join(requests, "\n"), strings.Join(want, "\n"))
		}
	})
}

func TestRestoreJobs_DoesNotRequestPagesAfterTheLastIteration(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sim := newAtlas()
		for range 1200 {
			sim.AddJobs(flex, atlastest.Job{Takes: time.Minute})
		}
		client := connect(t, sim, key)
		for range 2 {
			for _, err := range client.RestoreJobs(withDeadline(t), flex) {
				if err != nil {
					t.Fatal(err)
				}
				break
			}
		}
		if n := len(sim.Requests(nil)); n != 3 { // the response to the first is the challenge, which is cached
			t.Errorf("%d requests for two pages, want 3", n)
		}
	})
}

func TestRestoreJobs_ReportsUnknownValuesAndLogsEachOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sim := newAtlas()
		for range 5 {
			sim.AddJobs(flex, atlastest.Job{Extra: map[string]any{"status": "PAUSED/https://x"}})
		}
		var logged bytes.Buffer
		events := &eventCounter{}
		client := connectWith(t, sim, atlas.Options{
			Credential: account, Observer: events, Logger: slog.New(slog.NewTextHandler(&logged, nil)),
		})
		jobs, err := readAll(withDeadline(t), client, flex)
		if err != nil || len(jobs) != 5 || jobs[0].StatusAt(time.Now()) != atlas.StatusUnknown {
			t.Errorf("%d jobs, %v", len(jobs), err)
		}
		if n := strings.Count(logged.String(), "PAUSED_link"); n != 1 {
			t.Errorf("logged %d times: %s", n, logged.String())
		}
		if _, reported := events.unknown.Load("flex_status"); !reported {
			t.Error("the field is not reported")
		}
	})
}

func TestRestoreJobs_ReportsMalformedJobsAndReturnsTheOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sim := newAtlas()
		for range 5 {
			sim.AddJobs(flex, atlastest.Job{}, atlastest.Job{Extra: map[string]any{"id": 7}})
		}
		events := &eventCounter{}
		client := connectWith(t, sim, atlas.Options{Credential: account, Observer: events})
		if jobs, err := readAll(withDeadline(t), client, flex); err != nil || len(jobs) != 5 {
			t.Errorf("%d jobs, %v", len(jobs), err)
		}
		if n := events.malformed.Load(); n != 5 {
			t.Errorf("%d malformed jobs reported, want 5", n)
		}
	})
}

func TestRestoreJobs_ReportsOmittedFieldsAndLogsEachOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sim := newAtlas()
		for range 5 {
			sim.AddJobs(flex, atlastest.Job{Extra: map[string]any{"expirationDate": "https://secret"}})
		}
		var logged bytes.Buffer
		events := &eventCounter{}
		client := connectWith(t, sim, atlas.Options{
			Credential: account, Observer: events, Logger: slog.New(slog.NewTextHandler(&logged, nil)),
		})
		jobs, err := readAll(withDeadline(t), client, flex)
		if err != nil || len(jobs) != 5 || jobs[0].Expiry != 0 {
			t.Errorf("%d jobs, %v", len(jobs), err)
		}
		const want = "level=WARN msg=\"omitting unreadable or implausible field of restore job\" " +
			"field=flex_expiration_date project_id=" + project + " cluster_name=team\n"
		if _, text, _ := strings.Cut(logged.String(), " "); text != want {
			t.Errorf("logged %s, want %s", text, want)
		}
		if fields := events.omittedFields(); !slices.Equal(fields, slices.Repeat([]string{"flex_expiration_date"}, 5)) {
			t.Errorf("reported %q", fields)
		}
	})
}

// dated serves responses with another Date header. If it is empty, responses have none.
func dated(handler http.Handler, date string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if w.Header()["Date"] = nil; date != "" {
			w.Header().Set("Date", date)
		}
		handler.ServeHTTP(w, r)
	})
}

func TestRestoreJobs_ComparesTimesWithTheLaterOfTheDateOfTheResponseAndTheClock(t *testing.T) {
	for _, test := range []struct {
		name, date string
		omitted    []string
	}{
		{"date of the response", "Sun, 02 Jan 2000 12:00:00 GMT", nil}, // the clock of the test starts on January 1
		{"days behind the clock", "Tue, 28 Dec 1999 00:00:00 GMT", []string{"flex_restore_finished_date"}},
		{"decades behind the clock", "Thu, 01 Jan 1970 00:00:00 GMT", []string{"flex_restore_finished_date"}},
		{"no date", "", []string{"flex_restore_finished_date"}},
		{"invalid date", "yesterday", []string{"flex_restore_finished_date"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				sim := newAtlas()
				ids := sim.AddJobs(
					flex,
					atlastest.Job{Extra: map[string]any{"restoreFinishedDate": "2000-01-03T12:00:00Z"}},
				)
				events := &eventCounter{}
				client := connectWith(t, dated(sim, test.date), atlas.Options{Credential: key, Observer: events})
				for _, read := range []func() error{
					func() error { _, err := readAll(withDeadline(t), client, flex); return err },
					func() error { _, err := client.RestoreJob(withDeadline(t), flex, ids[0]); return err },
				} {
					events.omitted = nil
					if err := read(); err != nil || !slices.Equal(events.omittedFields(), test.omitted) {
						t.Errorf("omitted %q, %v", events.omittedFields(), err)
					}
				}
			})
		})
	}
}

func TestRestoreJob_RejectsAResponseWithoutTheRequestedID(t *testing.T) {
	const id = "6a794733c0eb9e7a17740663"
	for body, want := range map[string]string{
		`{"id":7,"status":"RUNNING"}`:      "malformed atlas response: missing or invalid restore job id",
		`{"status":"RUNNING"}`:             "malformed atlas response: missing or invalid restore job id",
		`{"id":"x","status":"RUNNING"}`:    "malformed atlas response: response contains a different job than " + id,
		`[]`:                               "malformed atlas response: restore job is not an object",
		`{"id":"` + id + `","status":"RUN`: "malformed atlas response: unexpected end of JSON",
		`{"id":"` + id + `"}<html>`:        "malformed atlas response: invalid JSON at byte 33",
	} {
		synctest.Test(t, func(t *testing.T) {
			sim := newAtlas()
			sim.Script(
				atlastest.PathHas("restoreJobs"),
				0,
				http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
					_, _ = w.Write([]byte(body))
				}),
			)
			events := &eventCounter{}
			client := connectWith(t, sim, atlas.Options{Credential: account, Observer: events})
			_, err := client.RestoreJob(withDeadline(t), flex, id)
			if !isMalformed(err) || err.Error() != want {
				t.Errorf("%s: %v, want %s", body, err, want)
			}
			if n := events.malformed.Load(); n != 0 {
				t.Errorf("%d malformed list items reported", n)
			}
		})
	}
}
