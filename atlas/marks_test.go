package atlas_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"atlas-restore-exporter/atlas"
	"atlas-restore-exporter/atlas/atlastest"
)

// readPages returns the pages of a list, and their marks.
func readPages(
	ctx context.Context, t *testing.T, client *atlas.Client, list atlas.List, marks ...atlas.PageMark,
) (pages []atlas.Page, next []atlas.PageMark) {
	t.Helper()
	for page, err := range client.RestoreJobs(ctx, list, marks...) {
		if err != nil {
			t.Fatal(err)
		}
		pages, next = append(pages, page), append(next, page.Mark)
	}
	return pages, next
}

// describePages returns for each page whether it is unchanged, or how many jobs it has.
func describePages(pages []atlas.Page) (text string) {
	for _, page := range pages {
		switch {
		case !page.Unchanged:
			text += fmt.Sprint(len(page.Jobs), " ")
		case len(page.Jobs)+page.Items > 0:
			text += "unchanged with jobs "
		default:
			text += "unchanged "
		}
	}
	return text
}

func TestRestoreJobs_DecodesNoPagesBeforeTheFirstOneThatHasChanged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sim := newAtlas()
		ids := sim.AddJobs(flex, make([]atlastest.Job, 1200)...)
		client := connect(t, sim, account)
		_, first := readPages(withDeadline(t), t, client, flex)
		expect := func(want string, marks ...atlas.PageMark) (next []atlas.PageMark) {
			t.Helper()
			pages, next := readPages(withDeadline(t), t, client, flex, marks...)
			if got := describePages(pages); got != want {
				t.Errorf("got pages %q, want %q", got, want)
			}
			return next
		}
		marks := expect("unchanged unchanged unchanged ", first...)
		expect("unchanged unchanged 200 ", marks[:2]...)
		expect("500 500 200 ", marks[1], marks[0])
		expect("500 500 200 ", make([]atlas.PageMark, 3)...)
		sim.ChangeJob(flex, ids[600], func(j *atlastest.Job) { j.Outcome, j.Takes = atlastest.Fails, time.Second })
		time.Sleep(time.Minute)
		marks = expect("unchanged 500 200 ", marks...)
		expect("unchanged unchanged unchanged ", marks...)
	})
}

func TestRestoreJobs_MarksNoPageThatMustBeReportedEachTime(t *testing.T) {
	for name, body := range map[string]string{
		"a malformed job":  `{"results":[{"id":"x","status":"RUNNING","deliveryType":"RESTORE"},{"id":7}]}`,
		"an unknown value": `{"results":[{"id":"x","status":"NEW","deliveryType":"RESTORE"}]}`,
		"an omitted field": `{"results":[{"id":"x","status":"RUNNING","deliveryType":"RESTORE","expirationDate":7}]}`,
		"a cut page":       `{"results":[],"links":[{"rel":"next"}]}`,
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				sim := newAtlas()
				sim.Script(atlastest.PathHas("flexClusters"), 0, atlastest.Body(200, "application/json", body))
				client := connect(t, sim, account)
				_, marks := readPages(withDeadline(t), t, client, flex)
				pages, _ := readPages(withDeadline(t), t, client, flex, marks...)
				if marks[0] != (atlas.PageMark{}) || pages[0].Unchanged {
					t.Errorf("marks %+v, pages %+v", marks, pages)
				}
			})
		})
	}
}

// TestRestoreJobs_DecodesAPageWithAnEarlierDate repeats a page whose times are implausible at an earlier date.
func TestRestoreJobs_DecodesAPageWithAnEarlierDate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sim := newAtlas()
		date := time.Now().Add(3 * 24 * time.Hour)
		sim.Script(atlastest.PathHas("flexClusters"), 0, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Date", date.UTC().Format(http.TimeFormat))
			created := time.Now().Add(2 * 24 * time.Hour).UTC().Format(time.RFC3339)
			_, _ = fmt.Fprintf(w, `{"results":[{"id":"x","status":"RUNNING","restoreScheduledDate":%q,
				"deliveryType":"RESTORE"}]}`, created)
		}))
		client := connect(t, sim, account)
		_, marks := readPages(withDeadline(t), t, client, flex)
		if pages, _ := readPages(withDeadline(t), t, client, flex, marks...); !pages[0].Unchanged {
			t.Error("the page has changed")
		}
		date = time.Now()
		pages, _ := readPages(withDeadline(t), t, client, flex, marks...)
		if pages[0].Unchanged || pages[0].Jobs[0].Created != 0 {
			t.Errorf("got %+v", pages[0])
		}
	})
}

// TestRestoreJobs_DecodesAPageAgainIfOtherSecretsMustBeRemoved repeats a page with the secret of the second client.
func TestRestoreJobs_DecodesAPageAgainIfOtherSecretsMustBeRemoved(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const secret = "mdb_sa_sk_the-client-secret-of-another-account"
		sim := newAtlas()
		sim.AddServiceAccount("other", secret)
		sim.Script(atlastest.PathHas("flexClusters"), 0, atlastest.Body(200, "application/json",
			`{"results":[{"id":"x","status":"RUNNING","deliveryType":"RESTORE","snapshotId":"`+secret+`"}]}`))
		other := atlas.Credential{
			Name: "other", ServiceAccount: &atlas.ServiceAccount{ClientID: "other", ClientSecret: secret},
		}
		client, otherClient := connect(t, sim, account), connect(t, sim, other)
		_, marks := readPages(withDeadline(t), t, client, flex)
		if pages, _ := readPages(withDeadline(t), t, client, flex, marks...); !pages[0].Unchanged {
			t.Error("the page has changed")
		}
		pages, _ := readPages(withDeadline(t), t, otherClient, flex, marks...)
		if pages[0].Unchanged || strings.Contains(pages[0].Jobs[0].SnapshotID, "secret") {
			t.Errorf("got %+v", pages[0])
		}
	})
}

func TestRestoreJobs_MatchesNoMarkWithoutABody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sim := newAtlas()
		sim.Script(atlastest.PathHas("flexClusters"), 0, atlastest.Body(200, "application/json", ""))
		client := connect(t, sim, account)
		for page, err := range client.RestoreJobs(withDeadline(t), flex, atlas.PageMark{}) {
			if err == nil {
				t.Errorf("got %+v", page)
			}
		}
	})
}
