package server

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"

	"atlas-restore-exporter/collector"
	"atlas-restore-exporter/internal/config"
	"atlas-restore-exporter/internal/connlimit"
)

// Limits of the HTTP server.
const (
	readTimeout     = 10 * time.Second
	writeTimeout    = time.Minute
	idleTimeout     = 30 * time.Second
	maxHeaderBytes  = 64 << 10
	shutdownTimeout = 5 * time.Second

	// Limits of an HTTP/2 connection. Prometheus uses one stream, and a browser a few.
	maxStreams      = 16
	http2PingPeriod = 15 * time.Second
)

// Options are the settings of an exporter that are not part of its configuration file.
type Options struct {
	ListenAddresses []string
	SystemdSocket   bool   // use the listening sockets that systemd passes, instead of ListenAddresses
	WebConfigFile   string // path of the TLS and basic authentication settings, in the format of exporter-toolkit
	EnableLifecycle bool   // allow POST /-/reload
	ExternalURL     string // under which users reach the exporter, without a trailing slash; empty if not set

	Demo bool // the exporter polls a simulated organization; the status page has a banner

	Build  collector.BuildInfo
	Logger *slog.Logger

	// ConfigFile is the path of the configuration file. It is only logged.
	ConfigFile string
	// DroppedLogMessages returns the number of dropped log messages. If nil, it is 0.
	DroppedLogMessages func() uint64
	// Load loads the configuration again for a reload.
	Load func() (*config.Config, error)
	// ReloadSignals triggers a reload for each signal; if nil, no signal does. The caller registers the signals before it
	// loads the configuration, so that an early signal neither ends the process nor is lost.
	ReloadSignals <-chan os.Signal

	// Routes are further handlers by pattern. The demo has some.
	Routes map[string]http.Handler
	// OnListen, if not nil, is called with the address of each socket after it is bound.
	OnListen func(net.Addr)
	// MaxConnections is the connection limit of the endpoint. If zero, it depends on the limit of file descriptors.
	MaxConnections int
	// ReadTimeout bounds the time for a request. If zero, a default applies.
	ReadTimeout time.Duration
	// DialContext opens the connections to Atlas. If nil, the net package does.
	DialContext func(ctx context.Context, network, address string) (net.Conn, error)
}

// Run builds the exporter and serves it until ctx ends, or returns an error. It sends no request to Atlas before all
// sockets are bound.
func Run(ctx context.Context, cfg *config.Config, options Options) error {
	logger := options.Logger
	logStart(cfg, options)
	logWarnings(logger, cfg)
	exporter, err := New(cfg, options)
	if err != nil {
		return err
	}
	defer exporter.Close()
	var web *webConfig
	if options.WebConfigFile != "" {
		report := func(err error) { exporter.reloaded(webConfiguration, err, err == nil) }
		if web, err = newWebConfig(options.WebConfigFile, logger, report); err != nil {
			return err
		}
	}

	reloader := newReloader(exporter, options)
	var reloadHandler http.Handler
	if options.EnableLifecycle {
		reloadHandler = reloader
	}
	server := newHTTPServer(exporter.Handler(reloadHandler), options)
	group, groupCtx := errgroup.WithContext(ctx)
	start := sync.OnceFunc(func() {
		group.Go(func() error { exporter.manager.Run(groupCtx); return nil })
		group.Go(func() error { reloader.run(groupCtx); return nil })
		if web != nil {
			go web.run(groupCtx) // not in the group, because reading a file can take its timeout
		}
	})
	// net/http calls BaseContext once for each listener, after all sockets are bound.
	server.BaseContext = func(listener net.Listener) context.Context {
		start()
		if options.OnListen != nil {
			options.OnListen(listener.Addr())
		}
		return context.Background()
	}
	group.Go(func() error { return listenAndServe(server, web, exporter.connections, options) })
	group.Go(func() error {
		<-groupCtx.Done()
		if ctx.Err() != nil { // otherwise the server failed, and Run returns its error
			logger.Info("shutting down")
		}
		return shutDown(server)
	})
	return group.Wait()
}

func newHTTPServer(handler http.Handler, options Options) *http.Server {
	return &http.Server{
		Handler:  handler,
		ErrorLog: slog.NewLogLogger(options.Logger.Handler(), slog.LevelDebug),

		ReadTimeout:       cmp.Or(options.ReadTimeout, readTimeout),
		ReadHeaderTimeout: cmp.Or(options.ReadTimeout, readTimeout),
		WriteTimeout:      writeTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeaderBytes,
		HTTP2: &http.HTTP2Config{
			MaxConcurrentStreams: maxStreams,
			SendPingTimeout:      http2PingPeriod,
			PingTimeout:          http2PingPeriod,
			WriteByteTimeout:     http2PingPeriod,
		},
	}
}

// listenAndServe serves all listeners within the connection limit until the server is shut down. Without a web
// configuration, web is nil.
func listenAndServe(server *http.Server, web *webConfig, connections *connlimit.Limiter, options Options) error {
	listeners, err := listen(options)
	if err != nil {
		return err
	}
	for i, listener := range listeners {
		listeners[i] = connections.Listen(listener)
	}
	if web == nil {
		return serveAll(listeners, server.Serve, options.Logger, false)
	}
	return web.serve(server, listeners)
}

// listen binds all addresses, or returns the sockets that systemd passes.
func listen(options Options) ([]net.Listener, error) {
	if options.SystemdSocket {
		return systemdListeners()
	}
	var listeners []net.Listener
	for _, address := range options.ListenAddresses {
		listener, err := (&net.ListenConfig{}).Listen(context.Background(), "tcp", address)
		if err != nil {
			for _, bound := range listeners {
				_ = bound.Close()
			}
			return nil, listenError(address, err)
		}
		listeners = append(listeners, listener)
	}
	return listeners, nil
}

// listenError explains the usual reasons for which an address can't be bound.
func listenError(address string, err error) error {
	const action = "set another address with --web.listen-address"
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return fmt.Errorf("can't listen on %s: another process uses the port; %s", address, action)
	case errors.Is(err, syscall.EACCES):
		return fmt.Errorf("can't listen on %s: ports below 1024 require privileges; %s", address, action)
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		return fmt.Errorf("can't listen on %s: this machine doesn't have the address; %s", address, action)
	}
	return fmt.Errorf("can't listen on %s: %w; %s", address, err, action)
}

// shutDown waits for the requests in progress, and closes their connections after the shutdown timeout.
func shutDown(server *http.Server) error {
	ctx, cancel := context.WithTimeout(context.Background(), shutdownTimeout)
	defer cancel()
	if server.Shutdown(ctx) != nil {
		return server.Close()
	}
	return nil
}

// logStart logs the line that a bug report should contain.
func logStart(cfg *config.Config, options Options) {
	addresses := slog.Any("listen_addresses", options.ListenAddresses)
	if options.SystemdSocket {
		addresses = slog.String("listen_addresses", "systemd socket")
	}
	options.Logger.Info("starting",
		slog.String("version", options.Build.Version),
		slog.String("revision", options.Build.Revision),
		slog.String("go_version", options.Build.GoVersion),
		slog.String("config_file", options.ConfigFile),
		slog.String("shard", cfg.Shard.String()),
		addresses,
	)
}

func logWarnings(logger *slog.Logger, cfg *config.Config) {
	for _, warning := range cfg.Warnings {
		logger.Warn("configuration warning", slog.String("warning", warning))
	}
}
