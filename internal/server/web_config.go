package server

import (
	"errors"
	"regexp"
	"strings"

	"github.com/prometheus/exporter-toolkit/web"

	"atlas-restore-exporter/internal/config"
)

// ValidateWebConfig validates the file at path, which contains TLS and basic authentication settings. If path is empty,
// there is nothing to validate. Errors of exporter-toolkit quote values of the file, which may be passwords, so these
// values are removed.
func ValidateWebConfig(path string) error {
	err := web.Validate(path)
	if err == nil {
		return nil
	}
	text := err.Error()
	if strings.HasPrefix(text, "crypto/bcrypt:") { // bcrypt quotes the first character
		text = "basic_auth_users: a password is not hashed with bcrypt"
	}
	for _, quoting := range quotingErrors {
		text = quoting.pattern.ReplaceAllString(text, quoting.replacement)
	}
	return errors.New("web configuration: " + text)
}

// quotingErrors are the errors of the YAML library that quote a value, or a part of a value that YAML parses as a tag,
// an anchor or a key.
var quotingErrors = []struct {
	pattern     *regexp.Regexp
	replacement string
}{
	{regexp.MustCompile("(?s)cannot unmarshal \\S+( `.{0,10}`)? into "), "cannot unmarshal the value into "},
	{regexp.MustCompile(`(?s)cannot decode .* as a `), "cannot decode the value as a "},
	{regexp.MustCompile(`(?s)unknown anchor '.*' referenced`), config.UndefinedAnchor},
	{
		regexp.MustCompile(`(?s)anchor '.*' value contains itself`),
		"a value that begins with & is an anchor; put it in quotes",
	},
}
