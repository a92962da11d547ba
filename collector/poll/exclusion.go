package poll

import (
	"fmt"
	"slices"
	"strings"

	"atlas-restore-exporter/atlas"
)

// The reasons that don't name a pattern.
const (
	noEntry     = "no entry under projects"
	notListed   = "not listed under projects[].clusters"
	noDiscovery = notListed + ", and the project has no discovery"
	noBackups   = "free cluster, or being deleted"
)

// ProjectExclusion returns the setting that excludes a whole project, which the given credentials can see. It returns
// "" if a rule applies to the project, or a target belongs to it.
func (c *Config) ProjectExclusion(project *atlas.Project, credentials []string) string {
	rules, reasons := c.rulesFor(project, credentials)
	listed := slices.ContainsFunc(c.Targets, func(t Target) bool { return t.ProjectID == project.ID })
	switch {
	case listed || len(rules) > 0:
		return ""
	case len(reasons) > 0:
		return joinReasons(reasons)
	}
	return noEntry
}

// Exclusion returns the setting that excludes a cluster, which is not a target, from the targets. The given credentials
// can see its project. It returns "" if a rule selects the cluster, which is the case if discovery failed.
func (c *Config) Exclusion(project *atlas.Project, cluster *atlas.Cluster, credentials []string) string {
	if reason := c.ProjectExclusion(project, credentials); reason != "" {
		return reason
	}
	rules, reasons := c.rulesFor(project, credentials)
	for _, rule := range rules {
		reason := rule.exclusion(cluster)
		if reason == "" {
			return ""
		}
		reasons = append(reasons, reason)
	}
	if len(reasons) == 0 {
		return noDiscovery
	}
	return joinReasons(reasons)
}

// rulesFor returns the rules that apply to a project, and the reasons why rules for all projects don't.
func (c *Config) rulesFor(project *atlas.Project, credentials []string) (rules []*Rule, reasons []string) {
	for i := range c.Discoveries {
		if c.Discoveries[i].Target.ProjectID == project.ID {
			return []*Rule{&c.Discoveries[i]}, nil
		}
	}
	for i := range c.Discoveries {
		rule := &c.Discoveries[i]
		switch {
		case rule.Target.ProjectID != "" || !slices.Contains(credentials, rule.Target.Credential):
		case rule.Projects.matches(project.Name):
			rules = append(rules, rule)
		default:
			reasons = append(reasons, rule.Projects.exclusion("name_", project.Name))
		}
	}
	return rules, reasons
}

// exclusion returns the setting of the rule that excludes a cluster, or "" if the rule selects it.
func (r *Rule) exclusion(cluster *atlas.Cluster) string {
	if !cluster.CanHaveRestores {
		return noBackups
	}
	if reason := r.Clusters.exclusion("discovery.", cluster.Name); reason != "" {
		return reason
	}
	if key, missing := r.missingTag(cluster); missing {
		return "discovery.tags " + key
	}
	for _, backupType := range r.BackupTypes {
		kind, listed := atlas.ClusterKindOf(backupType)
		if listed && (kind == atlas.FlexClusters) == cluster.Flex {
			return ""
		}
	}
	return "discovery.backup_types"
}

// exclusion returns the setting that excludes a name, or "" if the pattern matches it.
func (p Pattern) exclusion(prefix, name string) string {
	switch {
	case p.matches(name):
		return ""
	case p.Exclude != nil && p.Exclude.MatchString(name):
		return fmt.Sprintf("%sexclude %s", prefix, p.Exclude)
	}
	return fmt.Sprintf("%sinclude %s", prefix, p.Include)
}

func joinReasons(reasons []string) string {
	slices.Sort(reasons)
	return strings.Join(slices.Compact(reasons), "; ")
}
