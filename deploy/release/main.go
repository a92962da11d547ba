// Command release writes the licenses of everything that is linked into the exporter to a directory: Go's own, and
// those of each module. They must be distributed with the binary. GoReleaser runs it before it packs the archives.
package main

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// systems are the operating systems of a release. Linked modules differ between them.
var systems = []string{"linux", "darwin", "windows"}

// licenseFile matches the names of files that must be part of every copy.
var licenseFile = regexp.MustCompile(`(?i)^(LICEN[CS]E|COPYING|NOTICE|PATENTS)([.-].*)?$`)

func main() {
	out := flag.String("out", "", "directory to write to; it is replaced")
	flag.Parse()
	if err := write(".", *out); err != nil {
		_, _ = fmt.Fprintln(os.Stderr, "release:", err)
		os.Exit(1)
	}
}

// write replaces the directory out with the licenses of the program in dir, as MODULE/FILE.
func write(dir, out string) error {
	if out == "" {
		return errors.New("flag -out is required")
	}
	if err := os.RemoveAll(out); err != nil {
		return err
	}
	linked, err := linkedModules(dir)
	if err != nil {
		return err
	}
	for _, module := range slices.Sorted(maps.Keys(linked)) {
		if err := copyLicenses(linked[module], filepath.Join(out, filepath.FromSlash(module))); err != nil {
			return fmt.Errorf("%s: %w", module, err)
		}
	}
	return nil
}

// linkedModules returns the directory of each module that is linked into the program in dir on any system, and of Go.
func linkedModules(dir string) (map[string]string, error) {
	goroot, err := goCommand(dir, "", "env", "GOROOT")
	if err != nil {
		return nil, err
	}
	linked := map[string]string{"go": strings.TrimSpace(goroot)}
	for _, system := range systems {
		const format = "{{with .Module}}{{if not .Main}}{{.Path}}\t{{.Dir}}{{end}}{{end}}"
		list, err := goCommand(dir, system, "list", "-deps", "-f", format, ".")
		if err != nil {
			return nil, err
		}
		for line := range strings.Lines(list) {
			if module, path, ok := strings.Cut(strings.TrimSpace(line), "\t"); ok {
				linked[module] = path
			}
		}
	}
	return linked, nil
}

// goCommand returns the output of the go command for an operating system.
func goCommand(dir, system string, args ...string) (string, error) {
	command := exec.Command("go", args...) //nolint:gosec,noctx // constants; the command takes a second
	command.Dir = dir
	command.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS="+system)
	var stderr bytes.Buffer
	command.Stderr = &stderr
	output, err := command.Output()
	if err != nil {
		return "", fmt.Errorf("go %s: %w: %s", strings.Join(args, " "), err, strings.TrimSpace(stderr.String()))
	}
	return string(output), nil
}

// copyLicenses copies the licenses in the root of a module. A module without a license is an error.
func copyLicenses(module, out string) error {
	files, err := os.ReadDir(module)
	if err != nil {
		return err
	}
	const readable = 0o755
	if err := os.MkdirAll(out, readable); err != nil {
		return err
	}
	found := false
	for _, file := range files {
		if !file.Type().IsRegular() || !licenseFile.MatchString(file.Name()) {
			continue
		}
		content, err := os.ReadFile(filepath.Join(module, file.Name())) //nolint:gosec // the path is in a linked module
		if err != nil {
			return err
		}
		const mode = 0o644
		if err := os.WriteFile(filepath.Join(out, file.Name()), content, mode); err != nil { //nolint:gosec // public
			return err
		}
		found = true
	}
	if !found {
		return fmt.Errorf("no license in %s", module)
	}
	return nil
}
