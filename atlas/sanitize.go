package atlas

import (
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"
)

// encodedLink is a pattern of the beginning of a URL in Base64 and as hex digits.
const encodedLink = `aHR0c(?:DovL|HM6Ly)|687474703a2f2f|68747470733a2f2f`

var (
	// linkPattern matches URLs, including the rest of a URL whose scheme contains unprintable characters, and a word after
	// a line break in a URL.
	linkPattern = regexp.MustCompile(`(?i)[a-z0-9+.-]*://[^\s"'<>]*(?:[\r\n]+[^\s"'<>]+)*`)
	// linkPartPattern matches words that may be a part of a link, or a link in another encoding: two slashes, a slash in
	// another encoding, a host name with a path, a query, the name of an archive, or a URL in Base64 or as hex digits.
	linkPartPattern = regexp.MustCompile(`(?i)[^\s"'<>]*` +
		`(?://|\\/|%(?:25)*2f|&#x?0*(?:2f|47);?|&sol;|\\u002f|[a-z0-9-]\.[a-z0-9-]+(?::[0-9]+)?/|[?&][^\s=]*=|\.tar|\.t?gz|` + encodedLink + `)[^\s"'<>]*`)
	// labelLinkPattern matches words that are not a part of any name that Atlas allows, and may be a part of a link: with
	// a slash and another character of a URL, with a slash in another encoding, with a query, or with the beginning of a
	// URL in Base64 or as hex digits. It also matches a word after a line break in the link.
	labelLinkPattern = regexp.MustCompile(`(?i)\S*(?:^[/\\／⁄∕]|\s[/\\／⁄∕]|[/\\／⁄∕]\S*[/\\／⁄∕.:?=&%@]|[.:?=&%@]\S*[/\\／⁄∕]|` +
		`%(?:25)*(?:2f|3a|5c)|&#x?0*(?:2f|47|3a|58);?|&sol;|&colon;|\\[ux]|\?\S*=|` +
		encodedLink + `)\S*(?:[\r\n]+\S+)*`)
	encodedLinkPattern = regexp.MustCompile(`(?i)` + encodedLink)
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
	const (
		maxLength = 128
		maxRead   = 4 << 10 // of a string that is much longer than any name
	)
	if len(s) <= maxLength && isSimple(s) && !hasEncodedLink(s) {
		return s
	}
	s = s[:min(len(s), maxRead)]
	if strings.Contains(s, "://") {
		s = linkPattern.ReplaceAllString(s, "link")
	}
	if strings.ContainsAny(s, `/\%?&／⁄∕`) || hasEncodedLink(s) {
		s = labelLinkPattern.ReplaceAllString(s, "link")
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

// hasEncodedLink reports whether a string contains the beginning of a URL in another encoding. Strings of the length of
// an ID are too short for a link.
func hasEncodedLink(s string) bool { return len(s) > 24 && encodedLinkPattern.MatchString(s) }

// isValidID reports whether an ID is safe in a path and as a label. Atlas documents 24 hex digits.
func isValidID(id string) bool {
	const maxLength = 64
	return id != "" && len(id) <= maxLength && isSimple(id) && !hasEncodedLink(id)
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
