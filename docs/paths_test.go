package docs

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"atlas-restore-exporter/internal/testutil"
)

const root = ".."

// namingFiles returns the files that name paths, packages, tests, and make targets of the project: documents, the
// Makefile, the gate, and the files for operators.
func namingFiles(t *testing.T) []string {
	t.Helper()
	files := []string{"Makefile", ".ci/run", ".ci/vulncheck", "config.example.yaml"}
	err := filepath.WalkDir(root, func(path string, file fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name, err := filepath.Rel(root, path)
		switch {
		case err != nil:
			return err
		case file.IsDir() && (slices.Contains([]string{".git", ".cache", "dist"}, name) || file.Name() == "testdata"):
			return filepath.SkipDir
		case !file.Type().IsRegular():
			return nil
		}
		name = filepath.ToSlash(name)
		isForOperators := strings.HasPrefix(name, "deploy/") && !strings.HasSuffix(name, ".go")
		if strings.HasSuffix(name, ".md") || isForOperators {
			files = append(files, name)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// links are the relative links of Markdown, and images: a path, an anchor, or both.
var links = regexp.MustCompile(`\]\(([^)#:\s]*)(?:#([^)\s]*))?\)`)

// TestLinks_LeadToFilesAndHeadings checks that each relative link of a document leads to a file or directory, and that
// its anchor is that of a heading.
func TestLinks_LeadToFilesAndHeadings(t *testing.T) {
	for _, name := range namingFiles(t) {
		if !strings.HasSuffix(name, ".md") {
			continue
		}
		text := fencedCode.ReplaceAllString(testutil.ReadFile(t, filepath.Join(root, name)), "")
		for _, link := range links.FindAllStringSubmatch(text, -1) {
			path := filepath.Join(root, filepath.Dir(name), link[1])
			if link[1] == "" {
				path = filepath.Join(root, name)
			}
			if _, err := os.Stat(path); err != nil {
				t.Errorf("%s links to %s, which does not exist", name, link[1])
			} else if link[2] != "" && !slices.Contains(anchorsOf(testutil.ReadFile(t, path)), link[2]) {
				t.Errorf("%s links to %s#%s, but there is no such heading", name, link[1], link[2])
			}
		}
	}
}

var (
	headings    = regexp.MustCompile(`(?m)^#+ +(.+?) *$`)
	punctuation = regexp.MustCompile(`[^\p{L}\p{N} _-]`)
)

// anchorsOf returns the anchors of the headings of a document. Code hosts derive them from the text: in lower case,
// without punctuation, and with hyphens instead of spaces.
func anchorsOf(text string) []string {
	var anchors []string
	for _, heading := range headings.FindAllStringSubmatch(fencedCode.ReplaceAllString(text, ""), -1) {
		heading := linkTargets.ReplaceAllString(heading[1], "$1")
		heading = punctuation.ReplaceAllString(strings.ToLower(heading), "")
		anchors = append(anchors, strings.ReplaceAll(heading, " ", "-"))
	}
	return anchors
}

// TestAnchorsOf_HeadingsWithPunctuation checks the checker.
func TestAnchorsOf_HeadingsWithPunctuation(t *testing.T) {
	const text = "# All settings\n\n```sh\n# comment\n```\n\n## `serve`, and [more](x.md)\n"
	if got, want := anchorsOf(text), []string{"all-settings", "serve-and-more"}; !slices.Equal(got, want) {
		t.Errorf("anchors %q, want %q", got, want)
	}
}

// paths are paths that begin with a directory of the project. The text before such a directory must not belong to a
// longer path, such as that of a module or of an installed file.
var paths = regexp.MustCompile(
	`(?:^|[^\w/.:-])(?:\.\.?/)*((?:atlas|collector|internal|deploy|docs|\.ci)(?:/[\w.*-]+)+)`)

// TestPaths_Exist checks each path of the project that a document, the Makefile, the gate, or a file for operators
// names.
func TestPaths_Exist(t *testing.T) {
	found := 0
	for _, name := range namingFiles(t) {
		for _, match := range paths.FindAllStringSubmatch(testutil.ReadFile(t, filepath.Join(root, name)), -1) {
			path := strings.TrimRight(match[1], ".")
			found++
			if matches, err := filepath.Glob(filepath.Join(root, path)); err != nil || len(matches) == 0 {
				t.Errorf("%s names %s, which does not exist", name, path)
			}
		}
	}
	if found < 50 {
		t.Errorf("only %d paths were found", found)
	}
}

// testCommands are go test commands; testPatterns and testPackages are their arguments.
var (
	testCommands = regexp.MustCompile("go test [^\n`;&|]*")
	testPatterns = regexp.MustCompile(`-(?:run|bench|fuzz) '?\^?(\w*[A-Z]\w*)`)
	testPackages = regexp.MustCompile(` (\./[\w./-]*[\w])(?: |$)`)
	fuzzTargets  = regexp.MustCompile(`\b(Fuzz\w+):(\./[\w/]+)`)
	functions    = regexp.MustCompile(`(?m)^func ((?:Test|Fuzz|Benchmark)\w+)\(`)
)

// TestCommands_NameTests checks that each test, benchmark, and fuzz target that a command runs exists in its package.
func TestCommands_NameTests(t *testing.T) {
	found := 0
	for _, name := range namingFiles(t) {
		text := testutil.ReadFile(t, filepath.Join(root, name))
		for _, target := range fuzzTargets.FindAllStringSubmatch(text, -1) {
			found++
			expectTest(t, name, target[1], target[2])
		}
		for _, command := range testCommands.FindAllString(text, -1) {
			for _, pattern := range testPatterns.FindAllStringSubmatch(command, -1) {
				for _, dir := range testPackages.FindAllStringSubmatch(command, -1) {
					found++
					expectTest(t, name, pattern[1], dir[1])
				}
			}
		}
	}
	if found < 10 {
		t.Errorf("only %d tests were found", found)
	}
}

// expectTest checks that a package has a function that a pattern matches.
func expectTest(t *testing.T, file, pattern, dir string) {
	t.Helper()
	sources, err := filepath.Glob(filepath.Join(root, dir, "*_test.go"))
	if err != nil {
		t.Fatal(err)
	}
	for _, source := range sources {
		for _, function := range functions.FindAllStringSubmatch(testutil.ReadFile(t, source), -1) {
			if strings.Contains(function[1], pattern) {
				return
			}
		}
	}
	t.Errorf("%s runs %s of %s, which has no such test", file, pattern, dir)
}

// makeCommands are commands in documents. A command in prose is in backticks.
var (
	makeCommands = regexp.MustCompile("(?m)(?:`|^\\s*|&& )make((?: [a-z][a-z0-9]*)+)")
	makeTargets  = regexp.MustCompile(`(?m)^([a-z][a-z0-9]*):`)
)

// TestMakeTargets_Exist checks that each make target that a document or the gate names exists.
func TestMakeTargets_Exist(t *testing.T) {
	targets := map[string]bool{}
	for _, target := range makeTargets.FindAllStringSubmatch(testutil.ReadFile(t, filepath.Join(root, "Makefile")), -1) {
		targets[target[1]] = true
	}
	for _, name := range namingFiles(t) {
		for _, command := range makeCommands.FindAllStringSubmatch(testutil.ReadFile(t, filepath.Join(root, name)), -1) {
			for target := range strings.FieldsSeq(command[1]) {
				if !targets[target] {
					t.Errorf("%s names the make target %s, which does not exist", name, target)
				}
			}
		}
	}
}
