// Command atlas-restore-exporter is a Prometheus exporter for the backup restore jobs of MongoDB Atlas.
package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"log/slog"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"
	"time"

	"github.com/alecthomas/kong"
	"github.com/lmittmann/tint"

	"atlas-restore-exporter/collector"
)

// version is set by the linker in releases.
var version = "dev"

// The exit statuses besides 0.
const (
	exitFailure = 1
	exitUsage   = 2
)

type cli struct {
	Log     logFlags         `embed:"" prefix:"log."`
	Version kong.VersionFlag `help:"Show the version and exit." env:"-"`

	Serve  serveCommand  `cmd:"" default:"withargs" help:"Poll Atlas and serve /metrics (the default)."`
	Check  checkCommand  `cmd:"" help:"Check the configuration and ask Atlas once for each target. Exit status 1 if any fails."`
	Health healthCommand `cmd:"" help:"Ask an exporter whether it is healthy. Exit status 1 if not."`
	Demo   demoCommand   `cmd:"" help:"Serve a simulated Atlas and poll it. Needs no credentials and no configuration."`
}

type logFlags struct {
	Level  slog.Level `help:"Least severe messages to log: debug, info, warn or error." default:"info"`
	Format string     `help:"Log format: auto (text; in colour on a terminal), text or json." enum:"auto,text,json" default:"auto"`
}

type configFlag struct {
	File string `help:"Path of the configuration file." name:"config.file" default:"config.yaml" placeholder:"FILE"`
}

// app is what a command gets besides its flags.
type app struct {
	stdout, stderr io.Writer
	logger         *slog.Logger
	build          collector.BuildInfo
	// How long the endpoint waits for a request, and for whoever reads its answer. Zero stands for the constants.
	readTimeout, writeTimeout time.Duration
}

func main() {
	log.SetOutput(io.Discard) // net/http would quote there what a server says unasked, which may be a link
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	status := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(status)
}

// run runs a command line and returns the exit status.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) (status int) {
	build := buildInfo()
	var flags cli
	parser, err := kong.New(&flags,
		kong.Name("atlas-restore-exporter"),
		kong.Description("Prometheus exporter for the backup restore jobs of MongoDB Atlas. "+
			"Every flag can be set in the environment, and a flag beats the environment. "+
			"Without a command it serves: see serve --help for the flags of that."),
		kong.Vars{"version": fmt.Sprintf("atlas-restore-exporter %s (%s, %s)", build.Version, build.Revision, build.GoVersion)},
		kong.DefaultEnvars("ATLAS_RESTORE_EXPORTER"),
		kong.Writers(stdout, stderr),
		kong.Exit(func(code int) { panic(exitStatus(code)) }), // --help and --version leave from within
	)
	if err != nil {
		panic(err) // the structs above are wrong
	}
	defer func() {
		switch left := recover().(type) {
		case nil:
		case exitStatus:
			status = int(left)
		default:
			panic(left)
		}
	}()
	command, err := parser.Parse(args)
	if err != nil {
		_, _ = fmt.Fprintf(stderr, "atlas-restore-exporter: %v (see --help)\n", err)
		return exitUsage
	}
	app := &app{stdout: stdout, stderr: stderr, logger: newLogger(stderr, flags.Log), build: build}
	command.BindTo(ctx, (*context.Context)(nil))
	if err := command.Run(app); err != nil {
		if !errors.Is(err, errTargetsFailed) { // they were reported one by one
			_, _ = fmt.Fprintf(stderr, "atlas-restore-exporter: %v\n", err)
		}
		return exitFailure
	}
	return 0
}

type exitStatus int

// newLogger returns a logger for people on a terminal, and for machines elsewhere.
func newLogger(w io.Writer, flags logFlags) *slog.Logger {
	options := &slog.HandlerOptions{Level: flags.Level}
	switch {
	case flags.Format == "json":
		return slog.New(slog.NewJSONHandler(w, options))
	case flags.Format == "auto" && terminal(w):
		return slog.New(tint.NewTextHandler(w, &tint.Options{Level: flags.Level, NoColor: os.Getenv("NO_COLOR") != ""}))
	}
	return slog.New(slog.NewTextHandler(w, options))
}

func terminal(w io.Writer) bool {
	file, ok := w.(*os.File)
	if !ok {
		return false
	}
	info, err := file.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

// buildInfo returns what the linker, or else the go command, noted in the binary.
func buildInfo() collector.BuildInfo {
	build := collector.BuildInfo{Version: cmp.Or(version, "dev"), Revision: "unknown"}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return build
	}
	build.GoVersion = info.GoVersion
	if build.Version == "dev" && info.Main.Version != "" && info.Main.Version != "(devel)" {
		build.Version = info.Main.Version
	}
	for _, setting := range info.Settings {
		if setting.Key == "vcs.revision" {
			build.Revision = setting.Value
		}
	}
	return build
}
