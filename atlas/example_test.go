package atlas_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net/http/httptest"
	"time"

	"atlas-restore-exporter/atlas"
	"atlas-restore-exporter/atlas/atlastest"
)

// startAtlas starts a simulated API on a local port. A real client uses https://cloud.mongodb.com.
func startAtlas() *httptest.Server {
	sim := atlastest.New()
	sim.AddServiceAccount("mdb_sa_id_1", "mdb_sa_sk_1")
	sim.AddProject("32b6e34b3d91647abb20e7b8", "Payments")
	sim.AddCluster("32b6e34b3d91647abb20e7b8", "orders", atlastest.DedicatedCluster)
	created := time.Date(2025, 1, 10, 3, 0, 0, 0, time.UTC)
	sim.AddJobs(
		atlas.List{ProjectID: "32b6e34b3d91647abb20e7b8", ClusterName: "orders", BackupType: atlas.Dedicated},
		atlastest.Job{ID: "67808d302c88faeba59bc399", Created: created, Takes: 20 * time.Minute},
		atlastest.Job{
			ID: "67809b40c0eb9e7a17740663", Created: created.Add(time.Hour), Takes: time.Minute, Outcome: atlastest.Fails,
		},
	)
	return httptest.NewServer(sim)
}

func newExampleClient(baseURL string) *atlas.Client {
	client, err := atlas.NewClient(atlas.Options{
		BaseURL:   baseURL,
		UserAgent: "example/1.0",
		Credential: atlas.Credential{
			Name:           "example",
			ServiceAccount: &atlas.ServiceAccount{ClientID: "mdb_sa_id_1", ClientSecret: "mdb_sa_sk_1"},
		},
	})
	if err != nil {
		log.Fatal(err)
	}
	return client
}

// This example lists the restore jobs of a cluster.
func ExampleClient_RestoreJobs() {
	server := startAtlas()
	defer server.Close()
	client, err := atlas.NewClient(atlas.Options{
		BaseURL:   server.URL, // https://cloud.mongodb.com
		UserAgent: "example/1.0",
		Credential: atlas.Credential{
			Name:           "example",
			ServiceAccount: &atlas.ServiceAccount{ClientID: "mdb_sa_id_1", ClientSecret: "mdb_sa_sk_1"},
		},
	})
	if err != nil {
		log.Print(err)
		return
	}
	defer client.Close()

	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	list := atlas.List{ProjectID: "32b6e34b3d91647abb20e7b8", ClusterName: "orders", BackupType: atlas.Dedicated}
	for page, err := range client.RestoreJobs(ctx, list) {
		if err != nil {
			log.Print(err)
			return
		}
		for _, job := range page.Jobs {
			fmt.Println(job.ID, job.DeliveryType, job.StatusAt(time.Now()), job.Created.Time().Format(time.RFC3339))
		}
	}
	// Output:
	// 67809b40c0eb9e7a17740663 automated failed 2025-01-10T04:00:00Z
	// 67808d302c88faeba59bc399 automated completed 2025-01-10T03:00:00Z
}

// This example classifies errors of the API, here for a list with a wrong backup type and a cluster that doesn't exist.
func ExampleError() {
	server := startAtlas()
	defer server.Close()
	client := newExampleClient(server.URL)
	defer client.Close()

	for _, list := range []atlas.List{
		{ProjectID: "32b6e34b3d91647abb20e7b8", ClusterName: "orders", BackupType: atlas.Flex},
		{ProjectID: "32b6e34b3d91647abb20e7b8", ClusterName: "removed", BackupType: atlas.Dedicated},
	} {
		_, err := client.RestoreJob(context.Background(), list, "67808d302c88faeba59bc399")
		apiErr, ok := errors.AsType[*atlas.Error](err)
		switch {
		case err == nil:
			fmt.Println("found")
		case !ok:
			fmt.Println("no response, a malformed response, or an exhausted rate limit:", err)
		case apiErr.WrongBackupType():
			right, _ := apiErr.RightBackupType()
			fmt.Printf("%s: wrong backup type, use %s\n", apiErr.Code, right)
		case apiErr.JobNotFound():
			fmt.Println("the job doesn't exist")
		default:
			fmt.Println(err)
		}
	}
	// Output:
	// CANNOT_USE_NON_FLEX_CLUSTER_IN_FLEX_API: wrong backup type, use dedicated
	// atlas api returned 404 CLUSTER_NOT_FOUND: No cluster named removed exists in group 32b6e34b3d91647abb20e7b8.
}
