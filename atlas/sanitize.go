package atlas

import (
	"regexp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// encodedLinks are the beginnings of http: and https: in Base64 and as hex digits.
var encodedLinks = []string{"aHR0cDov", "aHR0cHM6", "687474703", "6874747073"}

var (
	// linkPattern matches URLs, including the rest of a URL whose scheme contains unprintable characters, and a word after
	// a line break in a URL.
	linkPattern = regexp.MustCompile(`(?i)[a-z0-9+.-]*://[^\s"'<>]*(?:[\r\n]+[^\s"'<>]+)*`)
	// linkPartPattern matches words that may be a part of a link, or a link in another encoding: two slashes, a slash in
	// another encoding, a host name with a path, a query, the name of an archive, or a URL in Base64 or as hex digits.
	linkPartPattern = regexp.MustCompile(`(?i)[^\s"'<>]*` +
		`(?://|\\/|%(?:25)*2f|&#x?0*(?:2f|47);?|&sol;|\\u002f|[a-z0-9-]\.[a-z0-9-]+(?::[0-9]+)?/|[?&][^\s=]*=|` +
		`\.tar|\.t?gz|` + strings.Join(encodedLinks, "|") + `)[^\s"'<>]*`)
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
		maxRead   = 1 << 10 // the rest is ignored, because no name is nearly as long
	)
	if len(s) <= maxLength && isSimple(s) && !hasEncodedLink(s) {
		return s
	}
	s = s[:min(len(s), maxRead)]
	if strings.Contains(s, "://") {
		s = linkPattern.ReplaceAllString(s, "link")
	}
	s = replaceLinks(s)
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

// replaceLinks replaces words that may be a part of a link, and words after a line break in the link. No name that
// Atlas allows has such words. It is much faster than a regular expression for text that consists of links.
func replaceLinks(s string) string {
	isSpace := func(r rune) bool { return r == ' ' || r == '\t' || r == '\r' || r == '\n' }
	var replaced strings.Builder
	for continued := false; s != ""; {
		start := strings.IndexFunc(s, func(r rune) bool { return !isSpace(r) })
		if start < 0 {
			start = len(s)
		}
		length := strings.IndexFunc(s[start:], isSpace)
		if length < 0 {
			length = len(s) - start
		}
		spaces, word := s[:start], s[start:start+length]
		s = s[start+length:]
		continued = continued && strings.Trim(spaces, "\r\n") == ""
		switch {
		case continued:
		case isLinkPart(word):
			replaced.WriteString(spaces + "link")
			continued = true
		default:
			replaced.WriteString(spaces + word)
		}
	}
	return replaced.String()
}

// isLinkPart reports whether a word may be a part of a link: it has a slash and another character of a URL, a slash at
// the beginning or in another encoding, or a query, or contains a link in another encoding.
func isLinkPart(word string) bool {
	const slashes, marks = `/\／⁄∕`, ".:?=&%@"
	slash, marked, query := 0, false, false
	for i, r := range word {
		rest := word[i:]
		switch {
		case strings.ContainsRune(slashes, r):
			if slash++; i == 0 || strings.HasPrefix(rest, `\u`) || strings.HasPrefix(rest, `\x`) {
				return true
			}
		case r == '%' && len(rest) > 2 && isHexDigit(rest[1]) && isHexDigit(rest[2]),
			strings.HasPrefix(rest, "&#"), strings.HasPrefix(rest, "&sol;"), strings.HasPrefix(rest, "&colon;"),
			r == '=' && query:
			return true
		case strings.ContainsRune(marks, r):
			marked, query = true, query || r == '?'
		}
	}
	return slash > 1 || slash == 1 && marked || hasEncodedLink(word)
}

func isHexDigit(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c && c <= 'f' || 'A' <= c && c <= 'F'
}

// hasEncodedLink reports whether a string contains the beginning of a URL in another encoding. Strings of the length of
// an ID are too short for a link.
func hasEncodedLink(s string) bool {
	const idLength = 24
	contained := func(link string) bool { return strings.Contains(s, link) }
	return len(s) > idLength && slices.ContainsFunc(encodedLinks, contained)
}

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
