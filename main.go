// Command atlas-restore-exporter is a Prometheus exporter for the backup restore jobs of MongoDB Atlas.
//
// Package main contains only commands, flags, signals, and exit codes. Package internal/server builds the exporter.
package main

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"
	"time"

	"github.com/alecthomas/kong"
	"github.com/lmittmann/tint"

	"atlas-restore-exporter/internal/config"
	"atlas-restore-exporter/internal/demo"
	"atlas-restore-exporter/internal/logwriter"
	"atlas-restore-exporter/internal/server"
	"atlas-restore-exporter/internal/status"
)

// version is set by the linker in releases.
var version string

type exitCode int

const (
	name = "atlas-restore-exporter"

	exitFailure    exitCode = 1
	exitUsage      exitCode = 2
	exitIncomplete exitCode = 3

	flushTimeout = time.Second // for the log at exit
)

type cli struct {
	Log     logFlags         `embed:"" prefix:"log."`
	Version kong.VersionFlag `help:"Print the version and exit." env:"-"`

	Serve  serveCommand  `cmd:"" default:"withargs" help:"Poll Atlas and serve /metrics (default command)."`
	Check  checkCommand  `cmd:"" help:"Validate the configuration and poll each target once."`
	Report reportCommand `cmd:"" help:"Write a report about a period (--from and --to, or --period)."`
	Health healthCommand `cmd:"" help:"Check whether a running exporter is healthy."`
	Demo   demoCommand   `cmd:"" help:"Poll a simulated Atlas organization. Needs no credentials."`
	Schema schemaCommand `cmd:"" help:"Print the JSON Schema of the configuration file, for editors."`
}

type logFlags struct {
	Level  logLevel  `help:"Minimum level: debug, info, warn, or error." default:"info"`
	Format logFormat `help:"Format: auto (colored on terminals), logfmt (or text), or json." default:"auto"`
}

type configFlag struct {
	File string `help:"Configuration file (default: atlas-restore-exporter.yaml or config.yaml)." name:"config.file" placeholder:"FILE"` //nolint:lll // a tag
}

type webConfigFlag struct {
	File string `help:"File with TLS and authentication settings." name:"config.file" placeholder:"FILE"`
}

type webFlags struct {
	ListenAddress   []address     `help:"Address to listen on. Can be repeated." default:"${listen}"`
	SystemdSocket   bool          `help:"Use the listening socket that systemd passes."`
	EnableLifecycle bool          `help:"Allow POST /-/reload."`
	Config          webConfigFlag `embed:""`

	ExternalURL server.ExternalURL `help:"Public URL of the exporter, for links. A proxy must remove the path of this URL from requests." placeholder:"URL"` //nolint:lll // a tag
}

type serveCommand struct {
	Config configFlag `embed:""`
	Shard  shard      `help:"Poll only shard I of N shards; I starts at 0." placeholder:"I/N"`
	Web    webFlags   `embed:"" prefix:"web." set:"listen=:10058"`
}

type checkCommand struct {
	Path    string        `arg:"" optional:"" name:"file" help:"Configuration file, instead of --config.file."`
	Config  configFlag    `embed:""`
	Web     webConfigFlag `embed:"" prefix:"web."`
	Offline bool          `help:"Only validate the files, without requests to Atlas."`
	Output  string        `help:"Output format: table or json." enum:"table,json" default:"table"`
}

type healthCommand struct {
	URL string `help:"URL to request. Set it if the exporter uses TLS or another address." name:"url" default:"http://localhost:10058/-/healthy"` //nolint:lll // a tag
}

type schemaCommand struct{}

type demoCommand struct {
	Web webFlags `embed:"" prefix:"web." set:"listen=localhost:10058"`
}

// environment contains the dependencies that the commands share.
type environment struct {
	stdout, stderr io.Writer
	options        server.Options // with the build and the logger only
}

func main() {
	limitGarbage(servePercent)
	log.SetOutput(io.Discard)      // net/http logs unexpected data of servers here, which may contain a download link
	signal.Ignore(syscall.SIGPIPE) // a closed pipe behind the log must not end the process
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(int(code))
}

// servePercent is the growth of the heap between two garbage collections. Most of the heap lives long, so a collection
// finds little garbage, and the process needs less memory.
const servePercent = 50

// limitGarbage lets the heap grow less between garbage collections than Go's default of 100 percent, unless the
// environment variable GOGC is set.
func limitGarbage(percent int) {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(percent)
	}
}

// run runs a command line until it ends or ctx ends.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) (code exitCode) {
	build := server.BuildInfo(version)
	var flags cli
	parser := kong.Must(&flags,
		kong.Name(name),
		kong.Description("Prometheus exporter for the backup restore jobs of MongoDB Atlas. "+
			"Flags can also be set by environment variables; flags take precedence. The default command is serve."),
		kong.Help(printHelp),
		kong.Vars{"version": fmt.Sprintf("%s %s (%s, %s)", name, build.Version, build.Revision, build.GoVersion)},
		kong.DefaultEnvars("ATLAS_RESTORE_EXPORTER"),
		kong.Writers(stdout, stderr),
		kong.Exit(func(code int) { panic(exitCode(code)) }), // Parse calls it for --help and --version
	)
	defer func() {
		switch value := recover().(type) {
		case nil:
		case exitCode:
			code = value
		default:
			panic(value)
		}
	}()
	command, err := parser.Parse(args)
	if err != nil {
		_, _ = fmt.Fprintf(stderr, "%s: %v (see --help)\n", name, err)
		return exitUsage
	}
	logs := newLogWriter(stderr, flags.Log)
	options := server.Options{Build: build, Logger: newLogger(logs, isTerminal(stderr), flags.Log)}
	options.DroppedLogMessages = logs.Dropped
	env := &environment{stdout: stdout, stderr: stderr, options: options}
	command.BindTo(ctx, (*context.Context)(nil))
	if err := command.Run(env); err != nil {
		code = exitFailure
		if errors.Is(err, errIncomplete) {
			code = exitIncomplete
		}
		if !errors.Is(err, status.ErrTargetsFailed) { // check printed the errors of the targets
			_, _ = fmt.Fprintf(logs, "%s: %v\n", name, err)
		}
	}
	flush, cancel := context.WithTimeout(context.Background(), flushTimeout)
	defer cancel()
	logs.Close(flush)
	return code
}

// Run implements the serve command.
func (s *serveCommand) Run(ctx context.Context, env *environment) error {
	options := s.Web.options(env) // registers SIGHUP, so it precedes everything else
	path, err := s.Config.path()
	if err != nil {
		return err
	}
	options.ConfigFile = path
	options.Load = func() (*config.Config, error) {
		cfg, err := config.Load(path)
		if err == nil {
			cfg.Shard = config.Shard(s.Shard)
		}
		return cfg, err
	}
	cfg, err := options.Load()
	if err != nil {
		return err
	}
	return server.Run(ctx, cfg, options)
}

// Run implements the demo command.
func (d *demoCommand) Run(ctx context.Context, env *environment) error {
	return demo.Run(ctx, env.stdout, d.Web.options(env))
}

// Run implements the health command.
func (h *healthCommand) Run(ctx context.Context, env *environment) error {
	if err := server.CheckHealth(ctx, h.URL); err != nil {
		return err
	}
	_, err := fmt.Fprintln(env.stdout, "healthy")
	return err
}

// Run implements the schema command.
func (schemaCommand) Run(env *environment) error {
	_, err := env.stdout.Write(config.Schema())
	return err
}

// Run implements the check command.
func (c *checkCommand) Run(ctx context.Context, env *environment) error {
	if c.Path != "" {
		c.Config.File = c.Path
	}
	path, err := c.Config.path()
	if err != nil {
		return err
	}
	cfg, err := config.Load(path)
	if err != nil {
		return err
	}
	if err := server.ValidateWebConfig(c.Web.File); err != nil {
		return err
	}
	for _, warning := range cfg.Warnings {
		_, _ = fmt.Fprintln(env.stderr, "warning:", warning)
	}
	if c.Offline {
		return status.WriteOfflineCheck(env.stdout, status.OfflineCheck{
			File: path, Targets: len(cfg.Targets), Discoveries: len(cfg.Discoveries), Credentials: len(cfg.Credentials),
		}, c.Output)
	}
	if proxy := proxyOf(cfg.BaseURL); proxy != "" {
		_, _ = fmt.Fprintf(env.stderr, "requests to Atlas use the proxy %s\n", proxy)
	}
	options := env.options
	options.Logger = slog.New(slog.DiscardHandler) // the results contain everything
	exporter, err := server.New(cfg, options)
	if err != nil {
		return err
	}
	defer exporter.Close()
	results, err := status.Check(ctx, exporter.Manager(), status.CheckOptions{
		Expiries: cfg.CredentialExpiry, Projects: exporter.Projects, Terminal: env.terminal(),
	})
	if err != nil {
		return err
	}
	return cmp.Or(status.WriteCheck(env.stdout, results, c.Output, time.Now()), ctx.Err())
}

// proxyOf returns the scheme and host of the proxy for requests to a URL, or "" if there is none. It omits the user.
func proxyOf(target string) string {
	parsed, err := url.Parse(target)
	if err != nil {
		return ""
	}
	proxy, err := http.ProxyFromEnvironment(&http.Request{URL: parsed})
	if err != nil || proxy == nil {
		return ""
	}
	return proxy.Scheme + "://" + proxy.Host
}

// options returns the options of a server, which reloads its configuration after SIGHUP.
func (w webFlags) options(env *environment) server.Options {
	reloads := make(chan os.Signal, 1)
	signal.Notify(reloads, syscall.SIGHUP)
	options := env.options
	options.SystemdSocket = w.SystemdSocket
	for _, listen := range w.ListenAddress {
		options.ListenAddresses = append(options.ListenAddresses, string(listen))
	}
	options.WebConfigFile, options.EnableLifecycle = w.Config.File, w.EnableLifecycle
	options.ExternalURL = string(w.ExternalURL)
	options.ReloadSignals = reloads
	return options
}

// newLogWriter returns a writer to stderr that never blocks. It reports dropped messages in the format of the log.
func newLogWriter(stderr io.Writer, flags logFlags) *logwriter.Writer {
	terminal := isTerminal(stderr)
	return logwriter.New(stderr, func(dropped uint64) []byte {
		var message bytes.Buffer
		newLogger(&message, terminal, flags).Warn("log messages dropped because nothing read the log output",
			slog.Uint64("dropped", dropped))
		return message.Bytes()
	})
}

// newLogger returns a logger with colored text for terminals, or with text or JSON for machines.
func newLogger(w io.Writer, terminal bool, flags logFlags) *slog.Logger {
	switch {
	case flags.Format == "json":
		return slog.New(slog.NewJSONHandler(w, &slog.HandlerOptions{Level: slog.Level(flags.Level)}))
	case flags.Format == "auto" && terminal:
		options := &tint.Options{Level: slog.Level(flags.Level), NoColor: os.Getenv("NO_COLOR") != ""}
		return slog.New(tint.NewTextHandler(w, options))
	}
	return slog.New(slog.NewTextHandler(w, &slog.HandlerOptions{Level: slog.Level(flags.Level)}))
}

// terminal returns the standard error output if it is a terminal, and otherwise nil.
func (e *environment) terminal() io.Writer {
	if isTerminal(e.stderr) {
		return e.stderr
	}
	return nil
}

func isTerminal(w io.Writer) bool {
	if file, ok := w.(*os.File); ok {
		info, err := file.Stat()
		return err == nil && info.Mode()&os.ModeCharDevice != 0
	}
	return false
}
