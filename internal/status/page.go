package status

import (
	"bytes"
	_ "embed" // for page.html
	"html/template"
	"log/slog"
	"net/http"
	"time"

	"atlas-restore-exporter/collector/poll"
)

//go:embed page.html
var pageHTML string

var pageTemplate = template.Must(template.New("page").Parse(pageHTML))

// Build is the version that the status page shows.
type Build struct{ Version, GoVersion string }

// Source provides the state that the status page shows. A *poll.Manager implements it.
type Source interface {
	Snapshots() []*poll.Snapshot
	Discoveries() []poll.DiscoveryStatus
	// ProjectName returns the name of a project, or "" if the name is unknown.
	ProjectName(projectID string) string
}

// Page serves the status page, a single HTML page without scripts and external resources. If there are many targets, it
// shows only some of them unless the query contains the parameter all. All fields are required.
type Page struct {
	Source Source
	Build  Build
	Logger *slog.Logger
}

// ServeHTTP implements http.Handler.
func (p *Page) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	view := newPageView(p.Source, time.Now(), r.URL.Query().Has("all"))
	view.Build = p.Build
	var page bytes.Buffer
	if err := pageTemplate.Execute(&page, view); err != nil {
		p.Logger.LogAttrs(r.Context(), slog.LevelError, "rendering the status page failed", slog.Any("err", err))
		http.Error(w, "rendering the status page failed, details are in the log", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	_, _ = page.WriteTo(w)
}
