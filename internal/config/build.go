package config

import (
	"fmt"
	"path/filepath"
	"regexp"
	"strings"
	"time"
)

// builder converts a raw configuration into a Config. Its methods report invalid settings to the document and
// continue, so that one run finds all of them.
type builder struct {
	*document
	raw    rawConfig
	config Config
}

func (b *builder) build() {
	b.config.Files = b.raw.resolveFiles(filepath.Dir(b.config.path))
	if b.config.contents == nil {
		b.config.contents = ReadFiles(b.config.Files)
	}
	b.name()
	b.connection()
	b.credentials()
	base := b.polling()
	base.Exporter = b.config.Name
	b.limits(&base.Policy)
	b.inherit("", b.raw.rawInherited, &base)
	b.tagLabels()
	b.projects(base)
	b.fitToIntervals()
	b.warnOfUnusedCredentials()
}

func (b *builder) warn(text string) { b.config.Warnings = append(b.config.Warnings, text) }

// inRange returns a setting, or the default if the setting is absent or out of range.
func inRange[T int | float64 | duration](b *builder, path string, setting *T, defaultValue, lowest, highest T) T {
	switch {
	case setting == nil:
		return defaultValue
	case *setting >= lowest && *setting <= highest: // false for NaN
		return *setting
	}
	b.report(path, "%v is out of range, must be between %v and %v", *setting, lowest, highest)
	return defaultValue
}

// duration is inRange for durations.
func (b *builder) duration(
	path string, setting *duration, defaultValue time.Duration, lowest, highest duration,
) time.Duration {
	return time.Duration(inRange(b, path, setting, duration(defaultValue), lowest, highest))
}

// exporterName matches valid names of exporters. They are restricted because they become a label.
var exporterName = regexp.MustCompile(`^[A-Za-z0-9._-]{1,64}$`)

// name sets the name of the exporter.
func (b *builder) name() {
	b.config.Name = "default"
	if b.raw.Name == nil {
		return
	}
	b.config.Name = *b.raw.Name
	if !exporterName.MatchString(b.config.Name) {
		b.invalidValue("name", "a valid name; use 1 to 64 letters, digits, hyphens, underscores, and periods")
	}
}

var (
	projectID   = regexp.MustCompile(`^[a-f0-9]{24}$`)
	hexadecimal = regexp.MustCompile(`^[a-f0-9]+$`)
	clusterName = regexp.MustCompile(`^[a-zA-Z0-9][a-zA-Z0-9-]{0,63}$`)
)

// checkProjectID reports an invalid project ID and returns whether the ID is valid.
func (b *builder) checkProjectID(path, id string) bool {
	if projectID.MatchString(id) {
		return true
	}
	const action = "; set the 24 hexadecimal digits from the URL of the project in the Atlas UI"
	text := "a project ID" + action
	switch {
	case hexadecimal.MatchString(id):
		text = fmt.Sprintf("a project ID, it has %d instead of 24 digits", len(id)) + action
	case projectID.MatchString(strings.ToLower(id)):
		text = "a project ID, its letters must be lowercase" + action
	case !mayBeSecret(id):
		text = "a project ID but may be the name of a project" + action
	}
	b.invalidValue(path, text)
	return false
}

func (b *builder) checkClusterName(path, name string) {
	if !clusterName.MatchString(name) {
		b.invalidValue(path, "a cluster name; use 1 to 64 letters, digits, and hyphens")
	}
}
