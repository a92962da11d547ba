package report

import (
	"slices"
	"strings"
	"time"
)

// Reasons for verdicts.
const (
	reasonSignedOff = "signed off as fail"

	reasonNoWholeTarget   = "no target contains restores of the whole cluster"
	reasonCreatedLater    = "the cluster was created after the period"
	reasonUnknownCreation = "no counted drill before the period, and the creation time of the cluster is unknown"
	reasonNoDrills        = "no counted drill ended in the period"
	reasonNoDuration      = "Atlas reports no usable start and finish time"
	reasonNoRecoveryPoint = "Atlas reports no creation time or no recovery point"
)

// judge sets the verdicts of the cluster and of its drills.
func (c *clusterBuilder) judge() {
	cluster, objectives := &c.cluster, &c.objectives
	cluster.DrillAge = c.judgeDrillAge(objectives.DrillAge)
	cluster.Duration = c.judgeDrills(objectives.Duration, reasonNoDuration, func(r *Restore) *Judgment {
		return &r.Duration
	})
	cluster.RecoveryPointAge = c.judgeDrills(objectives.RecoveryPointAge, reasonNoRecoveryPoint,
		func(r *Restore) *Judgment { return &r.RecoveryPointAge })
	cluster.Verdict = overall(cluster.DrillAge.Verdict, cluster.Duration.Verdict, cluster.RecoveryPointAge.Verdict)
}

// overall returns the verdict on a cluster from those on its objectives.
func overall(verdicts ...Verdict) Verdict {
	for _, verdict := range []Verdict{Missed, NotMeasurable, Met} {
		if slices.Contains(verdicts, verdict) {
			return verdict
		}
	}
	return NoObjective
}

// compare sets the verdict on a value that is known.
func (j *Judgment) compare() {
	switch excess := j.Value.n - j.Objective.n; {
	case !j.Objective.known:
		j.Verdict = NoObjective
	case excess > 0:
		j.Verdict, j.MissedBy = Missed, secondsOf(excess)
	default:
		j.Verdict = Met
	}
}

// giveUp sets the verdict if the objective can't be judged.
func (j *Judgment) giveUp(reason string) {
	j.Verdict = NoObjective
	if j.Objective.known {
		j.Verdict, j.Reason, j.MissedBy = NotMeasurable, reason, Seconds{}
	}
}

// judgeDrillAge judges the age of the last drill at any time of the period from the creation of the cluster on. The age
// grows until a drill ends, so the worst age is that just before a drill ended or the period ends.
func (c *clusterBuilder) judgeDrillAge(objective time.Duration) Judgment {
	j := Judgment{Objective: secondsOfDuration(objective)}
	period, created := &c.options.Period, Time(c.created)
	start := max(period.From, created)
	switch {
	case !c.whole:
		j.giveUp(reasonNoWholeTarget)
		return j
	case start >= period.To:
		j.giveUp(reasonCreatedLater)
		return j
	}
	slices.Sort(c.drillEnds)
	last, worst := created, Time(-1) // an unknown creation time is zero
	fromCreation := false
	for i, end := range append(c.drillEnds, period.To) {
		if end > start && last != 0 && end-last > worst {
			worst, fromCreation = end-last, i == 0
		}
		last = max(last, end)
	}
	unknownStart := created == 0 && (len(c.drillEnds) == 0 || c.drillEnds[0] > start)
	if worst >= 0 {
		j.Value = secondsOf(int64(worst))
		j.compare()
		if fromCreation && j.Objective.known {
			j.Assumes = c.noEarlierDrill()
		}
	}
	switch {
	case unknownStart && j.Verdict != Missed:
		j.giveUp(reasonUnknownCreation)
	case len(c.incomplete) > 0 && j.Verdict == Missed: // an unknown drill may have been in time
		j.giveUp(strings.Join(c.incomplete, "; "))
	}
	return j
}

// noEarlierDrill returns the assumption of an age that counts from the creation of the cluster.
func (c *clusterBuilder) noEarlierDrill() string {
	text := "counted from the creation of the cluster on " + Time(c.created).date() +
		", because Atlas lists no earlier drill"
	if !c.oldestJob.Known() {
		return text + " and no other job"
	}
	return text + "; the oldest listed job was created on " + c.oldestJob.date()
}

// judgeDrills judges a value of each drill that counts, and returns the judgment on all of them.
func (c *clusterBuilder) judgeDrills(
	objective time.Duration, unknown string, judgmentOf func(*Restore) *Judgment,
) Judgment {
	all := Judgment{Objective: secondsOfDuration(objective)}
	var verdicts []Verdict
	for i := range c.cluster.Drills {
		drill := &c.cluster.Drills[i]
		j := judgmentOf(drill)
		j.Objective = all.Objective
		if j.Verdict == NotCounted {
			continue
		}
		if j.Value.known {
			j.compare()
			if !all.Value.known || j.Value.n > all.Value.n {
				all.Value = j.Value
			}
		} else {
			j.giveUp(unknown)
		}
		verdicts = append(verdicts, j.Verdict)
	}
	if all.Value.known {
		all.compare()
	}
	switch {
	case all.Verdict == Missed: // regardless of other drills
	case !c.whole:
		all.giveUp(reasonNoWholeTarget)
	case len(c.incomplete) > 0:
		all.giveUp(strings.Join(c.incomplete, "; "))
	case len(verdicts) == 0:
		all.giveUp(reasonNoDrills)
	case slices.Contains(verdicts, NotMeasurable):
		all.giveUp(unknown)
	case all.Verdict == "":
		all.Verdict = NoObjective
	}
	return all
}
