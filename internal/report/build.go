package report

import (
	"cmp"
	"errors"
	"slices"
	"strings"
	"time"

	"atlas-restore-exporter/atlas"
	"atlas-restore-exporter/collector/history"
	"atlas-restore-exporter/collector/poll"
	"atlas-restore-exporter/internal/config"
)

// clusterKey identifies a cluster.
type clusterKey struct{ projectID, name string }

// builder builds a report from everything that was read.
type builder struct {
	*reader
	report   *Report
	now      time.Time
	signOffs *signOffs
	included map[clusterKey]string // clusters in scope, and the flag that leaves them out; empty if none does
}

// report returns the report, as of the given time.
func (r *reader) report(cfg *config.Config, now time.Time) (*Report, error) {
	b := &builder{
		reader: r, now: now, signOffs: newSignOffs(r.options.SignOffs), included: map[clusterKey]string{},
		report: &Report{Schema: Schema, Data: Data{
			Period: r.options.Period, Filter: r.options.Filter.withoutNil(), Credentials: r.credentials,
			Teams: []Team{}, Clusters: []Cluster{}, Scope: []ScopeCluster{}, Targets: []Target{},
		}},
	}
	b.clusters()
	if len(b.report.Data.Clusters) == 0 {
		return nil, errors.New("no cluster in scope matches " + b.options.Filter.flags())
	}
	b.scopeClusters()
	b.unlistedProjects()
	complete := b.listsComplete()
	var err error
	for _, recorder := range b.recorders {
		b.signOffs.registerListed(recorder.listed)
	}
	if b.report.Data.SignOffs, err = b.signOffs.result(b.options.SignOffFile, b.allRead()); err != nil {
		return nil, err
	}
	complete = complete && len(b.report.Data.SignOffs.Unresolved) == 0
	b.summarize()
	return b.report, b.header(cfg, complete)
}

// clusters adds the clusters in scope that the filter selects, and their targets.
func (b *builder) clusters() {
	clusters := map[clusterKey]*clusterBuilder{}
	for i, state := range b.manager.States() {
		key := clusterKey{state.Target.ProjectID, state.Target.ClusterName}
		restores, oldest := b.manager.Restores(i, b.now)
		flag, known := b.included[key]
		if !known {
			flag = b.options.Filter.exclusion(state.Cluster)
			b.included[key] = flag
		}
		b.signOffs.register(restores, flag != "", &b.options.Period)
		if flag != "" {
			continue
		}
		target := b.target(&state, restores, oldest)
		b.report.Data.Targets = append(b.report.Data.Targets, target)
		if clusters[key] == nil {
			clusters[key] = newClusterBuilder(b, state.Cluster)
		}
		clusters[key].add(&state, &target, restores)
	}
	for _, cluster := range clusters {
		b.report.Data.Clusters = append(b.report.Data.Clusters, cluster.build())
	}
	slices.SortFunc(b.report.Data.Clusters, func(a, b Cluster) int {
		return cmp.Or(strings.Compare(a.ProjectName, b.ProjectName), strings.Compare(a.ProjectID, b.ProjectID),
			strings.Compare(a.ClusterName, b.ClusterName))
	})
}

// target returns the state of a target.
func (b *builder) target(state *poll.State, restores []history.Restore, oldest atlas.Timestamp) Target {
	target := Target{
		ProjectID: state.Target.ProjectID, ProjectName: state.Cluster.ProjectName, ClusterName: state.Target.ClusterName,
		BackupType: string(state.Target.BackupType), Credential: state.Target.Credential,
		Read: state.Err == nil && state.Summary != nil, Truncated: state.Truncated, Inconsistent: state.Inconsistent,
		MalformedJobs: state.Malformed, Oldest: Time(oldest),
	}
	if state.Err != nil {
		target.Reason, target.Error = string(state.Reason), state.Err.Error()
	}
	if state.Summary != nil {
		target.Jobs = state.Summary.Known
	}
	for i := range restores {
		if restores[i].End == 0 && !restores[i].Unfinished {
			target.Undated++
		}
	}
	return target
}

// scopeClusters adds every cluster that Atlas lists to the credentials, and every other cluster with a target.
func (b *builder) scopeClusters() {
	data := &b.report.Data
	for _, project := range b.scope.projects {
		for _, cluster := range project.clusters {
			excludedBy, isTarget := b.included[clusterKey{project.ID, cluster.Name}]
			if !isTarget {
				excludedBy = b.config.Exclusion(&project.Project, cluster, project.credentials)
			}
			data.Scope = append(data.Scope, ScopeCluster{
				ProjectID: project.ID, ProjectName: project.Name, ClusterName: cluster.Name, Listed: true,
				InScope: excludedBy == "", ExcludedBy: excludedBy, BackupEnabled: cluster.BackupEnabled,
			})
		}
	}
	for key, excludedBy := range b.included {
		if b.scope.projects[key.projectID].clusters[key.name] == nil {
			data.Scope = append(data.Scope, ScopeCluster{
				ProjectID: key.projectID, ProjectName: b.scope.projects[key.projectID].Name, ClusterName: key.name,
				InScope: excludedBy == "", ExcludedBy: excludedBy,
			})
		}
	}
	slices.SortFunc(data.Scope, func(a, b ScopeCluster) int {
		return cmp.Or(strings.Compare(a.ProjectName, b.ProjectName), strings.Compare(a.ProjectID, b.ProjectID),
			strings.Compare(a.ClusterName, b.ClusterName))
	})
	data.Totals = Totals{len(b.scope.projects), len(data.Scope), len(data.Targets)}
}

// unlistedProjects adds the projects whose clusters can't be listed.
func (b *builder) unlistedProjects() {
	b.report.Data.UnlistedProjects = append([]UnlistedProject{}, b.scope.unlisted...)
	for i := range b.report.Data.UnlistedProjects {
		unlisted := &b.report.Data.UnlistedProjects[i]
		if project := b.scope.projects[unlisted.ProjectID]; project != nil {
			unlisted.ProjectName = project.Name
			unlisted.ExcludedBy = b.config.ProjectExclusion(&project.Project, project.credentials)
			if unlisted.ExcludedBy == "" && !b.options.Filter.selectsProject(project.ID, project.Name) {
				unlisted.ExcludedBy = flagProject
			}
		}
	}
	slices.SortFunc(b.report.Data.UnlistedProjects, func(a, b UnlistedProject) int {
		return cmp.Or(strings.Compare(a.ProjectName, b.ProjectName), strings.Compare(a.ProjectID, b.ProjectID),
			strings.Compare(a.Credential, b.Credential))
	})
}

// listsComplete reports whether all selected targets, and the clusters of all projects that may contain more of them,
// were read completely.
func (b *builder) listsComplete() bool {
	return !slices.ContainsFunc(b.report.Data.Targets, func(t Target) bool { return !t.Complete() }) &&
		!slices.ContainsFunc(b.report.Data.UnlistedProjects, func(u UnlistedProject) bool { return u.ExcludedBy == "" })
}

// allRead reports whether all lists of jobs were read completely, so that a job that is in none of them doesn't exist.
func (b *builder) allRead() bool {
	for _, state := range b.manager.States() {
		if target := b.target(&state, nil, 0); !target.Complete() {
			return false
		}
	}
	return !slices.ContainsFunc(b.report.Data.UnlistedProjects, func(u UnlistedProject) bool {
		return u.ExcludedBy == "" || u.ExcludedBy == flagProject
	})
}

// summarize counts the clusters by verdict, in total and by team, and the restores.
func (b *builder) summarize() {
	data := &b.report.Data
	teams := map[string]*Team{}
	for i := range data.Clusters {
		cluster := &data.Clusters[i]
		if teams[cluster.Team] == nil {
			teams[cluster.Team] = &Team{Team: cluster.Team}
		}
		data.Summary.count(cluster.Verdict)
		teams[cluster.Team].count(cluster.Verdict)
		for _, drill := range cluster.Drills {
			data.Summary.Drills++
			switch drill.Validation {
			case Passed:
				data.Summary.DrillsPassed++
			case Failed:
				data.Summary.DrillsFailed++
			case NotValidated:
				data.Summary.NotValidated++
			}
		}
		for _, failed := range cluster.FailedRestores {
			data.Summary.FailedRestores++
			if failed.FollowedUpBy != nil {
				data.Summary.FollowedUp++
			}
		}
	}
	for _, team := range teams {
		data.Teams = append(data.Teams, *team)
	}
	slices.SortFunc(data.Teams, func(a, b Team) int { return strings.Compare(a.Team, b.Team) })
}

func (c *Counts) count(verdict Verdict) {
	c.Clusters++
	switch verdict {
	case Met:
		c.Met++
	case Missed:
		c.Missed++
	case NotMeasurable:
		c.NotMeasurable++
	case NoObjective, NotCounted:
		c.NoObjectives++
	}
}

// The statements of a report.
const (
	statementMissing = "Clusters that were deleted before this report was generated, and projects that no credential " +
		"can access, are not included. If a cluster was replaced by another one of the same name, the restores of the " +
		"deleted cluster are not included."
	statementValidated = "Atlas reports that a restore finished, not that the restored data is correct. A drill " +
		"without a sign-off is not validated."
	statementCurrent = "Objectives, drill targets, allowed targets, backup settings, teams, and environments are those " +
		"at the time of generation. Compare the history of the configuration file for changes during the period."
	statementCreator = "Atlas does not report the creator of a restore in the list of restore jobs. The activity feed " +
		"of the project contains it."
	statementUTC = "All times are in UTC."
)

// header sets the header, including the digest of the data.
func (b *builder) header(cfg *config.Config, complete bool) error {
	digest, err := b.report.Data.digest()
	if err != nil {
		return err
	}
	period := &b.report.Data.Period
	times := statementUTC + " The period was given as --from=" + period.FromGiven + " --to=" + period.ToGiven +
		"; times without a zone are in UTC."
	b.report.Header = Header{
		Generated: timeOf(b.now), Version: b.options.Version, BaseURL: cfg.BaseURL,
		Configuration: cfg.Digest(), SignOffs: b.options.SignOffDigest, Digest: digest, Complete: complete,
		Statements: []string{statementMissing, statementValidated, statementCurrent, statementCreator, times},
	}
	if period.ToIsNow {
		b.report.Header.Statements = append(b.report.Header.Statements,
			"The given end of the period is later than the time of generation. The period ends at the time of generation.")
	}
	if !complete {
		b.report.Header.Statements = append(b.report.Header.Statements,
			"This report is incomplete. The sections Scope and Completeness contain the reasons.")
	}
	return nil
}
