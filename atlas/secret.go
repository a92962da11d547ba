package atlas

import "log/slog"

const redacted = "<redacted>"

// Secret is a string that prints as <redacted> with fmt, log/slog, and JSON and YAML encoders. Reveal returns the
// actual value.
type Secret string

// Reveal returns the actual value.
func (s Secret) Reveal() string { return string(s) }

// String hides the secret from fmt's %v and %s.
func (s Secret) String() string { return redacted }

// GoString hides the secret from fmt's %#v.
func (s Secret) GoString() string { return redacted }

// LogValue hides the secret from log/slog.
func (s Secret) LogValue() slog.Value { return slog.StringValue(redacted) }

// MarshalText hides the secret from encoders such as encoding/json.
func (s Secret) MarshalText() ([]byte, error) { return []byte(redacted), nil }

// MarshalYAML hides the secret from YAML encoders.
func (s Secret) MarshalYAML() (any, error) { return redacted, nil }
