// Package demo serves an exporter that polls a simulated Atlas organization. It needs no credentials.
package demo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"atlas-restore-exporter/atlas"
	"atlas-restore-exporter/internal/config"
	"atlas-restore-exporter/internal/server"
)

// jobInterval is the time between two restore jobs that are created while the demo runs.
const jobInterval = 20 * time.Second

// Run serves the simulated Atlas API on a loopback address, and an exporter that polls it, until ctx ends. After the
// exporter listens, Run prints its URLs to stdout.
func Run(ctx context.Context, stdout io.Writer, options server.Options) error {
	organization := newOrganization()
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return fmt.Errorf("simulated atlas api: %w", err)
	}
	cfg, err := config.Parse("demo", configFile(organization, "http://"+listener.Addr().String()))
	if err != nil {
		_ = listener.Close()
		return err
	}
	options.Load = func() (*config.Config, error) { return cfg, nil } // a reload changes nothing
	options.Demo = true
	options.Routes = map[string]http.Handler{
		"GET /report": &reportHandler{config: cfg, organization: organization, options: options},
	}
	options.OnListen = func(address net.Addr) { printURLs(stdout, len(organization.lists), address, options) }
	api := &http.Server{
		Handler:           organization,
		ReadHeaderTimeout: 10 * time.Second,
		ErrorLog:          slog.NewLogLogger(options.Logger.Handler(), slog.LevelDebug),
	}
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error {
		if err := api.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			return fmt.Errorf("simulated atlas api: %w", err)
		}
		return nil
	})
	group.Go(func() error {
		organization.createJobs(ctx, jobInterval)
		return nil
	})
	group.Go(func() error {
		defer func() { _ = api.Close() }()
		return server.Run(ctx, cfg, options)
	})
	return group.Wait()
}

func printURLs(stdout io.Writer, targets int, address net.Addr, options server.Options) {
	scheme := "http"
	text, err := config.ReadFile(options.WebConfigFile, config.MaxFileSize)
	if err == nil && strings.Contains(string(text), "tls_server_config") {
		scheme = "https"
	}
	base := scheme + "://" + browserAddress(address)
	_, _ = fmt.Fprintf(stdout, "\nPolling %d targets of a simulated Atlas organization. Open\n\n"+
		"  %s/         status page\n  %s/metrics  metrics\n  %s/report   report about the restores of the last 92 days\n\n"+
		"Press Ctrl+C to stop.\n\n", targets, base, base, base)
}

// browserAddress returns the address that a browser on this machine can open.
func browserAddress(address net.Addr) string {
	host, port, err := net.SplitHostPort(address.String())
	if err != nil {
		return address.String()
	}
	if ip := net.ParseIP(host); ip != nil && (ip.IsUnspecified() || ip.IsLoopback()) {
		host = "localhost"
	}
	return net.JoinHostPort(host, port)
}

// credentialDays is the number of days until the credential expires.
const credentialDays = 10

// settings is the format of the first part of the configuration file.
const settings = `name: demo
atlas: {base_url: %q}
credentials: {demo: {service_account: {client_id: %s, client_secret: %s}, expires: %s}}
objectives: {duration: 4h, drill_age: 90d, recovery_point_age: 2d, expiry_notice: 1h}
allowed_targets: [{project_id: %q}, {project_id: %q}, {project_id: %q}]
drill_targets:
  - {project_id: %q, cluster_names: [restore-drill]}
  - {project_id: %q, cluster_names: [restore-drill]}
tag_labels: {team: team, environment: env}
polling: {interval: 5s}
discovery: {interval: 30s}
projects:
  - {name_exclude: ^Compliance$, discovery: {}}
`

// configFile returns a configuration file for the organization, as a user would write it: discovery finds the dedicated
// and Flex clusters of all projects but one, and the file names the other targets.
func configFile(organization *organization, baseURL string) []byte {
	var text strings.Builder
	_, _ = fmt.Fprintf(&text, settings, baseURL, clientID, clientSecret,
		time.Now().UTC().AddDate(0, 0, credentialDays).Format(time.DateOnly),
		paymentsID, analyticsID, complianceID, paymentsID, analyticsID)
	project := ""
	for _, list := range organization.lists {
		if list.BackupType == atlas.Dedicated || list.BackupType == atlas.Flex {
			continue
		}
		if list.ProjectID != project {
			project = list.ProjectID
			_, _ = fmt.Fprintf(&text, "  - id: %q\n", project)
			if project == complianceID {
				text.WriteString("    labels: {team: compliance}\n")
			}
			text.WriteString("    clusters:\n")
		}
		_, _ = fmt.Fprintf(&text, "      - {name: %s, backup_types: [%s]}\n", list.ClusterName, list.BackupType)
	}
	return []byte(text.String())
}
