package main

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"debug/buildinfo"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

const (
	project = "../.."
	version = "v1.2.3"
)

// TestMain forgets which repository a hook runs these tests for: they make repositories of their own.
func TestMain(m *testing.M) {
	for _, variable := range os.Environ() {
		if name, _, _ := strings.Cut(variable, "="); strings.HasPrefix(name, "GIT_") {
			_ = os.Unsetenv(name)
		}
	}
	os.Exit(m.Run())
}

// checkout copies the project's tree as it is, changes that are not committed included, into a git checkout of its own.
// Everybody who does so gets the same commit.
func checkout(t *testing.T, dir string) string {
	t.Helper()
	if testing.Short() {
		t.Skip("building releases takes long")
	}
	if _, err := exec.LookPath("git"); err != nil {
		t.Skip("there is no git")
	}
	listed := exec.CommandContext(t.Context(), "git", "ls-files", "-z", "--cached", "--others", "--exclude-standard")
	listed.Dir = project
	names, err := output(listed)
	if err != nil {
		t.Skipf("the project is no git checkout: %v", err)
	}
	for name := range strings.SplitSeq(strings.TrimRight(names, "\x00"), "\x00") {
		copyFile(t, filepath.Join(project, name), filepath.Join(dir, name))
	}
	gitIn(t, dir, "init", "--quiet")
	gitIn(t, dir, "add", "--all")
	gitIn(t, dir, "commit", "--quiet", "--message=release")
	return dir
}

// copyFile copies a file or a link. That there is none is fine: it may be removed, and that not committed yet.
func copyFile(t *testing.T, from, to string) {
	t.Helper()
	info, err := os.Lstat(from)
	if errors.Is(err, fs.ErrNotExist) {
		return
	}
	if err == nil {
		err = os.MkdirAll(filepath.Dir(to), 0o777)
	}
	if err != nil {
		t.Fatal(err)
	}
	if info.Mode().Type() == fs.ModeSymlink {
		link, err := os.Readlink(from)
		if err == nil {
			err = os.Symlink(link, to)
		}
		if err != nil {
			t.Fatal(err)
		}
		return
	}
	mode := fs.FileMode(0o666) // less what umask takes away
	if info.Mode()&0o100 != 0 {
		mode = 0o777
	}
	if err := os.WriteFile(to, readFile(t, from), mode); err != nil {
		t.Fatal(err)
	}
}

func gitIn(t *testing.T, dir string, args ...string) {
	t.Helper()
	command := exec.CommandContext(t.Context(), "git", args...)
	command.Dir = dir
	command.Env = append(os.Environ(), "GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_SYSTEM=/dev/null",
		"GIT_AUTHOR_NAME=A", "GIT_AUTHOR_EMAIL=a@example.net", "GIT_AUTHOR_DATE=2026-01-02T03:04:05Z",
		"GIT_COMMITTER_NAME=A", "GIT_COMMITTER_EMAIL=a@example.net", "GIT_COMMITTER_DATE=2026-01-02T03:04:05Z")
	if said, err := command.CombinedOutput(); err != nil {
		t.Fatalf("git %v: %v: %s", args, err, said)
	}
}

var committed = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

// withUmask does something as a user does who shares no files.
func withUmask(mask int, do func()) {
	before := syscall.Umask(mask)
	defer syscall.Umask(before)
	do()
}

// reproduce is the environment variable that, when set, as by `make reproduce`, has everything compiled anew, Go's
// library included: that takes a minute or two.
const reproduce = "REPRODUCE"

// TestReproducibleBuild builds this machine's binary twice: from two directories, under two umasks, with two sets of
// flags in the environment, and, if it is asked for, with two build caches, of which one is empty.
func TestReproducibleBuild(t *testing.T) {
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
	t.Setenv("GOFLAGS", "-gcflags=-N -tags=netgo") // whatever is set where it is built
	if os.Getenv(reproduce) != "" {
		t.Setenv("GOCACHE", t.TempDir())
	}
	var two string
	withUmask(0o077, func() { two = build(second) })
	if one != two {
		t.Errorf("two builds give %s and %s", one, two)
	}
}

// TestBuildWithoutGit builds as people do who have the sources but no history, by the flags of `make build`: twice the
// same, and without a commit.
func TestBuildWithoutGit(t *testing.T) {
	var hashes [2]string
	for i := range hashes {
		dir := checkout(t, t.TempDir())
		if err := os.RemoveAll(filepath.Join(dir, ".git")); err != nil {
			t.Fatal(err)
		}
		r := release{root: dir, out: t.TempDir(), version: version, stdout: io.Discard}
		if err := r.make(t.Context()); err == nil || !strings.Contains(err.Error(), "want a git checkout") {
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
			t.Errorf("%v: it names a commit: %v", err, info)
		}
		hashes[i] = fmt.Sprintf("%x", sha256.Sum256(binary))
	}
	if hashes[0] != hashes[1] {
		t.Errorf("two builds give %v", hashes)
	}
}

// TestRelease makes a release twice, of one platform for each kind of archive, and looks at what is in it.
func TestRelease(t *testing.T) {
	some := []platform{{"linux", "amd64"}, {"windows", "arm64"}}
	var checksums [2]string
	var out string
	for i := range checksums {
		dir := checkout(t, t.TempDir())
		out = filepath.Join(dir, "dist")
		command := exec.CommandContext(t.Context(), "go", "run", "./deploy/release", "-version", version, "-platforms", "linux/amd64,windows/arm64")
		command.Dir = dir
		if _, err := output(command); err != nil { // by a process of its own: with the race detector compression takes minutes
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
	wantSums(t, out, checksums[1])
	for _, p := range some {
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
		wantBill(t, readFile(t, filepath.Join(out, name+".cdx.json")), binary)
	}
}

func readFile(t *testing.T, file string) []byte {
	t.Helper()
	content, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return content
}

func names(files map[string][]byte) []string {
	var all []string
	for name := range files {
		all = append(all, name)
	}
	return all
}

// wantSums wants a line for each file, in order, as sha256sum -c reads it.
func wantSums(t *testing.T, out, checksums string) {
	t.Helper()
	var want strings.Builder
	entries, err := os.ReadDir(out) // sorted
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if e.Name() != sums {
			_, _ = fmt.Fprintf(&want, "%x  %s\n", sha256.Sum256(readFile(t, filepath.Join(out, e.Name()))), e.Name())
		}
	}
	if checksums != want.String() || strings.Count(checksums, "\n") != 4 {
		t.Errorf("checksums are\n%swant\n%s", checksums, want.String())
	}
}

// unpack returns the files of an archive, and wants nothing of the machine in their headers.
func unpack(t *testing.T, file string) map[string][]byte {
	t.Helper()
	files := map[string][]byte{}
	var order []string
	add := func(name string, mode fs.FileMode, date time.Time, content io.Reader) {
		order = append(order, name)
		text, err := io.ReadAll(content)
		if err != nil {
			t.Fatal(err)
		}
		files[name] = text
		want := fs.FileMode(0o644)
		if strings.HasPrefix(path.Base(name), program) && !strings.HasSuffix(name, ".service") {
			want = 0o755
		}
		if mode != want || !date.Equal(committed) {
			t.Errorf("%s: mode %v, want %v; dated %v", name, mode, want, date)
		}
	}
	if strings.HasSuffix(file, ".zip") {
		archive, err := zip.OpenReader(file)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = archive.Close() }()
		for _, f := range archive.File {
			content, err := f.Open()
			if err != nil {
				t.Fatal(err)
			}
			add(f.Name, f.Mode(), f.Modified, content)
		}
	} else {
		unzipped, err := gzip.NewReader(bytes.NewReader(readFile(t, file)))
		if err != nil {
			t.Fatal(err)
		}
		archive := tar.NewReader(unzipped)
		for {
			header, err := archive.Next()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			if header.Uid != 0 || header.Gid != 0 || header.Uname != "root" || header.Gname != "root" {
				t.Errorf("%s belongs to %s:%s", header.Name, header.Uname, header.Gname)
			}
			add(header.Name, header.FileInfo().Mode(), header.ModTime, archive)
		}
	}
	if !slices.IsSorted(order) {
		t.Errorf("%s is not sorted: %v", file, order)
	}
	return files
}

// wantBill holds a bill of materials to what CycloneDX 1.6 requires, and to the binary.
func wantBill(t *testing.T, text, binary []byte) {
	t.Helper()
	var document bom
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&document); err != nil {
		t.Fatal(err)
	}
	if document.Format != "CycloneDX" || document.SpecVersion != "1.6" || document.Version != 1 ||
		!regexp.MustCompile(`^urn:uuid:[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`).MatchString(document.SerialNumber) {
		t.Errorf("it says of itself %q %q %d %q", document.Format, document.SpecVersion, document.Version, document.SerialNumber)
	}
	if document.Metadata.Timestamp != "2026-01-02T03:04:05Z" {
		t.Errorf("dated %s", document.Metadata.Timestamp)
	}
	sum := sha256.Sum256(binary)
	if begin := fmt.Sprintf("urn:uuid:%x-", sum[:4]); !strings.HasPrefix(document.SerialNumber, begin) {
		t.Errorf("serial number %s does not follow from the binary: want %s", document.SerialNumber, begin)
	}
	exporter := document.Metadata.Component
	if exporter.Type != "application" || exporter.PURL != "pkg:golang/atlas-restore-exporter@"+version ||
		len(exporter.Hashes) != 1 || exporter.Hashes[0] != (hash{"SHA-256", hex.EncodeToString(sum[:])}) {
		t.Errorf("it is of %+v", exporter)
	}
	info, err := buildinfo.Read(bytes.NewReader(binary))
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]bool{"pkg:golang/stdlib@" + strings.TrimPrefix(info.GoVersion, "go"): true}
	for _, module := range info.Deps {
		want["pkg:golang/"+strings.ToLower(module.Path)+"@"+module.Version] = true
	}
	sha256Hex := regexp.MustCompile(`^[0-9a-f]{64}$`)
	for _, c := range document.Components {
		if c.Type != "library" || c.Name == "" || c.Version == "" || !want[c.PURL] || c.Ref != c.PURL {
			t.Errorf("component %+v", c)
		}
		delete(want, c.PURL) // once only
		if c.Name != "stdlib" && (len(c.Hashes) != 1 || !sha256Hex.MatchString(c.Hashes[0].Content)) {
			t.Errorf("%s has hashes %v", c.Name, c.Hashes)
		}
	}
	if len(want) > 0 {
		t.Errorf("%v are missing", want)
	}
}

// TestReleaseRefuses has what must not be released.
func TestReleaseRefuses(t *testing.T) {
	dir := checkout(t, t.TempDir())
	refused := func(r release, because string) {
		t.Helper()
		r.root, r.out, r.stdout = dir, t.TempDir(), io.Discard
		if err := r.make(t.Context()); err == nil || !strings.Contains(err.Error(), because) {
			t.Errorf("%+v: %v, want %s", r, err, because)
		}
	}
	if r := (release{}); r.choose("linux/amd64,plan9/amd64") == nil || r.choose("darwin/arm64") != nil || len(r.platforms) != 1 {
		t.Errorf("platforms %v", r.platforms)
	}
	for _, bad := range []string{"", "dev", "1.2.3", "v1.2", "v1.2.3 -X main.other=1", "v01.2.3"} {
		refused(release{version: bad}, "want one like v1.2.3")
	}
	t.Setenv(sourceEnv, "yesterday")
	refused(release{version: version}, sourceEnv)
	if err := os.WriteFile(filepath.Join(dir, "main.go"), []byte("package main\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	refused(release{version: version}, "changes that are not committed")
}

// TestCheck has binaries that say that they are something else.
func TestCheck(t *testing.T) {
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
		t.Errorf("a test binary is no release: %v", err)
	}
	if err := check(info, host, "1.2.3"); err == nil || !strings.Contains(err.Error(), "want go1.2.3") {
		t.Errorf("another Go: %v", err)
	}
}

func TestModuleHash(t *testing.T) {
	const sum, want = "h1:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=", "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"
	if got, err := moduleHash(sum); got != want || err != nil {
		t.Errorf("%s, %v", got, err)
	}
	for _, bad := range []string{"h2:AAEC", "h1:!", ""} {
		if got, err := moduleHash(bad); err == nil {
			t.Errorf("%q gives %s", bad, got)
		}
	}
}

// TestFlagsAgree holds the other places that build the exporter to the flags, and the Go, of a release.
func TestFlagsAgree(t *testing.T) {
	r := release{root: project}
	goVersion, err := r.goVersion()
	if err != nil {
		t.Fatal(err)
	}
	flags := func(variable string) string {
		return fmt.Sprintf(`-trimpath -ldflags "-s -w -X main.version=%s" `, variable)
	}
	if built := strings.Join(buildFlags(version), " "); built != "build -buildvcs=true "+strings.ReplaceAll(strings.TrimSpace(flags(version)), `"`, "") {
		t.Errorf("releases are built with %s", built)
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

// TestInterrupted has a release that is broken off.
func TestInterrupted(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	r := release{root: project, out: t.TempDir(), version: version, platforms: platforms, stdout: io.Discard}
	if err := r.make(ctx); err == nil {
		t.Error("it goes on")
	}
}
