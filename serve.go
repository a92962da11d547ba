package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/prometheus/exporter-toolkit/web"
	"golang.org/x/sync/errgroup"

	"atlas-restore-exporter/atlas"
	"atlas-restore-exporter/collector"
)

type serveCommand struct {
	Config configFlag `embed:""`
	Web    webFlags   `embed:"" prefix:"web."`
}

type webFlags struct {
	ListenAddress []string `help:"Address to listen on; may be repeated (default :10058, for demo localhost:10058)." placeholder:"HOST:PORT"`
	SystemdSocket bool     `help:"Take the listening socket from systemd instead."`
	ConfigFile    string   `name:"config.file" help:"Path of a file with TLS and basic authentication settings, in the format of exporter-toolkit." placeholder:"FILE"`
}

const defaultPort = "10058"

// Bounds on what whoever reaches the endpoint can make it do.
const (
	readHeaderTimeout = 10 * time.Second
	writeTimeout      = time.Minute
	idleTimeout       = 2 * time.Minute
	maxHeaderBytes    = 64 << 10
	maxScrapes        = 8 // at a time
	shutdownTimeout   = 5 * time.Second
)

// Run is `serve`.
func (s *serveCommand) Run(ctx context.Context, app *app) error {
	config, err := LoadConfig(s.Config.File)
	if err != nil {
		return err
	}
	return app.serve(ctx, config, s.Web, ":"+defaultPort, nil)
}

// serve is the composition root: configuration -> clients -> manager -> registry -> HTTP server. It returns when ctx
// ends. Nothing is asked of Atlas before the socket is bound; bound, if not nil, is told its addresses then.
func (a *app) serve(ctx context.Context, config *Config, flags webFlags, listen string, bound func(net.Addr)) error {
	for _, warning := range config.Warnings {
		a.logger.Warn("configuration", slog.String("warning", warning))
	}
	if len(flags.ListenAddress) == 0 {
		flags.ListenAddress = []string{listen}
	}
	if err := web.Validate(flags.ConfigFile); err != nil {
		return fmt.Errorf("web configuration: %w", err)
	}
	exporter, err := a.newExporter(config, nil)
	if err != nil {
		return err
	}
	defer exporter.close()

	server := &http.Server{
		Handler: exporter.handler(), ErrorLog: slog.NewLogLogger(a.logger.Handler(), slog.LevelDebug),
		ReadHeaderTimeout: readHeaderTimeout, WriteTimeout: writeTimeout, IdleTimeout: idleTimeout,
		MaxHeaderBytes: maxHeaderBytes,
	}
	group, ctx := errgroup.WithContext(ctx)
	var once sync.Once
	server.BaseContext = func(listener net.Listener) context.Context { // the socket is bound, requests are served
		once.Do(func() {
			group.Go(func() error { exporter.manager.Run(ctx); return nil })
		})
		if bound != nil {
			bound(listener.Addr())
		}
		return context.Background()
	}
	group.Go(func() error {
		err := web.ListenAndServe(server, &web.FlagConfig{
			WebListenAddresses: &flags.ListenAddress, WebSystemdSocket: &flags.SystemdSocket, WebConfigFile: &flags.ConfigFile,
		}, a.logger)
		if errors.Is(err, http.ErrServerClosed) {
			return nil
		}
		return err
	})
	group.Go(func() error {
		<-ctx.Done()
		a.logger.Info("shutting down")
		timeout, cancel := context.WithTimeout(context.WithoutCancel(ctx), shutdownTimeout)
		defer cancel()
		if server.Shutdown(timeout) != nil {
			return server.Close() // whoever is still being served has had time enough
		}
		return nil
	})
	return group.Wait()
}

// exporter is everything between a configuration and an HTTP handler.
type exporter struct {
	manager  *collector.Manager
	registry *prometheus.Registry
	clients  []*atlas.Client
	logger   *slog.Logger
	build    collector.BuildInfo
}

// newExporter builds an exporter that has not asked anything yet. Tests reach Atlas through dial.
func (a *app) newExporter(config *Config, dial func(context.Context, string, string) (net.Conn, error)) (*exporter, error) {
	var names []string
	for _, credential := range config.Credentials {
		names = append(names, credential.Name)
	}
	metrics := collector.NewMetrics(a.build, names)
	e := &exporter{registry: prometheus.NewRegistry(), logger: a.logger, build: a.build}
	clients := map[string]collector.Client{}
	for _, credential := range config.Credentials {
		client, err := atlas.NewClient(atlas.Options{
			BaseURL: config.BaseURL, Credential: credential, RootCAs: config.RootCAs, Concurrency: config.Concurrency,
			UserAgent: "atlas-restore-exporter/" + a.build.Version, DialContext: dial,
			Observer: metrics, Logger: a.logger,
		})
		if err != nil {
			return nil, err
		}
		clients[credential.Name] = client
		e.clients = append(e.clients, client)
	}
	setup := collector.Setup{Targets: config.Targets, Clients: clients, Concurrency: config.Concurrency}
	manager, err := collector.NewManager(setup, metrics, a.logger)
	if err != nil {
		return nil, err
	}
	e.manager = manager
	e.registry.MustRegister(
		collector.NewCollector(manager), metrics,
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
	)
	return e, nil
}

func (e *exporter) close() {
	for _, client := range e.clients {
		client.Close()
	}
}

// handler serves /metrics, the health endpoints and the status page.
func (e *exporter) handler() http.Handler {
	metrics := promhttp.InstrumentMetricHandler(e.registry, promhttp.HandlerFor(e.registry, promhttp.HandlerOpts{
		ErrorLog:            slog.NewLogLogger(e.logger.Handler(), slog.LevelError),
		ErrorHandling:       promhttp.ContinueOnError,
		MaxRequestsInFlight: maxScrapes,
		EnableOpenMetrics:   true,
		Registry:            e.registry,
	}))
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", metrics)
	mux.HandleFunc("GET /-/healthy", func(w http.ResponseWriter, _ *http.Request) { plain(w, http.StatusOK, "healthy") })
	mux.HandleFunc("GET /-/ready", func(w http.ResponseWriter, _ *http.Request) {
		if e.manager.Ready() {
			plain(w, http.StatusOK, "ready")
		} else {
			plain(w, http.StatusServiceUnavailable, "not every target has been polled yet")
		}
	})
	mux.Handle("GET /{$}", &statusPage{source: e.manager, build: e.build, logger: e.logger})
	return secured(mux)
}
