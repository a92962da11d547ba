package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"atlas-restore-exporter/atlas"
	"atlas-restore-exporter/atlas/atlastest"
	"atlas-restore-exporter/internal/testutil"
)

// The client ID and the projects of the README.
const (
	readmeClientID  = "mdb_sa_id_0123456789abcdef01234567"
	readmePayments  = "5f3a1b2c4d5e6f7a8b9c0d1e"
	readmeAnalytics = "6a1b2c3d4e5f60718293a4b5"
)

// TestReadme_LeadsFromNothingToAScrape runs the commands of the README in a clean clone, in order, as a reader does.
// The simulator takes the place of Atlas: the only addition to the configuration is its address.
func TestReadme_LeadsFromNothingToAScrape(t *testing.T) {
	for _, tool := range []string{"git", "make", "bash", "curl"} {
		testutil.NeedTool(t, tool, tool)
	}
	readme := testutil.ReadFile(t, "../../README.md")
	address := testutil.FreeAddress(t)
	reader := &reader{t: t, state: filepath.Join(t.TempDir(), "state"), replace: strings.NewReplacer(
		"REPOSITORY", testutil.Checkout(t, "../..", t.TempDir()), "localhost:10058", address,
	)}
	testutil.WriteFile(t, reader.state, fmt.Sprintf("cd %q\n", t.TempDir()))
	t.Setenv("ATLAS_RESTORE_EXPORTER_WEB_LISTEN_ADDRESS", address)

	install := regexp.MustCompile("(?m)^\\| source code \\| `(.*)` \\|$").FindStringSubmatch(readme)
	if install == nil {
		t.Fatal("the README has no command that installs from the source code")
	}
	reader.run(install[1])

	tryIt := blocksOf(readme, "Try it")
	if want := []block{{"sh", "go run . demo\n"}, {"sh", "go test ./...\n"}}; !slices.Equal(tryIt, want) {
		t.Errorf("the commands to run and to test the exporter are %q, want %q", tryIt, want)
	}
	demo := reader.start(tryIt[0].text)
	waitForDemo(demo)
	reader.expect("curl -s localhost:10058/metrics", `mongodbatlas_restore_poll_success{`)
	interrupt(demo)

	for _, block := range blocksOf(readme, "Connect it to Atlas") {
		command, inBackground := strings.CutSuffix(block.text, " &\n")
		switch {
		case block.language == "console":
			reader.runSession(block.text)
		case inBackground:
			reader.start(command)
		default:
			reader.run(block.text)
		}
		if strings.Contains(block.text, "> config.yaml") {
			reader.run(fmt.Sprintf("echo 'atlas: {base_url: %q}' >> config.yaml", serve(t, newReadmeOrganization())))
		}
	}
	if reader.sessions < 2 {
		t.Errorf("the README shows the output of %d commands", reader.sessions)
	}
}

// waitForDemo waits until the demo has been compiled and listens.
func waitForDemo(demo *process) {
	demo.t.Helper()
	for !strings.Contains(demo.stdout.String(), "Press Ctrl+C to stop.") {
		if demo.hasExited() {
			demo.t.Fatalf("the demo has exited: %s", demo.stderr.String())
		}
		time.Sleep(100 * time.Millisecond)
	}
}

// newReadmeOrganization returns the simulated organization whose state the README shows.
func newReadmeOrganization() *atlastest.Server {
	sim := atlastest.New()
	sim.AddServiceAccount(readmeClientID, secret)
	sim.AddProject(readmePayments, "Payments")
	sim.AddProject(readmeAnalytics, "Analytics")
	sim.AddCluster(readmePayments, "orders", atlastest.DedicatedCluster)
	sim.AddCluster(readmePayments, "prod-eu", atlastest.DedicatedCluster)
	sim.AddCluster(readmeAnalytics, "reports", atlastest.FlexCluster)
	sim.AddCluster(readmeAnalytics, "sandbox", atlastest.FreeCluster)
	ago := func(hours int) time.Time { return time.Now().Add(-time.Duration(hours) * time.Hour) }
	orders := []atlastest.Job{{Created: ago(2), Takes: time.Minute, Outcome: atlastest.Fails}}
	for i := range 57 {
		orders = append(orders, atlastest.Job{Created: ago(24 * (i + 1)), Takes: time.Minute})
	}
	sim.AddJobs(atlas.List{ProjectID: readmePayments, ClusterName: "orders", BackupType: atlas.Dedicated}, orders...)
	for i := range 5 {
		sim.AddJobs(atlas.List{ProjectID: readmeAnalytics, ClusterName: "reports", BackupType: atlas.Flex},
			atlastest.Job{Created: ago(6 + 24*i), Takes: time.Minute})
	}
	return sim
}

// block is a block of code in a document, without its indentation.
type block struct{ language, text string }

var codeBlocks = regexp.MustCompile("(?ms)^( *)```(\\w+)\n(.*?)^ *```$")

// blocksOf returns the blocks of commands in a section of a document.
func blocksOf(document, heading string) []block {
	_, section, _ := strings.Cut(document, "\n## "+heading+"\n")
	section, _, _ = strings.Cut(section, "\n## ")
	var blocks []block
	for _, match := range codeBlocks.FindAllStringSubmatch(section, -1) {
		if match[2] == "sh" || match[2] == "console" {
			text := regexp.MustCompile("(?m)^"+match[1]).ReplaceAllString(match[3], "")
			blocks = append(blocks, block{match[2], text})
		}
	}
	return blocks
}

// reader runs commands as in one shell: the directory and the exported variables are kept in the file state.
type reader struct {
	t        *testing.T
	state    string
	replace  *strings.Replacer
	sessions int // number of commands whose output was compared
}

// command returns a command that runs a script.
func (r *reader) command(script string) *exec.Cmd {
	command := exec.CommandContext(r.t.Context(), "bash", "-ec", fmt.Sprintf(
		"source %[1]q\n%[2]s\n{ export -p; echo cd \"$PWD\"; } > %[1]q", r.state, r.replace.Replace(script)))
	command.Env = slices.DeleteFunc(os.Environ(), func(variable string) bool {
		name, _, _ := strings.Cut(strings.ToLower(variable), "=")
		return strings.HasSuffix(name, "_proxy") || name == "makeflags"
	})
	command.Stdin = strings.NewReader(secret + "\n") // for the command that the secret is pasted into
	return command
}

// run runs commands that must succeed.
func (r *reader) run(script string) {
	r.t.Helper()
	if output, err := r.command(script).CombinedOutput(); err != nil {
		r.t.Fatalf("%s\n%v: %s", script, err, output)
	}
}

// start starts a command that runs until the test ends.
func (r *reader) start(script string) *process {
	r.t.Helper()
	command := r.command(script)
	command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // `go run` starts another process
	p := startProcess(r.t, command)
	r.t.Cleanup(func() { interrupt(p) })
	return p
}

// interrupt interrupts all programs of a process, as Ctrl+C does, and waits until they have exited.
func interrupt(p *process) {
	p.t.Helper()
	_ = syscall.Kill(-p.command.Process.Pid, syscall.SIGINT)
	p.waitForExit()
}

// runSession runs the commands of a console session, and compares their output with the shown one.
func (r *reader) runSession(session string) {
	r.t.Helper()
	for shown := range strings.SplitSeq(strings.TrimPrefix(session, "$ "), "\n$ ") {
		command, output, _ := strings.Cut(shown, "\n")
		r.sessions++
		r.expect(command, output)
	}
}

// expect checks that the output of a command has the expected lines, in order. Numbers and the width of columns can
// differ. A request is repeated, because the exporter may still be starting.
func (r *reader) expect(command, lines string) {
	r.t.Helper()
	var pattern strings.Builder
	for line := range strings.Lines(r.replace.Replace(lines)) {
		line = strings.Join(strings.Fields(line), " ")
		line = regexp.MustCompile(`\d+`).ReplaceAllString(regexp.QuoteMeta(line), `\d+`)
		pattern.WriteString(strings.ReplaceAll(line, " ", `\s+`) + "(?s:.*)")
	}
	want, output := regexp.MustCompile(pattern.String()), []byte(nil)
	explain := func() string { return fmt.Sprintf("%s\nprints\n%s\nwant\n%s", command, output, lines) }
	testutil.Eventually(r.t, func() bool {
		output, _ = r.command(command).Output()
		return want.Match(output) || !strings.HasPrefix(command, "curl")
	}, explain)
	if !want.Match(output) {
		r.t.Error(explain())
	}
}
