package status

import (
	"cmp"
	"fmt"
	"time"

	"atlas-restore-exporter/atlas"
	"atlas-restore-exporter/collector/history"
	"atlas-restore-exporter/collector/poll"
)

type (
	targetView struct {
		Cluster, BackupType, Credential string
		Link                            string // to the page of the cluster
		Team, Environment               string
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
		ID, Status, Class, Delivery, Purpose, Target string
		Unexpected                                   bool
		Created, Age, Took, Expiry                   string
	}
)

func newTargetView(s *poll.State, link string, now time.Time) targetView {
	view := targetView{
		Cluster: s.Target.ClusterName, BackupType: string(s.Target.BackupType), Credential: s.Target.Credential,
		Link: link, Team: s.Cluster.Team, Environment: s.Cluster.Environment,
		State: "polled", Class: "good", LastPoll: since(s.LastPoll, now), LastSuccess: since(s.LastSuccess, now),
	}
	view.addClusterNotes(s.Cluster)
	switch {
	case s.LastPoll.IsZero():
		view.State, view.Class = "not polled yet", "busy"
	case s.Err != nil:
		view.State, view.Class = labelText(string(s.Reason)), "bad"
		view.Error, view.Remedy = s.Err.Error(), targetRemedy(s.Snapshot)
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
	if s.Summary != nil {
		view.addSummary(s, now)
	}
	return view
}

func (v *targetView) addNote(text string) { v.Notes = append(v.Notes, text) }

func (v *targetView) addClusterNotes(c *poll.Cluster) {
	if isFalse(c.Exists) {
		v.addNote("The cluster does not exist: the last list of clusters doesn't contain it.")
	}
	if isFalse(c.BackupEnabled) {
		v.addNote("Cloud backup of the cluster is off.")
	}
}

func isFalse(fact *bool) bool { return fact != nil && !*fact }

// clusterNeedsAttention reports whether the cluster doesn't exist or has no cloud backup.
func clusterNeedsAttention(c *poll.Cluster) bool {
	return isFalse(c.Exists) || isFalse(c.BackupEnabled)
}

func (v *targetView) addSummary(s *poll.State, now time.Time) {
	summary := s.Summary
	v.Known = summary.Known
	if n := summary.Omitted; n > 0 {
		v.addNote(fmt.Sprintf(
			"%d jobs have no per-job series because of job_series.max_per_target, or because too many jobs are unfinished.", n))
	}
	v.LastDrill, v.LastFailure = sinceTimestamp(lastDrill(s.Snapshot), now), sinceTimestamp(lastFailure(summary), now)
	for status := range atlas.StatusCount {
		var n int
		for _, counts := range summary.Counts {
			n += counts[status]
		}
		if n > 0 {
			v.Counts = append(v.Counts, tile{n, labelText(status.String()), statusClass(status)})
		}
	}
	for _, job := range shownJobs(summary) {
		v.Jobs = append(v.Jobs, newJobView(s.Target, job, now))
	}
}

// maxUnfinished is the maximum number of unfinished jobs that the page shows for a target.
const maxUnfinished = 20

// shownJobs returns the jobs that the page shows: the newest ones, and older ones that are unfinished.
func shownJobs(summary *history.Summary) []*history.JobState {
	var jobs []*history.JobState
	newest := map[string]bool{}
	for i := range summary.Newest {
		jobs = append(jobs, &summary.Newest[i])
		newest[summary.Newest[i].ID] = true
	}
	for i := range summary.Series {
		job := &summary.Series[i]
		if len(jobs) == len(newest)+maxUnfinished || !job.Status.Unfinished() {
			break // unfinished jobs are first
		}
		if !newest[job.ID] {
			jobs = append(jobs, job)
		}
	}
	return jobs
}

// lastRestoreFailed reports whether, for any delivery type and purpose, the last restore failed. A
// successful drill doesn't clear a failed restore in place.
func lastRestoreFailed(summary *history.Summary) bool {
	if summary == nil {
		return false
	}
	for _, purposes := range summary.Latest {
		for _, latest := range purposes {
			if latest.Failure.End > latest.Success.End {
				return true
			}
		}
	}
	return false
}

// lastFailure returns when the last failed restore ended; zero if there was none.
func lastFailure(summary *history.Summary) atlas.Timestamp {
	var last atlas.Timestamp
	for _, purposes := range summary.Latest {
		for _, latest := range purposes {
			last = max(last, latest.Failure.End)
		}
	}
	return last
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
		Delivery: labelText(job.DeliveryType.String()), Target: job.TargetClusterName, Unexpected: job.Unexpected,
		Age: sinceTimestamp(job.Created, now),
	}
	if job.DeliveryType != atlas.DeliveryDownload {
		view.Purpose = labelText(job.Purpose.String())
	}
	if id := job.TargetProjectID; id != "" && id != target.ProjectID {
		view.Target = cmp.Or(view.Target, "unknown cluster") + " in project " + id
	}
	if job.Indexes == atlas.IndexesFailed {
		view.Status, view.Class = view.Status+", indexes failed", "bad"
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
