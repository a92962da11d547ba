package main

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"syscall"
	"time"

	"atlas-restore-exporter/atlas"
	"atlas-restore-exporter/atlas/atlastest"
	"atlas-restore-exporter/collector"
)

const (
	latency = 20 * time.Millisecond
	week    = 7 * 24 * time.Hour
)

// slow answers as an Atlas does that is some way off.
func slow(sim *atlastest.Server) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		time.Sleep(latency)
		sim.ServeHTTP(w, r)
	})
}

// polls polls 1,000 clusters of 50 jobs, 8 at a time, in several rounds, with both kinds of credentials.
func polls(ctx context.Context) error {
	const clusters, concurrency, rounds = 1000, 8, 3
	key := atlas.Credential{Name: "default", APIKey: &atlas.APIKey{PublicKey: keyPublic, PrivateKey: keyPrivate}}
	table("credential", "round", "requests", "seconds", "against requests x latency / concurrency", "new connections", "CPU seconds, simulator included")
	for name, credential := range map[string]atlas.Credential{"service account": account, "API key": key} {
		sim, targets := newAtlas(clusters, 50, week)
		sim.Capacity = -1
		connections := 0
		server := httptest.NewUnstartedServer(slow(sim))
		server.Config.ConnState = func(_ net.Conn, state http.ConnState) {
			if state == http.StateNew {
				connections++
			}
		}
		server.Start()
		client, err := atlas.NewClient(atlas.Options{BaseURL: server.URL, Credential: credential, Concurrency: concurrency})
		if err != nil {
			return err
		}
		manager, err := collector.NewManager(collector.Setup{
			Targets: targets, Clients: map[string]collector.Client{"default": client}, Concurrency: concurrency,
		}, collector.NewMetrics(collector.BuildInfo{}), slog.New(slog.DiscardHandler))
		if err != nil {
			return err
		}
		for round := range rounds {
			connections = 0
			sim.ForgetRequests()
			start, cpu := time.Now(), cpuTime()
			manager.PollOnce(ctx, func(*collector.Snapshot) {})
			took, requests := time.Since(start), len(sim.Requests(nil))
			ideal := time.Duration(requests) * latency / concurrency
			row(name, round+1, requests, fmt.Sprintf("%.2f", took.Seconds()), fmt.Sprintf("%.2f", took.Seconds()/ideal.Seconds()),
				connections, fmt.Sprintf("%.2f", (cpuTime()-cpu).Seconds()))
		}
		client.Close()
		server.Close()
	}
	return nil
}

// cpuTime returns what the process has used.
func cpuTime() time.Duration {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		panic(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}
