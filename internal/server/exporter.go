package server

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"atlas-restore-exporter/atlas"
	"atlas-restore-exporter/collector"
	"atlas-restore-exporter/collector/poll"
	"atlas-restore-exporter/internal/config"
	"atlas-restore-exporter/internal/connlimit"
)

// Exporter polls the targets of a configuration and exports their metrics. Its methods can be called concurrently.
type Exporter struct {
	options     Options
	manager     *poll.Manager
	metrics     *collector.Exporter
	connections *connlimit.Limiter   // of the endpoint
	live        *prometheus.Registry // gathered for every scrape: everything except the metrics of targets
	targets     *prometheus.Registry // metrics of targets, for scrapes that the cached exposition can't serve

	active atomic.Pointer[config.Config] // the active configuration; scrapes read it while a reload holds mu

	reloads reloadResults

	mu      sync.Mutex               // held while a configuration is applied
	clients map[string]*atlas.Client // by name of the credential
}

// New builds an exporter. It polls nothing before its manager runs.
func New(cfg *config.Config, options Options) (*Exporter, error) {
	e := &Exporter{
		options:     options,
		metrics:     collector.NewExporter(options.Build),
		connections: connlimit.New(cmp.Or(options.MaxConnections, connlimit.Default())),
		live:        prometheus.NewRegistry(),
		targets:     prometheus.NewRegistry(),
		reloads:     reloadResults{failed: map[string]bool{}, errors: map[string]string{}},
	}
	clients, err := e.newClients(cfg)
	if err != nil {
		return nil, err
	}
	e.manager, err = poll.NewManager(cfg.Poll(pollClients(clients)), e.metrics, options.Logger)
	if err != nil {
		return nil, err
	}
	e.clients = clients
	e.active.Store(cfg)
	e.targets.MustRegister(collector.NewCollector(e.manager))
	e.live.MustRegister(
		e.metrics, collector.NewStateCollector(e.manager, e.metrics, collector.Process{
			Settings: e.settings, RejectedConnections: e.connections.Rejected, DroppedLogMessages: options.DroppedLogMessages,
		}),
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
	)
	return e, nil
}

// Manager returns the manager of the targets.
func (e *Exporter) Manager() *poll.Manager { return e.manager }

// Apply replaces the active configuration, or returns an error and keeps it. Credentials that did not change keep their
// clients, with their tokens and rate limits.
func (e *Exporter) Apply(cfg *config.Config) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	clients, err := e.newClients(cfg)
	if err != nil {
		return err
	}
	if err := e.manager.Apply(cfg.Poll(pollClients(clients))); err != nil {
		return err
	}
	for name, old := range e.clients {
		if clients[name] != old {
			old.Close()
		}
	}
	e.clients = clients
	e.active.Store(cfg)
	return nil
}

// newClients returns a client for each credential. The caller must hold e.mu, except in New.
func (e *Exporter) newClients(cfg *config.Config) (map[string]*atlas.Client, error) {
	clients := map[string]*atlas.Client{}
	for _, credential := range cfg.Credentials {
		if cfg.SameClient(e.active.Load(), credential) {
			clients[credential.Name] = e.clients[credential.Name]
			continue
		}
		options := cfg.ClientOptions(credential)
		options.UserAgent = "atlas-restore-exporter/" + e.options.Build.Version
		options.DialContext, options.Observer, options.Logger = e.options.DialContext, e.metrics, e.options.Logger
		options.Previous = e.clients[credential.Name]
		client, err := atlas.NewClient(options)
		if err != nil {
			return nil, err
		}
		clients[credential.Name] = client
	}
	return clients, nil
}

func pollClients(clients map[string]*atlas.Client) map[string]poll.Client {
	converted := make(map[string]poll.Client, len(clients))
	for name, client := range clients {
		converted[name] = client
	}
	return converted
}

// CredentialExpiry returns the configured expiry times of the active configuration, by name of the credential.
func (e *Exporter) CredentialExpiry() map[string]time.Time { return e.active.Load().CredentialExpiry }

// ReloadError returns the error of the last reload of the configuration, or "" if it succeeded.
func (e *Exporter) ReloadError() string {
	e.reloads.mu.Lock()
	defer e.reloads.mu.Unlock()
	return strings.Join(slices.Sorted(maps.Values(e.reloads.errors)), "\n")
}

// Projects returns the projects that a credential can access.
func (e *Exporter) Projects(ctx context.Context, credential string) ([]atlas.Project, error) {
	e.mu.Lock()
	client := e.clients[credential]
	e.mu.Unlock()
	if client == nil {
		return nil, fmt.Errorf("no credential %s", credential)
	}
	list, err := client.Projects(ctx)
	return list.Projects, err
}

// settings returns the exported settings of the active configuration.
func (e *Exporter) settings() collector.Settings {
	cfg := e.active.Load()
	return collector.Settings{
		Name: cfg.Name, ExternalURL: e.options.ExternalURL, AtlasURL: cfg.BaseURL, CredentialExpiry: cfg.CredentialExpiry,
	}
}

// Close closes the idle connections to Atlas.
func (e *Exporter) Close() {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, client := range e.clients {
		client.Close()
	}
}

// The files whose last reload config_last_reload_successful combines.
const (
	configurationFile = "configuration"
	webConfiguration  = "web configuration"
)

type reloadResults struct {
	mu     sync.Mutex
	failed map[string]bool
	errors map[string]string
}

// reloaded exports the result of the last reload of a file. The metric is a failure while that of any file failed. An
// error is shown until the next success of the same file.
func (e *Exporter) reloaded(file string, err error, ok bool) {
	r := &e.reloads
	r.mu.Lock()
	defer r.mu.Unlock()
	r.failed[file] = !ok
	if err != nil {
		r.errors[file] = err.Error()
	} else if ok {
		delete(r.errors, file)
	}
	e.metrics.Reloaded(!r.failed[configurationFile] && !r.failed[webConfiguration])
}
