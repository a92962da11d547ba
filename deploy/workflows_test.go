package deploy

import (
	"io/fs"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	yaml "go.yaml.in/yaml/v4"

	"atlas-restore-exporter/internal/testutil"
)

// TestWorkflows_HaveNoMoreRightsThanTheyNeed checks that tokens have no permissions by default, and that actions are
// pinned by commit.
func TestWorkflows_HaveNoMoreRightsThanTheyNeed(t *testing.T) {
	files, err := filepath.Glob("../.github/workflows/*.yaml")
	if err != nil || len(files) < 2 {
		t.Fatalf("workflows %v, error %v", files, err)
	}
	pinned := regexp.MustCompile(`^[\w-]+/[\w-]+@[0-9a-f]{40}$`)
	for _, file := range files {
		var workflow struct {
			Permissions map[string]string
			Jobs        map[string]struct {
				Permissions map[string]string
				Timeout     int `yaml:"timeout-minutes"`
				Steps       []struct{ Uses string }
			}
		}
		if err := yaml.Unmarshal([]byte(testutil.ReadFile(t, file)), &workflow); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		if workflow.Permissions == nil || len(workflow.Permissions) != 0 || len(workflow.Jobs) == 0 {
			t.Errorf("%s: default permissions %v, %d jobs", file, workflow.Permissions, len(workflow.Jobs))
		}
		for name, job := range workflow.Jobs {
			if job.Timeout == 0 || len(job.Permissions) == 0 {
				t.Errorf("%s: job %s has no timeout, or no permissions of its own", file, name)
			}
			for _, step := range job.Steps {
				if step.Uses != "" && !pinned.MatchString(step.Uses) {
					t.Errorf("%s: job %s: %s isn't pinned by commit", file, name, step.Uses)
				}
			}
		}
	}
}

// TestModules_AreCheckedAndUpdated compares the modules of the project with those that the gate checks and those whose
// dependencies are updated.
func TestModules_AreCheckedAndUpdated(t *testing.T) {
	var modules, updated []string
	err := filepath.WalkDir("..", func(file string, entry fs.DirEntry, err error) error {
		if err == nil && entry.IsDir() && slices.Contains([]string{".git", ".cache", "dist", "testdata"}, entry.Name()) {
			return fs.SkipDir
		}
		if entry != nil && entry.Name() == "go.mod" {
			modules = append(modules, path.Clean("/"+strings.TrimPrefix(filepath.ToSlash(filepath.Dir(file)), "..")))
		}
		return err
	})
	if err != nil || len(modules) < 2 {
		t.Fatalf("modules %v, error %v", modules, err)
	}
	var dependabot struct {
		Updates []struct {
			Ecosystem   string `yaml:"package-ecosystem"`
			Directories []string
		}
	}
	text := testutil.ReadFile(t, "../.github/dependabot.yml")
	if err := yaml.Unmarshal([]byte(text), &dependabot); err != nil {
		t.Fatal(err)
	}
	for _, update := range dependabot.Updates {
		if update.Ecosystem == "gomod" {
			updated = append(updated, update.Directories...)
		}
	}
	line := regexp.MustCompile(`(?m)^MODULES := (.*)$`).FindStringSubmatch(testutil.ReadFile(t, "../Makefile"))
	if line == nil {
		t.Fatal("the Makefile has no MODULES")
	}
	var checked []string
	for module := range strings.FieldsSeq(line[1]) {
		checked = append(checked, path.Join("/", module))
	}
	for _, listed := range [][]string{modules, updated, checked} {
		slices.Sort(listed)
	}
	if !slices.Equal(modules, updated) || !slices.Equal(modules, checked) {
		t.Errorf("modules %v, updated %v, checked %v", modules, updated, checked)
	}
}
