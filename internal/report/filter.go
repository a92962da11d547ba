package report

import (
	"slices"
	"strings"

	"atlas-restore-exporter/collector/poll"
)

// The flags of the filter.
const (
	flagTeam        = "--team"
	flagEnvironment = "--environment"
	flagProject     = "--project"
	flagCluster     = "--cluster"
)

// exclusion returns the flag that leaves out a cluster; empty if none does.
func (f *Filter) exclusion(cluster *poll.Cluster) string {
	switch {
	case !f.selectsProject(cluster.ProjectID, cluster.ProjectName):
		return flagProject
	case !selects(f.Clusters, cluster.Name):
		return flagCluster
	case !selects(f.Teams, cluster.Team):
		return flagTeam
	case !selects(f.Environments, cluster.Environment):
		return flagEnvironment
	}
	return ""
}

func (f *Filter) selectsProject(id, name string) bool {
	return selects(f.Projects, id) || selects(f.Projects, name)
}

func selects(values []string, value string) bool {
	return len(values) == 0 || slices.Contains(values, value)
}

// flags returns the filter as it is given on the command line.
func (f *Filter) flags() string {
	var flags []string
	for _, part := range f.parts() {
		for _, value := range part.values {
			flags = append(flags, part.flag+"="+value)
		}
	}
	return strings.Join(flags, " ")
}

type filterPart struct {
	flag   string
	values []string
}

func (f *Filter) parts() []filterPart {
	return []filterPart{
		{flagTeam, f.Teams}, {flagEnvironment, f.Environments}, {flagProject, f.Projects}, {flagCluster, f.Clusters},
	}
}

// withoutNil returns the filter with empty lists instead of nil, which is null in JSON.
func (f *Filter) withoutNil() Filter {
	list := func(values []string) []string { return append([]string{}, values...) }
	return Filter{list(f.Teams), list(f.Environments), list(f.Projects), list(f.Clusters)}
}
