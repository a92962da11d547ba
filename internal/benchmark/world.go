package main

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"time"

	"atlas-restore-exporter/atlas"
	"atlas-restore-exporter/atlas/atlastest"
	"atlas-restore-exporter/collector"
	"atlas-restore-exporter/collector/history"
	"atlas-restore-exporter/collector/poll"
)

const (
	clientID, clientSecret = "id", "secret"
	keyPublic, keyPrivate  = "abcdefgh", "secret"
	jobsPerCluster         = 50 // the default number of jobs of a target with per-job series
	clustersPerProject     = 10
)

// newAtlas returns a simulated Atlas API with a number of clusters and of jobs for each, and its targets. The jobs of a
// cluster are apart by the given time.
func newAtlas(clusters, jobs int, apart time.Duration) (*atlastest.Server, []poll.Target) {
	sim := atlastest.New()
	sim.AddServiceAccount(clientID, clientSecret)
	sim.AddAPIKey(keyPublic, keyPrivate)
	now := time.Now()
	var targets []poll.Target
	for i := range clusters {
		list := atlas.List{
			ProjectID: fmt.Sprintf("%024x", i/clustersPerProject+1), ClusterName: fmt.Sprintf("cluster-%04d", i),
			BackupType: atlas.Dedicated,
		}
		if i%clustersPerProject == 0 {
			sim.AddProject(list.ProjectID, fmt.Sprintf("Project %d", i/clustersPerProject))
		}
		sim.AddCluster(list.ProjectID, list.ClusterName, atlastest.DedicatedCluster)
		for j := range jobs {
			created := now.Add(-time.Duration(j+1) * apart)
			sim.AddJobs(list, atlastest.Job{Created: created, Takes: 5 * time.Minute, TargetClusterName: "restore-drill"})
		}
		targets = append(targets, newTarget(list))
	}
	return sim, targets
}

func newTarget(list atlas.List) poll.Target {
	return poll.Target{
		List: list, Credential: "default", Source: poll.SourceConfig, Interval: time.Minute, Timeout: 30 * time.Second,
		FullPollInterval: time.Hour, StaleAfter: time.Hour,
		Policy: history.Policy{
			Limits:    history.Limits{MaxAge: 400 * 24 * time.Hour, MaxJobs: 5000},
			JobSeries: history.SeriesLimits{MaxAge: 72 * time.Hour, MaxPerTarget: jobsPerCluster},
		},
	}
}

var serviceAccount = atlas.Credential{
	Name: "default", ServiceAccount: &atlas.ServiceAccount{ClientID: clientID, ClientSecret: clientSecret},
}

// newManager returns a manager that polls targets with a client.
func newManager(targets []poll.Target, client poll.Client, exporter *collector.Exporter) (*poll.Manager, error) {
	config := poll.Config{Targets: targets, Clients: map[string]poll.Client{"default": client}, Concurrency: 8}
	return poll.NewManager(config, exporter, slog.New(slog.DiscardHandler))
}

// polledFleet is a collector.Source of targets that were polled once. It can pretend that something has changed. Like
// an exporter, it keeps the manager, and so the history of each target.
type polledFleet struct {
	exporter *collector.Exporter
	manager  *poll.Manager
	states   []poll.State
}

// newPolledFleet polls a simulated Atlas API with a number of jobs, all of which have per-job series.
func newPolledFleet(ctx context.Context, jobs int) (*polledFleet, error) {
	sim, targets := newAtlas(jobs/jobsPerCluster, jobsPerCluster, 40*time.Minute)
	sim.Capacity = -1
	pipe := atlastest.NewPipe(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.Header.Del("Accept-Encoding")
		sim.ServeHTTP(w, r)
	}))
	defer pipe.Close()
	exporter := collector.NewExporter(collector.BuildInfo{Version: "benchmark"})
	client, err := atlas.NewClient(atlas.Options{
		BaseURL: "http://atlas.test", Credential: serviceAccount, DialContext: pipe.DialContext, Concurrency: 8,
		Observer: exporter,
	})
	if err != nil {
		return nil, err
	}
	defer client.Close()
	connected := &disconnectable{client}
	manager, err := newManager(targets, connected, exporter)
	if err != nil {
		return nil, err
	}
	manager.PollOnce(ctx, func(*poll.Snapshot) {})
	connected.Client = nil // otherwise, the manager would keep the simulated Atlas API in memory
	fleet := &polledFleet{exporter: exporter, manager: manager, states: manager.States()}
	for _, s := range fleet.states {
		if s.Err != nil || len(s.Summary.Series) != jobsPerCluster {
			return nil, fmt.Errorf("polling %s: unexpected result %+v: %w", s.Target.ClusterName, s.Summary, s.Err)
		}
	}
	return fleet, nil
}

type disconnectable struct{ poll.Client }

// States implements collector.Source.
func (f *polledFleet) States() []poll.State { return f.states }

// publishSummaries publishes new summaries of n targets, spread evenly.
func (f *polledFleet) publishSummaries(n int) {
	f.publish(n, func(s *poll.Snapshot) {
		summary := *s.Summary
		s.Summary = &summary
	})
}

// publishTimes publishes that all targets were polled without news.
func (f *polledFleet) publishTimes() {
	now := time.Now()
	f.publish(len(f.states), func(s *poll.Snapshot) { s.LastPoll, s.LastSuccess = now, now })
}

// publish replaces the snapshots of n targets, spread evenly, by changed copies.
func (f *polledFleet) publish(n int, change func(*poll.Snapshot)) {
	states := slices.Clone(f.states)
	for i := range n {
		at := i * len(states) / n
		next := *states[at].Snapshot
		change(&next)
		states[at].Snapshot = &next
	}
	f.states = states
}
