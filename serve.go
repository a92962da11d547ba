package main

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"reflect"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/prometheus/exporter-toolkit/web"
	"golang.org/x/sync/errgroup"
	"golang.org/x/sync/semaphore"

	"atlas-restore-exporter/atlas"
	"atlas-restore-exporter/collector"
)

type serveCommand struct {
	Config configFlag `embed:""`
	Shard  shardFlag  `help:"Poll only a part of the clusters: part I, from 0, of N." placeholder:"I/N"`
	Web    webFlags   `embed:"" prefix:"web."`
}

// shardFlag is written as I/N.
type shardFlag collector.Shard

// UnmarshalText reads a shard. I may be a name that ends in the number, as those of a StatefulSet's pods do.
func (s *shardFlag) UnmarshalText(text []byte) error {
	index, count, ok := strings.Cut(string(text), "/")
	i, err1 := strconv.ParseUint(index[strings.LastIndex(index, "-")+1:], 10, 16)
	n, err2 := strconv.ParseUint(count, 10, 16)
	if !ok || err1 != nil || err2 != nil || i >= n {
		return errors.New("want I/N: part I, from 0, of N")
	}
	s.Index, s.Count = int(i), int(n)
	return nil
}

type webFlags struct {
	ListenAddress   []string `help:"Address to listen on; may be repeated (default :10058, for demo localhost:10058)." placeholder:"HOST:PORT"`
	SystemdSocket   bool     `help:"Take the listening socket from systemd instead."`
	EnableLifecycle bool     `help:"Allow POST /-/reload."`
	ConfigFile      string   `name:"config.file" help:"Path of a file with TLS and basic authentication settings, in the format of exporter-toolkit." placeholder:"FILE"`
}

const defaultPort = "10058"

// Bounds on what whoever reaches the endpoint can make it do.
const (
	readHeaderTimeout = 10 * time.Second
	writeTimeout      = time.Minute
	idleTimeout       = 2 * time.Minute
	maxHeaderBytes    = 64 << 10
	maxScrapes        = 8 // at a time, of those that are made one by one
	maxPages          = 8 // of the status at a time
	shutdownTimeout   = 5 * time.Second
)

// Run is `serve`.
func (s *serveCommand) Run(ctx context.Context, app *app) error {
	load := func() (*Config, error) {
		config, err := LoadConfig(s.Config.File)
		if err == nil {
			config.Shard = collector.Shard(s.Shard)
		}
		return config, err
	}
	config, err := load()
	if err != nil {
		return err
	}
	return app.serve(ctx, config, load, s.Web, ":"+defaultPort, nil)
}

// serve is the composition root: configuration -> clients -> manager -> registry -> HTTP server. It returns when ctx
// ends. Nothing is asked of Atlas before the socket is bound; bound, if not nil, is told its addresses then. load reads
// the configuration anew.
func (a *app) serve(
	ctx context.Context, config *Config, load func() (*Config, error), flags webFlags, listen string, bound func(net.Addr),
) error {
	logWarnings(a.logger, config)
	if len(flags.ListenAddress) == 0 {
		flags.ListenAddress = []string{listen}
	}
	if err := validateWebConfig(flags.ConfigFile); err != nil {
		return err
	}
	exporter, err := a.newExporter(config, nil)
	if err != nil {
		return err
	}
	defer exporter.close()

	reloader := newReloader(exporter, load, a.logger)
	server := &http.Server{
		Handler: exporter.handler(flags.EnableLifecycle, reloader), ErrorLog: slog.NewLogLogger(a.logger.Handler(), slog.LevelDebug),
		ReadTimeout: cmp.Or(a.readTimeout, readHeaderTimeout), ReadHeaderTimeout: cmp.Or(a.readTimeout, readHeaderTimeout),
		WriteTimeout: cmp.Or(a.writeTimeout, writeTimeout), IdleTimeout: idleTimeout, MaxHeaderBytes: maxHeaderBytes,
	}
	group, ctx := errgroup.WithContext(ctx)
	var once sync.Once
	server.BaseContext = func(listener net.Listener) context.Context { // the socket is bound, requests are served
		once.Do(func() {
			group.Go(func() error { exporter.manager.Run(ctx); return nil })
			group.Go(func() error { reloader.run(ctx); return nil })
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
	manager *collector.Manager
	metrics *collector.Metrics
	live    *prometheus.Registry // of everything but the targets
	targets *prometheus.Registry
	logger  *slog.Logger
	build   collector.BuildInfo
	dial    func(context.Context, string, string) (net.Conn, error)

	config  *Config                  // in use
	clients map[string]*atlas.Client // by name of the credential
}

// newExporter builds an exporter that has not asked anything yet. Tests reach Atlas through dial.
func (a *app) newExporter(config *Config, dial func(context.Context, string, string) (net.Conn, error)) (*exporter, error) {
	e := &exporter{
		metrics: collector.NewMetrics(a.build), live: prometheus.NewRegistry(), targets: prometheus.NewRegistry(),
		logger: a.logger, build: a.build, dial: dial,
	}
	manager, err := collector.NewManager(collector.Setup{}, e.metrics, a.logger)
	if err != nil {
		return nil, err
	}
	e.manager = manager
	e.targets.MustRegister(collector.NewCollector(manager))
	e.live.MustRegister(
		e.metrics, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
	)
	return e, e.apply(config)
}

// apply puts a configuration into use. Clients of credentials that stay the same stay, with their tokens and budgets.
func (e *exporter) apply(config *Config) error {
	clients, setup := map[string]*atlas.Client{}, map[string]collector.Client{}
	var names []string
	for _, credential := range config.Credentials {
		client, err := e.client(config, credential)
		if err != nil {
			return err
		}
		clients[credential.Name], setup[credential.Name] = client, client
		names = append(names, credential.Name)
	}
	e.metrics.SetCredentials(names)
	err := e.manager.Apply(collector.Setup{
		Targets: config.Targets, Discoveries: config.Discoveries, DiscoveryInterval: config.DiscoveryInterval,
		Shard: config.Shard, Clients: setup, Concurrency: config.Concurrency,
	})
	if err != nil {
		return err
	}
	for name, old := range e.clients {
		if clients[name] != old {
			old.Close()
		}
	}
	e.config, e.clients = config, clients
	return nil
}

// client returns the client of a credential: the one that there is, if nothing of it has changed.
func (e *exporter) client(config *Config, credential atlas.Credential) (*atlas.Client, error) {
	if old := e.config; old != nil && old.BaseURL == config.BaseURL && old.CAs == config.CAs &&
		old.Concurrency == config.Concurrency && old.Reserve == config.Reserve {
		for _, before := range old.Credentials {
			if reflect.DeepEqual(before, credential) {
				return e.clients[credential.Name], nil
			}
		}
	}
	return atlas.NewClient(atlas.Options{
		BaseURL: config.BaseURL, Credential: credential, RootCAs: config.RootCAs, Concurrency: config.Concurrency, Reserve: config.Reserve,
		UserAgent: "atlas-restore-exporter/" + e.build.Version, DialContext: e.dial, Observer: e.metrics, Logger: e.logger,
	})
}

func (e *exporter) close() {
	for _, client := range e.clients {
		client.Close()
	}
}

func logWarnings(logger *slog.Logger, config *Config) {
	for _, warning := range config.Warnings {
		logger.Warn("configuration", slog.String("warning", warning))
	}
}

// handler serves /metrics, the health endpoints, the status page and, if it is allowed, the way to reload.
func (e *exporter) handler(lifecycle bool, reload http.Handler) http.Handler {
	standard := promhttp.HandlerFor(prometheus.Gatherers{e.live, e.targets}, promhttp.HandlerOpts{
		ErrorLog:          slog.NewLogLogger(e.logger.Handler(), slog.LevelError),
		ErrorHandling:     promhttp.ContinueOnError,
		EnableOpenMetrics: true,
		Registry:          e.live,
	})
	// What the exposition sends is the same for everybody: only what is made for one scrape is bounded in number.
	exposition := collector.NewExposition(e.manager, e.live, limited(maxScrapes, standard), e.logger)
	metrics := promhttp.InstrumentMetricHandler(e.live, exposition)
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
	if !lifecycle {
		reload = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			plain(w, http.StatusForbidden, "reloading by request is not enabled: start with --web.enable-lifecycle, or send SIGHUP")
		})
	}
	mux.Handle("POST /-/reload", reload)
	mux.Handle("GET /{$}", limited(maxPages, &statusPage{source: e.manager, build: e.build, logger: e.logger}))
	return secured(contained(e.logger, mux))
}

// limited serves so many requests at a time, and refuses others.
func limited(most int64, next http.Handler) http.Handler {
	slots := semaphore.NewWeighted(most)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !slots.TryAcquire(1) {
			plain(w, http.StatusServiceUnavailable, "too many requests at a time")
			return
		}
		defer slots.Release(1)
		next.ServeHTTP(w, r)
	})
}
