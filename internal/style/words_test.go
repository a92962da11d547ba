package style

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// entry is a phrase of the word list.
type entry struct {
	phrase       *regexp.Regexp
	replacement  string
	allowed      []*regexp.Regexp // contexts in which the phrase may occur
	allowedPaths []string         // prefixes of paths in which the phrase may occur
	kinds        []kind           // kinds of text that are checked; all if empty
}

// hit is an occurrence of a phrase.
type hit struct {
	line   int
	phrase string
}

// parseEntries parses a word list. Its format is documented at the top of testdata/words.txt.
func parseEntries(list string) ([]*entry, error) {
	var entries []*entry
	number := 0
	for line := range strings.Lines(list) {
		number++
		line = strings.TrimRight(line, " \r\n")
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		var err error
		if option, ok := strings.CutPrefix(line, "\t"); !ok {
			var e *entry
			if e, err = newEntry(line); err == nil {
				entries = append(entries, e)
			}
		} else if len(entries) == 0 {
			err = fmt.Errorf("option without a phrase")
		} else {
			err = entries[len(entries)-1].set(option)
		}
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", number, err)
		}
	}
	return entries, nil
}

func newEntry(line string) (*entry, error) {
	phrase, replacement, _ := strings.Cut(line, " = ")
	if phrase == "" || replacement == "" {
		return nil, fmt.Errorf("%q: want PHRASE = REPLACEMENT", line)
	}
	pattern := regexp.QuoteMeta(phrase)
	pattern = strings.ReplaceAll(pattern, `\*`, `[a-z]*`)
	pattern = strings.ReplaceAll(pattern, ` `, `\s+`)
	return &entry{phrase: regexp.MustCompile(`(?i)\b` + pattern), replacement: replacement}, nil
}

// set sets an option of an entry.
func (e *entry) set(option string) error {
	name, value, _ := strings.Cut(option, " ")
	switch name {
	case "exact":
		e.phrase = regexp.MustCompile(strings.TrimPrefix(e.phrase.String(), "(?i)"))
	case "allow":
		context, err := regexp.Compile(`(?i)` + value)
		if err != nil {
			return err
		}
		e.allowed = append(e.allowed, context)
	case "allow-path":
		e.allowedPaths = append(e.allowedPaths, value)
	case "only":
		for word := range strings.FieldsSeq(value) {
			if !slices.Contains([]kind{comments, strs, names, documents}, kind(word)) {
				return fmt.Errorf("%q: want comments, strings, names, or documents", word)
			}
			e.kinds = append(e.kinds, kind(word))
		}
	default:
		return fmt.Errorf("%q: want allow, allow-path, exact, or only", name)
	}
	return nil
}

// find returns the occurrences of the phrase in a text that are outside the allowed contexts.
func (e *entry) find(path string, t text) []hit {
	isPrefix := func(prefix string) bool { return strings.HasPrefix(path, prefix) }
	if len(e.kinds) > 0 && !slices.Contains(e.kinds, t.kind) || slices.ContainsFunc(e.allowedPaths, isPrefix) {
		return nil
	}
	var hits []hit
	for _, at := range e.phrase.FindAllStringIndex(t.content, -1) {
		if isLetter(t.content, at[1]) || e.isAllowed(t.content, at) {
			continue
		}
		phrase := strings.Join(strings.Fields(t.content[at[0]:at[1]]), " ")
		hits = append(hits, hit{t.line + strings.Count(t.content[:at[0]], "\n"), strings.ToLower(phrase)})
	}
	return hits
}

// isLetter reports whether the byte at an index is a letter: the phrase is then only a part of a word.
func isLetter(content string, at int) bool {
	if at == len(content) {
		return false
	}
	c := content[at] | 0x20
	return 'a' <= c && c <= 'z' && content[at-1] != '\''
}

// isAllowed reports whether an allowed context contains the phrase at an index.
func (e *entry) isAllowed(content string, at []int) bool {
	return slices.ContainsFunc(e.allowed, func(context *regexp.Regexp) bool {
		return slices.ContainsFunc(context.FindAllStringIndex(content, -1), func(around []int) bool {
			return around[0] <= at[0] && at[1] <= around[1]
		})
	})
}
