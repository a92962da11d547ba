// Package style checks the wording of comments, messages, names, and documents against the word list in
// testdata/words.txt.
package style

import (
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const root = "../.."

// skippedDirs contain tools, test data, and, in this package, the phrases themselves.
var skippedDirs = []string{".git", ".cache", "dist", "style", "testdata"}

// extractors return the texts of a file, by extension. A file with another extension isn't checked.
var extractors = map[string]func(path, source string) ([]text, error){
	".go": goTexts,
	".md": markdownTexts,
}

// TestTexts_FollowTheWordList reports each phrase of the word list that occurs outside its allowed contexts.
func TestTexts_FollowTheWordList(t *testing.T) {
	list, err := os.ReadFile("testdata/words.txt")
	if err != nil {
		t.Fatal(err)
	}
	entries, err := parseEntries(string(list))
	if err != nil {
		t.Fatal(err)
	}
	files := 0
	err = filepath.WalkDir(root, func(path string, file fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case file.IsDir() && slices.Contains(skippedDirs, file.Name()):
			return filepath.SkipDir
		case file.IsDir() || extractors[filepath.Ext(path)] == nil:
			return nil
		}
		name, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		files++
		return checkFile(t, filepath.ToSlash(name), entries)
	})
	if err != nil || files == 0 {
		t.Fatalf("%d files, error: %v", files, err)
	}
}

func checkFile(t *testing.T, name string, entries []*entry) error {
	t.Helper()
	path := filepath.Join(root, name)
	source, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	texts, err := extractors[filepath.Ext(path)](path, string(source))
	if err != nil {
		return err
	}
	for _, text := range texts {
		for _, e := range entries {
			for _, hit := range e.find(name, text) {
				t.Errorf("%s:%d: %q: use %s", name, hit.line, hit.phrase, e.replacement)
			}
		}
	}
	return nil
}

// TestFind_ReportsOnlyPhrasesOutsideTheirContexts checks the checker.
func TestFind_ReportsOnlyPhrasesOutsideTheirContexts(t *testing.T) {
	entries, err := parseEntries(strings.Join([]string{
		"refus* = reject", "\tallow connection refused", "\tallow-path old/",
		"what is = a noun", "\tonly comments",
	}, "\n"))
	if err != nil {
		t.Fatal(err)
	}
	const source = `package p

// f says what
// is new: the server refused, and the connection refused.
func refuseAll() string {
	return "Refusal: what is" + "connection refused"
}
`
	texts, err := goTexts("p.go", source)
	if err != nil {
		t.Fatal(err)
	}
	find := func(path string) []hit {
		var hits []hit
		for _, text := range texts {
			for _, e := range entries {
				hits = append(hits, e.find(path, text)...)
			}
		}
		return hits
	}
	want := []hit{{4, "refused"}, {3, "what is"}, {5, "refuse"}, {6, "refusal"}}
	if got := find("p.go"); !slices.Equal(got, want) {
		t.Errorf("hits %v, want %v", got, want)
	}
	if got := find("old/p.go"); !slices.Equal(got, []hit{{3, "what is"}}) {
		t.Errorf("hits in an allowed path: %v", got)
	}
}

// TestMarkdownTexts_SkipsCodeAndKeepsLines checks the text of documents.
func TestMarkdownTexts_SkipsCodeAndKeepsLines(t *testing.T) {
	const source = "Poll it.\n```sh\nask Atlas\n```\nSet `ask`, see [pages](ask.md). <!-- ask -->\nAsk.\n"
	texts, err := markdownTexts("x.md", source)
	if err != nil {
		t.Fatal(err)
	}
	entries, err := parseEntries("ask* = request")
	if err != nil {
		t.Fatal(err)
	}
	if got, want := entries[0].find("x.md", texts[0]), []hit{{6, "ask"}}; !slices.Equal(got, want) {
		t.Errorf("hits %v, want %v", got, want)
	}
}

// TestParseEntries_RejectsInvalidLines checks that a typo in the word list can't disable an entry.
func TestParseEntries_RejectsInvalidLines(t *testing.T) {
	for _, list := range []string{
		"phrase", "= reject", "phrase =", "\tallow x",
		"a = b\n\tallow (", "a = b\n\tonly titles", "a = b\n\tdeny x",
	} {
		if _, err := parseEntries(list); err == nil {
			t.Errorf("%q is accepted", list)
		}
	}
}
