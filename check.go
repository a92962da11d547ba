package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"atlas-restore-exporter/collector"
)

type checkCommand struct {
	Config configFlag `embed:""`
	Web    struct {
		ConfigFile string `name:"config.file" help:"Path of the TLS and basic authentication settings, to be checked too." placeholder:"FILE"`
	} `embed:"" prefix:"web."`
	Output string `help:"Output format: ${enum}." enum:"table,json" default:"table"`
}

// errTargetsFailed says that the configuration is good, and that some targets can't be polled.
var errTargetsFailed = errors.New("some targets can't be polled")

// checkResult is what `check` says of a target.
type checkResult struct {
	Credential  string     `json:"credential"`
	ProjectID   string     `json:"project_id"`
	ProjectName string     `json:"project_name"`
	Cluster     string     `json:"cluster_name"`
	BackupType  string     `json:"backup_type"` // or "discovery"
	OK          bool       `json:"ok"`
	Jobs        int        `json:"jobs"`
	NewestJob   *newestJob `json:"newest_job,omitempty"`
	Reason      string     `json:"reason,omitempty"`
	Error       string     `json:"error,omitempty"`
	Advice      string     `json:"advice,omitempty"`
}

type newestJob struct {
	ID      string     `json:"id"`
	Status  string     `json:"status"`
	Created *time.Time `json:"created,omitempty"`
}

// Run is `check`.
func (c *checkCommand) Run(ctx context.Context, app *app) error {
	config, err := LoadConfig(c.Config.File)
	if err != nil {
		return err
	}
	if err := validateWebConfig(c.Web.ConfigFile); err != nil {
		return err
	}
	for _, warning := range config.Warnings {
		_, _ = fmt.Fprintln(app.stderr, "warning:", warning)
	}
	results, err := app.check(ctx, config)
	if err != nil {
		return err
	}
	if c.Output == "json" {
		encoder := json.NewEncoder(app.stdout)
		encoder.SetIndent("", "  ")
		err = encoder.Encode(results)
	} else {
		err = writeTable(app.stdout, results, time.Now())
	}
	if err != nil {
		return err
	}
	if len(results) == 0 {
		return errors.New("there is nothing to poll: no cluster was found that the patterns, tags and backup types of discovery allow")
	}
	if slices.ContainsFunc(results, func(r checkResult) bool { return !r.OK }) {
		return errTargetsFailed
	}
	return ctx.Err()
}

// check polls every target once, and shows how far it is.
func (a *app) check(ctx context.Context, config *Config) ([]checkResult, error) {
	quiet := *a
	quiet.logger = slog.New(slog.DiscardHandler) // the table says it all
	exporter, err := quiet.newExporter(config, nil)
	if err != nil {
		return nil, err
	}
	defer exporter.close()
	exporter.manager.Discover(ctx)
	done, all, live := 0, len(exporter.manager.Snapshots()), terminal(a.stderr)
	exporter.manager.PollOnce(ctx, func(s *collector.Snapshot) {
		done++
		if live {
			_, _ = fmt.Fprintf(a.stderr, "\rasked %d of %d targets", done, all)
		} else {
			_, _ = fmt.Fprintf(a.stderr, "asked %d of %d targets: %s %s\n", done, all, s.Target.ClusterName, s.Target.BackupType)
		}
	})
	if live {
		_, _ = fmt.Fprint(a.stderr, "\r\033[K")
	}
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("interrupted after %d of %d targets: %w", done, all, err)
	}
	snapshots := exporter.manager.Snapshots()
	results := make([]checkResult, 0, len(snapshots))
	for _, s := range exporter.manager.Searches() {
		if s.Err != nil {
			results = append(results, newSearchResult(s, exporter.manager.ProjectName(s.ProjectID)))
		}
	}
	for _, s := range snapshots {
		results = append(results, newCheckResult(s, exporter.manager.ProjectName(s.Target.ProjectID)))
	}
	return results, nil
}

// searched stands in the place of a backup type where it is the search for clusters that failed.
const searched = "discovery"

func newSearchResult(s collector.Search, projectName string) checkResult {
	return checkResult{
		Credential: s.Credential, ProjectID: s.ProjectID, ProjectName: projectName, BackupType: searched,
		Reason: string(s.Reason), Error: s.Err.Error(), Advice: searchAdvice(s),
	}
}

func newCheckResult(s *collector.Snapshot, projectName string) checkResult {
	result := checkResult{
		Credential: s.Target.Credential, ProjectID: s.Target.ProjectID, ProjectName: projectName, Cluster: s.Target.ClusterName,
		BackupType: string(s.Target.BackupType), OK: s.Err == nil,
	}
	if s.Err != nil {
		result.Reason, result.Error, result.Advice = string(s.Reason), s.Err.Error(), advice(s)
		return result
	}
	result.Jobs = s.Summary.Known
	if len(s.Summary.Newest) > 0 {
		job := s.Summary.Newest[0]
		result.NewestJob = &newestJob{ID: job.ID, Status: job.Status.String()}
		if job.Created != 0 {
			created := job.Created.Time()
			result.NewestJob.Created = &created
		}
	}
	return result
}

// what says what was asked for.
func (r *checkResult) what(project string) string {
	switch {
	case r.BackupType != searched:
		return fmt.Sprintf("%s, cluster %s, %s", project, r.Cluster, r.BackupType)
	case r.ProjectID == "":
		return "search for projects with credential " + r.Credential
	}
	return fmt.Sprintf("search for clusters of %s with credential %s", project, r.Credential)
}

// writeTable writes a line a target and, below, a paragraph a failure.
func writeTable(w io.Writer, results []checkResult, now time.Time) error {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(table, "PROJECT\tCLUSTER\tBACKUP TYPE\tRESULT\tJOBS\tNEWEST JOB")
	var failures strings.Builder
	for _, r := range results {
		project := cmp.Or(r.ProjectName, r.ProjectID)
		result, jobs, newest := "ok", strconv.Itoa(r.Jobs), "none"
		if job := r.NewestJob; job != nil {
			newest = words(job.Status)
			if job.Created != nil {
				newest += ", created " + since(*job.Created, now)
			}
		}
		if !r.OK {
			result, jobs, newest = "FAILED: "+words(r.Reason), "-", "-"
			_, _ = fmt.Fprintf(&failures, "\n%s:\n  %s\n  %s\n", r.what(project), r.Error, r.Advice)
		}
		_, _ = fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\t%s\n", cmp.Or(project, "-"), cmp.Or(r.Cluster, "-"), r.BackupType, result, jobs, newest)
	}
	if err := table.Flush(); err != nil {
		return err
	}
	_, err := io.WriteString(w, failures.String())
	return err
}
