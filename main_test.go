package main

import (
	"context"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"regexp"
	"runtime/debug"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"atlas-restore-exporter/atlas"
	"atlas-restore-exporter/atlas/atlastest"
	"atlas-restore-exporter/internal/testutil"
)

func TestMain(m *testing.M) { testscript.Main(m, map[string]func(){name: main}) }

func TestLimitGarbage_DoesNotOverrideGOGC(t *testing.T) {
	original := debug.SetGCPercent(123)
	t.Cleanup(func() { debug.SetGCPercent(original) })
	for value, want := range map[string]int{"200": 123, "": 50} {
		t.Setenv("GOGC", value)
		limitGarbage(servePercent)
		if got := debug.SetGCPercent(123); got != want {
			t.Errorf("with GOGC=%s, the percentage is %d, want %d", value, got, want)
		}
	}
}

// TestScripts runs the scripts in testdata/script. Each script tests one promise of the command line.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		RequireExplicitExec: true,
		UpdateScripts:       os.Getenv(testutil.UpdateGolden) != "",
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"exits":     cmdExits,
			"free-port": cmdFreePort,
			"get":       cmdGet,
			"signal":    cmdSignal,
			"simulator": func(ts *testscript.TestScript, _ bool, args []string) { cmdSimulator(t, ts, args) },
		},
	})
}

// cmdExits runs a program and checks its exit status: exits STATUS PROGRAM [ARG...].
func cmdExits(ts *testscript.TestScript, _ bool, args []string) {
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	got := 0
	if err := ts.Exec(args[1], args[2:]...); err != nil {
		exit, ok := err.(*exec.ExitError) //nolint:errorlint // Exec doesn't wrap it
		if !ok {
			ts.Fatalf("%v", err)
		}
		got = exit.ExitCode()
	}
	if got != want {
		ts.Fatalf("exit status %d, want %d", got, want)
	}
}

// cmdFreePort sets the variable ADDRESS to an address on which nothing listens.
func cmdFreePort(ts *testscript.TestScript, _ bool, _ []string) {
	server := httptest.NewServer(http.NotFoundHandler())
	defer server.Close()
	ts.Setenv("ADDRESS", strings.TrimPrefix(server.URL, "http://"))
}

// cmdGet waits until a URL returns status 200 and a body that matches a pattern: get URL PATTERN.
func cmdGet(ts *testscript.TestScript, _ bool, args []string) {
	pattern := regexp.MustCompile(args[1])
	body := ""
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		response, err := http.Get(args[0])
		if err != nil {
			continue
		}
		text, err := io.ReadAll(response.Body)
		_ = response.Body.Close()
		body = string(text)
		if err == nil && response.StatusCode == http.StatusOK && pattern.MatchString(body) {
			_, _ = io.WriteString(ts.Stdout(), body)
			return
		}
	}
	ts.Fatalf("%s does not match %s:\n%s", args[0], args[1], body)
}

// cmdSignal sends a signal to all programs in the background: signal TERM.
func cmdSignal(ts *testscript.TestScript, _ bool, args []string) {
	signals := map[string]os.Signal{"HUP": syscall.SIGHUP, "TERM": syscall.SIGTERM, "INT": os.Interrupt}
	for _, command := range ts.BackgroundCmds() {
		ts.Check(command.Process.Signal(signals[args[0]]))
	}
}

const (
	projectID    = "32b6e34b3d91647abb20e7b8"
	clientID     = "mdb_sa_id_1"
	clientSecret = "NEVER-SHOW-THIS-SECRET"
)

// cmdSimulator starts a simulated Atlas API and replaces ATLAS_URL in files by its URL: simulator [-tls] FILE... With
// -tls it writes the certificate of its authority to ca.pem. The project Payments contains the clusters prod
// (dedicated, with two jobs) and team (Flex), which are a year old.
func cmdSimulator(t *testing.T, ts *testscript.TestScript, files []string) {
	atlasAPI := atlastest.New()
	atlasAPI.AddServiceAccount(clientID, clientSecret)
	atlasAPI.AddProject(projectID, "Payments")
	atlasAPI.AddCluster(projectID, "prod", atlastest.DedicatedCluster)
	atlasAPI.AddCluster(projectID, "team", atlastest.FlexCluster)
	now := time.Now()
	for _, name := range []string{"prod", "team"} {
		atlasAPI.ChangeCluster(projectID, name, func(c *atlastest.ClusterState) { c.Created = now.AddDate(-1, 0, 0) })
	}
	atlasAPI.AddJobs(atlas.List{ProjectID: projectID, ClusterName: "prod", BackupType: atlas.Dedicated},
		atlastest.Job{Created: now.Add(-26 * time.Hour), Takes: time.Minute},
		atlastest.Job{Created: now.Add(-50 * time.Hour), Takes: time.Minute})
	server := httptest.NewUnstartedServer(atlasAPI)
	server.Config.ErrorLog = log.New(io.Discard, "", 0) // rejected TLS handshakes
	if files[0] == "-tls" {
		files = files[1:]
		authority := testutil.NewAuthority(t)
		server.TLS = testutil.ServerTLS(authority.IssueServer())
		testutil.WriteFile(t, ts.MkAbs("ca.pem"), testutil.ReadFile(t, authority.Path("ca")))
		server.StartTLS()
	} else {
		server.Start()
	}
	ts.Defer(server.Close)
	for _, file := range files {
		text := strings.ReplaceAll(ts.ReadFile(file), "ATLAS_URL", server.URL)
		testutil.WriteFile(t, ts.MkAbs(file), text)
		ts.Check(os.Chmod(ts.MkAbs(file), 0o600))
	}
}

// panickingWriter panics when it is written to.
type panickingWriter struct{}

func (panickingWriter) Write([]byte) (int, error) { panic("broken pipe") }

// A panic must not look like an exit with status 0.
func TestRun_DoesNotRecoverPanics(t *testing.T) {
	defer func() {
		if value := fmt.Sprint(recover()); value != "broken pipe" {
			t.Errorf("recovered %s", value)
		}
	}()
	run(t.Context(), []string{"--version"}, panickingWriter{}, io.Discard)
}

// stuckWriter is a full pipe that nothing reads.
type stuckWriter struct{ released chan struct{} }

func (w stuckWriter) Write(p []byte) (int, error) {
	<-w.released
	return len(p), nil
}

func TestRun_PollsAndEndsWhileNothingReadsTheLog(t *testing.T) {
	stderr := stuckWriter{make(chan struct{})}
	defer close(stderr.released)
	address := testutil.FreeAddress(t)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan exitCode, 1)
	go func() {
		args := []string{"demo", "--web.listen-address=" + address, "--log.level=debug"}
		ended <- run(ctx, args, io.Discard, stderr)
	}()
	ready := func() bool {
		response, err := http.Get("http://" + address + "/-/ready")
		if err != nil {
			return false
		}
		defer func() { _ = response.Body.Close() }()
		return response.StatusCode == http.StatusOK
	}
	testutil.Eventually(t, ready, func() string { return "the exporter is not ready" })
	cancel()
	select {
	case code := <-ended:
		if code != 0 {
			t.Errorf("exit code %d", code)
		}
	case <-time.After(10 * time.Second):
		t.Error("the exporter did not end")
	}
}

// TestHelp_IsDocumented compares the documented help with the output of --help. With UPDATE_GOLDEN set, it writes the
// help of each command into the document.
func TestHelp_IsDocumented(t *testing.T) {
	const page, begin, end = "docs/command-line.md", "<!-- help: ", "<!-- end of help -->"
	t.Setenv("COLUMNS", "") // otherwise, the width of the help depends on the terminal
	var want strings.Builder
	for _, command := range []string{"", "serve", "check", "report", "demo", "health", "schema"} {
		args := append(strings.Fields(command), "--help")
		var stdout, stderr strings.Builder
		if code := run(t.Context(), args, &stdout, &stderr); code != 0 || stderr.Len() > 0 {
			t.Fatalf("%v: exit status %d, %s", args, code, stderr.String())
		}
		want.WriteString("\n```console\n$ " + name + " " + strings.Join(args, " ") + "\n" + stdout.String() + "```\n")
	}
	want.WriteString("\n")
	text := testutil.ReadFile(t, page)
	from, to := strings.Index(text, begin), strings.Index(text, end)
	if from < 0 || to < from {
		t.Fatalf("%s has no comments around the help", page)
	}
	from += strings.Index(text[from:], "\n") + 1
	if os.Getenv(testutil.UpdateGolden) != "" {
		testutil.WriteFile(t, page, text[:from]+want.String()+text[to:])
	} else if text[from:to] != want.String() {
		t.Errorf("%s has the help\n%s\nwant\n%s", page, text[from:to], want.String())
	}
}
