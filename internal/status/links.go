package status

import (
	"strings"

	"atlas-restore-exporter/collector/poll"
)

// links is the external URL of the exporter, without a trailing slash. If it is empty, links are relative, which works
// behind every path prefix that ends with a slash.
type links string

// page returns the link to a path of the exporter, which must not begin with a slash.
func (l links) page(path string) string {
	if l == "" {
		return "./" + path
	}
	return string(l) + "/" + path
}

// runbook returns the link to the runbook of an alert about a cluster.
func (l links) runbook(alert string, target *poll.Target) string {
	of := selection{project: target.ProjectID, cluster: target.ClusterName}
	return l.page("runbooks/"+strings.ToLower(alert)) + of.query()
}
