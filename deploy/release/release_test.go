package main

import (
	"bytes"
	"crypto/sha256"
	"debug/buildinfo"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime/debug"
	"slices"
	"strings"
	"testing"

	"atlas-restore-exporter/internal/testutil"
)

const (
	project = "../.."
	program = "atlas-restore-exporter"
)

// TestMain unsets the variables that Git sets for hooks: these tests use their own repositories.
func TestMain(m *testing.M) {
	for _, variable := range os.Environ() {
		if name, _, _ := strings.Cut(variable, "="); strings.HasPrefix(name, "GIT_") {
			_ = os.Unsetenv(name)
		}
	}
	os.Exit(m.Run())
}

// reproduce is the environment variable that, if set, compiles everything again, including the standard library. This
// takes minutes. `make reproduce` sets it.
const reproduce = "REPRODUCE"

// TestReproducibleBuild_HasTheSameBytes builds the binary for this machine twice: in two directories, under two umasks,
// and, if reproduce is set, with an empty build cache.
func TestReproducibleBuild_HasTheSameBytes(t *testing.T) {
	first := testutil.Checkout(t, project, t.TempDir())
	second := filepath.Join(t.TempDir(), "another place", "with a longer name")
	withUmask(0o077, func() { testutil.Checkout(t, project, second) })
	one, info := build(t, first, "-buildvcs=true")
	if revision := setting(info, "vcs.revision"); len(revision) != 40 {
		t.Errorf("the binary contains the commit %q", revision)
	}
	if bytes.Contains(one, []byte(first)) {
		t.Errorf("the binary contains the path %s", first)
	}
	if os.Getenv(reproduce) != "" {
		t.Setenv("GOCACHE", t.TempDir())
	}
	var two []byte
	withUmask(0o077, func() { two, _ = build(t, second, "-buildvcs=true") })
	if !bytes.Equal(one, two) {
		t.Errorf("two builds result in %x and %x", sha256.Sum256(one), sha256.Sum256(two))
	}
}

func TestBuildWithoutGit_HasNoCommit(t *testing.T) {
	dir := testutil.Checkout(t, project, t.TempDir())
	if err := os.RemoveAll(filepath.Join(dir, ".git")); err != nil {
		t.Fatal(err)
	}
	if _, info := build(t, dir); setting(info, "vcs.revision") != "" {
		t.Errorf("the binary contains a commit: %v", info)
	}
}

// build builds the program in a directory with the flags of a release.
func build(t *testing.T, dir string, flags ...string) ([]byte, *debug.BuildInfo) {
	t.Helper()
	file := filepath.Join(dir, program)
	args := slices.Concat([]string{"build", "-trimpath", "-ldflags", "-s -w -X main.version=v1.2.3"}, flags,
		[]string{"-o", file, "."})
	command := exec.CommandContext(t.Context(), "go", args...)
	command.Dir, command.Env = dir, append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=-mod=readonly")
	if text, err := command.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	binary := readFile(t, file)
	info, err := buildinfo.Read(bytes.NewReader(binary))
	if err != nil {
		t.Fatal(err)
	}
	return binary, info
}

func setting(info *debug.BuildInfo, key string) string {
	i := slices.IndexFunc(info.Settings, func(s debug.BuildSetting) bool { return s.Key == key })
	if i < 0 {
		return ""
	}
	return info.Settings[i].Value
}

// TestWrite_CopiesTheLicensesOfEveryLinkedModule compares the directories with the modules that the built binary
// names.
func TestWrite_CopiesTheLicensesOfEveryLinkedModule(t *testing.T) {
	out := filepath.Join(t.TempDir(), "licenses")
	if err := write(project, out); err != nil {
		t.Fatal(err)
	}
	_, info := build(t, testutil.Checkout(t, project, t.TempDir()))
	modules := []string{"go"}
	for _, module := range info.Deps {
		modules = append(modules, module.Path)
	}
	for _, module := range modules {
		if files, err := os.ReadDir(filepath.Join(out, module)); err != nil || len(files) == 0 {
			t.Errorf("%s: %d licenses, error %v", module, len(files), err)
		}
	}
}

func TestWrite_RejectsAModuleWithoutLicense(t *testing.T) {
	module := t.TempDir()
	err := copyLicenses(module, t.TempDir())
	if err == nil || err.Error() != "no license in "+module {
		t.Errorf("error %v", err)
	}
	if err := write(project, ""); err == nil || err.Error() != "flag -out is required" {
		t.Errorf("error %v", err)
	}
}

// TestFlags_AreTheSameEverywhere checks that the Makefile, the Dockerfile, and GoReleaser build with the flags and the
// Go version of a release.
func TestFlags_AreTheSameEverywhere(t *testing.T) {
	match := regexp.MustCompile(`(?m)^toolchain go(\d+\.\d+\.\d+)$`).FindSubmatch(readFile(t, project+"/go.mod"))
	if match == nil {
		t.Fatal("go.mod has no toolchain line such as toolchain go1.26.8")
	}
	flags := func(variable string) string {
		return fmt.Sprintf(`-trimpath -ldflags "-s -w -X main.version=%s" `, variable)
	}
	for file, wanted := range map[string][]string{
		"Makefile": {"CGO_ENABLED=0 go build " + flags("$(VERSION)")},
		".goreleaser.yaml": {
			"[CGO_ENABLED=0,", "flags: [-trimpath, -buildvcs=true]", `ldflags: ["-s -w -X main.version={{ .Tag }}"]`,
		},
		"deploy/docker/Dockerfile": {
			"RUN CGO_ENABLED=0 GOOS=$TARGETOS GOARCH=$TARGETARCH \\\n    go build " + flags("$VERSION"),
			"FROM --platform=$BUILDPLATFORM golang:" + string(match[1]),
			"\nUSER 65532:65532\n",
		},
	} {
		text := string(readFile(t, filepath.Join(project, file)))
		for _, want := range wanted {
			if !strings.Contains(text, want) {
				t.Errorf("%s has no %q", file, want)
			}
		}
	}
}

// TestPackages_ManageEveryUnit checks that the packages contain all units, and that their scripts restart and stop the
// units that can be enabled.
func TestPackages_ManageEveryUnit(t *testing.T) {
	if text := string(readFile(t, project+"/.goreleaser.yaml")); !strings.Contains(text,
		"      - src: deploy/systemd/*\n        dst: /usr/lib/systemd/system\n") {
		t.Error("the packages don't contain all units")
	}
	units, err := filepath.Glob(project + "/deploy/systemd/*")
	if err != nil || len(units) == 0 {
		t.Fatalf("units %v, error %v", units, err)
	}
	after, before := string(readFile(t, "packages/postinstall.sh")), string(readFile(t, "packages/preremove.sh"))
	for _, unit := range units {
		enabled, name := bytes.Contains(readFile(t, unit), []byte("\n[Install]\n")), regexp.QuoteMeta(filepath.Base(unit))
		matches := func(command, script string) bool {
			return regexp.MustCompile(`\n +systemctl ` + command + ` .*\b` + name + `\b`).MatchString(script)
		}
		if matches("try-restart", after) != enabled || matches("disable --now", before) != enabled {
			t.Errorf("%s can be enabled: %t. This doesn't match the scripts of the packages", unit, enabled)
		}
		if !enabled && !matches("stop", before) {
			t.Errorf("%s isn't stopped before the package is removed", unit)
		}
	}
}
