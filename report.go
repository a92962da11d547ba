package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"atlas-restore-exporter/internal/config"
	"atlas-restore-exporter/internal/report"
	"atlas-restore-exporter/internal/status"
)

// reportPercent is less than servePercent, because the data of a report is large.
const reportPercent = 40

// errIncomplete means that a report was written, but that Atlas could not be read completely.
var errIncomplete = errors.New("the report is incomplete: its sections Scope and Completeness contain the reasons")

type reportCommand struct {
	Config configFlag  `embed:""`
	Report reportFlags `embed:"" envprefix:"ATLAS_RESTORE_EXPORTER_REPORT_"`
}

type reportFlags struct {
	From    string `help:"Start of the period: a date or time, in UTC unless it has a zone." placeholder:"TIME" env:"FROM"`
	To      string `help:"End of the period, exclusive. A time in the future means now." placeholder:"TIME" env:"TO"`
	Period  string `help:"Period instead of --from and --to: last-month, last-quarter, or last-year." placeholder:"NAME" env:"PERIOD"` //nolint:lll // a tag
	Format  string `help:"Format: html, csv, json, or markdown." enum:"html,csv,json,markdown" default:"html" env:"FORMAT"`
	Output  string `help:"File to write. {from} and {to} are replaced with the dates of the period." required:"" placeholder:"FILE" env:"OUTPUT"` //nolint:lll // a tag
	SignOff string `help:"Sign-off file: YAML file with the results of reviews." name:"signoff" placeholder:"FILE" env:"SIGNOFF"`                 //nolint:lll // a tag

	Team        []string `help:"Only clusters of this team. Can be repeated." sep:"none" env:"TEAM"`
	Environment []string `help:"Only clusters of this environment. Can be repeated." sep:"none" env:"ENVIRONMENT"`
	Project     []string `help:"Only clusters of this project (ID or name). Can be repeated." sep:"none" env:"PROJECT"`
	Cluster     []string `help:"Only clusters with this name. Can be repeated." sep:"none" env:"CLUSTER"`
}

// Run implements the report command.
func (c *reportCommand) Run(ctx context.Context, env *environment) error {
	limitGarbage(reportPercent)
	r := &c.Report
	period, err := r.period(time.Now())
	if err != nil {
		return err
	}
	configFile, err := c.Config.path()
	if err != nil {
		return err
	}
	cfg, err := config.Load(configFile)
	if err != nil {
		return err
	}
	for _, warning := range cfg.Warnings {
		_, _ = fmt.Fprintln(env.stderr, "warning:", warning)
	}
	progress := status.Progress{Terminal: env.terminal()}
	options := report.Options{
		Period: period, Version: env.options.Build.Version, Polled: progress.Polled, SignOffFile: r.SignOff,
		Filter: report.Filter{
			Teams: r.Team, Environments: r.Environment, Projects: r.Project, Clusters: r.Cluster,
		},
	}
	if r.SignOff != "" {
		if options.SignOffs, options.SignOffDigest, err = config.LoadSignOffs(r.SignOff); err != nil {
			return err
		}
	}
	path := period.ExpandPath(r.Output)
	if err := checkOverwritesNoInput(path, append(cfg.Files, configFile, r.SignOff)...); err != nil {
		return err
	}
	output, err := report.CreateOutput(path) // before Atlas is read, which may take minutes
	if err != nil {
		return err
	}
	written, err := report.Generate(ctx, cfg, options)
	progress.Done()
	if err != nil {
		output.Discard()
		return err
	}
	if err := output.Commit(func(w io.Writer) error { return report.Write(w, written, r.Format) }); err != nil {
		return err
	}
	_, _ = fmt.Fprintln(env.stdout, "wrote", path)
	if !written.Header.Complete {
		return errIncomplete
	}
	return nil
}

// checkOverwritesNoInput returns an error if the report would replace a file that it is made from.
func checkOverwritesNoInput(output string, inputs ...string) error {
	replaced, err := os.Stat(output)
	if err != nil {
		return nil //nolint:nilerr // a new file
	}
	for _, input := range inputs {
		if file, err := os.Stat(input); err == nil && os.SameFile(file, replaced) {
			return fmt.Errorf("--output %s would replace an input of the report: choose another file", output)
		}
	}
	return nil
}

// period returns the period that the flags select.
func (r *reportFlags) period(now time.Time) (report.Period, error) {
	switch {
	case r.Period != "" && (r.From != "" || r.To != ""):
		return report.Period{}, errors.New("--period can't be combined with --from and --to")
	case r.Period != "":
		return report.CalendarPeriod(r.Period, now)
	case r.From == "" || r.To == "":
		return report.Period{}, errors.New("--from and --to, or --period, are required")
	}
	return report.ParsePeriod(r.From, r.To, now)
}
