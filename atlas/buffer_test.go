package atlas_test

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"

	"atlas-restore-exporter/atlas"
	"atlas-restore-exporter/atlas/atlastest"
)

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
			var jobs []atlas.RestoreJob
			for page, err := range client.RestoreJobs(withDeadline(t), flex) {
				if err != nil {
					t.Fatal(err)
				}
				jobs = append(jobs, page.Jobs...)
			}
			clusters, err := client.Clusters(withDeadline(t), project, atlas.DedicatedClusters)
			if err != nil {
				t.Fatal(err)
			}
			kept = append(kept, jobs, clusters.Clusters)
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
