package atlas

import (
	"log/slog"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"
)

const redacted = "<redacted>"

// Secret is a string that must not be shown: it prints as <redacted> through fmt, slog, JSON and YAML. Use Reveal where
// the value itself is needed.
type Secret string

// Reveal returns the secret itself.
func (s Secret) Reveal() string { return string(s) }

// String hides the secret from fmt's %v and %s.
func (s Secret) String() string { return redacted }

// GoString hides the secret from fmt's %#v.
func (s Secret) GoString() string { return redacted }

// LogValue hides the secret from slog.
func (s Secret) LogValue() slog.Value { return slog.StringValue(redacted) }

// MarshalText hides the secret from encoders such as encoding/json.
func (s Secret) MarshalText() ([]byte, error) { return []byte(redacted), nil }

// MarshalYAML hides the secret from YAML encoders.
func (s Secret) MarshalYAML() (any, error) { return redacted, nil }

// linkPattern matches links up to the first character that can't be a part of one, and what is left of them where
// something that does not print stands in the scheme.
var linkPattern = regexp.MustCompile(`(?i)[a-z0-9+.-]*://[^\s"'<>]*`)

// showable makes a text from the network fit to be shown or logged: one line of at most 200 characters, without links
// and without any of the secrets.
func showable(text string, secrets ...string) string {
	const longest = 200
	text = oneLine(linkPattern.ReplaceAllString(text, "<link>"))
	for _, secret := range secrets {
		if secret = oneLine(secret); secret != "" { // as it would be shown
			text = strings.ReplaceAll(text, secret, redacted)
		}
	}
	if runes := []rune(text); len(runes) > longest {
		text = string(runes[:longest-1]) + "…"
	}
	return text
}

// oneLine puts a space in the place of all that does not print: line breaks of every kind, control characters, marks
// that turn the direction of writing.
func oneLine(text string) string {
	return strings.Join(strings.FieldsFunc(text, func(r rune) bool {
		return r == ' ' || r == utf8.RuneError || !unicode.IsPrint(r)
	}), " ")
}
