package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"atlas-restore-exporter/atlas"
	"atlas-restore-exporter/atlas/atlastest"
)

type demoCommand struct {
	Web webFlags `embed:"" prefix:"web."`
}

// demoInterval is how often somebody in the demo starts a restore.
const demoInterval = 20 * time.Second

// Run is `demo`: the simulator on loopback, and `serve` polling it.
func (d *demoCommand) Run(ctx context.Context, app *app) error {
	fleet := atlastest.NewFleet()
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return fmt.Errorf("simulated atlas: %w", err)
	}
	config, err := parseConfig("demo", demoConfig(fleet, "http://"+listener.Addr().String()))
	if err != nil {
		return err
	}
	server := &http.Server{
		Handler: fleet, ReadHeaderTimeout: readHeaderTimeout, ErrorLog: slog.NewLogLogger(app.logger.Handler(), slog.LevelDebug),
	}
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error {
		if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			return fmt.Errorf("simulated atlas: %w", err)
		}
		return nil
	})
	group.Go(func() error { fleet.Run(ctx, demoInterval); return nil })
	group.Go(func() error {
		defer func() { _ = server.Close() }()
		load := func() (*Config, error) { return config, nil } // there is no file
		return app.serve(ctx, config, load, d.Web, "localhost:"+defaultPort, func(addr net.Addr) {
			scheme := "http"
			if text, err := readFile(d.Web.ConfigFile, maxConfigSize); err == nil && strings.Contains(string(text), "tls_server_config") {
				scheme = "https"
			}
			address := browsable(addr)
			_, _ = fmt.Fprintf(app.stdout, "\nA simulated Atlas with %d lists of restore jobs is being polled. Open\n\n"+
				"  %s://%s/         the status page\n  %s://%s/metrics  what Prometheus scrapes\n\nStop with Ctrl+C.\n\n",
				len(fleet.Lists), scheme, address, scheme, address)
		})
	})
	return group.Wait()
}

// browsable returns an address that a browser on this machine can open.
func browsable(addr net.Addr) string {
	host, port, err := net.SplitHostPort(addr.String())
	if err != nil {
		return addr.String()
	}
	if ip := net.ParseIP(host); ip != nil && (ip.IsUnspecified() || ip.IsLoopback()) {
		host = "localhost"
	}
	return net.JoinHostPort(host, port)
}

// demoConfig returns the configuration file that a user of the fleet would write: what can't be found is named.
func demoConfig(fleet *atlastest.Fleet, baseURL string) []byte {
	var text strings.Builder
	_, _ = fmt.Fprintf(&text, "atlas: {base_url: %q}\n", baseURL)
	_, _ = fmt.Fprintf(&text, "credentials:\n  demo:\n    service_account: {client_id: %s, client_secret: %s}\n",
		atlastest.FleetClientID, atlastest.FleetClientSecret)
	_, _ = fmt.Fprintf(&text, "objectives: {duration: 4h, drill_age: 90d}\nallowed_targets: [{project_id: %q}, {project_id: %q}]\n",
		atlastest.FleetPayments, atlastest.FleetAnalytics)
	text.WriteString("polling: {interval: 5s}\ndiscovery: {interval: 30s}\nprojects:\n  - discovery: {exclude: ^archive}\n")
	project := ""
	for _, list := range fleet.Lists {
		if list.BackupType == atlas.Dedicated || list.BackupType == atlas.Flex {
			continue // they are found
		}
		if list.ProjectID != project {
			project = list.ProjectID
			_, _ = fmt.Fprintf(&text, "  - id: %q\n    clusters:\n", project)
		}
		_, _ = fmt.Fprintf(&text, "      - {name: %s, backup_types: [%s]}\n", list.ClusterName, list.BackupType)
	}
	return []byte(text.String())
}
