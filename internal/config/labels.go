package config

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"atlas-restore-exporter/collector/poll"
)

const (
	maxLabelLength  = 128
	maxTagKeyLength = 255 // the limit of Atlas
)

// labels replaces the inherited labels with those that are set. An empty label removes the inherited one.
func (b *builder) labels(prefix string, raw rawLabels, labels *poll.Labels) {
	replace := func(key string, setting *string, label **string) {
		if setting == nil {
			return
		}
		if !isPrintable(*setting, maxLabelLength) {
			b.invalidValue(prefix+key, fmt.Sprintf("a valid label; use at most %d printable characters", maxLabelLength))
		}
		*label = setting
	}
	replace("team", raw.Team, &labels.Team)
	replace("environment", raw.Environment, &labels.Environment)
}

// tagLabels sets the keys of the Atlas tags that provide labels.
func (b *builder) tagLabels() {
	tagKey := func(key string, setting *string) string {
		if setting == nil {
			return ""
		}
		if *setting == "" || !isPrintable(*setting, maxTagKeyLength) {
			b.invalidValue("tag_labels."+key,
				fmt.Sprintf("the key of an Atlas tag; use 1 to %d printable characters", maxTagKeyLength))
		}
		return *setting
	}
	raw := b.raw.TagLabels
	b.config.TagLabels = poll.TagLabels{
		Team: tagKey("team", raw.Team), Environment: tagKey("environment", raw.Environment),
	}
}

// isPrintable reports whether a text has at most maxLength characters, and all of them are printable.
func isPrintable(text string, maxLength int) bool {
	return utf8.ValidString(text) && utf8.RuneCountInString(text) <= maxLength &&
		!strings.ContainsFunc(text, func(r rune) bool { return !unicode.IsPrint(r) })
}
