package history

import (
	"slices"

	"atlas-restore-exporter/atlas"
)

// Failure is a failed restore that no later restore of the same kind replaced. A kind contains the restores of a whole
// cluster with the same purpose, or downloads, or restores of collections. For PurposeOther, they must have the same
// target, too.
type Failure struct {
	Purpose Purpose
	Event   Event
}

// kindOf identifies the restores that replace each other.
type kindOf struct {
	delivery               atlas.DeliveryType
	purpose                Purpose
	projectID, clusterName string
}

func (p *Policy) kindOf(to destination) kindOf {
	kind := kindOf{delivery: to.delivery, purpose: p.purpose(to)}
	if kind.delivery == atlas.DeliveryPointInTime {
		kind.delivery = atlas.DeliveryAutomated
	}
	if kind.purpose == PurposeOther {
		kind.projectID, kind.clusterName = to.projectID, to.clusterName
	}
	return kind
}

// failures returns the failed restores without a later success of the same kind, the latest first.
func (l *latestRestores) failures(policy *Policy) []Failure {
	byKind := map[kindOf]Latest{}
	for to, restores := range l.events {
		kind := policy.kindOf(to)
		latest := byKind[kind]
		latest.merge(&restores)
		byKind[kind] = latest
	}
	var failures []Failure
	for kind, latest := range byKind {
		if latest.Failure.End != 0 && latest.Success.End < latest.Failure.End {
			failures = append(failures, Failure{kind.purpose, latest.Failure})
		}
	}
	slices.SortFunc(failures, func(a, b Failure) int { return b.Event.compare(&a.Event) })
	return failures
}
