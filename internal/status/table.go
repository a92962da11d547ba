package status

import (
	"cmp"
	"fmt"
	"io"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"
)

// writeTable writes a row for each result, and below the table the expiry of each credential, and the error and the
// remedy of each failure.
func writeTable(w io.Writer, results []CheckResult, now time.Time) error {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(table, "PROJECT\tCLUSTER\tBACKUP TYPE\tRESULT\tJOBS\tNEWEST JOB")
	var failures strings.Builder
	for i := range results {
		r := &results[i]
		result, jobs, newest := "ok", strconv.Itoa(r.Jobs), r.NewestJob.describe(now)
		if !r.OK {
			result, jobs, newest = "FAILED: "+labelText(r.Reason), "-", "-"
			_, _ = fmt.Fprintf(&failures, "\n%s:\n  %s\n  %s\n", r.describe(), r.Error, r.Remedy)
		}
		_, _ = fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\t%s\n",
			cmp.Or(r.project(), "-"), cmp.Or(r.Cluster, "-"), r.BackupType, result, jobs, newest)
	}
	if err := table.Flush(); err != nil {
		return err
	}
	_, err := io.WriteString(w, credentialLines(results, now)+failures.String())
	return err
}

// credentialLines returns a line for each credential with a configured expiry, the first to expire first.
func credentialLines(results []CheckResult, now time.Time) string {
	expiries := map[string]time.Time{}
	for i := range results {
		if expiry := results[i].Expires; expiry != nil {
			expiries[results[i].Credential] = *expiry
		}
	}
	if len(expiries) == 0 {
		return ""
	}
	var lines strings.Builder
	for _, name := range sortedByExpiry(expiries) {
		_, _ = fmt.Fprintf(&lines, "credential %s %s\n", name, expiryText(expiries[name], now))
	}
	return "\n" + lines.String()
}

// project returns the name of the project, or its ID if the name is unknown.
func (r *CheckResult) project() string { return cmp.Or(r.ProjectName, r.ProjectID) }

// describe returns the target or discovery of a result as a heading.
func (r *CheckResult) describe() string {
	switch {
	case r.BackupType != backupTypeDiscovery:
		return fmt.Sprintf("%s, cluster %s, %s", r.project(), r.Cluster, r.BackupType)
	case r.ProjectID == "":
		return "discovery of projects with credential " + r.Credential
	}
	return fmt.Sprintf("discovery of clusters in %s with credential %s", r.project(), r.Credential)
}

// describe returns the status and age of a job. The job may be nil.
func (j *NewestJob) describe(now time.Time) string {
	switch {
	case j == nil:
		return "none"
	case j.Created == nil:
		return labelText(j.Status)
	}
	return labelText(j.Status) + ", created " + since(*j.Created, now)
}
