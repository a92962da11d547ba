package deploy

import (
	"path/filepath"
	"regexp"
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
