package poll

import (
	"cmp"
	"maps"
	"regexp"
	"slices"

	"atlas-restore-exporter/atlas"
)

// Rule is a rule that turns the clusters found in one project, or in all projects of a credential, into targets.
type Rule struct {
	// Target has the settings of each target that the rule finds. Only the ProjectID of its List is used. If it is
	// empty, the rule applies to every project that the credential can see and that has no rule of its own.
	Target      Target
	Projects    Pattern           // of project names; ignored if there is a ProjectID
	Clusters    Pattern           // of cluster names
	Tags        map[string]string // a cluster must have all of them
	BackupTypes []atlas.BackupType
}

// Pattern matches a name that Include matches and Exclude does not. A nil Include matches every name, a nil Exclude
// none.
type Pattern struct{ Include, Exclude *regexp.Regexp }

func (p Pattern) matches(name string) bool {
	return (p.Include == nil || p.Include.MatchString(name)) && (p.Exclude == nil || !p.Exclude.MatchString(name))
}

// equal reports whether two patterns have the same expressions.
func (p Pattern) equal(other Pattern) bool {
	same := func(a, b *regexp.Regexp) bool { return a == b || (a != nil && b != nil && a.String() == b.String()) }
	return same(p.Include, other.Include) && same(p.Exclude, other.Exclude)
}

func (r *Rule) matches(cluster *atlas.Cluster) bool {
	_, missing := r.missingTag(cluster)
	return !missing && cluster.CanHaveRestores && r.Clusters.matches(cluster.Name)
}

// missingTag returns the first tag of the rule that a cluster doesn't have, if any.
func (r *Rule) missingTag(cluster *atlas.Cluster) (key string, missing bool) {
	for _, key := range slices.Sorted(maps.Keys(r.Tags)) {
		if actual, ok := cluster.Tags[key]; !ok || actual != r.Tags[key] {
			return key, true
		}
	}
	return "", false
}

// discoveryKeys returns the lists that discovery reads: projects, and clusters with their kinds. The projects
// of rules for all projects must be in the inventory.
func discoveryKeys(config *Config, found inventory) map[discoveryKey][]atlas.ClusterKind {
	keys := map[discoveryKey][]atlas.ClusterKind{}
	for i := range config.Discoveries {
		rule := &config.Discoveries[i]
		if rule.Target.ProjectID == "" {
			keys[discoveryKey{rule.Target.Credential, ""}] = nil
		}
		for _, projectID := range projectsOf(config, rule, found) {
			key := discoveryKey{rule.Target.Credential, projectID}
			for _, backupType := range rule.BackupTypes {
				kind, listed := atlas.ClusterKindOf(backupType)
				if listed && !slices.Contains(keys[key], kind) {
					keys[key] = append(keys[key], kind)
				}
			}
		}
	}
	return keys
}

// projectsOf returns the IDs of the projects that a rule applies to.
func projectsOf(config *Config, rule *Rule, found inventory) []string {
	if rule.Target.ProjectID != "" {
		return []string{rule.Target.ProjectID}
	}
	entry := found[discoveryKey{rule.Target.Credential, ""}]
	if entry == nil {
		return nil
	}
	var ids []string
	for _, project := range entry.projects.all {
		if !config.hasRuleFor(project.ID) && rule.Projects.matches(project.Name) && !slices.Contains(ids, project.ID) {
			ids = append(ids, project.ID)
		}
	}
	return ids
}

// maxFound bounds the number of targets that an exporter polls because rules found them.
const maxFound = 50_000

// plannedTarget is a list to be polled with settings that belong to the configuration. Settings are compared by their
// pointers, so that an update is cheap.
type plannedTarget struct {
	list      atlas.List
	settings  *Target
	notBefore atlas.Timestamp // see history.Policy
	recreated bool
}

func (p *plannedTarget) target() *Target {
	target := *p.settings
	target.List, target.Policy.NotBefore, target.Policy.Recreated = p.list, p.notBefore, p.recreated
	return &target
}

// targets returns the targets of a configuration, given the inventory. It returns each list once, and only lists of
// the shard: first the targets listed in the configuration, then those of rules for one project, then those of rules
// for all projects. If several rules find a list, the first one determines its settings. Truncated means that
// maxFound was reached.
func targets(config *Config, found inventory) (planned []plannedTarget, truncated bool) {
	seen := map[atlas.List]bool{}
	add := func(list atlas.List, settings *Target) {
		if !seen[list] && config.Shard.contains(list) {
			planned = append(planned, plannedTarget{list: list, settings: settings})
		}
		seen[list] = true
	}
	for i := range config.Targets {
		add(config.Targets[i].List, &config.Targets[i])
	}
	listed := len(planned)
	for _, rule := range rulesInOrder(config) {
		for _, list := range listsOf(config, rule, found) {
			if len(planned)-listed == maxFound {
				return planned, true
			}
			add(list, &rule.Target)
		}
	}
	return planned, false
}

// rulesInOrder returns the rules for one project before the rules for all projects.
func rulesInOrder(config *Config) []*Rule {
	rules := make([]*Rule, len(config.Discoveries))
	for i := range rules {
		rules[i] = &config.Discoveries[i]
	}
	slices.SortStableFunc(rules, func(a, b *Rule) int {
		return cmp.Compare(min(len(b.Target.ProjectID), 1), min(len(a.Target.ProjectID), 1))
	})
	return rules
}

// listsOf returns the lists of restore jobs of the clusters that match a rule.
func listsOf(config *Config, rule *Rule, found inventory) []atlas.List {
	var lists []atlas.List
	for _, projectID := range projectsOf(config, rule, found) {
		entry := found[discoveryKey{rule.Target.Credential, projectID}]
		if entry == nil {
			continue
		}
		for _, backupType := range rule.BackupTypes {
			kind, listed := atlas.ClusterKindOf(backupType)
			if !listed {
				continue
			}
			for _, cluster := range entry.clustersOf(kind) {
				if rule.matches(&cluster) {
					lists = append(lists, atlas.List{ProjectID: projectID, ClusterName: cluster.Name, BackupType: backupType})
				}
			}
		}
	}
	return lists
}

// undecidedTargets returns targets for lists that are polled but not planned, and that a rule may yet find: the rule
// matches, and discovery has never read a list that decides. So a change of the configuration doesn't interrupt the
// polls of a list while discovery reads the same cluster for the first time.
func undecidedTargets(config *Config, found inventory, planned []plannedTarget, polled []*poller) []plannedTarget {
	isPlanned := map[atlas.List]bool{}
	for i := range planned {
		isPlanned[planned[i].list] = true
	}
	var undecided []plannedTarget
	rules := rulesInOrder(config)
	for _, p := range polled {
		if isPlanned[p.list] || !config.Shard.contains(p.list) {
			continue
		}
		for _, rule := range rules {
			if rule.mayFind(p.list, config, found) {
				undecided = append(undecided, plannedTarget{list: p.list, settings: &rule.Target})
				break
			}
		}
	}
	return undecided
}

// mayFind reports whether discovery has yet to read a list that decides whether the rule finds a list of restore jobs.
func (r *Rule) mayFind(list atlas.List, config *Config, found inventory) bool {
	kind, listed := atlas.ClusterKindOf(list.BackupType)
	if !listed || !slices.Contains(r.BackupTypes, list.BackupType) || !r.Clusters.matches(list.ClusterName) {
		return false
	}
	projects := found[discoveryKey{r.Target.Credential, ""}]
	switch {
	case r.Target.ProjectID == "" && (projects == nil || projects.LastSuccess.IsZero()):
		return !config.hasRuleFor(list.ProjectID)
	case !slices.Contains(projectsOf(config, r, found), list.ProjectID):
		return false
	}
	clusters := found[discoveryKey{r.Target.Credential, list.ProjectID}]
	if clusters == nil {
		return true
	}
	_, read := clusters.clusters[kind]
	return !read
}

// hasRuleFor reports whether a project has a rule of its own.
func (c *Config) hasRuleFor(projectID string) bool {
	return slices.ContainsFunc(c.Discoveries, func(r Rule) bool { return r.Target.ProjectID == projectID })
}
