package report

import (
	"cmp"
	"fmt"
	"strings"
)

// Texts that the formats for readers share.

// headerField is a field of the header.
type headerField struct{ Name, Value string }

func headerFields(r *Report) []headerField {
	data := &r.Data
	fields := []headerField{
		{"Period", data.Period.String()},
		{"Generated", formatTime(r.Header.Generated) + " UTC"},
		{"Completeness", map[bool]string{true: "complete", false: "incomplete"}[r.Header.Complete]},
		{"Version", "atlas-restore-exporter " + r.Header.Version},
		{"Atlas API", r.Header.BaseURL},
		{"Credentials", strings.Join(data.Credentials, ", ")},
		{"Projects, clusters, targets", fmt.Sprintf("%d, %d, %d",
			data.Totals.Projects, data.Totals.Clusters, data.Totals.Targets)},
		{"Drills", data.settings(func(c *Cluster) string { return drillSetting(c.DrillTargets) })},
		{"Allowed targets", data.settings(func(c *Cluster) string { return allowedSetting(c.AllowedTargets) })},
		{"SHA-256 of the configuration", r.Header.Configuration},
		{"SHA-256 of the sign-off file", cmp.Or(r.Header.SignOffs, "no sign-off file")},
		{"SHA-256 of the data", r.Header.Digest},
	}
	if flags := data.Filter.flags(); flags != "" {
		fields = append(fields, headerField{"Filter", flags})
	}
	return fields
}

// settings returns the values of a setting of the clusters, each with the number of clusters if they differ.
func (d *Data) settings(of func(*Cluster) string) string {
	var values []string
	clusters := map[string]int{}
	for i := range d.Clusters {
		value := of(&d.Clusters[i])
		if clusters[value] == 0 {
			values = append(values, value)
		}
		clusters[value]++
	}
	if len(values) > 1 {
		for i, value := range values {
			values[i] = fmt.Sprintf("%s (%d clusters)", value, clusters[value])
			if clusters[value] == 1 {
				values[i] = value + " (1 cluster)"
			}
		}
	}
	return strings.Join(values, "; ")
}

func drillSetting(targets []RestoreTarget) string {
	if targets == nil {
		return "every whole-cluster restore counts as a drill because drill_targets is not set"
	}
	return "restores to " + targetNames(targets)
}

func allowedSetting(targets []RestoreTarget) string {
	if targets == nil {
		return "every target is allowed because allowed_targets is not set"
	}
	return targetNames(targets)
}

func targetNames(targets []RestoreTarget) string {
	var names []string
	for _, target := range targets {
		name := cmp.Or(target.ProjectName, target.ProjectID)
		if len(target.ClusterNames) == 0 {
			names = append(names, name+" (all clusters)")
		}
		for _, cluster := range target.ClusterNames {
			names = append(names, name+" / "+cluster)
		}
	}
	return cmp.Or(strings.Join(names, ", "), "no cluster")
}

func teamName(team string) string {
	if team == "" {
		return "(no team)"
	}
	return team
}

func yesNo(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}

// restoreCounts returns the numbers of restores of the summary.
func (d *Data) restoreCounts() string {
	s := &d.Summary
	return fmt.Sprintf("Drills: %d, of which %d signed off as pass, %d signed off as fail, %d not validated. "+
		"Failed restores: %d, of which %d were followed up by a successful restore with the same purpose.",
		s.Drills, s.DrillsPassed, s.DrillsFailed, s.NotValidated, s.FailedRestores, s.FollowedUp)
}

// kindOf returns the kind and the backup type of a restore.
func kindOf(r *Restore) string { return formatLabel(r.Kind) + ", " + r.BackupType }

// validation returns the result of the sign-off with the reviewer.
func (r *Restore) validation() string {
	if r.Validation == NotValidated {
		return "not validated"
	}
	text := fmt.Sprintf("%s by %s on %s", r.Validation, r.Reviewer, r.ReviewDate)
	if r.Notes != "" {
		text += ": " + r.Notes
	}
	return text
}

// details returns everything about a restore that has no column of its own.
func (r *Restore) details() string {
	var details []string
	if r.Status == "failed" {
		details = append(details, r.followUp())
	}
	if r.Expires.Known() {
		details = append(details, "expires "+formatTime(r.Expires))
	}
	if r.IndexesFailed {
		details = append(details, "indexes failed")
	}
	if r.UnexpectedTarget {
		text := "unexpected target"
		if r.InPlace {
			text = "unexpected target: allowed_targets doesn't contain the cluster itself"
		}
		details = append(details, text)
	}
	if r.BatchID != "" {
		details = append(details, fmt.Sprintf("batch %s of %d jobs", r.BatchID, len(r.BatchJobIDs)))
	}
	if r.Validation != NotValidated {
		details = append(details, r.validation())
	}
	return strings.Join(details, "; ")
}

// followUp returns the follow-up of a failed restore.
func (r *Restore) followUp() string {
	if r.FollowedUpBy == nil {
		return "not followed up"
	}
	return "followed up by " + r.FollowedUpBy.JobID + " at " + formatTime(r.FollowedUpBy.Ended)
}

// restoreTable is a table of restores other than drills.
type restoreTable struct {
	Title string
	list  func(*Cluster) []Restore
}

var restoreTables = []restoreTable{
	{"Failed restores", func(c *Cluster) []Restore { return c.FailedRestores }},
	{"Downloads", func(c *Cluster) []Restore { return c.Downloads }},
	{"Other restores", func(c *Cluster) []Restore { return c.OtherRestores }},
	{"Collection restores", func(c *Cluster) []Restore { return c.CollectionRestores }},
	{"Restores that were unfinished at the end of the period", func(c *Cluster) []Restore { return c.Unfinished }},
	{"Restores to unexpected targets", (*Cluster).unexpected},
}

func (s *ScopeCluster) project() string { return cmp.Or(s.ProjectName, s.ProjectID) }

// sentence describes a project whose clusters can't be listed.
func (u *UnlistedProject) sentence() string {
	text := "The projects of credential " + u.Credential + " could not be listed"
	if u.ProjectID != "" {
		text = strings.TrimSpace("The clusters of project "+u.ProjectID+" "+u.ProjectName) + " could not be listed"
	}
	text += " (" + formatLabel(u.Reason) + "): " + strings.TrimSuffix(u.Error, ".")
	if u.ExcludedBy != "" {
		text += ". The project is excluded by " + u.ExcludedBy
	}
	return text + "."
}

// State describes whether a target was read completely.
func (t *Target) State() string {
	switch {
	case !t.Read:
		return "failed (" + formatLabel(t.Reason) + "): " + t.Error
	case !t.Complete():
		return "incomplete: the list " + t.flaw()
	}
	return "complete"
}

// sentence describes the use of the sign-off file.
func (s *SignOffs) sentence() string {
	return fmt.Sprintf("Sign-offs: %d used, %d ignored because the restore did not end in the period, "+
		"%d ignored because the filter does not select the cluster, %d ignored because the cluster was replaced, "+
		"%d for unknown jobs.",
		s.Used, s.OutsidePeriod, s.OutsideFilters, s.EarlierCluster, len(s.Unresolved))
}
