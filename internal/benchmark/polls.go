package main

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"syscall"
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
// credentials.
func polls(ctx context.Context) error {
	const clusters, concurrency, rounds = 1000, 8, 3
	key := atlas.Credential{Name: "default", APIKey: &atlas.APIKey{PublicKey: keyPublic, PrivateKey: keyPrivate}}
	table("credential", "round", "requests", "seconds",
		"relative to requests x latency / concurrency", "new connections", "CPU seconds, simulator included")
	for name, credential := range map[string]atlas.Credential{"service account": serviceAccount, "API key": key} {
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
		manager, err := newManager(targets, client, collector.NewExporter(collector.BuildInfo{}))
		if err != nil {
			return err
		}
		for round := range rounds {
			connections = 0
			sim.ForgetRequests()
			start, cpu := time.Now(), cpuTime()
			manager.PollOnce(ctx, func(*poll.Snapshot) {})
			took, requests := time.Since(start), len(sim.Requests(nil))
			ideal := time.Duration(requests) * latency / concurrency
			row(name, round+1, requests, fmt.Sprintf("%.2f", took.Seconds()),
				fmt.Sprintf("%.2f", took.Seconds()/ideal.Seconds()), connections, fmt.Sprintf("%.2f", (cpuTime()-cpu).Seconds()))
		}
		client.Close()
		server.Close()
	}
	return nil
}

// cpuTime returns the CPU time that the process has used.
func cpuTime() time.Duration {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		panic(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}
