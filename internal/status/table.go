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

// writeTable writes a row for each result, and below the table the expiry of each credential, the failures with their
// remedies, a warning for each list with malformed jobs, and totals.
func writeTable(w io.Writer, results []CheckResult, now time.Time) error {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(table, "PROJECT\tCLUSTER\tBACKUP TYPE\tRESULT\tJOBS\tNEWEST JOB")
	for i := range results {
		r := &results[i]
		result, jobs, newest := "ok", strconv.Itoa(r.Jobs), r.NewestJob.describe(now)
		if !r.OK {
			result, jobs, newest = "FAILED: "+labelText(r.Reason), "-", "-"
		}
		_, _ = fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\t%s\n",
			cmp.Or(r.project(), "-"), cmp.Or(r.Cluster, "-"), r.BackupType, result, jobs, newest)
	}
	if err := table.Flush(); err != nil {
		return err
	}
	_, err := io.WriteString(w, credentialLines(results, now)+failureTexts(results)+warnings(results)+totals(results))
	return err
}

// failureTexts returns each error with its remedy, below the targets and discoveries that failed with it.
func failureTexts(results []CheckResult) string {
	type failure struct{ err, remedy string }
	var failures []failure // in the order of their first result
	failed := map[failure][]string{}
	for i := range results {
		if r := &results[i]; !r.OK {
			key := failure{r.Error, r.Remedy}
			if failed[key] == nil {
				failures = append(failures, key)
			}
			failed[key] = append(failed[key], r.describe())
		}
	}
	const maxNames = 10
	var text strings.Builder
	for _, key := range failures {
		names := failed[key]
		if more := len(names) - maxNames; more > 0 {
			names = append(names[:maxNames:maxNames], fmt.Sprintf("and %d more", more))
		}
		_, _ = fmt.Fprintf(&text, "\n%s:\n  %s\n  %s\n", strings.Join(names, "\n"), key.err, key.remedy)
	}
	return text.String()
}

// warnings returns a line for each target whose list contains malformed jobs.
func warnings(results []CheckResult) string {
	var lines strings.Builder
	for i := range results {
		if r := &results[i]; r.Malformed > 0 {
			_, _ = fmt.Fprintf(&lines, "\nwarning: %s: malformed jobs, which are omitted: %d", r.describe(), r.Malformed)
		}
	}
	if lines.Len() > 0 {
		lines.WriteString("\n")
	}
	return lines.String()
}

// totals returns a line with the number of targets, malformed jobs, and discoveries.
func totals(results []CheckResult) string {
	targets, ok, malformed, discoveries := 0, 0, 0, 0
	for i := range results {
		malformed += results[i].Malformed
		switch r := &results[i]; {
		case r.BackupType == backupTypeDiscovery:
			discoveries++
		case r.OK:
			ok++
			fallthrough
		default:
			targets++
		}
	}
	text := fmt.Sprintf("\n%d of %d targets can be polled", ok, targets)
	if malformed > 0 {
		text += fmt.Sprintf(", malformed jobs: %d", malformed)
	}
	if discoveries > 0 {
		text += fmt.Sprintf(", failed discoveries: %d", discoveries)
	}
	return text + "\n"
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
