package collector

import (
	"fmt"
	"hash/fnv"
	"io"
	"slices"
	"time"

	"atlas-restore-exporter/atlas"
)

// Setup is what a Manager is to poll, and how.
type Setup struct {
	Targets           []Target
	Discoveries       []Discovery // by which more targets are found
	DiscoveryInterval time.Duration
	Shard             Shard
	Clients           map[string]Client // by name of the credential
	Concurrency       int               // polls at a time
}

// check returns an error if a target is there twice, or something has no client.
func (s *Setup) check() error {
	seen := map[atlas.List]bool{}
	for _, target := range s.Targets {
		if s.Clients[target.Credential] == nil {
			return fmt.Errorf("target %v: no client for credential %q", target.List, target.Credential)
		}
		if seen[target.List] {
			return fmt.Errorf("target %v: there are two of it", target.List)
		}
		seen[target.List] = true
	}
	for i, rule := range s.Discoveries {
		if s.Clients[rule.Target.Credential] == nil {
			return fmt.Errorf("discovery %d: no client for credential %q", i, rule.Target.Credential)
		}
	}
	return nil
}

// places returns where the rules look, as far as the projects are known, and for what.
func (s *Setup) places(found *inventory) map[place][]atlas.ClusterKind {
	places := map[place][]atlas.ClusterKind{}
	for i := range s.Discoveries {
		rule := &s.Discoveries[i]
		for _, projectID := range s.projectsOf(rule, found) {
			at := place{rule.Target.Credential, projectID}
			for _, kind := range rule.kinds() {
				if !slices.Contains(places[at], kind) {
					places[at] = append(places[at], kind)
				}
			}
		}
	}
	return places
}

// projectsOf returns the ids of the projects that a rule is about.
func (s *Setup) projectsOf(rule *Discovery, found *inventory) []string {
	if rule.Target.ProjectID != "" {
		return []string{rule.Target.ProjectID}
	}
	var ids []string
	for _, project := range found.projects[rule.Target.Credential] {
		own := slices.ContainsFunc(s.Discoveries, func(d Discovery) bool { return d.Target.ProjectID == project.ID })
		if !own && rule.Projects.matches(project.Name) {
			ids = append(ids, project.ID)
		}
	}
	return ids
}

// maxFound bounds how many targets an exporter polls because they were found.
const maxFound = 50_000

// targets returns what to poll, each once: what the setup names, then what its rules find, less what belongs to other
// shards. A rule for one project comes before those for all; else the first one that finds a target decides. It reports
// false where that is too much.
func (s *Setup) targets(found *inventory) (targets []Target, all bool) {
	seen := map[atlas.List]bool{}
	add := func(target Target) {
		if !seen[target.List] && s.Shard.has(target.List) {
			targets = append(targets, target)
		}
		seen[target.List] = true
	}
	for _, target := range s.Targets {
		add(target)
	}
	named := len(targets)
	rules := slices.Clone(s.Discoveries)
	slices.SortStableFunc(rules, func(a, b Discovery) int {
		return boolInt(a.Target.ProjectID == "") - boolInt(b.Target.ProjectID == "")
	})
	for i := range rules {
		for _, target := range s.targetsOf(&rules[i], found) {
			if len(targets)-named == maxFound {
				return targets, false
			}
			add(target)
		}
	}
	return targets, true
}

func boolInt(b bool) int { return int(boolValue(b)) }

func (s *Setup) targetsOf(rule *Discovery, found *inventory) []Target {
	var targets []Target
	for _, projectID := range s.projectsOf(rule, found) {
		kinds := found.clusters[place{rule.Target.Credential, projectID}]
		for _, backupType := range rule.BackupTypes {
			kind, _ := atlas.ClusterKindOf(backupType)
			for _, cluster := range kinds[kind] {
				if rule.wants(&cluster) {
					target := rule.Target
					target.List = atlas.List{ProjectID: projectID, ClusterName: cluster.Name, BackupType: backupType}
					targets = append(targets, target)
				}
			}
		}
	}
	return targets
}

// Shard is the part of a fleet that one of several exporters polls: the part with an Index, from 0, of a Count. The
// zero Shard is the whole fleet.
type Shard struct{ Index, Count int }

// has reports whether a list belongs to the shard. All lists of a cluster belong to the same one, whichever exporter
// asks, today and after an upgrade.
func (s Shard) has(list atlas.List) bool {
	if s.Count <= 1 {
		return true
	}
	hash := fnv.New64a()
	_, _ = io.WriteString(hash, list.ProjectID+"/"+list.ClusterName)
	return hash.Sum64()%uint64(s.Count) == uint64(s.Index) //nolint:gosec // neither is below zero
}
