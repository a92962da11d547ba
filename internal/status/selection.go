package status

import (
	"cmp"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"atlas-restore-exporter/atlas"
	"atlas-restore-exporter/collector/poll"
)

// Values of the query parameter status that aren't kinds of findings.
const (
	statusAttention  = "attention"   // targets with any finding
	statusInProgress = "in_progress" // targets with a restore that is pending or in progress
	statusReady      = "ready"       // targets with a download that is ready
	statusGood       = "good"        // targets without a finding
)

// maxRows is the number of targets on one page. It keeps the page of a large fleet small.
const maxRows = 200

// selection is the part of the state that a page shows, as selected by its query.
type selection struct {
	project, cluster, team, status string // empty: all
	all                            bool   // whether all jobs of a cluster are shown
	paused                         bool   // whether the page doesn't refresh itself
	page                           int    // of the list of targets, from 1
}

func newSelection(query url.Values) selection {
	page, err := strconv.Atoi(query.Get("page"))
	if err != nil {
		page = 1
	}
	return selection{
		project: query.Get("project"), cluster: query.Get("cluster"), team: query.Get("team"), status: query.Get("status"),
		all: query.Has("all"), paused: query.Get("refresh") == "off", page: max(page, 1),
	}
}

// Paused reports whether the page doesn't refresh itself.
func (s selection) Paused() bool { return s.paused }

// oneCluster reports whether the page shows the details of one cluster.
func (s selection) oneCluster() bool { return s.cluster != "" }

// filtered reports whether the page lists targets.
func (s selection) filtered() bool { return s.project != "" || s.team != "" || s.status != "" }

// link returns the link to the page of the selection.
func (s selection) link(base links) string { return base.page("") + s.query() }

// query returns the query of the selection with its question mark, or "" if everything is selected.
func (s selection) query() string {
	var query []string
	add := func(name, value string) {
		if value != "" {
			query = append(query, name+"="+url.QueryEscape(value))
		}
	}
	add("project", s.project)
	add("cluster", s.cluster)
	add("team", s.team)
	add("status", s.status)
	if s.page > 1 {
		add("page", strconv.Itoa(s.page))
	}
	if s.paused {
		add("refresh", "off")
	}
	if s.all {
		query = append(query, "all")
	}
	if len(query) == 0 {
		return ""
	}
	return "?" + strings.Join(query, "&")
}

// inspected is a target and its findings.
type inspected struct {
	*poll.State

	findings []finding
}

// rank orders targets: the most urgent finding first, targets without a finding last.
func (t *inspected) rank() int {
	if len(t.findings) == 0 {
		return len(kinds)
	}
	return slices.Index(kinds, t.findings[0].kind)
}

func (t *inspected) has(k kind) bool {
	return slices.ContainsFunc(t.findings, func(p finding) bool { return p.kind == k })
}

// count returns the number of jobs with a status.
func (t *inspected) count(status atlas.Status) int {
	if t.Summary == nil {
		return 0
	}
	n := 0
	for _, counts := range t.Summary.Counts {
		n += counts[status]
	}
	return n
}

func (t *inspected) active() int {
	return t.count(atlas.StatusPending) + t.count(atlas.StatusInProgress)
}

// hasStatus reports whether a value of the query parameter status selects the target.
func (t *inspected) hasStatus(status string) bool {
	switch status {
	case "":
		return true
	case statusAttention:
		return len(t.findings) > 0
	case statusGood:
		return len(t.findings) == 0
	case statusInProgress:
		return t.active() > 0
	case statusReady:
		return t.count(atlas.StatusReady) > 0
	}
	return t.has(kind(status))
}

// matches reports whether the page shows the target.
func (s selection) matches(t *inspected) bool {
	target := t.Target
	return (s.project == "" || target.ProjectID == s.project) &&
		(s.cluster == "" || target.ClusterName == s.cluster && target.ProjectID == s.project) &&
		(s.team == "" || t.Cluster.Team == s.team) && t.hasStatus(s.status)
}

// selected returns the selected targets, the most urgent first.
func (s selection) selected(all []inspected) []*inspected {
	var found []*inspected
	for i := range all {
		if s.matches(&all[i]) {
			found = append(found, &all[i])
		}
	}
	slices.SortStableFunc(found, func(a, b *inspected) int { return cmp.Compare(a.rank(), b.rank()) })
	return found
}
