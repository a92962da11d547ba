package config

import (
	"regexp"
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
	b.config.Files = b.raw.files()
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

// require reports a required setting that is empty.
func (b *builder) require(path, value string) {
	if value == "" {
		b.report(path, "is required")
	}
}

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
		b.report("name", "must consist of 1 to 64 letters, digits, hyphens, underscores, and periods")
	}
}

var (
	projectID   = regexp.MustCompile(`^[a-f0-9]{24}$`)
	clusterName = regexp.MustCompile(`^[a-zA-Z0-9][a-zA-Z0-9-]{0,63}$`)
)

// checkProjectID reports an invalid project ID and returns whether the ID is valid.
func (b *builder) checkProjectID(path, id string) bool {
	if projectID.MatchString(id) {
		return true
	}
	b.report(path, "must be a project ID of 24 hexadecimal digits (see the URL in the Atlas UI)")
	return false
}

func (b *builder) checkClusterName(path, name string) {
	if !clusterName.MatchString(name) {
		b.report(path, "must be a cluster name of 1 to 64 letters, digits, and hyphens")
	}
}
