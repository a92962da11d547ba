package config

import (
	"errors"
	"fmt"
	"maps"
	"regexp"
	"regexp/syntax"
	"slices"

	"atlas-restore-exporter/atlas"
	"atlas-restore-exporter/collector/poll"
)

// rule builds a discovery rule for a project, or for all projects of a credential. Found targets inherit the settings
// of target.
func (b *builder) rule(path string, project rawProject, target poll.Target) {
	raw := project.Discovery
	target.Source = poll.SourceDiscovery
	rule := poll.Rule{Target: target, Tags: raw.Tags}
	rule.Projects.Include = b.pattern(path+".name_include", project.NameInclude)
	rule.Projects.Exclude = b.pattern(path+".name_exclude", project.NameExclude)
	path += ".discovery"
	rule.Clusters.Include = b.pattern(path+".include", raw.Include)
	rule.Clusters.Exclude = b.pattern(path+".exclude", raw.Exclude)
	for _, key := range slices.Sorted(maps.Keys(raw.Tags)) {
		if raw.Tags[key] == "" {
			b.report(path+".tags."+key, "is empty; set the required value of the tag")
		}
	}
	rule.BackupTypes = b.backupTypes(path+".backup_types", raw.BackupTypes, atlas.Dedicated, atlas.Flex)
	for i, backupType := range rule.BackupTypes {
		if _, listed := atlas.ClusterKindOf(backupType); !listed {
			b.report(fmt.Sprintf("%s.backup_types[%d]", path, i),
				"%s instances can't be discovered, list them under clusters", backupType)
		}
	}
	b.config.Discoveries = append(b.config.Discoveries, rule)
}

// pattern returns a compiled regular expression, or nil if the setting is absent or invalid.
func (b *builder) pattern(path string, setting *string) *regexp.Regexp {
	if setting == nil {
		return nil
	}
	if *setting == "" {
		b.report(path, "is empty, which would match everything; set a pattern, or remove the key")
		return nil
	}
	pattern, err := regexp.Compile(*setting)
	if invalid, ok := errors.AsType[*syntax.Error](err); ok {
		b.invalidValue(path, fmt.Sprintf("a regular expression: %v", invalid.Code))
	}
	return pattern
}
