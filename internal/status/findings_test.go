package status

import (
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"atlas-restore-exporter/atlas"
	"atlas-restore-exporter/collector/history"
	"atlas-restore-exporter/collector/poll"
)

// ago returns a timestamp before now.
func ago(d time.Duration) atlas.Timestamp { return atlas.TimestampOf(now.Add(-d)) }

// texts returns the kinds and texts of the findings of the first target.
func texts(snapshots []*poll.Snapshot, cluster poll.Cluster) []string {
	source := &fakePoller{snapshots: snapshots, clusters: map[string]poll.Cluster{"prod": cluster}}
	states := source.States()
	var found []string
	for _, p := range newInspector(states, now).findings(&states[0]) {
		found = append(found, string(p.kind)+": "+p.Text)
		if p.Remedy == "" || !strings.HasPrefix(p.Alert, "AtlasRestore") {
			found = append(found, "no remedy or alert")
		}
	}
	return found
}

// change changes a target without findings.
type change func(s *poll.Snapshot, c *poll.Cluster)

func success(p history.Purpose, event history.Event) change {
	return func(s *poll.Snapshot, _ *poll.Cluster) {
		s.Summary.Latest[atlas.DeliveryAutomated][p] = history.Latest{Success: event}
	}
}

func failedWith(p history.Purpose, event history.Event) change {
	return func(s *poll.Snapshot, _ *poll.Cluster) {
		s.Summary.Failures = append(s.Summary.Failures, history.Failure{Purpose: p, Event: event})
	}
}

// succeededWith is a success in place.
func succeededWith(event history.Event) change { return success(history.PurposeInPlace, event) }

func slow(age, objective time.Duration) change {
	return func(s *poll.Snapshot, _ *poll.Cluster) {
		job := newJob("1", atlas.StatusInProgress, age)
		s.Summary.OldestActive[atlas.DeliveryAutomated][history.PurposeInPlace] = &job
		s.Target.Policy.Objectives.Duration = objective
	}
}

func objective(o history.Objectives) change {
	return func(s *poll.Snapshot, _ *poll.Cluster) { s.Target.Policy.Objectives = o }
}

// drilled is a drill whose data was two days old.
func drilled(age time.Duration) change {
	return success(history.PurposeDrill, history.Event{
		End: ago(age), Created: ago(age), Finished: ago(age), RecoveryPoint: ago(age + 2*day), JobID: "1",
	})
}

func expiring(in time.Duration) change {
	return func(s *poll.Snapshot, _ *poll.Cluster) {
		s.Summary.NextExpiry = &history.JobState{RestoreJob: &atlas.RestoreJob{ID: "1", Expiry: ago(-in)}}
		s.Target.Policy.Objectives.ExpiryNotice = 2 * time.Hour
	}
}

func took(d, age time.Duration) change {
	return succeededWith(history.Event{End: ago(age), Finished: ago(age), Created: ago(age + d), JobID: "1"})
}

func indexesFailed(age time.Duration) change {
	return succeededWith(history.Event{End: ago(age), JobID: "1", Indexes: atlas.IndexesFailed})
}

func exists(exists bool, source string) change {
	return func(s *poll.Snapshot, c *poll.Cluster) { c.Exists, s.Target.Source = &exists, source }
}

func backup(enabled bool) change {
	return func(_ *poll.Snapshot, c *poll.Cluster) { c.BackupEnabled = &enabled }
}

type findingTests map[string]struct {
	changes []change
	want    []string
}

func (tests findingTests) run(t *testing.T) {
	t.Helper()
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			s, cluster := succeeded("prod", atlas.Dedicated), poll.Cluster{}
			for _, apply := range test.changes {
				apply(s, &cluster)
			}
			if got := texts([]*poll.Snapshot{s}, cluster); !slices.Equal(got, test.want) {
				t.Errorf("got  %q\nwant %q", got, test.want)
			}
		})
	}
}

// Only serverless instances were retired. For other backup types, Atlas no longer supports the API version of the
// exporter, so that monitoring ends.
func TestFindings_ReasonGoneIsOnlyAWarningForServerlessInstances(t *testing.T) {
	for backupType, want := range map[atlas.BackupType]string{
		atlas.Serverless: "warn AtlasRestoreTargetGone",
		atlas.Dedicated:  "bad AtlasRestoreCannotPoll",
	} {
		snapshot := failed("prod", backupType, &atlas.Error{Status: http.StatusGone, Code: "VERSION_GONE"})
		states := (&fakePoller{snapshots: []*poll.Snapshot{snapshot}}).States()
		found := newInspector(states, now).findings(&states[0])
		if len(found) != 1 || found[0].Class+" "+found[0].Alert != want {
			t.Errorf("%s: got %+v, want %s", backupType, found, want)
		}
	}
}

// TestFindings_OfFailuresAgreeWithTheAlerts has one case for each condition of an alert, and one just outside of it.
func TestFindings_OfFailuresAgreeWithTheAlerts(t *testing.T) {
	last := history.Event{End: ago(2 * time.Hour), JobID: "1", TargetProjectID: payments, TargetClusterName: "x"}
	findingTests{
		"nothing": {nil, nil},
		"a failure": {[]change{failedWith(history.PurposeInPlace, last)},
			[]string{"failed: Restore failed 2h 0m ago: job 1, in place."}},
		"a failed copy": {[]change{failedWith(history.PurposeOther, last)},
			[]string{"failed: Restore failed 2h 0m ago: job 1, into x."}},
		"a failed download": {[]change{failedWith(history.PurposeOther, history.Event{End: ago(2 * time.Hour), JobID: "1"})},
			[]string{"failed: Restore failed 2h 0m ago: job 1."}},
		"two failures": {[]change{
			failedWith(history.PurposeInPlace, last),
			failedWith(history.PurposeDrill, history.Event{End: ago(3 * time.Hour), JobID: "2"}),
		}, []string{"failed: Restore failed 2h 0m ago: job 1, in place.", "failed: Restore failed 3h 0m ago: job 2, drill."}},
		"an old failure": {[]change{failedWith(history.PurposeInPlace, history.Event{End: ago(8 * day), JobID: "1"})}, nil},
	}.run(t)
}

// TestFindings_OfRestoresAgreeWithTheAlerts has cases for slow restores, downloads, and objectives.
func TestFindings_OfRestoresAgreeWithTheAlerts(t *testing.T) {
	findingTests{
		"slower than the objective": {[]change{slow(9*time.Hour, 4*time.Hour)},
			[]string{"too_slow: Restore is slow: job 1 has been in progress for 9h 0m, longer than its objective of 4h."}},
		"within the objective": {[]change{slow(3*time.Hour, 4*time.Hour)}, nil},
		"stuck": {[]change{slow(25*time.Hour, 0)},
			[]string{"too_slow: Restore is slow: job 1 has been in progress for 1d 1h."}},
		"not stuck": {[]change{slow(23*time.Hour, 0)}, nil},
		"an unexpected target": {[]change{func(s *poll.Snapshot, _ *poll.Cluster) { s.Summary.Unexpected = 2 }},
			[]string{"unexpected_target: Restores into targets that are not allowed: 2."}},
		"a download that expires soon": {[]change{expiring(time.Hour)},
			[]string{"expiring: The download of job 1 expires in 1h 0m."}},
		"a download that expires later": {[]change{expiring(3 * time.Hour)}, nil},
		"an expired download":           {[]change{expiring(-time.Minute)}, nil},
		"missed the objective": {[]change{objective(history.Objectives{Duration: time.Hour}), took(2*time.Hour, time.Hour)},
			[]string{"missed_objective: Job 1 took 2h 0m, longer than its objective of 1h."}},
		"missed the objective last week": {
			[]change{objective(history.Objectives{Duration: time.Hour}), took(2*time.Hour, 4*day)}, nil,
		},
		"indexes failed": {[]change{indexesFailed(day)},
			[]string{"indexes_failed: Indexes failed: job 1 restored the data, but not all indexes."}},
		"indexes failed long ago": {[]change{indexesFailed(8 * day)}, nil},
	}.run(t)
}

// TestFindings_OfDrillsAgreeWithTheAlerts has cases for drills.
func TestFindings_OfDrillsAgreeWithTheAlerts(t *testing.T) {
	findingTests{
		"drill overdue": {[]change{objective(history.Objectives{DrillAge: 7 * day}), drilled(8 * day)},
			[]string{"drill_overdue: Drill overdue: the last drill was 8d 0h ago, the objective is 1w."}},
		"drilled in time": {[]change{objective(history.Objectives{DrillAge: 7 * day}), drilled(6 * day)}, nil},
		"never drilled": {[]change{objective(history.Objectives{DrillAge: 7 * day})},
			[]string{"drill_overdue: Never drilled. The objective is a drill every 1w."}},
		"a new cluster": {[]change{objective(history.Objectives{DrillAge: 7 * day}), func(_ *poll.Snapshot, c *poll.Cluster) {
			c.Created = ago(time.Hour)
		}}, nil},
		"a drill of old data": {[]change{objective(history.Objectives{RecoveryPointAge: day}), drilled(day)},
			[]string{"old_recovery_point: The last drill restored data that was 2d 0h old, the objective is 1d."}},
		"a drill of recent data": {[]change{objective(history.Objectives{RecoveryPointAge: 3 * day}), drilled(day)}, nil},
	}.run(t)
}

// TestFindings_OfClustersAgreeWithTheAlerts has cases for facts about clusters, and for several findings.
func TestFindings_OfClustersAgreeWithTheAlerts(t *testing.T) {
	findingTests{
		"an unknown status": {[]change{func(s *poll.Snapshot, _ *poll.Cluster) {
			s.Summary.Counts[atlas.DeliveryAutomated][atlas.StatusUnknown] = 1
		}}, []string{"unknown_status: Jobs with a status that the exporter can't interpret: 1."}},
		"no backup": {[]change{objective(history.Objectives{Duration: time.Hour}), backup(false)},
			[]string{"no_backup: The cluster has objectives but no backups: cloud backup is off."}},
		"no backup and no objective": {[]change{backup(false)}, nil},
		"a deleted cluster in the configuration": {[]change{exists(false, poll.SourceConfig)},
			[]string{"deleted: The cluster does not exist: the last list of clusters doesn't contain it."}},
		"a deleted cluster of discovery": {[]change{exists(false, poll.SourceDiscovery)}, nil},
		"several, the most urgent first": {[]change{
			objective(history.Objectives{DrillAge: 7 * day}),
			failedWith(history.PurposeInPlace, history.Event{End: ago(2 * time.Hour), JobID: "1"}),
			func(s *poll.Snapshot, _ *poll.Cluster) { s.Err, s.Reason = errNoCluster, poll.ReasonNotFound },
		}, []string{
			"failed: Restore failed 2h 0m ago: job 1, in place.", "poll_failed: Polls fail (not found).",
			"drill_overdue: Never drilled. The objective is a drill every 1w.",
		}},
	}.run(t)
}

// TestFindings_CountTheDrillsOfAllTargetsOfACluster has a cluster with two targets, of which only one was drilled.
func TestFindings_CountTheDrillsOfAllTargetsOfACluster(t *testing.T) {
	dedicated, legacy := succeeded("prod", atlas.Dedicated), succeeded("prod", atlas.Legacy)
	dedicated.Target.Policy.Objectives.DrillAge = 7 * day
	setEvents(legacy, atlas.DeliveryAutomated, history.PurposeDrill, ago(day), 0)
	if got := texts([]*poll.Snapshot{dedicated, legacy}, poll.Cluster{}); got != nil {
		t.Errorf("findings %q", got)
	}
	other := succeeded("other", atlas.Legacy)
	setEvents(other, atlas.DeliveryAutomated, history.PurposeDrill, ago(day), 0)
	if got := texts([]*poll.Snapshot{dedicated, other}, poll.Cluster{}); len(got) != 1 {
		t.Errorf("findings %q", got)
	}
}

// TestStatusNames_HaveATextForEachKind checks that each kind can be selected.
func TestStatusNames_HaveATextForEachKind(t *testing.T) {
	for _, k := range kinds {
		if statusNames[string(k)] == "" {
			t.Errorf("%s has no text", k)
		}
	}
	if len(statusNames) != len(kinds)+4 {
		t.Errorf("%d texts", len(statusNames))
	}
}
