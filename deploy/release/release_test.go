package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"debug/buildinfo"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
)

const (
	project = "../.."
	version = "v1.2.3"
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
// with two sets of flags in the environment, and, if reproduce is set, with an empty build cache.
func TestReproducibleBuild_HasTheSameBytes(t *testing.T) {
	first := checkout(t, t.TempDir())
	second := filepath.Join(t.TempDir(), "another place", "with a longer name")
	withUmask(0o077, func() { checkout(t, second) })
	host := platform{runtime.GOOS, runtime.GOARCH}
	build := func(dir string) string {
		t.Helper()
		r := release{root: dir, version: version}
		binary, info, err := r.build(t.Context(), host)
		if err != nil {
			t.Fatal(err)
		}
		if revision := setting(info, "vcs.revision"); len(revision) != 40 {
			t.Errorf("the binary names the commit %q", revision)
		}
		if bytes.Contains(binary, []byte(dir)) {
			t.Errorf("the binary names %s", dir)
		}
		return fmt.Sprintf("%x", sha256.Sum256(binary))
	}
	one := build(first)
	t.Setenv("GOFLAGS", "-gcflags=-N -tags=netgo") // flags of the environment must have no effect
	if os.Getenv(reproduce) != "" {
		t.Setenv("GOCACHE", t.TempDir())
	}
	var two string
	withUmask(0o077, func() { two = build(second) })
	if one != two {
		t.Errorf("two builds give %s and %s", one, two)
	}
}

// TestBuildWithoutGit_HasTheSameBytesAndNoCommit builds sources without their history twice, with the flags of `make
// build`.
func TestBuildWithoutGit_HasTheSameBytesAndNoCommit(t *testing.T) {
	var hashes [2]string
	for i := range hashes {
		dir := checkout(t, t.TempDir())
		if err := os.RemoveAll(filepath.Join(dir, ".git")); err != nil {
			t.Fatal(err)
		}
		r := release{root: dir, out: t.TempDir(), version: version, stdout: io.Discard}
		if err := r.make(t.Context()); err == nil || !strings.Contains(err.Error(), "not a git checkout") {
			t.Errorf("a release without a commit: %v", err)
		}
		file := filepath.Join(dir, program)
		args := slices.DeleteFunc(buildFlags(version), func(arg string) bool { return arg == "-buildvcs=true" })
		command := exec.CommandContext(t.Context(), "go", append(args, "-o", file, ".")...)
		command.Dir = dir
		command.Env = append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=")
		if _, err := output(command); err != nil {
			t.Fatal(err)
		}
		binary, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		info, err := buildinfo.Read(bytes.NewReader(binary))
		if err != nil || setting(info, "vcs.revision") != "" {
			t.Errorf("the binary has a commit, or error %v: %v", err, info)
		}
		hashes[i] = fmt.Sprintf("%x", sha256.Sum256(binary))
	}
	if hashes[0] != hashes[1] {
		t.Errorf("two builds give %v", hashes)
	}
}

// TestRelease_IsReproducibleAndComplete makes a release twice, for one platform of each kind of archive.
func TestRelease_IsReproducibleAndComplete(t *testing.T) {
	some := []platform{{"linux", "amd64"}, {"windows", "arm64"}}
	var checksums [2]string
	var out string
	for i := range checksums {
		dir := checkout(t, t.TempDir())
		out = filepath.Join(dir, "dist")
		// In another process: with the race detector, compression takes minutes.
		command := exec.CommandContext(t.Context(), "go", "run", "./deploy/release", "-version", version,
			"-platforms", "linux/amd64,windows/arm64")
		command.Dir = dir
		if _, err := output(command); err != nil {
			t.Fatal(err)
		}
		checksums[i] = string(readFile(t, filepath.Join(out, sums)))
		if err := (&release{root: dir}).prepare(t.Context()); err != nil {
			t.Errorf("a release changes the checkout: %v", err)
		}
	}
	if checksums[0] != checksums[1] {
		t.Errorf("two releases give\n%sand\n%s", checksums[0], checksums[1])
	}
	expectChecksums(t, out, checksums[1])
	for _, p := range some {
		expectArchive(t, out, p)
	}
}

// expectArchive checks the content of the archive of a platform.
func expectArchive(t *testing.T, out string, p platform) {
	t.Helper()
	name := fmt.Sprintf("atlas-restore-exporter_1.2.3_%s_%s", p.os, p.arch)
	files := unpack(t, filepath.Join(out, name+p.extension()))
	for _, document := range documents {
		if want := readFile(t, filepath.Join(project, document)); !bytes.Equal(files[path.Join(name, document)], want) {
			t.Errorf("%s: %s is not the project's", name, document)
		}
	}
	binary := files[path.Join(name, p.executable())]
	info, err := buildinfo.Read(bytes.NewReader(binary))
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	if goos, goarch := setting(info, "GOOS"), setting(info, "GOARCH"); goos != p.os || goarch != p.arch {
		t.Errorf("%s has a binary for %s/%s", name, goos, goarch)
	}
	for _, module := range info.Deps {
		licensed := func(file string) bool { return path.Dir(file) == path.Join(name, "licenses", module.Path) }
		if !slices.ContainsFunc(names(files), licensed) {
			t.Errorf("%s has no license of %s", name, module.Path)
		}
	}
	expectBOM(t, readFile(t, filepath.Join(out, name+".cdx.json")), binary)
}

func TestRelease_RejectsInvalidVersionsAndUncommittedChanges(t *testing.T) {
	dir := checkout(t, t.TempDir())
	reject := func(r release, reason string) {
		t.Helper()
		r.root, r.out, r.stdout = dir, t.TempDir(), io.Discard
		if err := r.make(t.Context()); err == nil || !strings.Contains(err.Error(), reason) {
			t.Errorf("%+v: %v, want %s", r, err, reason)
		}
	}
	var r release
	if r.choose("linux/amd64,plan9/amd64") == nil || r.choose("darwin/arm64") != nil || len(r.platforms) != 1 {
		t.Errorf("platforms %v", r.platforms)
	}
	for _, bad := range []string{"", "dev", "1.2.3", "v1.2", "v1.2.3 -X main.other=1", "v01.2.3"} {
		reject(release{version: bad}, "must have the form v1.2.3")
	}
	t.Setenv(sourceEnv, "yesterday")
	reject(release{version: version}, sourceEnv)
	if err := os.WriteFile(filepath.Join(dir, "main.go"), []byte("package main\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	reject(release{version: version}, "uncommitted changes")
}

func TestCheck_RejectsOtherBinaries(t *testing.T) {
	executable, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	info, err := buildinfo.ReadFile(executable)
	if err != nil {
		t.Fatal(err)
	}
	host := platform{runtime.GOOS, runtime.GOARCH}
	goVersion := strings.TrimPrefix(info.GoVersion, "go")
	if err := check(info, host, goVersion); err == nil || !strings.Contains(err.Error(), "want") {
		t.Errorf("a test binary is accepted: %v", err)
	}
	if err := check(info, host, "1.2.3"); err == nil || !strings.Contains(err.Error(), "want go1.2.3") {
		t.Errorf("another version of Go is accepted: %v", err)
	}
}

// TestFlags_AreTheSameEverywhere checks that the Makefile and the Dockerfile build with the flags and the Go of a
// release.
func TestFlags_AreTheSameEverywhere(t *testing.T) {
	r := release{root: project}
	goVersion, err := r.goVersion()
	if err != nil {
		t.Fatal(err)
	}
	flags := func(variable string) string {
		return fmt.Sprintf(`-trimpath -ldflags "-s -w -X main.version=%s" `, variable)
	}
	want := "build -buildvcs=true " + strings.ReplaceAll(strings.TrimSpace(flags(version)), `"`, "")
	if got := strings.Join(buildFlags(version), " "); got != want {
		t.Errorf("releases are built with %s, want %s", got, want)
	}
	for file, wanted := range map[string][]string{
		"Makefile": {"CGO_ENABLED=0 go build " + flags("$(VERSION)"), "go run ./deploy/release -version $(VERSION)"},
		"deploy/docker/Dockerfile": {
			"RUN CGO_ENABLED=0 GOOS=$TARGETOS GOARCH=$TARGETARCH \\\n    go build " + flags("$VERSION"),
			"FROM --platform=$BUILDPLATFORM golang:" + goVersion + " AS build\n",
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

func TestRelease_FailsIfInterrupted(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	r := release{root: project, out: t.TempDir(), version: version, platforms: platforms, stdout: io.Discard}
	if err := r.make(ctx); err == nil {
		t.Error("an interrupted release succeeded")
	}
}
