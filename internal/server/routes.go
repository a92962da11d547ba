package server

import (
	"fmt"
	"log/slog"
	"net/http"
	"runtime/debug"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"atlas-restore-exporter/collector"
	"atlas-restore-exporter/internal/runbooks"
	"atlas-restore-exporter/internal/status"
)

// Handler serves /metrics, the health endpoints, the status page, and the runbooks, and POST /-/reload by means of
// reload. If reload is nil, POST /-/reload is forbidden.
func (e *Exporter) Handler(reload http.Handler) http.Handler {
	if reload == nil {
		reload = http.HandlerFunc(reloadForbidden)
	}
	page := &status.Page{
		Source: e.manager,
		Build: status.Build{
			Version: e.options.Build.Version, GoVersion: e.options.Build.GoVersion, Documentation: documentation(),
		},
		Logger:           e.options.Logger,
		ExternalURL:      e.options.ExternalURL,
		Demo:             e.options.Demo,
		Started:          time.Now(),
		AtlasURL:         func() string { return e.active.Load().BaseURL },
		ReloadError:      e.ReloadError,
		CredentialExpiry: e.CredentialExpiry,
	}
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", e.metricsHandler())
	mux.HandleFunc("GET /-/healthy", func(w http.ResponseWriter, _ *http.Request) {
		writeText(w, http.StatusOK, "healthy")
	})
	mux.HandleFunc("GET /-/ready", readyHandler(e.manager))
	mux.Handle("POST /-/reload", limitConcurrency(reload))
	mux.Handle("GET /{$}", limitConcurrency(page))
	runbook := limitConcurrency(runbooks.Handler{Style: status.Style()})
	mux.Handle("GET /runbooks", runbook)
	mux.Handle("GET /runbooks/{alert}", runbook)
	for pattern, handler := range e.options.Routes {
		mux.Handle(pattern, limitConcurrency(handler))
	}
	return securityHeaders(recoverPanics(e.options.Logger, mux))
}

// documentation returns the address of the documentation, which is the module path if that is an address; else "".
func documentation() string {
	info, ok := debug.ReadBuildInfo()
	if !ok || !strings.Contains(info.Main.Path, ".") {
		return ""
	}
	return "https://" + info.Main.Path
}

// metricsHandler serves the cached exposition, whose size doesn't depend on the number of clients. Only scrapes that
// the cached exposition can't serve are limited.
func (e *Exporter) metricsHandler() http.Handler {
	uncached := promhttp.HandlerFor(prometheus.Gatherers{e.live, e.targets}, promhttp.HandlerOpts{
		ErrorLog:          slog.NewLogLogger(e.options.Logger.Handler(), slog.LevelError),
		ErrorHandling:     promhttp.ContinueOnError,
		EnableOpenMetrics: true,
		Registry:          e.live,
	})
	limited := limitConcurrency(uncached)
	exposition := collector.NewExposition(e.manager, e.live, limited, e.options.Logger)
	return promhttp.InstrumentMetricHandler(e.live, exposition)
}

func reloadForbidden(w http.ResponseWriter, _ *http.Request) {
	writeText(w, http.StatusForbidden, "reload by request is disabled: start with --web.enable-lifecycle, or send SIGHUP")
}

func writeText(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(status)
	_, _ = fmt.Fprintln(w, text)
}
