package main

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"time"

	"atlas-restore-exporter/atlas"
	"atlas-restore-exporter/atlas/atlastest"
	"atlas-restore-exporter/collector"
	"atlas-restore-exporter/collector/poll"
)

const (
	latency = 20 * time.Millisecond
	week    = 7 * 24 * time.Hour
)

// slow delays each response by the latency of a distant Atlas API.
func slow(sim *atlastest.Server) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		time.Sleep(latency)
		sim.ServeHTTP(w, r)
	})
}

// polls measures rounds of polls of 1,000 clusters with 50 jobs each, at most 8 concurrently, for both kinds of
// credentials. The minimum of a round is the latency of its requests.
func polls(ctx context.Context) (figures, error) {
	const clusters, concurrency, rounds = 1000, 8, 3
	key := atlas.Credential{Name: "default", APIKey: &atlas.APIKey{PublicKey: keyPublic, PrivateKey: keyPrivate}}
	var fastest, slowest float64
	var requests, connections int // of all rounds but the first
	for _, credential := range []atlas.Credential{serviceAccount, key} {
		sim, targets := newAtlas(clusters, 50, week)
		sim.Capacity = -1
		opened := 0
		server := httptest.NewUnstartedServer(slow(sim))
		server.Config.ConnState = func(_ net.Conn, state http.ConnState) {
			if state == http.StateNew {
				opened++
			}
		}
		server.Start()
		client, err := atlas.NewClient(atlas.Options{BaseURL: server.URL, Credential: credential, Concurrency: concurrency})
		if err != nil {
			return nil, err
		}
		manager, err := newManager(targets, client, collector.NewExporter(collector.BuildInfo{}))
		if err != nil {
			return nil, err
		}
		for round := range rounds {
			opened = 0
			sim.ForgetRequests()
			start := time.Now()
			manager.PollOnce(ctx, func(*poll.Snapshot) {})
			took, sent := time.Since(start), len(sim.Requests(nil))
			minimum := time.Duration(sent) * latency / concurrency
			ratio := took.Seconds() / minimum.Seconds()
			slowest = max(slowest, ratio)
			if fastest == 0 || ratio < fastest {
				fastest = ratio
			}
			if round > 0 {
				requests, connections = requests+sent, connections+opened
			}
		}
		client.Close()
		server.Close()
	}
	return figures{
		"fastest round relative to the minimum":     fastest,
		"slowest round relative to the minimum":     slowest,
		"requests per target after the first round": float64(requests) / clusters / (rounds - 1) / 2,
		"new connections after the first round":     float64(connections),
	}, nil
}
