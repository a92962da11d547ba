// Package golden compares what tests got to files of what they want.
package golden

import (
	"os"
	"slices"
	"strings"
	"testing"
)

// Update is the environment variable that, when set, has the files rewritten.
const Update = "UPDATE_GOLDEN"

// Equal compares a text to a file, or writes the file where Update is set.
func Equal(t *testing.T, path, got string) {
	t.Helper()
	if os.Getenv(Update) != "" {
		if err := os.WriteFile(path, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path) //nolint:gosec // a test names it
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s differs in these lines, - wanted, + got:\n%s", path, diff(string(want), got))
	}
}

// diff returns the lines that only one of two texts has.
func diff(want, got string) string {
	var text strings.Builder
	wantLines, gotLines := strings.Split(want, "\n"), strings.Split(got, "\n")
	only := func(mark string, lines, others []string) {
		for _, line := range lines {
			if !slices.Contains(others, line) {
				text.WriteString(mark + line + "\n")
			}
		}
	}
	only("- ", wantLines, gotLines)
	only("+ ", gotLines, wantLines)
	return text.String()
}
