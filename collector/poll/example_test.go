package poll_test

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"atlas-restore-exporter/atlas"
	"atlas-restore-exporter/atlas/atlastest"
	"atlas-restore-exporter/collector/history"
	"atlas-restore-exporter/collector/poll"
)

// events ignores the events of polls. The exporter counts them.
type events struct{}

func (events) PollFailed(atlas.BackupType, poll.Reason) {}
func (events) PollPanicked(atlas.BackupType)            {}

// A manager discovers the clusters of a simulated project, polls each target once, and prints its snapshot. An
// exporter calls Run instead, and reads the snapshots at each scrape.
func Example() {
	const projectID = "32b6e34b3d91647abb20e7b8"
	sim := atlastest.New()
	sim.AddServiceAccount("id", "secret")
	sim.AddProject(projectID, "Payments")
	sim.AddCluster(projectID, "orders", atlastest.DedicatedCluster)
	sim.AddJobs(
		atlas.List{ProjectID: projectID, ClusterName: "orders", BackupType: atlas.Dedicated},
		atlastest.Job{Created: time.Now().Add(-time.Hour), Takes: time.Minute},
		atlastest.Job{Created: time.Now().Add(-time.Minute), Takes: time.Hour},
	)
	pipe := atlastest.NewPipe(sim)
	defer pipe.Close()
	client, err := atlas.NewClient(atlas.Options{
		BaseURL: "http://atlas.test", DialContext: pipe.DialContext,
		Credential: atlas.Credential{
			Name: "default", ServiceAccount: &atlas.ServiceAccount{ClientID: "id", ClientSecret: "secret"},
		},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer client.Close()

	settings := poll.Target{
		Credential: "default", Source: poll.SourceDiscovery, Interval: time.Minute, Timeout: 30 * time.Second,
		FullPollInterval: time.Hour, StaleAfter: 10 * time.Minute,
		Policy: history.Policy{
			Limits:    history.Limits{MaxAge: 90 * 24 * time.Hour, MaxJobs: 1000},
			JobSeries: history.SeriesLimits{MaxAge: 72 * time.Hour, MaxPerTarget: 50},
		},
	}
	manager, err := poll.NewManager(poll.Config{
		Discoveries:       []poll.Rule{{Target: settings, BackupTypes: []atlas.BackupType{atlas.Dedicated}}},
		DiscoveryInterval: 5 * time.Minute,
		Clients:           map[string]poll.Client{"default": client},
		Concurrency:       4,
	}, events{}, slog.New(slog.DiscardHandler))
	if err != nil {
		fmt.Println(err)
		return
	}
	ctx := context.Background()
	manager.DiscoverOnce(ctx)
	manager.PollOnce(ctx, func(s *poll.Snapshot) {
		fmt.Printf("%s: %d jobs, error %v\n", s.Target.ClusterName, s.Summary.Known, s.Err)
		for _, job := range s.Summary.Newest {
			fmt.Printf("  %s restore is %s\n", job.DeliveryType, job.Status)
		}
	})
	fmt.Println("project:", manager.ProjectName(projectID))
	fmt.Println("ready:", manager.Ready())
	// Output:
	// orders: 2 jobs, error <nil>
	//   automated restore is in_progress
	//   automated restore is completed
	// project: Payments
	// ready: true
}
