package status

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"atlas-restore-exporter/atlas"
	"atlas-restore-exporter/collector/history"
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
		Build       Build
		Now         string
		Tiles       []tile
		Discoveries []discoveryView // failed ones
		Projects    []projectView
		Hidden      int // number of targets beyond maxTargets
	}
	tile struct {
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
	targetView struct {
		Cluster, BackupType, Credential string
		State, Class                    string // of the last poll
		LastPoll, LastSuccess           string
		Error, Remedy                   string
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

func newPageView(source Source, now time.Time, all bool) pageView {
	snapshots := slices.Clone(source.Snapshots())
	view := pageView{Now: formatTime(now), Tiles: newTiles(snapshots)}
	for _, d := range source.Discoveries() {
		if d.Err != nil && (all || len(view.Discoveries) < maxDiscoveries) {
			view.Discoveries = append(view.Discoveries, newDiscoveryView(&d, source.ProjectName(d.ProjectID), now))
		}
	}
	slices.SortStableFunc(snapshots, func(a, b *poll.Snapshot) int { return cmp.Compare(urgency(b), urgency(a)) })
	if excess := len(snapshots) - maxTargets; excess > 0 && !all {
		snapshots, view.Hidden = snapshots[:maxTargets], excess
	}
	indexes := map[string]int{} // of projects in view.Projects
	for _, s := range snapshots {
		id := s.Target.ProjectID
		i, ok := indexes[id]
		if !ok {
			i = len(view.Projects)
			indexes[id] = i
			view.Projects = append(view.Projects, projectView{ID: id, Name: source.ProjectName(id)})
		}
		view.Projects[i].Targets = append(view.Projects[i].Targets, newTargetView(s, now))
	}
	return view
}

func newTiles(snapshots []*poll.Snapshot) []tile {
	var failing, active, ready, failed int
	for _, s := range snapshots {
		if s.Err != nil {
			failing++
		}
		if lastRestoreFailed(s) {
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
		{len(snapshots), "targets", ""},
		{failing, "can't be polled", classIfAny(failing, "bad")},
		{active, "restores in progress", classIfAny(active, "busy")},
		{ready, "downloads ready", classIfAny(ready, "warn")},
		{failed, "last restore failed", classIfAny(failed, "bad")},
	}
}

func newDiscoveryView(d *poll.DiscoveryStatus, projectName string, now time.Time) discoveryView {
	title := "Discovery of projects"
	if d.ProjectID != "" {
		title = strings.TrimSuffix("Discovery of clusters in "+projectName, " in ")
	}
	return discoveryView{
		Title: title, ProjectID: d.ProjectID, Credential: d.Credential,
		LastSuccess: since(d.LastSuccess, now), Error: d.Err.Error(), Remedy: discoveryRemedy(d),
	}
}

// urgency orders the targets of the page: targets that need attention first.
func urgency(s *poll.Snapshot) int {
	switch {
	case s.Err != nil && s.Reason != poll.ReasonGone:
		return 3
	case lastRestoreFailed(s):
		return 2
	case s.Err != nil:
		return 1
	}
	return 0
}

// lastRestoreFailed reports whether the last restore of any delivery type failed.
func lastRestoreFailed(s *poll.Snapshot) bool {
	return s.Summary != nil && slices.ContainsFunc(s.Summary.Latest[:], func(latest history.Latest) bool {
		return latest.LastFailure > latest.LastSuccess
	})
}

func newTargetView(s *poll.Snapshot, now time.Time) targetView {
	view := targetView{
		Cluster: s.Target.ClusterName, BackupType: string(s.Target.BackupType), Credential: s.Target.Credential,
		State: "polled", Class: "good", LastPoll: since(s.LastPoll, now), LastSuccess: since(s.LastSuccess, now),
	}
	switch {
	case s.LastPoll.IsZero():
		view.State, view.Class = "not polled yet", "busy"
	case s.Err != nil:
		view.State, view.Class = labelText(string(s.Reason)), "bad"
		view.Error, view.Remedy = s.Err.Error(), targetRemedy(s)
		if s.Stale(now) && s.Summary != nil {
			view.addNote("The data below is stale because polls keep failing.")
		}
	}
	if s.Truncated {
		view.addNote("The list is longer than the limit of a full poll. Older jobs are not shown.")
	}
	if s.Summary != nil {
		view.addSummary(s.Summary, now)
	}
	return view
}

func (v *targetView) addNote(text string) { v.Notes = append(v.Notes, text) }

func (v *targetView) addSummary(summary *history.Summary, now time.Time) {
	v.Known = summary.Known
	if n := summary.Omitted; n > 0 {
		v.addNote(fmt.Sprintf("%d jobs have no per-job series because of job_series.max_per_target.", n))
	}
	var drill, failure atlas.Timestamp
	for i, latest := range summary.Latest {
		if d := atlas.DeliveryType(i); d == atlas.DeliveryAutomated || d == atlas.DeliveryPointInTime {
			drill = max(drill, latest.LastSuccess)
		}
		failure = max(failure, latest.LastFailure)
	}
	v.LastDrill, v.LastFailure = sinceTimestamp(drill, now), sinceTimestamp(failure, now)
	for status := range atlas.StatusCount {
		var n int
		for _, counts := range summary.Counts {
			n += counts[status]
		}
		if n > 0 {
			v.Counts = append(v.Counts, tile{n, labelText(status.String()), statusClass(status)})
		}
	}
	for i := range summary.Newest {
		v.Jobs = append(v.Jobs, newJobView(&summary.Newest[i], now))
	}
}

func newJobView(job *history.JobState, now time.Time) jobView {
	view := jobView{
		ID: job.ID, Status: labelText(job.Status.String()), Class: statusClass(job.Status),
		Delivery: labelText(job.DeliveryType.String()), Target: job.TargetClusterName,
		Age: sinceTimestamp(job.Created, now),
	}
	if job.Created != 0 {
		view.Created = formatTime(job.Created.Time())
		if job.Finished >= job.Created {
			view.Took = formatDuration(job.Finished.Time().Sub(job.Created.Time()))
		}
	}
	// If polls keep failing, the expiry of a download that was ready in the last successful poll may have passed.
	if job.Status == atlas.StatusReady || job.Status == atlas.StatusExpired {
		view.Expiry = sinceTimestamp(job.Expiry, now)
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
