package report

import (
	"encoding/csv"
	"io"
	"strconv"
	"strings"
)

// csvRow is a line of the CSV format: a cluster, and a drill of it if there is one.
type csvRow struct {
	report  *Report
	cluster *Cluster
	drill   *Restore // nil for a cluster without drills
}

// csvColumns are the columns of the CSV format. Their names are stable.
var csvColumns = []struct {
	name  string
	value func(*csvRow) string
}{
	{"period_from", func(r *csvRow) string { return r.report.Data.Period.From.String() }},
	{"period_to", func(r *csvRow) string { return r.report.Data.Period.To.String() }},
	{"generated", func(r *csvRow) string { return r.report.Header.Generated.String() }},
	{"version", func(r *csvRow) string { return r.report.Header.Version }},
	{"base_url", func(r *csvRow) string { return r.report.Header.BaseURL }},
	{"sign_offs_sha256", func(r *csvRow) string { return r.report.Header.SignOffs }},
	{"configuration_sha256", func(r *csvRow) string { return r.report.Header.Configuration }},
	{"data_sha256", func(r *csvRow) string { return r.report.Header.Digest }},
	{"complete", func(r *csvRow) string { return strconv.FormatBool(r.report.Header.Complete) }},

	{"project_id", func(r *csvRow) string { return r.cluster.ProjectID }},
	{"project_name", func(r *csvRow) string { return r.cluster.ProjectName }},
	{"cluster_name", func(r *csvRow) string { return r.cluster.ClusterName }},
	{"team", func(r *csvRow) string { return r.cluster.Team }},
	{"environment", func(r *csvRow) string { return r.cluster.Environment }},
	{"backup_enabled", func(r *csvRow) string { return formatFlag(r.cluster.BackupEnabled) }},
	{"continuous_backup_enabled", func(r *csvRow) string { return formatFlag(r.cluster.ContinuousBackup) }},
	{"cluster_verdict", func(r *csvRow) string { return string(r.cluster.Verdict) }},
	{"drill_age_objective_seconds", func(r *csvRow) string { return r.cluster.DrillAge.Objective.String() }},
	{"drill_age_worst_seconds", func(r *csvRow) string { return r.cluster.DrillAge.Value.String() }},
	{"drill_age_verdict", func(r *csvRow) string { return string(r.cluster.DrillAge.Verdict) }},
	{"drill_age_missed_by_seconds", func(r *csvRow) string { return r.cluster.DrillAge.MissedBy.String() }},
	{"drill_age_reason", func(r *csvRow) string { return r.cluster.DrillAge.Reason }},
	{"drill_age_assumption", func(r *csvRow) string { return r.cluster.DrillAge.Assumes }},
	{"duration_cluster_verdict", func(r *csvRow) string { return string(r.cluster.Duration.Verdict) }},
	{"recovery_point_age_cluster_verdict", func(r *csvRow) string { return string(r.cluster.RecoveryPointAge.Verdict) }},

	{"job_id", ofDrill(func(d *Restore) string { return d.JobID })},
	{"batch_id", ofDrill(func(d *Restore) string { return d.BatchID })},
	{"backup_type", ofDrill(func(d *Restore) string { return d.BackupType })},
	{"kind", ofDrill(func(d *Restore) string { return d.Kind })},
	{"requested", ofDrill(func(d *Restore) string { return d.Requested.String() })},
	{"finished", ofDrill(func(d *Restore) string { return d.Finished.String() })},
	{"ended", ofDrill(func(d *Restore) string { return d.Ended.String() })},
	{"target_project_id", ofDrill(func(d *Restore) string { return d.TargetProjectID })},
	{"target_project_name", ofDrill(func(d *Restore) string { return d.TargetProjectName })},
	{"target_cluster_name", ofDrill(func(d *Restore) string { return d.TargetClusterName })},
	{"in_place", ofDrill(func(d *Restore) string { return strconv.FormatBool(d.InPlace) })},
	{"unexpected_target", ofDrill(func(d *Restore) string { return strconv.FormatBool(d.UnexpectedTarget) })},
	{"duration_seconds", ofDrill(func(d *Restore) string { return d.Duration.Value.String() })},
	{"duration_objective_seconds", func(r *csvRow) string { return r.cluster.Duration.Objective.String() }},
	{"duration_verdict", ofDrill(func(d *Restore) string { return string(d.Duration.Verdict) })},
	{"duration_missed_by_seconds", ofDrill(func(d *Restore) string { return d.Duration.MissedBy.String() })},
	{"duration_reason", ofDrill(func(d *Restore) string { return d.Duration.Reason })},
	{"recovery_point", ofDrill(func(d *Restore) string { return d.RecoveryPoint.String() })},
	{"recovery_point_age_seconds", ofDrill(func(d *Restore) string { return d.RecoveryPointAge.Value.String() })},
	{"recovery_point_age_objective_seconds", func(r *csvRow) string {
		return r.cluster.RecoveryPointAge.Objective.String()
	}},
	{"recovery_point_age_verdict", ofDrill(func(d *Restore) string { return string(d.RecoveryPointAge.Verdict) })},
	{"recovery_point_age_missed_by_seconds", ofDrill(func(d *Restore) string {
		return d.RecoveryPointAge.MissedBy.String()
	})},
	{"recovery_point_age_reason", ofDrill(func(d *Restore) string { return d.RecoveryPointAge.Reason })},
	{"validation", ofDrill(func(d *Restore) string { return string(d.Validation) })},
	{"reviewer", ofDrill(func(d *Restore) string { return d.Reviewer })},
	{"review_date", ofDrill(func(d *Restore) string { return d.ReviewDate })},
	{"notes", ofDrill(func(d *Restore) string { return d.Notes })},
}

// ofDrill returns the value of a column that is empty for a cluster without drills.
func ofDrill(value func(*Restore) string) func(*csvRow) string {
	return func(r *csvRow) string {
		if r.drill == nil {
			return ""
		}
		return value(r.drill)
	}
}

// formatFlag returns true or false, or "" if the flag is unknown.
func formatFlag(flag *bool) string {
	if flag == nil {
		return ""
	}
	return strconv.FormatBool(*flag)
}

// writeCSV writes one line for each drill, and one for each cluster without drills.
func writeCSV(w io.Writer, r *Report) error {
	writer := csv.NewWriter(w)
	cells := make([]string, len(csvColumns))
	for i := range csvColumns {
		cells[i] = csvColumns[i].name
	}
	_ = writer.Write(cells) // Error returns the error
	write := func(row csvRow) {
		for i := range csvColumns {
			cells[i] = withoutFormula(csvColumns[i].value(&row))
		}
		_ = writer.Write(cells)
	}
	for i := range r.Data.Clusters {
		cluster := &r.Data.Clusters[i]
		for j := range cluster.Drills {
			write(csvRow{r, cluster, &cluster.Drills[j]})
		}
		if len(cluster.Drills) == 0 {
			write(csvRow{r, cluster, nil})
		}
	}
	writer.Flush()
	return writer.Error()
}

// withoutFormula puts an apostrophe before text that a spreadsheet would evaluate as a formula.
func withoutFormula(text string) string {
	if strings.IndexAny(text, "=+-@") == 0 {
		if _, err := strconv.ParseInt(text, 10, 64); err != nil {
			return "'" + text
		}
	}
	return text
}
