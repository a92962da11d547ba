package report

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"net"
	"time"

	"atlas-restore-exporter/atlas"
	"atlas-restore-exporter/collector/history"
	"atlas-restore-exporter/collector/poll"
	"atlas-restore-exporter/internal/config"
)

// pollTimeout bounds the poll of a target, including the time for which it waits for the rate limit of its project.
const pollTimeout = 15 * time.Minute

// Options are the inputs of a report besides the configuration.
type Options struct {
	Period   Period
	Filter   Filter
	SignOffs []config.SignOff
	// SignOffFile is the path of the sign-off file, for errors.
	SignOffFile string
	// SignOffDigest is the SHA-256 digest of the sign-off file; empty if there is none.
	SignOffDigest string
	Version       string // of the exporter
	// Polled is called after each poll with the numbers of polled targets and of all targets, never concurrently.
	Polled func(done, total int, target *poll.Snapshot)
	// DialContext opens the connections to Atlas. If nil, the net package does.
	DialContext func(ctx context.Context, network, address string) (net.Conn, error)
}

// Generate reads the targets of a configuration from Atlas, and returns the report about their restores. It returns an
// error if ctx ends, if no cluster is selected, or if a sign-off names a job that no list contains.
func Generate(ctx context.Context, cfg *config.Config, options Options) (*Report, error) {
	now := time.Now()
	r := &reader{options: options, recorders: map[string]*recorder{}}
	clients := map[string]poll.Client{}
	for _, credential := range cfg.Credentials {
		client, err := newClient(cfg, credential, options)
		if err != nil {
			return nil, err
		}
		defer client.Close()
		r.recorders[credential.Name] = newRecorder(client, options.SignOffs)
		r.credentials = append(r.credentials, credential.Name)
		clients[credential.Name] = r.recorders[credential.Name]
	}
	r.config = pollConfig(cfg, clients)
	var err error
	if r.manager, err = poll.NewManager(r.config, noEvents{}, slog.New(slog.DiscardHandler)); err != nil {
		return nil, err
	}
	if err := r.read(ctx); err != nil {
		return nil, err
	}
	return r.report(cfg, now)
}

func newClient(cfg *config.Config, credential atlas.Credential, options Options) (*atlas.Client, error) {
	client := cfg.ClientOptions(credential)
	client.UserAgent = "atlas-restore-exporter/" + options.Version
	client.DialContext = options.DialContext
	return atlas.NewClient(client)
}

// pollConfig returns the configuration of the manager: without shards and limits of the history.
func pollConfig(cfg *config.Config, clients map[string]poll.Client) poll.Config {
	unlimited := func(target *poll.Target) {
		target.Policy.Limits = history.Limits{MaxAge: math.MaxInt64, MaxJobs: math.MaxInt}
		target.Policy.JobSeries = history.SeriesLimits{}
		target.Timeout = pollTimeout
	}
	config := cfg.Poll(clients)
	config.Shard = poll.Shard{}
	config.Targets = append([]poll.Target{}, config.Targets...)
	for i := range config.Targets {
		unlimited(&config.Targets[i])
	}
	config.Discoveries = append([]poll.Rule{}, config.Discoveries...)
	for i := range config.Discoveries {
		unlimited(&config.Discoveries[i].Target)
	}
	return config
}

// noEvents ignores the events of a manager: a report contains the results.
type noEvents struct{}

// PollFailed implements poll.Observer.
func (noEvents) PollFailed(atlas.BackupType, poll.Reason) {}

// PollPanicked implements poll.Observer.
func (noEvents) PollPanicked(atlas.BackupType) {}

// reader reads everything that a report needs from Atlas.
type reader struct {
	options     Options
	config      poll.Config
	manager     *poll.Manager
	credentials []string // names, in order
	recorders   map[string]*recorder
	scope       scope
}

func (r *reader) read(ctx context.Context) error {
	r.manager.DiscoverOnce(ctx)
	done, total := 0, len(r.manager.States())
	r.manager.PollOnce(ctx, func(s *poll.Snapshot) {
		done++
		if r.options.Polled != nil {
			r.options.Polled(done, total, s)
		}
	})
	r.scope.read(ctx, r)
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("interrupted after %d of %d targets: %w", done, total, err)
	}
	if total == 0 {
		return r.noTargets()
	}
	return nil
}

// noTargets returns the error for an organization without targets.
func (r *reader) noTargets() error {
	for _, d := range r.manager.Discoveries() {
		if d.Err != nil {
			return fmt.Errorf("no targets: discovery failed: %w", d.Err)
		}
	}
	return errors.New("no targets: discovery found no clusters that match the patterns, tags, and backup types")
}
