package config

import (
	"fmt"
	"regexp"
	"strings"

	yaml "go.yaml.in/yaml/v4"
)

// openQuote matches a line whose value starts with a quote.
var openQuote = regexp.MustCompile(`^[^#"']*[:\-\[{,] *(["'])`)

// syntaxError describes text that is not YAML by its likely cause. It quotes nothing, because any text may be a secret.
func (d *document) syntaxError(err *yaml.LoadError) issue {
	lines := strings.Split(string(d.invalid.text), "\n")
	at, from := min(max(err.Mark.Line, 1), len(lines)), err.ContextMark.Line
	message := err.Message
	switch before := lineBefore(lines, at); {
	case hasTab(lines[at-1]):
		return issue{line: at, text: "invalid YAML: a tab in the indentation; use spaces"}
	case strings.Contains(err.ContextMsg, "quoted scalar") && message == "found unexpected end of stream":
		return issue{line: from, text: "invalid YAML: a quote that opens in this line is not closed"}
	case unclosedQuote(lines, at) > 0:
		return issue{line: unclosedQuote(lines, at), text: "invalid YAML: a quote that opens in this line is not closed"}
	case strings.HasPrefix(message, "mapping values are not allowed"):
		switch {
		case strings.Count(lines[at-1], ": ") > 1:
			return issue{line: at, text: `invalid YAML: a value contains ": "; put the value in quotes`}
		case before > 0 && !hasColon(lines[before-1]):
			return issue{line: before, text: "invalid YAML: a colon is missing after a key; write key: value"}
		}
		return issue{line: at, text: fmt.Sprintf(
			"invalid YAML: wrong indentation, the line is indented further than the key in line %d", before)}
	case message == "could not find expected ':'":
		return issue{line: from, text: "invalid YAML: a colon, or the space after it, is missing; write key: value"}
	case strings.HasPrefix(message, "did not find expected ',' or"):
		return issue{line: from, text: "invalid YAML: a bracket or brace that opens in this line is not closed, " +
			"or a comma is missing"}
	case message == "did not find expected '-' indicator", message == "did not find expected key":
		return issue{line: at, text: fmt.Sprintf(
			"invalid YAML: wrong indentation, the line is not aligned with the block that starts in line %d", from)}
	case strings.HasPrefix(message, "unknown anchor"):
		message = UndefinedAnchor
	case strings.HasPrefix(message, "cannot construct"):
		message = "a value that starts with !! does not have the type that the tag names; quote the value"
	}
	return issue{line: at, text: "invalid YAML: " + withoutValue(message)}
}

// lineBefore returns the number of the last line before another one that is not empty or a comment, or 0.
func lineBefore(lines []string, at int) int {
	for n := min(at-1, len(lines)); n > 0; n-- {
		if text := strings.TrimSpace(lines[n-1]); text != "" && text[0] != '#' {
			return n
		}
	}
	return 0
}

// unclosedQuote returns the number of the last line before another one whose value starts with a quote that the same
// line doesn't close, or 0.
func unclosedQuote(lines []string, before int) int {
	for n := min(before, len(lines)); n > 0; n-- {
		match := openQuote.FindStringSubmatch(lines[n-1])
		if match != nil && strings.Count(lines[n-1], match[1])%2 == 1 {
			return n
		}
	}
	return 0
}

func hasColon(line string) bool {
	line = strings.TrimSpace(line)
	return strings.Contains(line, ": ") || strings.HasSuffix(line, ":")
}

// hasTab reports whether the indentation of a line contains a tab.
func hasTab(line string) bool {
	return strings.Contains(line[:len(line)-len(strings.TrimLeft(line, " \t"))], "\t")
}
