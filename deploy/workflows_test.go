package deploy

import (
	"fmt"
	"io/fs"
	"maps"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	yaml "go.yaml.in/yaml/v4"

	"atlas-restore-exporter/internal/testutil"
)

// TestWorkflows_HaveNoMoreRightsThanTheyNeed checks that tokens have no permissions by default, that actions are pinned
// by commit, and that scripts get values of the event only as variables.
func TestWorkflows_HaveNoMoreRightsThanTheyNeed(t *testing.T) {
	files, err := filepath.Glob("../.github/workflows/*.yaml")
	if err != nil || len(files) < 2 {
		t.Fatalf("workflows %v, error %v", files, err)
	}
	pinned := regexp.MustCompile(`^[\w-]+/[\w-]+@[0-9a-f]{40}$`)
	for _, file := range files {
		var workflow struct {
			Permissions map[string]string
			Jobs        map[string]job
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
				if strings.Contains(step.Run, "${{") {
					t.Errorf("%s: job %s: a script contains an expression, which can inject commands: %s", file, name, step.Run)
				}
			}
		}
	}
}

// job is a job of a workflow.
type job struct {
	Needs       any
	If          string
	Permissions map[string]string
	Timeout     int `yaml:"timeout-minutes"`
	Outputs     map[string]string
	Steps       []step
}

type step struct {
	ID, Uses, Run string
	With, Env     map[string]any
}

// TestRelease_PublishesOnlyToTheHome checks that the jobs that publish to a registry run only in the home of the
// project, use its addresses, attest the digest that was signed, and have no more permissions than they need.
func TestRelease_PublishesOnlyToTheHome(t *testing.T) {
	var workflow struct{ Jobs map[string]job }
	if err := yaml.Unmarshal([]byte(testutil.ReadFile(t, "../.github/workflows/release.yaml")), &workflow); err != nil {
		t.Fatal(err)
	}
	release := workflow.Jobs["release"]
	if want := map[string]string{"contents": "write", "id-token": "write", "attestations": "write"}; !maps.Equal(
		release.Permissions, want) {
		t.Errorf("permissions of the release %v, want %v", release.Permissions, want)
	}
	if !slices.ContainsFunc(release.Steps, func(s step) bool {
		return s.ID == "home" && s.Run == `go run ./deploy/release/home >>"$GITHUB_OUTPUT"`
	}) {
		t.Error("the release doesn't read the addresses of the home")
	}
	for _, name := range []string{"image", "chart"} {
		job := workflow.Jobs[name]
		address := "${{ needs.release.outputs." + name + " }}"
		want := map[string]string{"contents": "read", "packages": "write", "id-token": "write", "attestations": "write"}
		if !maps.Equal(job.Permissions, want) || job.If != "needs.release.outputs.repository == github.repository" ||
			!strings.Contains(fmt.Sprint(job.Needs), "release") ||
			release.Outputs["repository"] != "${{ steps.home.outputs.repository }}" ||
			release.Outputs[name] != "${{ steps.home.outputs."+name+" }}" {
			t.Errorf("%s runs elsewhere, or with other permissions: %+v", name, job)
		}
		published, attested := -1, -1
		for i, step := range job.Steps {
			if step.Run == "deploy/release/publish.sh "+name+` "$ADDRESS" "$GITHUB_REF_NAME" >>"$GITHUB_OUTPUT"` &&
				step.ID == "publish" && step.Env["ADDRESS"] == address {
				published = i
			}
			if strings.HasPrefix(step.Uses, "actions/attest-build-provenance@") && step.With["subject-name"] == address &&
				step.With["subject-digest"] == "${{ steps.publish.outputs.digest }}" && step.With["push-to-registry"] == true {
				attested = i
			}
		}
		if published < 0 || attested < published {
			t.Errorf("%s is published in step %d and attested in step %d", name, published, attested)
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
