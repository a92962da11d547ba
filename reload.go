package main

import (
	"context"
	"crypto/sha256"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"os/signal"
	"slices"
	"syscall"
	"time"
)

// watchInterval is how often the files that the configuration names are looked at.
const watchInterval = 30 * time.Second

// reloader puts another configuration in the place of the one in use: on SIGHUP, on request, and when a secret changes.
type reloader struct {
	exporter *exporter
	load     func() (*Config, error)
	requests chan chan error // from POST /-/reload
	logger   *slog.Logger
	interval time.Duration // how often files are looked at
}

func newReloader(e *exporter, load func() (*Config, error), logger *slog.Logger) *reloader {
	return &reloader{exporter: e, load: load, requests: make(chan chan error), logger: logger, interval: watchInterval}
}

// run reloads until ctx ends.
func (r *reloader) run(ctx context.Context) {
	hangups := make(chan os.Signal, 1)
	signal.Notify(hangups, syscall.SIGHUP)
	defer signal.Stop(hangups)
	ticker := time.NewTicker(r.interval)
	defer ticker.Stop()
	seen := r.fingerprint()
	for {
		var because string
		var answer chan error
		select {
		case <-ctx.Done():
			return
		case <-hangups:
			because = "signal"
		case answer = <-r.requests:
			because = "request"
		case <-ticker.C:
			if r.fingerprint() == seen {
				continue
			}
			because = "file"
		}
		seen = r.fingerprint() // of before they are read: what changes meanwhile is noticed at the next look
		files := r.exporter.config.Files
		err := r.reload(because)
		if !slices.Equal(files, r.exporter.config.Files) {
			seen = r.fingerprint() // others are looked at from now on
		}
		if answer != nil {
			answer <- err
		}
	}
}

func (r *reloader) fingerprint() string { return fingerprint(r.exporter.config.Files) }

// reload reads the configuration and puts it into use. If it has mistakes, the one in use stays.
func (r *reloader) reload(because string) error {
	config, err := r.load()
	if err == nil {
		err = r.exporter.apply(config)
	}
	r.exporter.metrics.Reloaded(err == nil)
	if err != nil {
		r.logger.Error("configuration not reloaded, the one before stays", slog.String("because", because), slog.Any("err", err))
		return err
	}
	logWarnings(r.logger, config)
	r.logger.Info("configuration reloaded", slog.String("because", because), slog.Int("targets", len(config.Targets)))
	return nil
}

// ServeHTTP is POST /-/reload. It answers when the configuration is in use, or says why not.
func (r *reloader) ServeHTTP(w http.ResponseWriter, request *http.Request) {
	answer := make(chan error, 1)
	select {
	case r.requests <- answer:
	case <-request.Context().Done():
		return
	}
	if err := <-answer; err != nil {
		plain(w, http.StatusInternalServerError, err.Error())
		return
	}
	plain(w, http.StatusOK, "reloaded")
}

// fingerprint tells whether files have changed. A file that can't be read is as good as an empty one.
func fingerprint(files []string) string {
	hash := sha256.New()
	for _, file := range files {
		text, err := readFile(file, maxConfigSize)
		_, _ = fmt.Fprintf(hash, "%s %v %d\n%s", file, err == nil, len(text), text)
	}
	return string(hash.Sum(nil))
}
