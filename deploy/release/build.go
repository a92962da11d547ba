package main

import (
	"bytes"
	"context"
	"debug/buildinfo"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime/debug"
	"slices"
	"strings"
)

type platform struct{ os, arch string }

func (p platform) String() string { return p.os + "/" + p.arch }

func (p platform) executable() string {
	if p.os == "windows" {
		return program + ".exe"
	}
	return program
}

func (p platform) extension() string {
	if p.os == "windows" {
		return ".zip"
	}
	return ".tar.gz"
}

// environment returns the environment of a build. It sets everything that could change the binary and that the flags of
// `make build` don't set, including the Go toolchain, which is the one in go.mod.
func environment(p platform, goVersion string) []string {
	return append(os.Environ(), "CGO_ENABLED=0", "GOOS="+p.os, "GOARCH="+p.arch, "GOAMD64=v1", "GOARM64=v8.0",
		"GOFLAGS=-mod=readonly", "GOWORK=off", "GOEXPERIMENT=", "GOTOOLCHAIN=go"+goVersion)
}

// buildFlags returns the flags of `make build`, and the one that records the commit.
func buildFlags(version string) []string {
	return []string{"build", "-buildvcs=true", "-trimpath", "-ldflags", "-s -w -X main.version=" + version}
}

// build returns the binary for a platform and its build information.
func (r *release) build(ctx context.Context, p platform) ([]byte, *debug.BuildInfo, error) {
	goVersion, err := r.goVersion()
	if err != nil {
		return nil, nil, err
	}
	dir, err := os.MkdirTemp("", "release-")
	if err != nil {
		return nil, nil, err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	file := filepath.Join(dir, p.executable())
	args := append(buildFlags(r.version), "-o", file, ".")
	command := exec.CommandContext(ctx, "go", args...) //nolint:gosec // the version has been checked
	command.Dir, command.Env = r.root, environment(p, goVersion)
	if _, err := output(command); err != nil {
		return nil, nil, err
	}
	binary, err := os.ReadFile(file) //nolint:gosec // the path is a temporary file
	if err != nil {
		return nil, nil, err
	}
	info, err := buildinfo.Read(bytes.NewReader(binary))
	if err != nil {
		return nil, nil, err
	}
	return binary, info, check(info, p, goVersion)
}

// check compares the build information of a binary with the requested platform and Go version.
func check(info *debug.BuildInfo, p platform, goVersion string) error {
	if info.GoVersion != "go"+goVersion {
		return fmt.Errorf("built by %s, want go%s", info.GoVersion, goVersion)
	}
	for key, want := range map[string]string{
		"GOOS": p.os, "GOARCH": p.arch, "CGO_ENABLED": "0", "-trimpath": "true", "vcs.modified": "false",
	} {
		if got := setting(info, key); got != want {
			return fmt.Errorf("the binary was built with %s=%s, want %s", key, got, want)
		}
	}
	if experiments := setting(info, "GOEXPERIMENT"); experiments != "" {
		return fmt.Errorf("built with GOEXPERIMENT=%s", experiments)
	}
	return nil
}

func setting(info *debug.BuildInfo, key string) string {
	i := slices.IndexFunc(info.Settings, func(s debug.BuildSetting) bool { return s.Key == key })
	if i < 0 {
		return ""
	}
	return info.Settings[i].Value
}

// goVersion returns the version of the Go toolchain in go.mod.
func (r *release) goVersion() (string, error) {
	text, err := os.ReadFile(filepath.Join(r.root, "go.mod"))
	if err != nil {
		return "", err
	}
	match := regexp.MustCompile(`(?m)^toolchain go(\d+\.\d+\.\d+)$`).FindSubmatch(text)
	if match == nil {
		return "", errors.New("go.mod has no toolchain line such as toolchain go1.26.8")
	}
	return string(match[1]), nil
}

func (r *release) git(ctx context.Context, args ...string) (string, error) {
	command := exec.CommandContext(ctx, "git", args...) //nolint:gosec // constants
	command.Dir = r.root
	text, err := output(command)
	return strings.TrimSpace(text), err
}

// output runs a command and returns its output. An error contains the error output.
func output(command *exec.Cmd) (string, error) {
	var stdout, stderr bytes.Buffer
	command.Stdout, command.Stderr = &stdout, &stderr
	if err := command.Run(); err != nil {
		return "", fmt.Errorf("%s: %w: %s", strings.Join(command.Args, " "), err, strings.TrimSpace(stderr.String()))
	}
	return stdout.String(), nil
}
