package status

import (
	"fmt"
	"net/url"
	"time"

	"github.com/prometheus/common/model"

	"atlas-restore-exporter/atlas"
	"atlas-restore-exporter/collector/history"
	"atlas-restore-exporter/collector/poll"
)

type (
	// clusterView is the page of one cluster.
	clusterView struct {
		Name, Project, ProjectID, ProjectLink string
		Team, Environment                     string
		Objectives                            []string
		AtlasCluster, AtlasBackups            string // links; empty in the demo
		Notes                                 []string
		Targets                               []targetView
	}
	targetView struct {
		BackupType, Credential, ID string
		State, Class               string // of the last poll
		LastPoll, LastSuccess      moment
		Findings                   []findingView
		Notes                      []string
		Counts                     []tile
		LastDrill, LastFailure     moment
		Collection                 bool
		Jobs                       []jobView
		Shown                      string // such as "5 of 32 jobs"
		AllLink                    string // to the page with all jobs; empty if all are shown
	}
	findingView struct {
		finding

		Runbook string
	}
	jobView struct {
		ID, Status, Class, Delivery, Purpose, Target string
		Unexpected                                   bool
		Created, Expiry                              moment
		Took                                         string
	}
)

// addCluster adds the details of one cluster.
func (v *pageView) addCluster(p *Page, found []*inspected, now time.Time) {
	if len(found) == 0 {
		v.NotFound = "This exporter has no targets of this cluster. The configuration and discovery don't include the " +
			"cluster, or another shard polls it."
		return
	}
	base, first := links(p.ExternalURL), found[0]
	c := &clusterView{
		Name: first.Target.ClusterName, Project: first.Cluster.ProjectName, ProjectID: first.Target.ProjectID,
		ProjectLink: selection{project: first.Target.ProjectID}.link(base),
		Team:        first.Cluster.Team, Environment: first.Cluster.Environment, Notes: clusterNotes(first.Cluster),
		Objectives: objectiveTexts(first.Target.Policy.Objectives),
	}
	if p.AtlasURL != nil && !p.Demo {
		project := p.AtlasURL() + "/v2/" + url.PathEscape(c.ProjectID) + "#/clusters/"
		c.AtlasCluster = project + "detail/" + url.PathEscape(c.Name)
		c.AtlasBackups = project + "backup/" + url.PathEscape(c.Name)
	}
	for _, t := range found {
		c.Targets = append(c.Targets, newTargetView(t, v.Selected, base, now))
	}
	v.Cluster = c
}

func objectiveTexts(o history.Objectives) []string {
	var texts []string
	add := func(format string, d time.Duration) {
		if d > 0 {
			texts = append(texts, fmt.Sprintf(format, model.Duration(d)))
		}
	}
	add("restores take at most %s", o.Duration)
	add("a drill every %s", o.DrillAge)
	add("drills restore data that is at most %s old", o.RecoveryPointAge)
	add("notice %s before a download expires", o.ExpiryNotice)
	return texts
}

func newTargetView(t *inspected, selected selection, base links, now time.Time) targetView {
	s := t.State
	view := targetView{
		BackupType: string(s.Target.BackupType), Credential: s.Target.Credential,
		ID: s.Target.ClusterName + "-" + string(s.Target.BackupType), State: "polled", Class: "good",
		LastPoll: at(s.LastPoll, now), LastSuccess: at(s.LastSuccess, now),
		Collection: s.Target.BackupType == atlas.Collection,
	}
	for _, p := range t.findings {
		view.Findings = append(view.Findings, findingView{p, base.runbook(p.Alert, s.Target)})
	}
	switch {
	case s.LastPoll.IsZero():
		view.State, view.Class = "not polled yet", "busy"
	case s.Err != nil:
		view.State, view.Class = labelText(string(s.Reason)), "bad"
		if s.Stale(now) && s.Summary != nil {
			view.addNote("The data below is stale because polls keep failing.")
		}
	}
	if s.Truncated {
		view.addNote("The list is longer than the limit of a full poll. Older jobs are not shown.")
	}
	if s.Inconsistent {
		view.addNote("The list contradicts its own total count. Jobs that it doesn't contain are kept.")
	}
	if s.Malformed > 0 {
		view.addNote(fmt.Sprintf("Malformed jobs that are not shown: %d.", s.Malformed))
	}
	if s.Summary != nil {
		view.addSummary(t, selected, base, now)
	}
	return view
}

func (v *targetView) addNote(text string) { v.Notes = append(v.Notes, text) }

// clusterNotes returns facts about a cluster that are a finding only under further conditions.
func clusterNotes(c *poll.Cluster) []string {
	var notes []string
	if isFalse(c.Exists) {
		notes = append(notes, "The cluster does not exist: the last list of clusters doesn't contain it.")
	}
	if isFalse(c.BackupEnabled) {
		notes = append(notes, "Cloud backup of the cluster is off.")
	}
	return notes
}

func isFalse(fact *bool) bool { return fact != nil && !*fact }

func (v *targetView) addSummary(t *inspected, selected selection, base links, now time.Time) {
	summary := t.Summary
	if n := summary.Omitted; n > 0 {
		v.addNote(fmt.Sprintf(
			"%d jobs have no per-job series because of job_series.max_per_target, or because too many jobs are unfinished.", n))
	}
	v.LastDrill, v.LastFailure = atTimestamp(lastDrill(t.Snapshot), now), atTimestamp(lastFailure(summary), now)
	for status := range atlas.StatusCount {
		if n := t.count(status); n > 0 {
			v.Counts = append(v.Counts, tile{Number: n, Label: labelText(status.String()), Class: statusClass(status)})
		}
	}
	jobs := shownJobs(summary, selected.all)
	for _, job := range jobs {
		v.Jobs = append(v.Jobs, newJobView(t.Target, job, now))
	}
	if len(jobs) < summary.Known {
		v.Shown = fmt.Sprintf("%d of %d jobs", len(jobs), summary.Known)
		if selected.all = true; len(shownJobs(summary, true)) > len(jobs) {
			v.AllLink = selected.link(base) + "#" + url.PathEscape(v.ID)
		}
	}
}

// maxUnfinished is the maximum number of unfinished jobs that the page shows for a target, unless all are requested.
const maxUnfinished = 20

// shownJobs returns the jobs that the page shows: the newest ones, and older ones that are unfinished. With all, it
// returns all jobs that have per-job series.
func shownJobs(summary *history.Summary, all bool) []*history.JobState {
	var jobs []*history.JobState
	newest := map[string]bool{}
	for i := range summary.Newest {
		jobs = append(jobs, &summary.Newest[i])
		newest[summary.Newest[i].ID] = true
	}
	for i := range summary.Series {
		job := &summary.Series[i]
		if !all && (len(jobs) == len(newest)+maxUnfinished || !job.Status.Unfinished()) {
			break // unfinished jobs are first
		}
		if !newest[job.ID] {
			jobs = append(jobs, job)
		}
	}
	return jobs
}

// lastSuccess and lastFailure return when the last restore of any kind succeeded or failed; zero if there was none.
func lastSuccess(summary *history.Summary) atlas.Timestamp {
	return lastEnd(summary, func(latest *history.Latest) *history.Event { return &latest.Success })
}

func lastFailure(summary *history.Summary) atlas.Timestamp {
	return lastEnd(summary, func(latest *history.Latest) *history.Event { return &latest.Failure })
}

func lastEnd(summary *history.Summary, of func(*history.Latest) *history.Event) (last atlas.Timestamp) {
	for _, purposes := range summary.Latest {
		for purpose := range purposes {
			last = max(last, of(&purposes[purpose]).End)
		}
	}
	return last
}

// oldestActive returns the active job that was created first; nil if there is none.
func oldestActive(summary *history.Summary) *history.JobState {
	var oldest *history.JobState
	for _, purposes := range summary.OldestActive {
		for _, job := range purposes {
			if job != nil && (oldest == nil || job.Created < oldest.Created) {
				oldest = job
			}
		}
	}
	return oldest
}

// lastDrill returns when the last drill ended; zero if there was none.
func lastDrill(s *poll.Snapshot) atlas.Timestamp {
	if drill := s.Summary.LastDrill(s.Target.BackupType, s.Target.Policy.DrillTargets); drill != nil {
		return drill.End
	}
	return 0
}

func newJobView(target *poll.Target, job *history.JobState, now time.Time) jobView {
	view := jobView{
		ID: job.ID, Status: labelText(job.Status.String()), Class: statusClass(job.Status),
		Delivery:   labelText(job.DeliveryType.String()),
		Target:     targetText(target, job.TargetProjectID, job.TargetClusterName),
		Unexpected: job.Unexpected, Created: atTimestamp(job.Created, now),
	}
	if job.DeliveryType != atlas.DeliveryDownload {
		view.Purpose = labelText(job.Purpose.String())
	}
	if job.Indexes == atlas.IndexesFailed {
		view.Status, view.Class = view.Status+", indexes failed", "bad"
	}
	if job.Created != 0 && job.Finished >= job.Created {
		view.Took = formatDuration(job.Finished.Time().Sub(job.Created.Time()))
	}
	// If polls keep failing, the expiry of a download that was ready in the last successful poll may have passed.
	if job.Status == atlas.StatusReady || job.Status == atlas.StatusExpired {
		view.Expiry = atTimestamp(job.Expiry, now)
	}
	return view
}

func statusClass(status atlas.Status) string {
	switch status {
	case atlas.StatusFailed:
		return "bad"
	case atlas.StatusReady:
		return "warn"
	case atlas.StatusUnknown:
		return "unknown"
	case atlas.StatusCompleted:
		return "good"
	case atlas.StatusPending, atlas.StatusInProgress:
		return "busy"
	default:
		return "dim"
	}
}
