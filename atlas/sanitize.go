package atlas

import (
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"
)

var (
	// linkPattern matches URLs, including the rest of a URL whose scheme contains unprintable characters, and a word after
	// a line break in a URL.
	linkPattern = regexp.MustCompile(`(?i)[a-z0-9+.-]*://[^\s"'<>]*(?:[\r\n]+[^\s"'<>]+)*`)
	// linkPartPattern matches words that may be a part of a link, or a link in another encoding: two slashes, an escaped
	// or percent-encoded slash, a host name with a path, a query, or the name of an archive.
	linkPartPattern = regexp.MustCompile(`(?i)[^\s"'<>]*` +
		`(?://|\\/|%2f|[a-z0-9-]\.[a-z0-9-]+(?::[0-9]+)?/|[?&][^\s=]*=|\.tar|\.t?gz)[^\s"'<>]*`)
	// quotedPattern matches quoted text. Errors of net/http quote parts of invalid responses.
	quotedPattern = regexp.MustCompile(`"(?:[^"\\]|\\.)*"?`)
)

// sanitizeText makes untrusted text safe for errors, logs and pages: one line of at most 200 characters, with links
// and the given secrets replaced. The result is a copy, which doesn't retain the text.
func sanitizeText(text string, secrets ...string) string {
	const maxLength = 200
	text = oneLine(linkPattern.ReplaceAllString(text, "<link>"))
	text = linkPartPattern.ReplaceAllString(text, "<link>")
	for _, secret := range secrets {
		if secret = oneLine(secret); secret != "" { // in the form that the text would contain
			text = strings.ReplaceAll(text, secret, redacted)
		}
	}
	if runes := []rune(text); len(runes) > maxLength {
		return string(runes[:maxLength-1]) + "…"
	}
	return strings.Clone(text)
}

// oneLine replaces each run of spaces and unprintable characters with one space. That includes line breaks, control
// characters, and marks that change the direction of text.
func oneLine(text string) string {
	return strings.Join(strings.FieldsFunc(text, func(r rune) bool {
		return r == ' ' || r == utf8.RuneError || !unicode.IsPrint(r)
	}), " ")
}

// sanitizeLabel makes an untrusted string safe for labels and logs: at most 128 bytes, with links replaced. Characters
// that Atlas allows in no name are replaced with underscores. The result doesn't retain a longer string.
func sanitizeLabel(s string) string {
	const maxLength = 128
	if len(s) <= maxLength && isSimple(s) {
		return s
	}
	if strings.Contains(s, "://") {
		s = linkPattern.ReplaceAllString(s, "link")
	}
	if len(s) > maxLength {
		// A copy, so that the label does not retain the whole response. Map copies only if it replaces a character.
		s = strings.Clone(strings.ToValidUTF8(s[:maxLength], ""))
	}
	return strings.Map(func(r rune) rune {
		if unicode.IsLetter(r) || unicode.IsDigit(r) || strings.ContainsRune("-_.(),:&@+' ", r) {
			return r
		}
		return '_'
	}, s)
}

// isValidID reports whether an ID is safe in a path and as a label. Atlas documents 24 hex digits.
func isValidID(id string) bool {
	const maxLength = 64
	return id != "" && len(id) <= maxLength && isSimple(id)
}

// isSimple reports whether a string has only ASCII letters, digits, hyphens and underscores.
func isSimple(s string) bool {
	for i := range len(s) {
		c := s[i]
		if (c < '0' || c > '9') && (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && c != '-' && c != '_' {
			return false
		}
	}
	return true
}
