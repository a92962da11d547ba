package status

import (
	"bytes"
	_ "embed" // for page.html
	"html/template"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"atlas-restore-exporter/collector/poll"
)

//go:embed page.html
var pageHTML string

var pageTemplate = template.Must(template.New("page").Parse(pageHTML))

// Build is the version that the status page shows. Documentation is the address of the documentation, or empty.
type Build struct{ Version, GoVersion, Documentation string }

// Style returns the style sheet of the status page, for other pages of the exporter.
func Style() string {
	_, page, _ := strings.Cut(pageHTML, "<style>")
	style, _, _ := strings.Cut(page, "</style>")
	return style
}

// Source provides the state that the status page shows. A *poll.Manager implements it.
type Source interface {
	// States returns the state of each target, in the order in which the page shows them.
	States() []poll.State
	Discoveries() []poll.DiscoveryStatus
	// Inventories returns the status of the lists of clusters that are read only for facts about clusters.
	Inventories() []poll.DiscoveryStatus
	// Ready reports whether /-/ready returns status 200.
	Ready() bool
	// OverduePolls returns the number of polls that have been waiting for a slot for longer than their interval, and since
	// when the first of them has been waiting.
	OverduePolls() (n int, since time.Time)
	Shard() poll.Shard
}

// Page serves the status page: HTML without scripts and external resources.
//
// The page lists the targets that need attention, and one line for each project. Query parameters select targets:
//
//   - project=<ID>&cluster=<name> shows the details of one cluster. If it has no targets, the status code is 404. The
//     parameter all adds all jobs that have per-job series.
//   - project, team, and status list the targets that match all of them, in pages of at most 200.
//   - refresh=off pauses the refresh.
type Page struct {
	Source Source
	Build  Build
	Logger *slog.Logger

	// ExternalURL is the URL under which users reach the exporter, without a trailing slash. If it is empty, links are
	// relative.
	ExternalURL string
	Demo        bool      // the exporter polls a simulated organization
	Started     time.Time // when the exporter started
	// AtlasURL returns the address of the Atlas user interface, without a trailing slash. It can be nil.
	AtlasURL func() string
	// ReloadError returns the error of the last reload of the configuration, or "". It can be nil.
	ReloadError func() string
	// CredentialExpiry returns the configured expiry times of credentials by name. It can be nil.
	CredentialExpiry func() map[string]time.Time
}

// ServeHTTP implements http.Handler.
func (p *Page) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	view := newPageView(p, newSelection(r.URL.Query()), time.Now())
	var page bytes.Buffer
	if err := pageTemplate.Execute(&page, view); err != nil {
		p.Logger.LogAttrs(r.Context(), slog.LevelError, "rendering the status page failed", slog.Any("err", err))
		http.Error(w, "rendering the status page failed, details are in the log", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	if !view.Selected.paused {
		w.Header().Set("Refresh", "30") // seconds
	}
	if view.Selected.oneCluster() && view.Cluster == nil {
		w.WriteHeader(http.StatusNotFound)
	}
	_, _ = page.WriteTo(w)
}
