package report

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"atlas-restore-exporter/atlas"
)

// formatTime returns a time in UTC for readers, or "" if it is unknown.
func formatTime(t Time) string {
	if !t.Known() {
		return ""
	}
	return atlas.Timestamp(t).Time().Format("2006-01-02 15:04:05")
}

// date returns the date in UTC.
func (t Time) date() string { return atlas.Timestamp(t).Time().Format(time.DateOnly) }

// formatSeconds returns a number of seconds in its units, without those that are zero, or "" if it is unknown.
func formatSeconds(s Seconds) string {
	if !s.known {
		return ""
	}
	text, n := "", s.n
	if n < 0 {
		text, n = "−", -n
	}
	if n == 0 {
		return "0s"
	}
	var parts []string
	for _, unit := range []struct {
		name    string
		seconds int64
	}{{"d", 24 * 60 * 60}, {"h", 60 * 60}, {"m", 60}, {"s", 1}} {
		if n >= unit.seconds {
			parts = append(parts, fmt.Sprintf("%d%s", n/unit.seconds, unit.name))
			n %= unit.seconds
		}
	}
	return text + strings.Join(parts, " ")
}

// formatLabel returns a name of the JSON format as text: not_measurable becomes "not measurable".
func formatLabel[T ~string](name T) string { return strings.ReplaceAll(string(name), "_", " ") }

// formatObjective returns an objective, or "none".
func formatObjective(s Seconds) string {
	if !s.known {
		return "none"
	}
	return formatSeconds(s)
}

// formatOnOff returns on or off, or "unknown".
func formatOnOff(flag *bool) string {
	switch {
	case flag == nil:
		return "unknown"
	case *flag:
		return "on"
	}
	return "off"
}

// explain returns the details of a judgment: by how much it was missed, why there is no verdict, and its assumption.
func explain(j Judgment) string {
	details := []string{j.Reason, j.Assumes}
	if j.Verdict == Missed {
		details[0] = "by " + formatSeconds(j.MissedBy)
	}
	return strings.Join(slices.DeleteFunc(details, func(s string) bool { return s == "" }), "; ")
}

// Validated returns a remark about the drills of a cluster that meets its objectives, but whose drills are not all
// validated; else empty.
func (c *Cluster) Validated() string {
	open := 0
	for i := range c.Drills {
		if c.Drills[i].Validation == NotValidated {
			open++
		}
	}
	if c.Verdict != Met || open == 0 {
		return ""
	}
	return fmt.Sprintf("(%d of %d drills not validated)", open, len(c.Drills))
}

// destination returns the target of a restore as text.
func (r *Restore) destination(cluster *Cluster) string {
	switch {
	case r.Kind == atlas.DeliveryDownload.String():
		return "download"
	case r.TargetClusterName == "" && r.TargetProjectID == "":
		return "unknown"
	case r.TargetProjectID == cluster.ProjectID:
		return r.TargetClusterName
	}
	return strings.TrimPrefix(cmp.Or(r.TargetProjectName, r.TargetProjectID)+" / "+r.TargetClusterName, " / ")
}

// Name returns the name of the cluster with that of its project.
func (c *Cluster) Name() string { return cmp.Or(c.ProjectName, c.ProjectID) + " / " + c.ClusterName }

// unexpected returns the restores that ended in the period or are unfinished, and whose target is not allowed.
func (c *Cluster) unexpected() []Restore {
	var found []Restore
	for _, list := range c.lists() {
		for _, restore := range *list {
			if restore.UnexpectedTarget {
				found = append(found, restore)
			}
		}
	}
	sortRestores(found)
	return found
}

// withoutBackup returns the clusters of the scope whose backup is off.
func (d *Data) withoutBackup() []ScopeCluster {
	var found []ScopeCluster
	for _, cluster := range d.Scope {
		if cluster.BackupEnabled != nil && !*cluster.BackupEnabled {
			found = append(found, cluster)
		}
	}
	return found
}

// unreadTargets returns the targets that were not read completely.
func (d *Data) unreadTargets() []Target {
	var found []Target
	for i := range d.Targets {
		if !d.Targets[i].Complete() {
			found = append(found, d.Targets[i])
		}
	}
	return found
}

// String returns the period as text.
func (p *Period) String() string {
	return formatTime(p.From) + " to " + formatTime(p.To) + " UTC"
}

// dates returns the period as dates, or as times if it doesn't consist of whole days.
func (p *Period) dates() string {
	if p.From%secondsOfDay != 0 || p.To%secondsOfDay != 0 {
		return p.String()
	}
	return p.From.date() + " to " + p.To.date() + " (UTC)"
}

const secondsOfDay = 24 * 60 * 60

// bucketLength returns the length of the parts into which a chart divides the period.
func (p *Period) bucketLength() time.Duration {
	const maxBars = 62
	length := time.Duration(p.To-p.From) * time.Second
	for _, days := range []int{1, 7, 28, 91, 364} {
		if bucket := time.Duration(days) * 24 * time.Hour; length <= maxBars*bucket {
			return bucket
		}
	}
	return length/maxBars + time.Second
}
