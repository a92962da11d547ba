package testutil

import (
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// Checkout copies the working tree of project, including uncommitted changes, to a new git checkout in dir, and returns
// dir. The commit depends only on the content. With -short, or without git, the test is skipped.
func Checkout(t *testing.T, project, dir string) string {
	t.Helper()
	if testing.Short() {
		t.Skip("building releases takes minutes")
	}
	if _, err := exec.LookPath("git"); err != nil {
		t.Skip("git is not installed")
	}
	listed := exec.CommandContext(t.Context(), "git", "ls-files", "-z", "--cached", "--others", "--exclude-standard")
	listed.Dir = project
	names, err := listed.Output()
	if err != nil {
		t.Skipf("the project is not a git checkout: %v", err)
	}
	for name := range strings.SplitSeq(strings.TrimRight(string(names), "\x00"), "\x00") {
		copyFile(t, filepath.Join(project, name), filepath.Join(dir, name))
	}
	gitIn(t, dir, "init", "--quiet")
	gitIn(t, dir, "add", "--all")
	gitIn(t, dir, "commit", "--quiet", "--message=release")
	return dir
}

// copyFile copies a file or a link. If it doesn't exist, it was removed and the change is not committed yet.
func copyFile(t *testing.T, from, to string) {
	t.Helper()
	info, err := os.Lstat(from)
	if errors.Is(err, fs.ErrNotExist) {
		return
	}
	if err == nil {
		err = os.MkdirAll(filepath.Dir(to), 0o777) //nolint:gosec // the umask applies
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
	mode := fs.FileMode(0o666) // before the umask applies
	if info.Mode()&0o100 != 0 {
		mode = 0o777
	}
	if err := os.WriteFile(to, []byte(ReadFile(t, from)), mode); err != nil {
		t.Fatal(err)
	}
}

func gitIn(t *testing.T, dir string, args ...string) {
	t.Helper()
	command := exec.CommandContext(t.Context(), "git", args...) //nolint:gosec // constants
	command.Dir = dir
	command.Env = append(os.Environ(), "GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_SYSTEM=/dev/null",
		"GIT_AUTHOR_NAME=A", "GIT_AUTHOR_EMAIL=a@example.net", "GIT_AUTHOR_DATE=2026-01-02T03:04:05Z",
		"GIT_COMMITTER_NAME=A", "GIT_COMMITTER_EMAIL=a@example.net", "GIT_COMMITTER_DATE=2026-01-02T03:04:05Z")
	if text, err := command.CombinedOutput(); err != nil {
		t.Fatalf("git %v: %v: %s", args, err, text)
	}
}
