package report

import (
	"cmp"
	"slices"
	"strings"

	"atlas-restore-exporter/atlas"
	"atlas-restore-exporter/collector/history"
	"atlas-restore-exporter/collector/poll"
)

// clusterBuilder sorts the restores of a cluster into lists, and judges them.
type clusterBuilder struct {
	*builder
	cluster    Cluster
	created    atlas.Timestamp
	objectives history.Objectives // of the first target of the whole cluster, else of the first target
	// incomplete describes the lists of the whole cluster that were not read completely.
	incomplete []string
	whole      bool // a target contains restores of the whole cluster
	drillEnds  []Time
	oldestJob  Time // creation time of the oldest job in the lists of the whole cluster; zero if there is none
	// followUps contains the successful restores that can follow up a failed one, in the order of events.
	followUps map[restoreClass][]history.Event
	failed    []failedRestore
}

// restoreClass contains the restores of a cluster that can follow up each other.
type restoreClass struct {
	collection bool
	purpose    history.Purpose
}

// failedRestore is a failed restore, given by its list and index.
type failedRestore struct {
	list  *[]Restore
	index int
	class restoreClass
	event history.Event
}

func newClusterBuilder(b *builder, facts *poll.Cluster) *clusterBuilder {
	return &clusterBuilder{
		builder: b, created: facts.Created, followUps: map[restoreClass][]history.Event{},
		cluster: Cluster{
			ProjectID: facts.ProjectID, ProjectName: facts.ProjectName, ClusterName: facts.Name, Team: facts.Team,
			Environment: facts.Environment, BackupTypes: []string{}, Created: Time(facts.Created),
			BackupEnabled: facts.BackupEnabled, ContinuousBackup: facts.PointInTimeEnabled,
			Drills: []Restore{}, FailedRestores: []Restore{}, Downloads: []Restore{}, OtherRestores: []Restore{},
			CollectionRestores: []Restore{}, Unfinished: []Restore{},
		},
	}
}

// add adds the restores of a target.
func (c *clusterBuilder) add(state *poll.State, target *Target, restores []history.Restore) {
	backupType := state.Target.BackupType
	collection := backupType == atlas.Collection
	c.cluster.BackupTypes = append(c.cluster.BackupTypes, string(backupType))
	if !collection && !target.Complete() {
		c.incomplete = append(c.incomplete, "the list of "+string(backupType)+" restores "+target.flaw())
	}
	if len(c.cluster.BackupTypes) == 1 || (!collection && !c.whole) {
		policy := &state.Target.Policy
		c.objectives = policy.Objectives
		c.cluster.DrillTargets = c.restoreTargets(policy.DrillTargets)
		c.cluster.AllowedTargets = c.restoreTargets(policy.AllowedTargets)
	}
	if !collection && target.Oldest.Known() && (!c.oldestJob.Known() || target.Oldest < c.oldestJob) {
		c.oldestJob = target.Oldest
	}
	c.whole = c.whole || !collection
	for i := range restores {
		restore := &restores[i]
		class := restoreClass{collection, restore.Purpose}
		if restore.Succeeded && restore.End != 0 {
			c.followUps[class] = append(c.followUps[class], restore.Event)
		}
		if list := c.listOf(restore, collection); list != nil {
			*list = append(*list, c.restore(restore, backupType, list == &c.cluster.Drills))
			if restore.Failed {
				c.failed = append(c.failed, failedRestore{list, len(*list) - 1, class, restore.Event})
			}
		}
		if restore.Drill && Time(restore.End) < c.options.Period.To && c.notCounted(restore) == "" {
			c.drillEnds = append(c.drillEnds, Time(restore.End))
		}
	}
}

// restoreTargets returns a setting as it is reported.
func (c *clusterBuilder) restoreTargets(targets []history.RestoreTarget) []RestoreTarget {
	if targets == nil {
		return nil
	}
	reported := make([]RestoreTarget, len(targets))
	for i, target := range targets {
		reported[i] = RestoreTarget{
			target.ProjectID, c.projectName(target.ProjectID), append([]string{}, target.ClusterNames...),
		}
	}
	return reported
}

// projectName returns the name of a project; empty if it is unknown.
func (b *builder) projectName(id string) string {
	if project := b.scope.projects[id]; project != nil {
		return project.Name
	}
	return ""
}

// listOf returns the list to which a restore belongs; nil if it belongs to none.
func (c *clusterBuilder) listOf(restore *history.Restore, collection bool) *[]Restore {
	period := &c.options.Period
	created, end := Time(restore.Created), Time(restore.End)
	switch {
	case restore.Unfinished, end >= period.To:
		if created < period.To { // an unknown creation time is zero
			return &c.cluster.Unfinished
		}
		return nil
	case !period.contains(end):
		return nil
	case collection:
		return &c.cluster.CollectionRestores
	case restore.Failed:
		return &c.cluster.FailedRestores
	case restore.DeliveryType == atlas.DeliveryDownload:
		return &c.cluster.Downloads
	case restore.Drill:
		return &c.cluster.Drills
	}
	return &c.cluster.OtherRestores
}

// restore returns a restore as it is reported, with the values for objectives. Verdicts on drills that count follow.
func (c *clusterBuilder) restore(r *history.Restore, backupType atlas.BackupType, drill bool) Restore {
	restore := Restore{
		JobID: r.JobID, BatchID: r.BatchID, BackupType: string(backupType), Kind: r.DeliveryType.String(),
		Purpose: r.Purpose.String(), Status: r.Status.String(), Requested: Time(r.Created), Finished: Time(r.Finished),
		Ended: Time(r.End), RecoveryPoint: Time(r.RecoveryPoint), TargetProjectID: r.TargetProjectID,
		TargetProjectName: c.projectName(r.TargetProjectID), TargetClusterName: r.TargetClusterName,
		InPlace: r.Purpose == history.PurposeInPlace, UnexpectedTarget: r.Unexpected,
		IndexesFailed: r.Indexes == atlas.IndexesFailed, Validation: NotValidated,
	}
	if r.BatchID != "" {
		restore.BatchJobIDs = r.JobIDs
	}
	if r.DeliveryType == atlas.DeliveryDownload {
		restore.Expires = Time(r.Expiry)
	}
	if r.Unfinished {
		restore.Ended = 0
	}
	if signOff := c.signOffs.of(r); signOff != nil {
		restore.Validation, restore.Reviewer = Failed, signOff.Reviewer
		restore.ReviewDate, restore.Notes = signOff.Date, signOff.Notes
		if signOff.Pass {
			restore.Validation = Passed
		}
	}
	j := Judgment{Verdict: NoObjective}
	if reason := c.notCounted(r); drill && reason != "" {
		j = Judgment{Verdict: NotCounted, Reason: reason}
	}
	restore.Duration, restore.RecoveryPointAge = j, j
	if seconds, known := r.Duration(); known {
		restore.Duration.Value = secondsOf(seconds)
	}
	if r.Created != 0 && r.RecoveryPoint != 0 {
		restore.RecoveryPointAge.Value = secondsOf(int64(r.Created - r.RecoveryPoint))
	}
	return restore
}

// notCounted returns why a drill counts for no objective; empty if it counts.
func (c *clusterBuilder) notCounted(r *history.Restore) string {
	if signOff := c.signOffs.of(r); signOff != nil && !signOff.Pass {
		return reasonSignedOff
	}
	return ""
}

// build returns the cluster with its verdicts.
func (c *clusterBuilder) build() Cluster {
	c.followUp()
	for _, list := range c.cluster.lists() { // several targets may have contributed
		sortRestores(*list)
	}
	c.judge()
	return c.cluster
}

// lists returns the lists of restores. Each restore is in one of them.
func (c *Cluster) lists() []*[]Restore {
	return []*[]Restore{
		&c.Drills, &c.FailedRestores, &c.Downloads, &c.OtherRestores, &c.CollectionRestores, &c.Unfinished,
	}
}

// sortRestores sorts restores by their end, or by their creation while they are unfinished.
func sortRestores(restores []Restore) {
	order := func(r *Restore) Time { return cmp.Or(r.Ended, r.Requested) }
	slices.SortStableFunc(restores, func(a, b Restore) int { return int(order(&a) - order(&b)) })
}

// followUp sets the follow-ups of the failed restores: the first success that was requested and ended later.
func (c *clusterBuilder) followUp() {
	for _, events := range c.followUps {
		slices.SortStableFunc(events, func(a, b history.Event) int { return int(a.End - b.End) })
	}
	for _, failed := range c.failed {
		events := c.followUps[failed.class]
		next := slices.IndexFunc(events, func(e history.Event) bool {
			return e.End > failed.event.End && (e.Created == 0 || e.Created >= failed.event.Created)
		})
		if next >= 0 {
			(*failed.list)[failed.index].FollowedUpBy = &FollowUp{events[next].JobID, Time(events[next].End)}
		}
	}
}

// flaw describes why the jobs of a list are not completely known.
func (t *Target) flaw() string {
	var flaws []string
	if !t.Read {
		flaws = append(flaws, "could not be read")
	}
	if t.Truncated {
		flaws = append(flaws, "is truncated")
	}
	if t.Inconsistent {
		flaws = append(flaws, "contradicts its own total count")
	}
	if t.MalformedJobs > 0 {
		flaws = append(flaws, "contains malformed jobs")
	}
	return strings.Join(flaws, " and ")
}
