package docs

import (
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"atlas-restore-exporter/internal/testutil"
)

const (
	maxSentenceWords = 30
	maxReadmeLines   = 200
)

// proseFiles returns the documents for users and contributors.
func proseFiles(t *testing.T) []string {
	t.Helper()
	var files []string
	for _, pattern := range []string{"../*.md", "*.md"} {
		found, err := filepath.Glob(pattern)
		if err != nil || len(found) == 0 {
			t.Fatalf("no %s: %v", pattern, err)
		}
		files = append(files, found...)
	}
	return files
}

// TestProse_HasShortSentences checks the number of words of each sentence, table cell, and list item.
func TestProse_HasShortSentences(t *testing.T) {
	for _, file := range proseFiles(t) {
		for _, sentence := range sentencesOf(testutil.ReadFile(t, file)) {
			if words := wordsOf(sentence); len(words) > maxSentenceWords {
				t.Errorf("%s: %d words, want at most %d: %s", file, len(words), maxSentenceWords, sentence)
			}
		}
	}
}

func TestReadme_IsShort(t *testing.T) {
	if lines := strings.Count(testutil.ReadFile(t, readme), "\n"); lines > maxReadmeLines {
		t.Errorf("%d lines, want at most %d", lines, maxReadmeLines)
	}
}

var (
	fencedCode    = regexp.MustCompile("(?ms)^[ \t]*```.*?^[ \t]*```[ \t]*$")
	htmlComments  = regexp.MustCompile(`(?s)<!--.*?-->`)
	inlineCode    = regexp.MustCompile("`[^`\n]+`")
	linkTargets   = regexp.MustCompile(`!?\[([^\]]*)\]\([^)]*\)`)
	tableRows     = regexp.MustCompile(`(?m)^[ \t]*\|(.*)\|[ \t]*$`)
	blockStarts   = regexp.MustCompile(`(?m)^[ \t>]*(?:[-*]|\d+\.|#+)[ \t]+`)
	paragraphs    = regexp.MustCompile(`\n[ \t>]*\n`)
	sentenceEnds  = regexp.MustCompile(`[.!?:]["*)]*(?:\s+|$)`)
	abbreviations = strings.NewReplacer("e.g. ", "e.g ", "i.e. ", "i.e ")
)

// sentencesOf returns the sentences of a Markdown text without code blocks. A code span counts as one word, a link as
// its text, and a colon ends a sentence.
func sentencesOf(text string) []string {
	text = fencedCode.ReplaceAllString(text, "\n\n")
	text = htmlComments.ReplaceAllString(text, "\n\n")
	text = inlineCode.ReplaceAllString(text, "code")
	text = linkTargets.ReplaceAllString(text, "$1")
	text = tableRows.ReplaceAllStringFunc(text, func(row string) string {
		return "\n" + strings.ReplaceAll(row, "|", "\n\n") + "\n"
	})
	text = blockStarts.ReplaceAllString(text, "\n\n")
	var sentences []string
	for _, paragraph := range paragraphs.Split(abbreviations.Replace(text), -1) {
		for _, sentence := range sentenceEnds.Split(paragraph, -1) {
			if len(wordsOf(sentence)) > 0 {
				sentences = append(sentences, strings.Join(strings.Fields(sentence), " "))
			}
		}
	}
	return sentences
}

var wordCharacters = regexp.MustCompile(`[\p{L}\p{N}]`)

func wordsOf(sentence string) []string {
	var words []string
	for word := range strings.FieldsSeq(sentence) {
		if wordCharacters.MatchString(word) {
			words = append(words, word)
		}
	}
	return words
}

// TestSentencesOf_SplitsMarkdown checks the checker.
func TestSentencesOf_SplitsMarkdown(t *testing.T) {
	const text = "# A title\n\nOne `code span. Here` and [a\nlink](x.md). Two is (short.) Three: four\n" +
		"- item one\n  continues\n- item two\n\n```sh\nnot. counted\n```\n| a | b c. d |\n| --- | --- |\n"
	want := []string{
		"A title", "One code and a link", "Two is (short", "Three", "four", "item one continues", "item two", "a", "b c", "d",
	}
	if got := sentencesOf(text); strings.Join(got, "|") != strings.Join(want, "|") {
		t.Errorf("sentences %q, want %q", got, want)
	}
}
