package demo

import (
	"bytes"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"atlas-restore-exporter/internal/config"
	"atlas-restore-exporter/internal/report"
	"atlas-restore-exporter/internal/server"
)

// reportDays is the length of the period of the example report.
const reportDays = 92

// reportHandler serves an example report about the organization, with sign-offs.
type reportHandler struct {
	config       *config.Config
	organization *organization
	options      server.Options

	mu sync.Mutex // so that only one report is generated at once
}

// ServeHTTP implements http.Handler.
func (h *reportHandler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h.mu.Lock()
	defer h.mu.Unlock()
	var page bytes.Buffer
	err := h.write(r, &page)
	if err != nil {
		h.options.Logger.LogAttrs(r.Context(), slog.LevelError, "generating the report failed", slog.Any("err", err))
		http.Error(w, "generating the report failed, details are in the log", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	_, _ = page.WriteTo(w)
}

func (h *reportHandler) write(r *http.Request, page *bytes.Buffer) error {
	now := time.Now().UTC()
	period, err := report.ParsePeriod(now.AddDate(0, 0, -reportDays).Format(time.DateOnly),
		now.AddDate(0, 0, 1).Format(time.DateOnly), now)
	if err != nil {
		return err
	}
	generated, err := report.Generate(r.Context(), h.config, report.Options{
		Period: period, SignOffs: h.organization.signOffs, SignOffFile: "demo", Version: h.options.Build.Version,
	})
	if err != nil {
		return err
	}
	return report.Write(page, generated, "html")
}
