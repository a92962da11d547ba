package atlas_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
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

// Four large bodies are kept at once. The others wait, but small ones don't.
func TestClient_KeepsFewLargeBodiesAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const large, atOnce = 6, 4
		sim := newAtlas()
		var sent atomic.Int32
		end := make(chan struct{})
		sim.Script(atlastest.PathHas("large"), 0, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, strings.Repeat(" ", 2<<20))
			sent.Add(1)
			<-end
			_, _ = io.WriteString(w, `{"results":[],"totalCount":0}`)
		}))
		client := connectWith(t, sim, atlas.Options{Credential: account, Concurrency: large + 1})
		var reads sync.WaitGroup
		read := func(name string) {
			list := atlas.List{ProjectID: project, ClusterName: name, BackupType: atlas.Dedicated}
			if _, err := readAll(withDeadline(t), client, list); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
		for range large {
			reads.Go(func() { read("large") })
		}
		synctest.Wait()
		if n := sent.Load(); n != atOnce {
			t.Errorf("%d large bodies are read at once, want %d", n, atOnce)
		}
		read("prod")
		close(end)
		reads.Wait()
		if n := sent.Load(); n != large {
			t.Errorf("%d large bodies were read, want %d", n, large)
		}
	})
}

func TestClient_DoesNotWaitForOtherLargeBodiesAfterTheDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sim := newAtlas()
		sim.Script(atlastest.PathHas("large"), 0, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.WriteString(w, strings.Repeat(" ", 2<<20))
			<-r.Context().Done()
		}))
		client := connectWith(t, sim, atlas.Options{Credential: account, Concurrency: 5})
		var reads sync.WaitGroup
		list := atlas.List{ProjectID: project, ClusterName: "large", BackupType: atlas.Dedicated}
		for range 5 {
			reads.Go(func() {
				if _, err := readAll(withDeadline(t), client, list); !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("error %v", err)
				}
			})
		}
		reads.Wait()
	})
}
