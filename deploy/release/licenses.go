package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"runtime/debug"
	"strings"
)

// licenseFile matches the names of files that must be part of every copy.
var licenseFile = regexp.MustCompile(`(?i)^(LICEN[CS]E|COPYING|NOTICE|PATENTS)([.-].*)?$`)

// licenses returns the licenses of Go and of every module that is linked into a binary, which must be distributed with
// it.
func (r *release) licenses(ctx context.Context, info *debug.BuildInfo) ([]entry, error) {
	goroot, err := r.goCommand(ctx, "env", "GOROOT")
	if err != nil {
		return nil, err
	}
	entries, err := licensesIn(strings.TrimSpace(goroot), "go")
	if err != nil {
		return nil, err
	}
	args := []string{"list", "-m", "-f", "{{.Path}}\t{{.Dir}}"}
	for _, module := range info.Deps {
		args = append(args, module.Path)
	}
	dirs, err := r.goCommand(ctx, args...)
	if err != nil {
		return nil, err
	}
	for line := range strings.Lines(dirs) {
		module, dir, _ := strings.Cut(strings.TrimSpace(line), "\t")
		found, err := licensesIn(dir, module)
		if err != nil {
			return nil, err
		}
		entries = append(entries, found...)
	}
	return entries, nil
}

func (r *release) goCommand(ctx context.Context, args ...string) (string, error) {
	command := exec.CommandContext(ctx, "go", args...) //nolint:gosec // constants and linked modules
	command.Dir = r.root
	return output(command)
}

// licensesIn returns the licenses in the root of a module. A module without a license is an error.
func licensesIn(dir, module string) ([]entry, error) {
	files, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var entries []entry
	for _, file := range files {
		if !file.Type().IsRegular() || !licenseFile.MatchString(file.Name()) {
			continue
		}
		content, err := os.ReadFile(filepath.Join(dir, file.Name())) //nolint:gosec // the path is in a linked module
		if err != nil {
			return nil, err
		}
		entries = append(entries, entry{path.Join("licenses", module, file.Name()), 0o644, content})
	}
	if len(entries) == 0 {
		return nil, fmt.Errorf("%s: no license in %s", module, dir)
	}
	return entries, nil
}
