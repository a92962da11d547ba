// Command generate renders the runbooks, a Markdown file, as the HTML that the exporter serves. It is a module of its
// own, because the exporter does not need a Markdown library. To run it: go generate ./internal/runbooks
package main

import (
	"bytes"
	"crypto/sha256"
	"flag"
	"fmt"
	"html"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/parser"
)

func main() {
	source := flag.String("source", "../../deploy/runbooks/README.md", "Markdown file to read")
	out := flag.String("out", "pages", "directory to write to")
	flag.Parse()
	if err := generate(*source, *out); err != nil {
		_, _ = fmt.Fprintln(os.Stderr, "generate:", err)
		os.Exit(1)
	}
}

// generate replaces the pages in a directory.
func generate(source, out string) error {
	markdown, err := os.ReadFile(source) //nolint:gosec // the path is that of the runbooks
	if err != nil {
		return err
	}
	pages, err := render(string(markdown))
	if err != nil {
		return err
	}
	old, err := filepath.Glob(filepath.Join(out, "*"))
	if err != nil {
		return err
	}
	for _, path := range old {
		if err := os.Remove(path); err != nil {
			return err
		}
	}
	for name, content := range pages {
		if err := os.WriteFile(filepath.Join(out, name), []byte(content), 0o600); err != nil {
			return err
		}
	}
	return nil
}

// alertName matches the names of alerts.
var alertName = regexp.MustCompile(`\bAtlasRestore[A-Z]\w+`)

// notesTitle is the line before the notes for all runbooks, in the introduction.
const notesTitle = "Notes for all runbooks:\n"

// render returns the files that the exporter embeds: a page per alert, the index, the notes for all runbooks, which end
// each page of an alert, and the checksum of the Markdown. The first line of a page is its title, the rest is HTML.
func render(markdown string) (map[string]string, error) {
	sections := strings.Split(markdown, "\n## ")
	_, introduction, _ := strings.Cut(sections[0], "\n")
	_, notes, found := strings.Cut(introduction, notesTitle)
	if !found {
		return nil, fmt.Errorf("the introduction contains no line %q", notesTitle)
	}
	index, err := toHTML(strings.ReplaceAll(introduction, "\n### ", "\n## "))
	if err != nil {
		return nil, err
	}
	end, err := toHTML(linkAlerts("## Notes\n" + notes))
	if err != nil {
		return nil, err
	}
	pages := map[string]string{"notes.html": end, "source.sha256": fmt.Sprintf("%x\n", sha256.Sum256([]byte(markdown)))}
	var list strings.Builder
	for _, section := range sections[1:] {
		alert, text, _ := strings.Cut(section, "\n")
		if !alertName.MatchString(alert) {
			return nil, fmt.Errorf("%q is not the name of an alert", alert)
		}
		name := strings.ToLower(alert)
		page, err := toHTML(linkAlerts(strings.ReplaceAll(text, "\n### ", "\n## ")))
		if err != nil {
			return nil, err
		}
		pages["alert-"+name+".html"] = alert + "\n" + page
		_, _ = fmt.Fprintf(&list, "<li id=\"%s\"><a href=\"runbooks/%s\">%s</a><br>%s</li>\n",
			name, name, alert, html.EscapeString(firstSentence(text)))
	}
	pages["index.html"] = "Runbooks\n" + index + "<ul>\n" + list.String() + "</ul>\n"
	return pages, nil
}

// converter adds the IDs of headings that links in the runbooks use.
var converter = goldmark.New(goldmark.WithParserOptions(parser.WithAutoHeadingID()))

func toHTML(markdown string) (string, error) {
	var page bytes.Buffer
	if err := converter.Convert([]byte(markdown), &page); err != nil {
		return "", err
	}
	return page.String(), nil
}

// linkAlerts links the names of alerts to their pages.
func linkAlerts(markdown string) string {
	return alertName.ReplaceAllStringFunc(markdown, func(name string) string {
		return "[" + name + "](" + strings.ToLower(name) + ")"
	})
}

// firstSentence returns the first sentence of the first section.
func firstSentence(text string) string {
	_, text, _ = strings.Cut(text, "### Meaning\n\n")
	sentence, _, _ := strings.Cut(strings.ReplaceAll(text, "\n", " "), ". ")
	return strings.ReplaceAll(sentence, "`", "") + "."
}
