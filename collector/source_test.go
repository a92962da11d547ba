package collector

import (
	"time"

	"atlas-restore-exporter/atlas"
	"atlas-restore-exporter/collector/history"
	"atlas-restore-exporter/collector/poll"
)

// fixedSource is a Source that doesn't change.
type fixedSource []poll.State

// States implements Source.
func (s fixedSource) States() []poll.State { return s }

// statesOf returns the states of targets of one cluster that have not been polled.
func statesOf(cluster *poll.Cluster, lists ...atlas.List) fixedSource {
	var states fixedSource
	for i, list := range lists {
		target := target(list)
		states = append(states, poll.State{Snapshot: &poll.Snapshot{Target: &target}, Cluster: cluster, First: i == 0})
	}
	return states
}

// collectionOf returns the list of collection restores of the same cluster.
func collectionOf(list atlas.List) atlas.List {
	list.BackupType = atlas.Collection
	return list
}

// everything returns the states of targets that have at least one series of each family.
func everything() fixedSource {
	now := time.Now()
	at := func(ago time.Duration) atlas.Timestamp { return atlas.TimestampOf(now.Add(-ago)) }
	yes := true
	states := statesOf(&poll.Cluster{
		ProjectID: project, Name: "prod", ProjectName: "Payments", Team: `check "out"`, Environment: "prod",
		Exists: &yes, Created: 86400, BackupEnabled: &yes, PointInTimeEnabled: &yes,
	}, collectionOf(prod), atlas.List{ProjectID: project, ClusterName: "prod", BackupType: atlas.Legacy})
	jobs := []atlas.RestoreJob{
		{
			ID: "1", TargetProjectID: project, TargetClusterName: "drill",
			Created: at(3 * time.Hour), Finished: at(2 * time.Hour),
			Snapshot: at(5 * time.Hour), PointInTime: at(4 * time.Hour), RecoveryPoint: at(4 * time.Hour),
			RestoredDocuments: atlas.CountOf(1), TotalDocuments: atlas.CountOf(2), IndexFailures: atlas.CountOf(3),
			Indexes: atlas.IndexesFailed, DeliveryType: atlas.DeliveryAutomated, Status: atlas.StatusCompleted,
		},
		{ID: "2", Created: at(time.Hour), DeliveryType: atlas.DeliveryAutomated, Status: atlas.StatusFailed},
		{ID: "3", Created: at(time.Minute), DeliveryType: atlas.DeliveryPointInTime, Status: atlas.StatusPending},
		{
			ID: "4", Created: at(time.Minute), Finished: at(0), Expiry: at(-time.Hour), DownloadURLs: 1,
			MaxDownloads: atlas.CountOf(5), DeliveryType: atlas.DeliveryDownload, Status: atlas.StatusReady,
		},
	}
	for i := range states {
		s := states[i].Snapshot
		known := history.New(s.Target.List, s.Target.Policy)
		reading := known.Read(now, true)
		reading.Add(&atlas.Page{Jobs: jobs, Last: true})
		known.Merge(reading, now)
		s.Summary, s.LastPoll, s.LastSuccess = known.Summarize(now), now, now
	}
	states[1].Err, states[1].Reason = &atlas.Error{Status: 500}, poll.ReasonServerError
	return states
}
