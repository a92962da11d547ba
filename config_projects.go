package main

import (
	"errors"
	"fmt"
	"maps"
	"regexp"
	"regexp/syntax"
	"slices"
	"strings"

	"atlas-restore-exporter/atlas"
	"atlas-restore-exporter/collector"
)

// This file builds what is to be polled: the targets that projects name, and the rules by which others are found.

func (b *configBuilder) projects(base collector.Target) {
	if len(b.file.Projects) == 0 {
		b.report("projects", "want at least one project, with its clusters or with discovery")
	}
	seen := map[string]bool{}
	for i, project := range b.file.Projects {
		path := fmt.Sprintf("projects[%d]", i)
		if project.ID == "" && (project.Discovery != nil || len(project.Clusters) == 0) {
			b.wantDiscoveryOnly(path, project)
		} else {
			b.wantProject(path, project, seen[project.ID])
		}
		seen[project.ID] = true
		target := base
		target.ProjectID = project.ID
		target.Credential = b.credential(path+".credential", project.Credential)
		target.Interval = b.interval(path+".interval", project.Interval, base.Interval)
		b.promise(path+".", project.filePromises, &target)
		b.clusters(path+".clusters", project.Clusters, target)
		if project.Discovery != nil {
			b.discovery(path, project, target)
		}
	}
}

// wantProject checks what only an entry for one project can get wrong.
func (b *configBuilder) wantProject(path string, project fileProject, repeated bool) {
	if b.wantProjectID(path+".id", project.ID) && repeated {
		b.report(path+".id", "the project is already listed above")
	}
	if project.NameInclude != nil {
		b.report(path+".name_include", "is for an entry without id, which stands for every project that the credential sees")
	}
	if project.NameExclude != nil {
		b.report(path+".name_exclude", "is for an entry without id, which stands for every project that the credential sees")
	}
	if len(project.Clusters) == 0 && project.Discovery == nil {
		b.report(path+".clusters", "want at least one cluster, or discovery: {} to find them")
	}
}

// wantDiscoveryOnly checks what only an entry for every project can get wrong.
func (b *configBuilder) wantDiscoveryOnly(path string, project fileProject) {
	if project.Discovery == nil {
		b.report(path, "want the id of a project, or discovery: {} for every project that the credential sees")
	}
	if len(project.Clusters) > 0 {
		b.report(path+".clusters", "want the id of the project that they are in")
	}
}

// discovery takes over a rule by which the targets of a project, or of every project, are found.
func (b *configBuilder) discovery(path string, project fileProject, target collector.Target) {
	written := project.Discovery
	target.Source = collector.SourceDiscovery
	rule := collector.Discovery{
		Target:   target,
		Projects: collector.Pattern{Include: b.pattern(path+".name_include", project.NameInclude), Exclude: b.pattern(path+".name_exclude", project.NameExclude)},
		Tags:     written.Tags,
	}
	path += ".discovery"
	rule.Clusters = collector.Pattern{Include: b.pattern(path+".include", written.Include), Exclude: b.pattern(path+".exclude", written.Exclude)}
	rule.BackupTypes = b.backupTypes(path+".backup_types", written.BackupTypes, atlas.Dedicated, atlas.Flex)
	for _, key := range slices.Sorted(maps.Keys(written.Tags)) {
		if written.Tags[key] == "" {
			b.report(path+".tags."+key, "is empty, want the value that the tag must have")
		}
	}
	for i, backupType := range rule.BackupTypes {
		if _, listed := atlas.ClusterKindOf(backupType); !listed {
			b.report(fmt.Sprintf("%s.backup_types[%d]", path, i), "%s instances can't be discovered, name them under clusters", backupType)
		}
	}
	b.config.Discoveries = append(b.config.Discoveries, rule)
}

// credential returns the name of the credential to use, which may be left out where there is only one.
func (b *configBuilder) credential(path, name string) string {
	names := slices.Sorted(maps.Keys(b.file.Credentials))
	switch {
	case len(names) == 0 || slices.Contains(names, name):
	case name != "":
		b.report(path, "there is no credential of that name, want one of %s", strings.Join(names, ", "))
	case len(names) > 1:
		b.report(path, "is missing, want one of %s", strings.Join(names, ", "))
	default:
		return names[0]
	}
	return name
}

func (b *configBuilder) clusters(path string, clusters []fileCluster, base collector.Target) {
	seen := map[atlas.List]bool{}
	for i, cluster := range clusters {
		path := fmt.Sprintf("%s[%d]", path, i)
		b.wantClusterName(path+".name", cluster.Name)
		target := base
		target.ClusterName = cluster.Name
		target.Interval = b.interval(path+".interval", cluster.Interval, base.Interval)
		b.promise(path+".", cluster.filePromises, &target)
		for _, backupType := range b.backupTypes(path+".backup_types", cluster.BackupTypes, atlas.Dedicated) {
			target.BackupType = backupType
			if seen[target.List] {
				b.report(path, "the cluster is already listed above with backup type %s", backupType)
			}
			seen[target.List] = true
			b.config.Targets = append(b.config.Targets, target)
		}
	}
}

// backupTypes returns what is written, or else the standard.
func (b *configBuilder) backupTypes(path string, names []string, standard ...atlas.BackupType) []atlas.BackupType {
	if names == nil {
		return standard
	}
	known := atlas.BackupTypes()
	var types []atlas.BackupType
	if len(names) == 0 {
		b.report(path, "want at least one, or leave it out for %s", strings.Trim(fmt.Sprint(standard), "[]"))
	}
	for i, name := range names {
		backupType := atlas.BackupType(name)
		switch path := fmt.Sprintf("%s[%d]", path, i); {
		case !slices.Contains(known, backupType):
			b.report(path, "want one of %s", strings.Trim(fmt.Sprint(known), "[]"))
		case slices.Contains(types, backupType):
			b.report(path, "%s is already listed", name)
		default:
			types = append(types, backupType)
		}
	}
	return types
}

func (b *configBuilder) pattern(path string, written *string) *regexp.Regexp {
	if written == nil {
		return nil
	}
	if *written == "" {
		b.report(path, "is empty and would match everything: leave it out, or write what to match")
		return nil
	}
	pattern, err := regexp.Compile(*written)
	if wrong, ok := errors.AsType[*syntax.Error](err); ok {
		b.report(path, "want a regular expression: %v", wrong.Code)
	}
	return pattern
}
