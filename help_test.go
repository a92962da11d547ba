package main

import (
	"os"
	"strings"
	"testing"

	"atlas-restore-exporter/internal/testutil"
)

// TestHelp_IsDocumented compares the documented help with the output of --help. With UPDATE_GOLDEN set, it writes the
// help of each command into the document.
func TestHelp_IsDocumented(t *testing.T) {
	const page, begin, end = "docs/command-line.md", "<!-- help: ", "<!-- end of help -->"
	t.Setenv("COLUMNS", "") // otherwise, the width of the help depends on the terminal
	var want strings.Builder
	for _, command := range []string{"", "serve", "check", "report", "demo", "health", "schema"} {
		args := append(strings.Fields(command), "--help")
		var stdout, stderr strings.Builder
		if code := run(t.Context(), args, &stdout, &stderr); code != 0 || stderr.Len() > 0 {
			t.Fatalf("%v: exit status %d, %s", args, code, stderr.String())
		}
		want.WriteString("\n```console\n$ " + name + " " + strings.Join(args, " ") + "\n" + stdout.String() + "```\n")
	}
	want.WriteString("\n")
	text := testutil.ReadFile(t, page)
	from, to := strings.Index(text, begin), strings.Index(text, end)
	if from < 0 || to < from {
		t.Fatalf("%s has no comments around the help", page)
	}
	from += strings.Index(text[from:], "\n") + 1
	if os.Getenv(testutil.UpdateGolden) != "" {
		testutil.WriteFile(t, page, text[:from]+want.String()+text[to:])
	} else if text[from:to] != want.String() {
		t.Errorf("%s has the help\n%s\nwant\n%s", page, text[from:to], want.String())
	}
}
