package status

import (
	"cmp"
	"slices"
	"time"

	"atlas-restore-exporter/atlas"
	"atlas-restore-exporter/collector/poll"
)

// Limits of the status page, which keep the page of a large fleet readable. They don't apply if all targets are
// requested.
const (
	maxTargets     = 200
	maxDiscoveries = 20
)

// These types contain the texts of the status page. A Class is a CSS class: good, bad, warn, busy, or empty.
type (
	pageView struct {
		Build Build
		Now   string

		MetricsLink, HomeLink, AllLink string

		OneCluster  bool // only one cluster is shown
		Notices     []notice
		Tiles       []tile
		Discoveries []discoveryView // failed ones, and failed reads of facts about clusters
		Projects    []projectView
		Hidden      int // number of targets beyond maxTargets
	}
	notice struct{ Text, Class string }
	tile   struct {
		Number int
		Label  string
		Class  string
	}
	discoveryView struct {
		Title, ProjectID, Credential string
		LastSuccess, Error, Remedy   string
	}
	projectView struct {
		Name, ID string
		Targets  []targetView
	}
)

// selection is the part of the state that a page shows.
type selection struct {
	all                bool   // without limits
	projectID, cluster string // of the only cluster to show; if cluster is empty, all clusters are shown
}

func (s *selection) oneCluster() bool { return s.cluster != "" }

// states returns the states of the selected targets, those that need attention first.
func (s *selection) states(all []poll.State) []poll.State {
	states := slices.DeleteFunc(slices.Clone(all), func(state poll.State) bool {
		return s.oneCluster() && (state.Target.ProjectID != s.projectID || state.Target.ClusterName != s.cluster)
	})
	slices.SortStableFunc(states, func(a, b poll.State) int { return cmp.Compare(urgency(&b), urgency(&a)) })
	return states
}

// newPageView returns the texts of a page. It shows no target if the selected cluster has none.
func newPageView(p *Page, selected selection, now time.Time) pageView {
	all := p.Source.States()
	states, base := selected.states(all), links(p.ExternalURL)
	view := pageView{
		Build: p.Build, Now: formatTime(now), OneCluster: selected.oneCluster(), Tiles: newTiles(states),
		MetricsLink: base.page("metrics"), HomeLink: base.page(""), AllLink: base.page("?all"),
		Notices: append(stateNotices(p.Source, now), expiryNotices(p.expiries(states, selected), now)...),
	}
	view.addFailures(p.Source, selected, all, now)
	if excess := len(states) - maxTargets; excess > 0 && !selected.all {
		states, view.Hidden = states[:maxTargets], excess
	}
	indexes := map[string]int{} // of projects in view.Projects
	for i := range states {
		s := &states[i]
		id := s.Target.ProjectID
		i, ok := indexes[id]
		if !ok {
			i = len(view.Projects)
			indexes[id] = i
			view.Projects = append(view.Projects, projectView{ID: id, Name: s.Cluster.ProjectName})
		}
		link := base.cluster(id, s.Target.ClusterName)
		view.Projects[i].Targets = append(view.Projects[i].Targets, newTargetView(s, link, now))
	}
	return view
}

// addFailures adds the lists of projects and clusters that could not be read. A page of one cluster shows only those of
// its project.
func (v *pageView) addFailures(source Source, selected selection, states []poll.State, now time.Time) {
	names := projectNames(states)
	add := func(title string, statuses []poll.DiscoveryStatus) {
		for i := range statuses {
			d := &statuses[i]
			isSelected := !selected.oneCluster() || d.ProjectID == selected.projectID
			if d.Err != nil && isSelected && (selected.all || len(v.Discoveries) < maxDiscoveries) {
				v.Discoveries = append(v.Discoveries, newDiscoveryView(d, title, names[d.ProjectID], now))
			}
		}
	}
	add("Discovery of clusters", source.Discoveries())
	add("Facts about clusters", source.Inventories())
}

// projectNames returns the known names of projects by ID.
func projectNames(states []poll.State) map[string]string {
	names := map[string]string{}
	for _, s := range states {
		names[s.Target.ProjectID] = s.Cluster.ProjectName
	}
	return names
}

func newTiles(states []poll.State) []tile {
	var failing, active, ready, failed int
	for _, s := range states {
		if s.Err != nil {
			failing++
		}
		if lastRestoreFailed(s.Summary) {
			failed++
		}
		if s.Summary == nil {
			continue
		}
		for _, counts := range s.Summary.Counts {
			active += counts[atlas.StatusPending] + counts[atlas.StatusInProgress]
			ready += counts[atlas.StatusReady]
		}
	}
	classIfAny := func(n int, class string) string {
		if n == 0 {
			return ""
		}
		return class
	}
	return []tile{
		{len(states), "targets", ""},
		{failing, "can't be polled", classIfAny(failing, "bad")},
		{active, "restores in progress", classIfAny(active, "busy")},
		{ready, "downloads ready", classIfAny(ready, "warn")},
		{failed, "last restore failed", classIfAny(failed, "bad")},
	}
}

func newDiscoveryView(d *poll.DiscoveryStatus, title, projectName string, now time.Time) discoveryView {
	switch {
	case d.ProjectID == "":
		title = "Discovery of projects"
	case projectName != "":
		title += " in " + projectName
	}
	return discoveryView{
		Title: title, ProjectID: d.ProjectID, Credential: d.Credential,
		LastSuccess: since(d.LastSuccess, now), Error: d.Err.Error(), Remedy: discoveryRemedy(d),
	}
}

// urgency orders the targets of the page: targets that need attention first.
func urgency(s *poll.State) int {
	switch {
	case s.Err != nil && s.Reason != poll.ReasonGone:
		return 3
	case lastRestoreFailed(s.Summary):
		return 2
	case s.Err != nil, clusterNeedsAttention(s.Cluster):
		return 1
	}
	return 0
}
