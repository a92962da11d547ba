package history

import "atlas-restore-exporter/atlas"

// Purpose classifies a restore by its target.
type Purpose uint8

// The purposes.
const (
	PurposeOther   Purpose = iota // any other target, an unknown target, or a download
	PurposeInPlace                // into the cluster that was backed up
	PurposeDrill                  // into one of the configured drill targets

	PurposeCount // number of purposes
)

var purposeNames = [PurposeCount]string{"other", "in_place", "drill"}

func (p Purpose) String() string { return purposeNames[p] }

// purpose returns the purpose of a job.
func (h *History) purpose(job *atlas.RestoreJob) Purpose { return h.policy.purpose(h.destination(job)) }

func (h *History) destination(job *atlas.RestoreJob) destination {
	return destination{
		delivery: job.DeliveryType, projectID: job.TargetProjectID, clusterName: job.TargetClusterName,
		inPlace: job.TargetProjectID == h.list.ProjectID && job.TargetClusterName == h.list.ClusterName &&
			job.DeliveryType != atlas.DeliveryDownload && !job.WritesCopies,
	}
}

// purpose returns the purpose of a restore.
func (p *Policy) purpose(to destination) Purpose {
	switch {
	case to.inPlace:
		return PurposeInPlace
	case to.delivery != atlas.DeliveryDownload && contains(p.DrillTargets, to.projectID, to.clusterName):
		return PurposeDrill
	default:
		return PurposeOther
	}
}

// LastDrill returns the latest drill; nil if there was none. A drill is a successful restore of a whole cluster into
// a drill target or, if drillTargets is nil, into any cluster. Downloads are not drills.
func (s *Summary) LastDrill(backupType atlas.BackupType, drillTargets []RestoreTarget) *Event {
	var last *Event
	for delivery := range atlas.DeliveryCount {
		for purpose := range PurposeCount {
			event := &s.Latest[delivery][purpose].Success
			known := event.End != 0 && isDrill(backupType, delivery, purpose, drillTargets)
			if known && (last == nil || event.compare(last) > 0) {
				last = event
			}
		}
	}
	return last
}

// isDrill reports whether a restore is a drill if it succeeds. See [Summary.LastDrill].
func isDrill(backupType atlas.BackupType, delivery atlas.DeliveryType, purpose Purpose, targets []RestoreTarget) bool {
	intoCluster := delivery == atlas.DeliveryAutomated || delivery == atlas.DeliveryPointInTime
	return intoCluster && backupType != atlas.Collection && (purpose == PurposeDrill || targets == nil)
}
