package status

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"atlas-restore-exporter/collector/poll"
)

// Limits of the first page, which summarizes a large fleet.
const (
	maxAttention   = 50 // targets that need attention
	maxRunning     = 20 // targets with restores in progress or ready downloads
	maxDiscoveries = 20 // failed discoveries
	maxValues      = 20 // possible values of a filter
	maxValueLength = 80 // of an unknown value, in characters
)

// These types contain the texts of the status page. A Class is a CSS class: good, bad, warn, busy, or empty.
type (
	pageView struct {
		Build Build
		Now   moment
		Title string
		Demo  bool

		Links    navigation
		Selected selection
		Filter   filterView

		About       string // uptime, shard, and discovery in one line
		Notices     []notice
		Tiles       []tile
		Discoveries []discoveryView // failed ones, and failed reads of facts about clusters

		Attention, Running []rowView     // of the first page
		MoreAttention      int           // number of targets beyond maxAttention
		Projects           []projectView // of the first page
		Heading            string        // of the list of targets
		Rows               []rowView     // of a page that lists targets
		Cluster            *clusterView  // of the page of a cluster
		NotFound           string
		Unknown            []unknownValue
		Previous, Next     string // links to other pages of the list
	}
	navigation struct {
		Home, Metrics, Healthy, Ready, Runbooks, Documentation string
		Attention, Pause                                       string
	}
	filterView struct {
		Action   string
		Projects []option
		Teams    []option
		Statuses []option
	}
	option struct {
		Value, Text string
		Selected    bool
		Link        string // to the targets that have the value; set for the values of an unknownValue
	}
	// unknownValue is a value of a filter that selects no target, with the values that do.
	unknownValue struct {
		Name, Value string
		Possible    []option // with links
		More        int      // number of further possible values
	}
	notice struct{ Text, Class string }
	tile   struct {
		Number int
		Label  string
		Class  string
		Link   string
	}
	discoveryView struct {
		Title, ProjectID, Credential string
		LastSuccess                  moment
		Error, Remedy                string
	}
	projectView struct {
		Name, ID, Link                            string
		Clusters, Targets, Findings, Active, Done int
		Class                                     string
	}
	// rowView is a target in a list.
	rowView struct {
		ID                           string // anchor
		Cluster, Link                string
		Project, ProjectLink         string
		BackupType, Team             string
		Finding, Class               string
		Remedy, Runbook, Detail      string
		More                         int // number of further findings
		Active, Ready                int
		LastRestore, LastDrill, Poll moment
		ActiveFor                    string
	}
)

// newPageView returns the texts of a page.
func newPageView(p *Page, selected selection, now time.Time) pageView {
	states := p.Source.States()
	in := newInspector(states, now)
	all := make([]inspected, len(states))
	for i := range states {
		all[i] = inspected{&states[i], in.findings(&states[i])}
	}
	base := links(p.ExternalURL)
	found := selected.selected(all)
	v := pageView{
		Build: p.Build, Now: at(now, now), Demo: p.Demo, Selected: selected,
		Links: navigation{
			Home: base.page(""), Metrics: base.page("metrics"), Healthy: base.page("-/healthy"), Ready: base.page("-/ready"),
			Runbooks: base.page("runbooks"), Documentation: p.Build.Documentation,
			Attention: selection{status: statusAttention}.link(base), Pause: pauseLink(selected, base),
		},
		Filter:  newFilter(all, selected, base),
		About:   about(p, states, now),
		Tiles:   newTiles(all, base),
		Notices: append(stateNotices(p, now), expiryNotices(p.expiries(found, selected), now)...),
	}
	v.addFailures(p.Source, selected, states, now)
	switch {
	case selected.oneCluster():
		v.addCluster(p, found, now)
	case selected.filtered():
		v.addRows(found, base, now)
	default:
		v.addOverview(found, base, now)
	}
	v.Title = v.title(all)
	return v
}

// title returns the title of the page, which contains the number of findings and failures.
func (v *pageView) title(all []inspected) string {
	n := len(v.Discoveries)
	for i := range all {
		n += len(all[i].findings)
	}
	for _, notice := range v.Notices {
		if notice.Class == "bad" {
			n++
		}
	}
	if n == 0 {
		return "Atlas restores"
	}
	return fmt.Sprintf("(%d) Atlas restores", n)
}

func pauseLink(selected selection, base links) string {
	selected.paused = !selected.paused
	return selected.link(base)
}

// about describes the exporter.
func about(p *Page, states []poll.State, now time.Time) string {
	var parts []string
	if !p.Started.IsZero() {
		parts = append(parts, "running for "+formatDuration(max(now.Sub(p.Started), 0)))
	}
	if shard := p.Source.Shard(); shard.Count > 1 {
		parts = append(parts, fmt.Sprintf("shard %d/%d", shard.Index, shard.Count))
	}
	if next := nextPoll(states); !next.IsZero() {
		parts = append(parts, "next poll "+dueText(next, now))
	}
	if lists := p.Source.Discoveries(); len(lists) > 0 {
		failed := 0
		for i := range lists {
			if lists[i].Err != nil {
				failed++
			}
		}
		text := fmt.Sprintf("discovery reads %d lists", len(lists))
		if failed > 0 {
			text += fmt.Sprintf(", %d of them without success", failed)
		}
		parts = append(parts, text)
	}
	return strings.Join(parts, "; ")
}

// nextPoll returns when the next target that is polled successfully is due; zero if there is none.
func nextPoll(states []poll.State) time.Time {
	var next time.Time
	for _, s := range states {
		if s.LastPoll.IsZero() || s.Err != nil {
			continue
		}
		interval := s.Target.Interval
		if s.Summary.Active() && s.Target.ActiveInterval > 0 {
			interval = s.Target.ActiveInterval
		}
		if due := s.LastPoll.Add(interval); next.IsZero() || due.Before(next) {
			next = due
		}
	}
	return next
}

func dueText(due, now time.Time) string {
	if !due.After(now) {
		return "now"
	}
	return "in " + formatDuration(due.Sub(now))
}

func newFilter(all []inspected, selected selection, base links) filterView {
	projects, teams := map[string]string{}, map[string]bool{}
	for i := range all {
		t := &all[i]
		projects[t.Target.ProjectID] = cmp.Or(t.Cluster.ProjectName, t.Target.ProjectID)
		if team := t.Cluster.Team; team != "" {
			teams[team] = true
		}
	}
	view := filterView{Action: base.page("")}
	ids := slices.SortedFunc(maps.Keys(projects), func(a, b string) int {
		return cmp.Or(cmp.Compare(projects[a], projects[b]), cmp.Compare(a, b))
	})
	for _, id := range ids {
		view.Projects = append(view.Projects, option{Value: id, Text: projects[id], Selected: id == selected.project})
	}
	for _, team := range slices.Sorted(maps.Keys(teams)) {
		view.Teams = append(view.Teams, option{Value: team, Text: team, Selected: team == selected.team})
	}
	statuses := []string{statusAttention, statusInProgress, statusReady, statusGood}
	for _, k := range kinds {
		statuses = append(statuses, string(k))
	}
	for _, status := range statuses {
		view.Statuses = append(view.Statuses,
			option{Value: status, Text: statusNames[status], Selected: status == selected.status})
	}
	return view
}

// unknownValues returns the filters whose value is not one of the possible values.
func (v *filterView) unknownValues(selected selection, base links) []unknownValue {
	var unknown []unknownValue
	add := func(name, value string, possible []option, selectionOf func(value string) selection) {
		isSelected := func(o option) bool { return o.Selected }
		if value == "" || slices.ContainsFunc(possible, isSelected) {
			return
		}
		if runes := []rune(value); len(runes) > maxValueLength {
			value = string(runes[:maxValueLength]) + "…"
		}
		shown := slices.Clone(possible[:min(len(possible), maxValues)])
		for i := range shown {
			shown[i].Link = selectionOf(shown[i].Value).link(base)
		}
		unknown = append(unknown, unknownValue{name, value, shown, len(possible) - len(shown)})
	}
	add("project", selected.project, v.Projects, func(id string) selection { return selection{project: id} })
	add("team", selected.team, v.Teams, func(team string) selection { return selection{team: team} })
	add("status", selected.status, v.Statuses, func(status string) selection { return selection{status: status} })
	return unknown
}

// statusNames are the texts of the values of the query parameter status.
var statusNames = map[string]string{
	statusAttention: "needs attention", statusInProgress: "restore in progress", statusReady: "download ready",
	statusGood: "no action needed", string(kindFailed): "restore failed", string(kindUnexpected): "unexpected target",
	string(kindTooSlow): "restore is slow", string(kindPollFailed): "polls fail",
	string(kindExpiring): "download expires soon", string(kindIndexes): "indexes failed",
	string(kindNoBackup):     "no backups",
	string(kindDrillOverdue): "drill overdue",
	string(kindOldDrill):     "drill of old data", string(kindMissed): "missed its objective",
	string(kindUnknown): "unknown status", string(kindDeleted): "cluster does not exist",
}

// addFailures adds the lists of projects and clusters that could not be read. A page of a project shows only its own.
func (v *pageView) addFailures(source Source, selected selection, states []poll.State, now time.Time) {
	names := projectNames(states)
	add := func(title string, statuses []poll.DiscoveryStatus) {
		for i := range statuses {
			d := &statuses[i]
			isSelected := selected.project == "" || d.ProjectID == selected.project
			if d.Err != nil && isSelected && len(v.Discoveries) < maxDiscoveries {
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

func newDiscoveryView(d *poll.DiscoveryStatus, title, projectName string, now time.Time) discoveryView {
	switch {
	case d.ProjectID == "":
		title = "Discovery of projects"
	case projectName != "":
		title += " in " + projectName
	}
	return discoveryView{
		Title: title, ProjectID: d.ProjectID, Credential: d.Credential,
		LastSuccess: at(d.LastSuccess, now), Error: d.Err.Error(), Remedy: discoveryRemedy(d),
	}
}

// newTiles counts the targets of the exporter. Each tile links to the list of the counted targets.
func newTiles(all []inspected, base links) []tile {
	count := func(label, class, status string) tile {
		t := tile{Label: label, Link: selection{status: status}.link(base)}
		for i := range all {
			if all[i].hasStatus(status) {
				t.Number++
			}
		}
		if t.Number > 0 {
			t.Class = class
		}
		return t
	}
	return []tile{
		count("targets", "", ""),
		count("need attention", "bad", statusAttention),
		count("last restore failed", "bad", string(kindFailed)),
		count("slow restores", "bad", string(kindTooSlow)),
		count("unexpected target", "bad", string(kindUnexpected)),
		count("failing targets", "bad", string(kindPollFailed)),
		count("overdue drills", "warn", string(kindDrillOverdue)),
		count("restores in progress", "busy", statusInProgress),
		count("ready downloads", "warn", statusReady),
	}
}
