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
	b.connection()
	b.credentials()
	base := b.polling()
	b.policy(&base.Policy)
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
