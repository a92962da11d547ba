package config

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// invalidValue reports a value of the wrong kind. The text has the form "a duration; set a duration such as 30s".
// Only the part after the semicolon is used if there is no value.
func (d *document) invalidValue(path, text string) {
	_, action, _ := strings.Cut(text, "; ")
	switch scalar, ok := d.scalars[path]; {
	case !ok:
		d.report(path, "is missing; %s", action)
	case scalar.value == "":
		d.report(path, "is empty; %s", action)
	default:
		d.report(path, "%s is not %s", d.subject(path), text)
	}
}

// subject returns the value at a path in quotes, or "the value" if it may be a secret.
func (d *document) subject(path string) string {
	scalar, ok := d.scalars[path]
	if !ok || scalar.fromVariable || strings.HasPrefix(path, "credentials.") && lastKey(path) != "expires" ||
		mayBeSecret(scalar.value) {
		return "the value"
	}
	return strconv.Quote(scalar.value)
}

// secretLike matches secrets of Atlas, tokens, and user information in URLs.
var secretLike = regexp.MustCompile(`(?i)mdb_|[0-9a-f]{8}-[0-9a-f]{4}-|bearer|@|-----|ey[a-z0-9_-]+\.ey`)

// mayBeSecret reports whether a text must not be shown, because a user may have set a secret in the wrong place.
func mayBeSecret(text string) bool {
	const maxQuoted = 64 // no valid name is longer
	return !isPrintable(text, maxQuoted) || secretLike.MatchString(text)
}

// durationText describes a value that is not a duration.
func (d *document) durationText(path string) string {
	value := d.scalars[path].value
	text := d.subject(path) + " is not a duration"
	if text[0] != '"' {
		return text + "; set a duration such as 30s, 5m, 24h, or 400d"
	}
	if _, err := strconv.ParseUint(value, 10, 32); err == nil {
		return fmt.Sprintf("%s, the unit is missing; set %ss, %sm, or %sh", text, value, value, value)
	}
	parsed, err := time.ParseDuration(strings.ReplaceAll(value, " ", ""))
	if err == nil && parsed > 0 && parsed%time.Millisecond == 0 {
		return fmt.Sprintf("%s, fractions and spaces are not allowed; set %v", text, duration(parsed))
	}
	return text + "; set a duration such as 30s, 5m, 24h, or 400d"
}

// closest returns the candidate that a word is likely a misspelling of, or "".
func closest(word string, candidates []string) string {
	best, limit := "", max(len(word)/3, 1)+1
	for _, candidate := range candidates {
		if distance := editDistance(word, candidate); distance < limit {
			best, limit = candidate, distance
		}
	}
	return best
}

// didYouMean returns a question with the candidate that a word is likely a misspelling of, or "".
func didYouMean(word string, candidates []string) string {
	if candidate := closest(word, candidates); candidate != "" {
		return ", did you mean " + candidate + "?"
	}
	return ""
}

// editDistance returns the number of inserted, removed, and replaced bytes between two texts.
func editDistance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			replaced := diagonal
			if a[i] != b[j] {
				replaced++
			}
			diagonal = row[j+1]
			row[j+1] = min(replaced, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
