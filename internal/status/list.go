package status

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"atlas-restore-exporter/atlas"
)

// addOverview adds the targets that need attention, running restores, and a line for each project.
func (v *pageView) addOverview(found []*inspected, base links, now time.Time) {
	projects := map[string]*projectView{}
	var order []string
	clusters := map[clusterKey]bool{}
	for _, t := range found {
		id := t.Target.ProjectID
		project := projects[id]
		if project == nil {
			project = &projectView{ID: id, Name: t.Cluster.ProjectName, Link: selection{project: id}.link(base)}
			projects[id], order = project, append(order, id)
		}
		project.add(t)
		if key := (clusterKey{id, t.Target.ClusterName}); !clusters[key] {
			clusters[key] = true
			project.Clusters++
		}
		switch {
		case len(t.findings) > 0 && len(v.Attention) < maxAttention:
			v.Attention = append(v.Attention, newRow(t, base, now))
		case len(t.findings) > 0:
			v.MoreAttention++
		}
		if t.active()+t.count(atlas.StatusReady) > 0 && len(v.Running) < maxRunning {
			v.Running = append(v.Running, newRow(t, base, now))
		}
	}
	for _, id := range order {
		v.Projects = append(v.Projects, *projects[id])
	}
	slices.SortStableFunc(v.Projects, func(a, b projectView) int {
		return cmp.Or(cmp.Compare(b.Findings, a.Findings), cmp.Compare(a.Name, b.Name))
	})
}

func (p *projectView) add(t *inspected) {
	p.Targets++
	p.Active += t.active()
	p.Done += t.count(atlas.StatusReady)
	if len(t.findings) > 0 {
		p.Findings++
		p.Class = "bad"
	}
}

// addRows adds one page of a list of targets.
func (v *pageView) addRows(found []*inspected, base links, now time.Time) {
	v.Heading = v.Filter.listHeading(len(found))
	if len(found) == 0 {
		v.NotFound = "No target of this exporter matches the filter."
		if v.Unknown = v.Filter.unknownValues(v.Selected, base); len(v.Unknown) > 0 {
			v.Heading = "Unknown filter"
		}
		return
	}
	pages := (len(found) + maxRows - 1) / maxRows
	page := min(v.Selected.page, pages)
	for _, t := range found[(page-1)*maxRows : min(page*maxRows, len(found))] {
		v.Rows = append(v.Rows, newRow(t, base, now))
	}
	other := v.Selected
	if other.page = page - 1; page > 1 {
		v.Previous = other.link(base)
	}
	if other.page = page + 1; page < pages {
		v.Next = other.link(base)
	}
}

// listHeading describes a list of targets by the values of its filters, such as "Payments: 12 targets".
func (v *filterView) listHeading(targets int) string {
	var parts []string
	for _, values := range []struct {
		prefix  string
		options []option
	}{{"", v.Projects}, {"team ", v.Teams}, {"", v.Statuses}} {
		for _, value := range values.options {
			if value.Selected {
				parts = append(parts, values.prefix+value.Text)
			}
		}
	}
	return fmt.Sprintf("%s: %d targets", strings.Join(parts, ", "), targets)
}

func newRow(t *inspected, base links, now time.Time) rowView {
	target := t.Target
	row := rowView{
		ID: target.ClusterName + "-" + string(target.BackupType), Cluster: target.ClusterName,
		Link:        selection{project: target.ProjectID, cluster: target.ClusterName}.link(base),
		Project:     cmp.Or(t.Cluster.ProjectName, target.ProjectID),
		ProjectLink: selection{project: target.ProjectID}.link(base),
		BackupType:  string(target.BackupType), Team: t.Cluster.Team, Finding: "no action needed", Class: "good",
		Active: t.active(), Ready: t.count(atlas.StatusReady), Poll: at(t.LastPoll, now),
	}
	if t.LastPoll.IsZero() {
		row.Finding, row.Class = "not polled yet", "busy"
	}
	if len(t.findings) > 0 {
		first := &t.findings[0]
		row.Finding, row.Class, row.Remedy, row.More = first.Text, first.Class, first.Remedy, len(t.findings)-1
		row.Runbook, row.Detail = base.runbook(first.Alert, target), first.Detail
	}
	if t.Summary != nil {
		row.LastRestore = atTimestamp(lastSuccess(t.Summary), now)
		row.LastDrill = atTimestamp(lastDrill(t.Snapshot), now)
		if oldest := oldestActive(t.Summary); oldest != nil {
			row.ActiveFor = formatDuration(max(now.Sub(oldest.Created.Time()), 0))
		}
	}
	return row
}
