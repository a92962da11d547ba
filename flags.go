package main

import (
	"fmt"
	"log/slog"
	"net"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"

	"github.com/alecthomas/kong"

	"atlas-restore-exporter/internal/config"
)

// path returns the path of the configuration file, which is a default file if none is set.
func (c configFlag) path() (string, error) {
	if c.File != "" {
		return c.File, nil
	}
	return config.FindDefaultFile()
}

// logLevel is the minimum level of log messages.
type logLevel slog.Level

// UnmarshalText parses a log level.
func (l *logLevel) UnmarshalText(text []byte) error {
	levels := map[string]slog.Level{
		"debug": slog.LevelDebug, "info": slog.LevelInfo, "warn": slog.LevelWarn, "error": slog.LevelError,
	}
	level, ok := levels[strings.ToLower(string(text))]
	if !ok {
		return fmt.Errorf("%q is not a log level, must be debug, info, warn, or error", text)
	}
	*l = logLevel(level)
	return nil
}

// logFormat is the format of log messages.
type logFormat string

// UnmarshalText parses a log format.
func (f *logFormat) UnmarshalText(text []byte) error {
	if !slices.Contains([]string{"auto", "logfmt", "text", "json"}, string(text)) {
		return fmt.Errorf("%q is not a log format, must be auto, logfmt, text, or json", text)
	}
	*f = logFormat(text)
	return nil
}

// shard is the part of all targets that this exporter polls.
type shard config.Shard

// UnmarshalText parses a shard that is written as I/N.
func (s *shard) UnmarshalText(text []byte) error {
	if (*config.Shard)(s).UnmarshalText(text) != nil {
		return fmt.Errorf("%q is not a shard, must be I/N with the number N of shards and the index I from 0 to N-1, "+
			"such as 0/2 or 1/2", text)
	}
	return nil
}

// address is an address to listen on.
type address string

// UnmarshalText parses an address.
func (a *address) UnmarshalText(text []byte) error {
	const action = "must be HOST:PORT or :PORT, such as localhost:10058 or :10058"
	_, port, err := net.SplitHostPort(string(text))
	if err != nil {
		return fmt.Errorf("%q is not an address to listen on, %s", text, action)
	}
	if _, err := strconv.ParseUint(port, 10, 16); err != nil {
		return fmt.Errorf("%q is not a port from 0 to 65535, %s", port, action)
	}
	*a = address(text)
	return nil
}

const examples = `
Examples:
  atlas-restore-exporter demo                           try it with a simulated Atlas organization
  atlas-restore-exporter check config.yaml              validate a configuration and poll each target once
  atlas-restore-exporter --config.file=config.yaml      poll Atlas and serve http://localhost:10058/metrics
`

// printHelp prints the help of a command. The help of the program also has the flags of the default command and
// examples.
func printHelp(options kong.HelpOptions, ctx *kong.Context) error {
	if err := kong.DefaultHelpPrinter(options, ctx); err != nil || ctx.Selected() != nil {
		return err
	}
	table := tabwriter.NewWriter(ctx.Stdout, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(table, "\nFlags of serve:")
	for _, command := range ctx.Model.Children {
		if command.Name != "serve" {
			continue
		}
		for _, flag := range command.Flags {
			_, _ = fmt.Fprintf(table, "  %s\t%s\n", strings.TrimSpace(flag.String()), flag.Help)
		}
	}
	if err := table.Flush(); err != nil {
		return err
	}
	_, err := fmt.Fprint(ctx.Stdout, examples)
	return err
}
