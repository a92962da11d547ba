package server

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"atlas-restore-exporter/internal/config"
)

// watchInterval is the time between two checks for changed files.
const watchInterval = 30 * time.Second

var errShuttingDown = errors.New("shutting down")

// reloader replaces the active configuration.
//
// A signal or POST /-/reload requests a reload: the configuration file is read and applied. If that fails, the active
// configuration is kept, and the rejected contents are tried again when a file that they name changes. Other contents
// of the configuration file need another request, and the rejected contents too if the file has others by then.
//
// A change of a file with secrets or certificates applies the active configuration with the new content of that file.
// It never reads the configuration file, so an unfinished edit can't delay a rotated secret.
type reloader struct {
	exporter *Exporter
	load     func() (*config.Config, error)
	signals  <-chan os.Signal
	logger   *slog.Logger
	interval time.Duration // between two checks for changed files
	stopped  atomic.Bool   // run returned

	mu       sync.Mutex           // held during a reload
	rejected *config.InvalidError // the result of the last requested reload, if it can be tried again
	seen     string               // fingerprint of the files that the active and the rejected configuration name
}

func newReloader(e *Exporter, options Options) *reloader {
	return &reloader{
		exporter: e, load: options.Load, signals: options.ReloadSignals, logger: options.Logger, interval: watchInterval,
		seen: fingerprint(e.active.Load().Files),
	}
}

// run reloads the configuration after signals and changes of files until ctx ends. Afterwards, every reload fails.
func (r *reloader) run(ctx context.Context) {
	defer r.stopped.Store(true)
	ticker := time.NewTicker(r.interval)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-r.signals:
			_ = r.reload(ctx, "signal") // reload logs the error
		case <-ticker.C:
			r.rereadChangedFiles()
		}
	}
}

// reload loads and applies the configuration, or logs the error and keeps the active configuration. If ctx ended or the
// exporter is shutting down, reload only returns an error.
func (r *reloader) reload(ctx context.Context, trigger string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.stopped.Load() {
		return errShuttingDown
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	cfg, err := r.load()
	r.rejected, _ = errors.AsType[*config.InvalidError](err)
	return r.apply(cfg, err, trigger)
}

// rereadChangedFiles applies the contents that were rejected last, or else the active configuration, if a file that
// they name has changed.
func (r *reloader) rereadChangedFiles() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if fingerprint(r.files()) == r.seen {
		return
	}
	if r.rejected != nil && r.rejected.IsCurrent() {
		if cfg, err := r.rejected.Reread(); err == nil {
			cfg.Shard = r.exporter.active.Load().Shard
			r.rejected = nil
			_ = r.apply(cfg, nil, "file") // apply logs the error
			return
		}
	}
	cfg, err := r.exporter.active.Load().Reread()
	if err != nil { // the other files may have changed
		err = errors.Join(err, r.exporter.Apply(cfg))
	}
	_ = r.apply(cfg, err, "file")
}

// apply applies a configuration unless err is set, and logs and exports the result. The caller must hold r.mu.
func (r *reloader) apply(cfg *config.Config, err error, trigger string) error {
	if err == nil {
		err = r.exporter.Apply(cfg)
	}
	r.exporter.reloaded(configurationFile, err, err == nil && r.rejected == nil)
	r.seen = fingerprint(r.files())
	if err != nil {
		r.logger.Error("configuration reload failed, keeping current configuration",
			slog.String("trigger", trigger), slog.Any("err", err))
		return err
	}
	logWarnings(r.logger, cfg)
	r.logger.Info("configuration reloaded", slog.String("trigger", trigger), slog.Int("targets", len(cfg.Targets)))
	return nil
}

// files returns the files whose changes matter. The caller must hold r.mu.
func (r *reloader) files() []string {
	files := r.exporter.active.Load().Files
	if r.rejected != nil {
		files = slices.Concat(files, r.rejected.Files)
	}
	return files
}

// ServeHTTP reloads the configuration and responds after it was applied or rejected.
func (r *reloader) ServeHTTP(w http.ResponseWriter, request *http.Request) {
	switch err := r.reload(request.Context(), "request"); {
	case errors.Is(err, errShuttingDown):
		writeText(w, http.StatusServiceUnavailable, err.Error())
	case err != nil:
		writeText(w, http.StatusInternalServerError, err.Error())
	default:
		writeText(w, http.StatusOK, "reloaded")
	}
}

// fingerprint returns a hash of the content of files. An unreadable file counts as an empty one.
func fingerprint(files []string) string {
	contents := config.ReadFiles(files)
	hash := sha256.New()
	for _, file := range files {
		content := contents[file]
		_, _ = fmt.Fprintf(hash, "%s %v %d\n%s", file, content.Err == nil, len(content.Text), content.Text)
	}
	return string(hash.Sum(nil))
}
