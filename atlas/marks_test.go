package atlas_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"reflect"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"atlas-restore-exporter/atlas"
	"atlas-restore-exporter/atlas/atlastest"
)

// readPages returns the pages of a list, and their marks.
func readPages(
	ctx context.Context, t *testing.T, client *atlas.Client, list atlas.List, marks []atlas.PageMark,
) (pages []atlas.Page, next []atlas.PageMark) {
	t.Helper()
	for page, err := range client.ChangedRestoreJobs(ctx, list, marks) {
		if err != nil {
			t.Fatal(err)
		}
		pages, next = append(pages, page), append(next, page.Mark)
	}
	return pages, next
}

func TestChangedRestoreJobs_DecodesOnlyPagesThatHaveChanged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sim := newAtlas()
		ids := sim.AddJobs(flex, make([]atlastest.Job, 1200)...)
		client := connect(t, sim, account)
		first, marks := readPages(withDeadline(t), t, client, flex, nil)
		same, marks := readPages(withDeadline(t), t, client, flex, marks)
		if len(first) != 3 || len(same) != 3 {
			t.Fatalf("%d and %d pages", len(first), len(same))
		}
		for i, page := range first {
			page.Jobs, page.Unchanged = nil, true
			if !reflect.DeepEqual(same[i], page) {
				t.Errorf("page %d: got %+v, want %+v", i+1, same[i], page)
			}
		}
		sim.ChangeJob(flex, ids[600], func(j *atlastest.Job) { j.Outcome, j.Takes = atlastest.Fails, time.Second })
		time.Sleep(time.Minute)
		changed, marks := readPages(withDeadline(t), t, client, flex, marks)
		for i, page := range changed {
			if want := i != 1; page.Unchanged != want || want == (len(page.Jobs) > 0) {
				t.Errorf("page %d: unchanged %v with %d jobs", i+1, page.Unchanged, len(page.Jobs))
			}
		}
		again, _ := readPages(withDeadline(t), t, client, flex, marks[:2])
		if !again[0].Unchanged || !again[1].Unchanged || again[2].Unchanged {
			t.Error("wrong pages after another reading with marks of two pages")
		}
	})
}

func TestChangedRestoreJobs_MarksNoPageThatMustBeReportedEachTime(t *testing.T) {
	for name, body := range map[string]string{
		"a malformed job":  `{"results":[{"id":"x","status":"RUNNING","deliveryType":"RESTORE"},{"id":7}]}`,
		"an unknown value": `{"results":[{"id":"x","status":"NEW","deliveryType":"RESTORE"}]}`,
		"an omitted field": `{"results":[{"id":"x","status":"RUNNING","deliveryType":"RESTORE","expirationDate":7}]}`,
		"a cut page":       `{"results":[],"links":[{"rel":"next"}]}`,
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				sim := newAtlas()
				events := &eventCounter{}
				sim.Script(atlastest.PathHas("flexClusters"), 0, atlastest.Body(200, "application/json", body))
				client := connectWith(t, sim, atlas.Options{Credential: account, Observer: events})
				_, marks := readPages(withDeadline(t), t, client, flex, nil)
				pages, _ := readPages(withDeadline(t), t, client, flex, marks)
				if marks[0] != (atlas.PageMark{}) || pages[0].Unchanged {
					t.Errorf("marks %+v, pages %+v", marks, pages)
				}
			})
		})
	}
}

func TestChangedRestoreJobs_TheZeroMarkMatchesNoPage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client := connect(t, newAtlas(), account)
		pages, marks := readPages(withDeadline(t), t, client, flex, make([]atlas.PageMark, 3))
		if len(pages) != 1 || pages[0].Unchanged || marks[0] == (atlas.PageMark{}) {
			t.Errorf("%+v", pages)
		}
	})
}

// The buffer of a response is reused, so anything that is kept must be a copy.
func TestClient_KeepsNothingOfTheBufferOfAResponse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sim := newAtlas()
		letter, date := "a", "null"
		sim.Script(atlastest.PathHas(project), 0, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			item := func(letter, date string) string { // a date that can't be read is decoded in another way
				return strings.ReplaceAll(`{"id":"?","name":"?","snapshotId":"? ?","targetProjectId":"?",
					"targetDeploymentItemName":"?\u00e9?","tags":[{"key":"?","value":"?"}],
					"restoreFinishedDate":`, "?", strings.Repeat(letter, 20)) + date + "}"
			}
			_, _ = io.WriteString(w, `{"results":[`+item(letter, "null")+","+item(strings.ToUpper(letter), date)+`]}`)
		}))
		client := connect(t, sim, account)
		read := func() (kept []any) {
			pages, _ := readPages(withDeadline(t), t, client, flex, nil)
			clusters, err := client.Clusters(withDeadline(t), project, atlas.DedicatedClusters)
			if err != nil {
				t.Fatal(err)
			}
			kept = append(kept, pages[0].Jobs, clusters.Clusters)
			return kept
		}
		kept := read()
		date = "7"
		kept = append(kept, read()...)
		want := fmt.Sprintf("%+v", kept)
		letter = "b"
		for range 20 {
			read()
		}
		if got := fmt.Sprintf("%+v", kept); got != want || !strings.Contains(got, "aaaaaaaaaaaaaaaaaaaa") {
			t.Errorf("got %s, want %s", got, want)
		}
	})
}
