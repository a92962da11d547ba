package config

import (
	"bytes"
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// issue is an invalid setting. Its text never contains a value that may be a secret.
type issue struct {
	line int    // zero if unknown
	path string // of the setting, such as projects[0].id; empty for the whole file
	text string
}

// InvalidError lists all issues of a configuration file.
type InvalidError struct {
	// Files are the files with secrets and certificate authorities that the configuration refers to. A change of theirs
	// may resolve an issue.
	Files []string

	file   string
	text   []byte
	issues []issue
}

// Reread checks the same text of the configuration file again, with the current content of the files that it refers to.
func (e *InvalidError) Reread() (*Config, error) { return Parse(e.file, e.text) }

// IsCurrent reports whether the configuration file still has the text with the issues.
func (e *InvalidError) IsCurrent() bool {
	text, err := ReadFile(e.file, MaxFileSize)
	return err == nil && bytes.Equal(text, e.text)
}

// Error returns one line for each issue, in the order of the file.
func (e *InvalidError) Error() string {
	issues := slices.Clone(e.issues)
	slices.SortStableFunc(issues, func(a, b issue) int { return cmp.Compare(a.line, b.line) })
	lines := make([]string, len(issues))
	for i, issue := range issues {
		location := e.file
		if issue.line > 0 {
			location += fmt.Sprintf(":%d", issue.line)
		}
		if issue.path != "" {
			location += ": " + issue.path
		}
		lines[i] = location + ": " + issue.text
	}
	return strings.Join(lines, "\n")
}
