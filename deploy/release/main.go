// Command release writes the files of a release: an archive and a bill of materials for each platform, and the
// checksums of all files. Run `make release VERSION=v1.2.3` in the root of a git checkout without uncommitted changes.
//
// The same commit, version, and Go toolchain give the same bytes on every machine. README.md in this directory
// describes how to verify a release.
package main

import (
	"cmp"
	"context"
	"crypto/sha256"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"os/signal"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

const (
	program   = "atlas-restore-exporter"
	sums      = "SHA256SUMS"
	sourceEnv = "SOURCE_DATE_EPOCH"
)

// platforms are the platforms of a release.
var platforms = []platform{
	{"linux", "amd64"}, {"linux", "arm64"},
	{"darwin", "amd64"}, {"darwin", "arm64"},
	{"windows", "amd64"}, {"windows", "arm64"},
}

// documents are the files of an archive in addition to the binary and the third-party licenses.
var documents = []string{
	"README.md", "CHANGELOG.md", "SECURITY.md", "LICENSE", "config.example.yaml",
	"deploy/prometheus/prometheus.yaml", "deploy/prometheus/rules.yaml",
	"deploy/runbooks/README.md", "deploy/systemd/atlas-restore-exporter.service",
}

func main() {
	r := release{root: ".", platforms: platforms, stdout: os.Stdout}
	flag.StringVar(&r.version, "version", "", "version of the release, such as v1.2.3")
	flag.StringVar(&r.out, "out", "dist", "directory to write to")
	flag.Func("platforms", "platforms, such as linux/amd64,darwin/arm64 (default all)", r.choose)
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := r.make(ctx)
	stop()
	if err != nil {
		_, _ = fmt.Fprintln(os.Stderr, "release:", err)
		os.Exit(1)
	}
}

type release struct {
	root, out string
	version   string
	platforms []platform
	stdout    io.Writer

	commit time.Time // date of all files in the release
}

// choose limits the release to some platforms.
func (r *release) choose(names string) error {
	r.platforms = nil
	for name := range strings.SplitSeq(names, ",") {
		i := slices.IndexFunc(platforms, func(p platform) bool { return p.String() == name })
		if i < 0 {
			return fmt.Errorf("%s must be one of %v", name, platforms)
		}
		r.platforms = append(r.platforms, platforms[i])
	}
	return nil
}

// versionPattern matches module versions.
var versionPattern = regexp.MustCompile(`^v(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)(-[0-9A-Za-z.-]+)?$`)

// make writes the release.
func (r *release) make(ctx context.Context) error {
	if !versionPattern.MatchString(r.version) {
		return fmt.Errorf("version %q: must have the form v1.2.3 or v1.2.3-rc.1", r.version)
	}
	if err := r.prepare(ctx); err != nil {
		return err
	}
	if err := os.MkdirAll(r.out, 0o750); err != nil {
		return err
	}
	var lines []string
	for _, p := range r.platforms {
		made, err := r.platform(ctx, p)
		if err != nil {
			return fmt.Errorf("%v: %w", p, err)
		}
		for _, name := range slices.Sorted(maps.Keys(made)) {
			if err := r.write(name, made[name]); err != nil {
				return err
			}
			lines = append(lines, fmt.Sprintf("%x  %s\n", sha256.Sum256(made[name]), name))
		}
	}
	slices.SortFunc(lines, func(a, b string) int { return cmp.Compare(a[2*sha256.Size:], b[2*sha256.Size:]) })
	return r.write(sums, []byte(strings.Join(lines, "")))
}

// prepare rejects a checkout with uncommitted changes, and determines the date of the release.
func (r *release) prepare(ctx context.Context) error {
	changes, err := r.git(ctx, "status", "--porcelain")
	if err != nil {
		return fmt.Errorf("not a git checkout: %w", err)
	}
	if changes != "" {
		return fmt.Errorf("the checkout has uncommitted changes:\n%s", changes)
	}
	seconds := os.Getenv(sourceEnv)
	if seconds == "" {
		if seconds, err = r.git(ctx, "log", "-1", "--format=%ct"); err != nil {
			return err
		}
	}
	unix, err := strconv.ParseInt(seconds, 10, 64)
	if err != nil {
		return fmt.Errorf("date of the commit, or %s: %w", sourceEnv, err)
	}
	r.commit = time.Unix(unix, 0).UTC()
	return nil
}

// platform returns the files of the release that are of one platform, by name.
func (r *release) platform(ctx context.Context, p platform) (map[string][]byte, error) {
	binary, info, err := r.build(ctx, p)
	if err != nil {
		return nil, err
	}
	licenses, err := r.licenses(ctx, info)
	if err != nil {
		return nil, err
	}
	sbom, err := billOfMaterials(info, binary, r.version, r.commit)
	if err != nil {
		return nil, err
	}
	name := fmt.Sprintf("%s_%s_%s_%s", program, strings.TrimPrefix(r.version, "v"), p.os, p.arch)
	entries := append([]entry{{p.executable(), 0o755, binary}}, licenses...)
	for _, document := range documents {
		content, err := os.ReadFile(filepath.Join(r.root, filepath.FromSlash(document)))
		if err != nil {
			return nil, err
		}
		entries = append(entries, entry{document, 0o644, content})
	}
	for i := range entries {
		entries[i].name = path.Join(name, entries[i].name)
	}
	packed, err := pack(p, entries, r.commit)
	return map[string][]byte{name + p.extension(): packed, name + ".cdx.json": sbom}, err
}

func (r *release) write(name string, content []byte) error {
	file := filepath.Join(r.out, name)
	_, _ = fmt.Fprintln(r.stdout, file)
	const readable fs.FileMode = 0o644
	return os.WriteFile(file, content, readable)
}
