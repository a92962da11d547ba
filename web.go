package main

import (
	"bytes"
	_ "embed"
	"fmt"
	"html/template"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"time"

	"atlas-restore-exporter/atlas"
	"atlas-restore-exporter/collector"
)

// secured sets the headers that keep a browser from doing more with an answer than to show it.
func secured(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		header := w.Header()
		header.Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'")
		header.Set("Referrer-Policy", "no-referrer")
		header.Set("X-Content-Type-Options", "nosniff")
		header.Set("X-Frame-Options", "DENY")
		next.ServeHTTP(w, r)
	})
}

func plain(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(status)
	_, _ = fmt.Fprintln(w, text)
}

//go:embed status.html
var statusHTML string

var statusTemplate = template.Must(template.New("status").Parse(statusHTML))

// statusPage shows a person what is known. It needs no script and loads nothing.
type statusPage struct {
	source statusSource
	build  collector.BuildInfo
	logger *slog.Logger
}

// statusSource is what the status page shows, usually a collector.Manager.
type statusSource interface {
	collector.Source
	Searches() []collector.Search
}

func (s *statusPage) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var page bytes.Buffer
	if err := statusTemplate.Execute(&page, newStatusView(s.source, s.build, time.Now(), r.URL.Query().Has("all"))); err != nil {
		s.logger.LogAttrs(r.Context(), slog.LevelError, "status page", slog.Any("err", err))
		plain(w, http.StatusInternalServerError, "the status page could not be made, see the log")
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	_, _ = page.WriteTo(w)
}

// The status page, in the words that it shows.
type (
	statusView struct {
		Build    collector.BuildInfo
		Now      string
		Tiles    []tile
		Searches []searchView // that failed
		Projects []projectView
		Hidden   int // targets that are left out because nothing is wrong with them and there are too many
	}
	searchView struct{ What, ID, Credential, Problem, Advice, LastSuccess string }
	tile       struct {
		Number int
		Label  string
		Class  string // how it is coloured
	}
	projectView struct {
		Name, ID string
		Targets  []targetView
	}
	targetView struct {
		Cluster, BackupType, Credential string
		State, Class                    string // of the last poll
		LastPoll, LastSuccess           string
		Problem, Advice                 string
		Notes                           []string
		Known                           int
		Counts                          []tile
		LastDrill, LastFailure          string
		Jobs                            []jobView
	}
	jobView struct {
		ID, Status, Class, Delivery, Target string
		Created, Age, Took, Expiry          string
	}
)

// Bounds of the page of a large fleet, unless everything is asked for.
const (
	shownTargets  = 200
	shownSearches = 20
)

func newStatusView(source statusSource, build collector.BuildInfo, now time.Time, all bool) statusView {
	snapshots := slices.Clone(source.Snapshots())
	view := statusView{Build: build, Now: clock(now), Tiles: newTiles(snapshots)}
	for _, search := range source.Searches() {
		if search.Err != nil && (all || len(view.Searches) < shownSearches) {
			view.Searches = append(view.Searches, newSearchView(search, source.ProjectName(search.ProjectID), now))
		}
	}
	slices.SortStableFunc(snapshots, func(a, b *collector.Snapshot) int { return urgency(b) - urgency(a) })
	if excess := len(snapshots) - shownTargets; excess > 0 && !all {
		snapshots, view.Hidden = snapshots[:shownTargets], excess
	}
	byProject := map[string]int{}
	for _, s := range snapshots {
		i, ok := byProject[s.Target.ProjectID]
		if !ok {
			i = len(view.Projects)
			byProject[s.Target.ProjectID] = i
			view.Projects = append(view.Projects, projectView{ID: s.Target.ProjectID, Name: source.ProjectName(s.Target.ProjectID)})
		}
		view.Projects[i].Targets = append(view.Projects[i].Targets, newTargetView(s, now))
	}
	return view
}

func newTiles(snapshots []*collector.Snapshot) []tile {
	var failing, active, ready, failed int
	for _, s := range snapshots {
		if s.Err != nil {
			failing++
		}
		if lastFailed(s) {
			failed++
		}
		if s.Summary != nil {
			for _, counts := range s.Summary.Counts {
				active += counts[atlas.StatusPending] + counts[atlas.StatusInProgress]
				ready += counts[atlas.StatusReady]
			}
		}
	}
	return []tile{
		{len(snapshots), "targets", ""}, {failing, "can't be polled", classOf(failing, "bad")},
		{active, "restores running", classOf(active, "busy")}, {ready, "downloads ready", classOf(ready, "warn")},
		{failed, "last restore failed", classOf(failed, "bad")},
	}
}

func newSearchView(s collector.Search, projectName string, now time.Time) searchView {
	what := "Search for projects"
	if s.ProjectID != "" {
		what = strings.TrimSpace("Search for clusters of " + projectName)
	}
	return searchView{
		What: what, ID: s.ProjectID, Credential: s.Credential, Problem: s.Err.Error(), Advice: searchAdvice(s),
		LastSuccess: since(s.LastSuccess, now),
	}
}

// urgency returns how soon a person should look: what needs a look stands first on the page.
func urgency(s *collector.Snapshot) int {
	switch {
	case s.Err != nil && s.Reason != collector.ReasonGone:
		return 3
	case lastFailed(s):
		return 2
	case s.Err != nil:
		return 1
	}
	return 0
}

// lastFailed reports whether the last restore of some kind failed.
func lastFailed(s *collector.Snapshot) bool {
	return s.Summary != nil && slices.ContainsFunc(s.Summary.Facts[:], func(f collector.Facts) bool {
		return f.LastFailure > f.LastSuccess
	})
}

func classOf(n int, class string) string {
	if n == 0 {
		return ""
	}
	return class
}

func newTargetView(s *collector.Snapshot, now time.Time) targetView {
	view := targetView{
		Cluster: s.Target.ClusterName, BackupType: string(s.Target.BackupType), Credential: s.Target.Credential,
		State: "polled", Class: "good", LastPoll: since(s.LastPoll, now), LastSuccess: since(s.LastSuccess, now),
	}
	switch {
	case s.LastPoll.IsZero():
		view.State, view.Class = "not polled yet", "busy"
	case s.Err != nil:
		view.State, view.Class = words(string(s.Reason)), "bad"
		view.Problem, view.Advice = s.Err.Error(), advice(s)
		if s.Stale(now) && s.Summary != nil {
			view.Notes = append(view.Notes, "What follows is old: polls have failed for too long.")
		}
	}
	if s.Truncated {
		view.Notes = append(view.Notes, "The list is longer than a poll reads; older jobs are left out.")
	}
	if s.Summary == nil {
		return view
	}
	view.Known = s.Summary.Known
	if n := s.Summary.Omitted; n > 0 {
		view.Notes = append(view.Notes, fmt.Sprintf("%d jobs have no series of their own, see job_series.max_per_target.", n))
	}
	var drill, failure atlas.Timestamp
	for delivery, facts := range s.Summary.Facts {
		if d := atlas.DeliveryType(delivery); d == atlas.DeliveryAutomated || d == atlas.DeliveryPointInTime {
			drill = max(drill, facts.LastSuccess)
		}
		failure = max(failure, facts.LastFailure)
	}
	view.LastDrill, view.LastFailure = age(drill, now), age(failure, now)
	for status := range atlas.StatusCount {
		var n int
		for delivery := range atlas.DeliveryCount {
			n += s.Summary.Counts[delivery][status]
		}
		if n > 0 {
			view.Counts = append(view.Counts, tile{n, words(status.String()), statusClass(status)})
		}
	}
	for i := range s.Summary.Newest {
		view.Jobs = append(view.Jobs, newJobView(&s.Summary.Newest[i], now))
	}
	return view
}

func newJobView(job *collector.JobState, now time.Time) jobView {
	view := jobView{
		ID: job.ID, Status: words(job.Status.String()), Class: statusClass(job.Status),
		Delivery: words(job.DeliveryType.String()), Target: job.TargetClusterName,
		Age: age(job.Created, now),
	}
	if job.Created != 0 {
		view.Created = clock(job.Created.Time())
	}
	if job.Created != 0 && job.Finished >= job.Created {
		view.Took = span(job.Finished.Time().Sub(job.Created.Time()))
	}
	if job.Status == atlas.StatusReady && job.Expiry != 0 {
		view.Expiry = "in " + span(job.Expiry.Time().Sub(now))
	} else if job.Status == atlas.StatusExpired && job.Expiry != 0 {
		view.Expiry = age(job.Expiry, now)
	}
	return view
}

func statusClass(status atlas.Status) string {
	switch status {
	case atlas.StatusFailed:
		return "bad"
	case atlas.StatusReady, atlas.StatusUnknown:
		return "warn"
	case atlas.StatusCompleted:
		return "good"
	case atlas.StatusPending, atlas.StatusInProgress:
		return "busy"
	default:
		return ""
	}
}

func words(label string) string { return strings.ReplaceAll(label, "_", " ") }

func clock(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05 UTC") }

// age returns how long ago an instant was, or nothing for an instant that Atlas did not give.
func age(at atlas.Timestamp, now time.Time) string {
	if at == 0 {
		return ""
	}
	return since(at.Time(), now)
}

func since(t, now time.Time) string {
	switch ago := now.Sub(t); {
	case t.IsZero():
		return ""
	case ago < 0: // by another clock
		return "in " + span(-ago)
	default:
		return span(ago) + " ago"
	}
}

// span returns a duration in its largest two units.
func span(d time.Duration) string {
	const day = 24 * time.Hour
	switch d = d.Round(time.Second); {
	case d < time.Minute:
		return fmt.Sprintf("%ds", d/time.Second)
	case d < time.Hour:
		return fmt.Sprintf("%dm %ds", d/time.Minute, d%time.Minute/time.Second)
	case d < day:
		return fmt.Sprintf("%dh %dm", d/time.Hour, d%time.Hour/time.Minute)
	default:
		return fmt.Sprintf("%dd %dh", d/day, d%day/time.Hour)
	}
}
