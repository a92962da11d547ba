package config

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"atlas-restore-exporter/atlas"
	"atlas-restore-exporter/collector/poll"
)

// projects builds the targets and discovery rules of all projects. They inherit the settings of base.
func (b *builder) projects(base poll.Target) {
	if len(b.raw.Projects) == 0 {
		b.report("projects", "no projects; at least one project with clusters or discovery is required")
	}
	seen := map[string]string{} // path of each project, by ID
	for i, project := range b.raw.Projects {
		path := fmt.Sprintf("projects[%d]", i)
		if project.ID == "" && (project.Discovery != nil || len(project.Clusters) == 0) {
			b.checkAllProjects(path, project)
		} else {
			b.checkProject(path, project, seen[project.ID])
		}
		seen[project.ID] = path
		target := base
		target.ProjectID = project.ID
		target.Credential = b.projectCredential(path+".credential", project.Credential)
		target.Interval = b.interval(path+".interval", project.Interval, base.Interval)
		b.inherit(path+".", project.rawInherited, &target)
		b.clusters(path+".clusters", project.Clusters, target)
		if project.Discovery != nil {
			b.rule(path, project, target)
		}
	}
}

// checkProject checks an entry for one project.
func (b *builder) checkProject(path string, project rawProject, listed string) {
	if b.checkProjectID(path+".id", project.ID) && listed != "" {
		b.report(path+".id", "project %s is already listed in line %d; put its settings into one entry",
			project.ID, b.lines[listed+".id"])
	}
	const onlyWithoutID = "is only allowed in an entry without id, which applies to all projects of the credential"
	if project.NameInclude != nil {
		b.report(path+".name_include", onlyWithoutID)
	}
	if project.NameExclude != nil {
		b.report(path+".name_exclude", onlyWithoutID)
	}
	if len(project.Clusters) == 0 && project.Discovery == nil {
		b.report(path+".clusters", "no clusters; list at least one, or write discovery: {} to discover all clusters")
	}
}

// checkAllProjects checks an entry that applies to all projects of its credential.
func (b *builder) checkAllProjects(path string, project rawProject) {
	if project.Discovery == nil {
		b.report(path, "neither id nor discovery is set; set the id of a project, "+
			"or discovery: {} for all projects of the credential")
	}
	if len(project.Clusters) > 0 {
		b.report(path+".clusters", "the project of these clusters is missing; set its id")
	}
}

// projectCredential returns the name of the credential of a project. If there is only one credential, the name is
// optional.
func (b *builder) projectCredential(path, name string) string {
	names := slices.Sorted(maps.Keys(b.raw.Credentials))
	switch {
	case len(names) == 0 || slices.Contains(names, name):
	case name != "":
		b.report(path, "%s is not a credential%s (allowed: %s)",
			b.subject(path), didYouMean(name, names), strings.Join(names, ", "))
	case len(names) > 1:
		b.report(path, "is missing; must be one of %s", strings.Join(names, ", "))
	default:
		return names[0]
	}
	return name
}

// clusters builds the targets of the clusters of a project.
func (b *builder) clusters(path string, clusters []rawCluster, base poll.Target) {
	seen := map[atlas.List]string{} // path of each cluster
	for i, cluster := range clusters {
		path := fmt.Sprintf("%s[%d]", path, i)
		b.checkClusterName(path+".name", cluster.Name)
		target := base
		target.ClusterName = cluster.Name
		target.Interval = b.interval(path+".interval", cluster.Interval, base.Interval)
		b.inherit(path+".", cluster.rawInherited, &target)
		for _, backupType := range b.backupTypes(path+".backup_types", cluster.BackupTypes, atlas.Dedicated) {
			target.BackupType = backupType
			if listed := seen[target.List]; listed != "" {
				b.report(path, "cluster %s with backup type %s is already listed in line %d",
					b.subject(path+".name"), backupType, b.lines[listed])
			}
			seen[target.List] = path
			b.config.Targets = append(b.config.Targets, target)
		}
	}
}

// backupTypes returns the configured backup types, or the defaults if the setting is absent.
func (b *builder) backupTypes(path string, names []string, defaults ...atlas.BackupType) []atlas.BackupType {
	if names == nil {
		return defaults
	}
	if len(names) == 0 {
		b.report(path, "is empty; list backup types, or remove the key for the default: %s", join(defaults))
	}
	known := atlas.BackupTypes()
	var types []atlas.BackupType
	for i, name := range names {
		backupType := atlas.BackupType(name)
		switch path := fmt.Sprintf("%s[%d]", path, i); {
		case !slices.Contains(known, backupType):
			b.report(path, "%s is not a backup type%s (allowed: %s)", b.subject(path), backupTypeHint(name), join(known))
		case slices.Contains(types, backupType):
			b.report(path, "duplicate backup type %s", name)
		default:
			types = append(types, backupType)
		}
	}
	return types
}

// instanceSize matches the sizes of dedicated clusters.
var instanceSize = regexp.MustCompile(`^[MR][0-9]{2,3}$`)

// backupTypeHint explains a value that is not a backup type.
func backupTypeHint(name string) string {
	if instanceSize.MatchString(name) {
		return " but an instance size, whose backup type is dedicated"
	}
	var known []string
	for _, backupType := range atlas.BackupTypes() {
		known = append(known, string(backupType))
	}
	return didYouMean(name, known)
}

func join(types []atlas.BackupType) string {
	names := make([]string, len(types))
	for i, backupType := range types {
		names[i] = string(backupType)
	}
	return strings.Join(names, ", ")
}
