package testutil

import (
	"os"
	"slices"
	"strings"
	"testing"
)

// UpdateGolden is the environment variable that, if set, lets EqualGolden write golden files instead of comparing them.
const UpdateGolden = "UPDATE_GOLDEN"

// EqualGolden fails the test if got differs from the content of the golden file at path. It reports only the lines that
// differ.
func EqualGolden(t *testing.T, path, got string) {
	t.Helper()
	if os.Getenv(UpdateGolden) != "" {
		if err := os.WriteFile(path, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path) //nolint:gosec // the path is part of a test
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s differs in these lines, - want, + got:\n%s", path, diff(string(want), got))
	}
}

// diff returns the lines that only one of two texts contains.
func diff(want, got string) string {
	var text strings.Builder
	wantLines, gotLines := strings.Split(want, "\n"), strings.Split(got, "\n")
	addMissing := func(mark string, lines, others []string) {
		for _, line := range lines {
			if !slices.Contains(others, line) {
				text.WriteString(mark + line + "\n")
			}
		}
	}
	addMissing("- ", wantLines, gotLines)
	addMissing("+ ", gotLines, wantLines)
	return text.String()
}
