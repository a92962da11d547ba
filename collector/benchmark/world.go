package main

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"atlas-restore-exporter/atlas"
	"atlas-restore-exporter/atlas/atlastest"
	"atlas-restore-exporter/collector"
)

const (
	clientID, clientSecret = "id", "secret"
	keyPublic, keyPrivate  = "abcdefgh", "secret"
	jobsPerCluster         = 50 // as many as have series of their own by default
	clustersPerProject     = 10
)

// newAtlas returns a simulated Atlas with so many clusters of so many jobs each, so far apart, and what there is to poll.
func newAtlas(clusters, jobs int, apart time.Duration) (*atlastest.Server, []collector.Target) {
	sim := atlastest.New()
	sim.AddServiceAccount(clientID, clientSecret)
	sim.AddAPIKey(keyPublic, keyPrivate)
	now := time.Now()
	var targets []collector.Target
	for i := range clusters {
		list := atlas.List{
			ProjectID: fmt.Sprintf("%024x", i/clustersPerProject+1), ClusterName: fmt.Sprintf("cluster-%04d", i), BackupType: atlas.Dedicated,
		}
		if i%clustersPerProject == 0 {
			sim.AddProject(list.ProjectID, fmt.Sprintf("Project %d", i/clustersPerProject))
		}
		sim.AddCluster(list.ProjectID, list.ClusterName, atlastest.DedicatedCluster)
		for j := range jobs {
			created := now.Add(-time.Duration(j+1) * apart)
			sim.AddJobs(list, atlastest.Job{Created: created, Takes: 5 * time.Minute, TargetClusterName: "restore-drill"})
		}
		targets = append(targets, collector.Target{
			List: list, Credential: "default", Source: collector.SourceConfig, Interval: time.Minute, Timeout: 30 * time.Second,
			SweepInterval: time.Hour, StaleAfter: time.Hour,
			History:   collector.HistoryLimits{MaxAge: 400 * 24 * time.Hour, MaxJobs: 5000},
			JobSeries: collector.JobSeriesLimits{MaxAge: 72 * time.Hour, MaxPerTarget: jobsPerCluster},
		})
	}
	return sim, targets
}

var account = atlas.Credential{Name: "default", ServiceAccount: &atlas.ServiceAccount{ClientID: clientID, ClientSecret: clientSecret}}

// known is a collector.Source of what a manager has polled, without the Atlas that it was polled from. It can pretend
// that something has changed.
type known struct {
	metrics   *collector.Metrics
	snapshots []*collector.Snapshot
}

// poll returns what is known of a fleet with so many jobs that have series of their own.
func poll(ctx context.Context, jobs int) (*known, error) {
	sim, targets := newAtlas(jobs/jobsPerCluster, jobsPerCluster, 40*time.Minute)
	sim.Capacity = -1
	pipe := atlastest.NewPipe(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.Header.Del("Accept-Encoding")
		sim.ServeHTTP(w, r)
	}))
	defer pipe.Close()
	metrics := collector.NewMetrics(collector.BuildInfo{Version: "benchmark"})
	client, err := atlas.NewClient(atlas.Options{
		BaseURL: "http://atlas.test", Credential: account, DialContext: pipe.DialContext, Concurrency: 8, Observer: metrics,
	})
	if err != nil {
		return nil, err
	}
	defer client.Close()
	setup := collector.Setup{Targets: targets, Clients: map[string]collector.Client{"default": client}, Concurrency: 8}
	manager, err := collector.NewManager(setup, metrics, slog.New(slog.DiscardHandler))
	if err != nil {
		return nil, err
	}
	manager.PollOnce(ctx, func(*collector.Snapshot) {})
	k := &known{metrics: metrics, snapshots: manager.Snapshots()}
	for _, s := range k.snapshots {
		if s.Err != nil || len(s.Summary.Series) != jobsPerCluster {
			return nil, fmt.Errorf("%s: %w, %v", s.Target.ClusterName, s.Err, s.Summary)
		}
	}
	return k, nil
}

// Snapshots implements collector.Source.
func (k *known) Snapshots() []*collector.Snapshot { return k.snapshots }

// ProjectName implements collector.Source.
func (k *known) ProjectName(projectID string) string {
	return "Project " + projectID[len(projectID)-3:]
}

// change publishes news of so many targets, spread evenly.
func (k *known) change(n int) {
	k.renew(n, func(s *collector.Snapshot) {
		summary := *s.Summary
		s.Summary = &summary
	})
}

// polled publishes that every target was polled and has nothing new.
func (k *known) polled() {
	now := time.Now()
	k.renew(len(k.snapshots), func(s *collector.Snapshot) { s.LastPoll, s.LastSuccess = now, now })
}

func (k *known) renew(n int, renew func(*collector.Snapshot)) {
	snapshots := append([]*collector.Snapshot(nil), k.snapshots...)
	for i := range n {
		at := i * len(snapshots) / n
		next := *snapshots[at]
		renew(&next)
		snapshots[at] = &next
	}
	k.snapshots = snapshots
}
