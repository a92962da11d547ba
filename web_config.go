package main

import (
	"errors"
	"regexp"
	"strings"

	"github.com/prometheus/exporter-toolkit/web"
)

// validateWebConfig checks a file with TLS and basic authentication settings. The toolkit's errors quote what stands
// in it, passwords too: what could be one is taken out.
func validateWebConfig(path string) error {
	err := web.Validate(path)
	if err == nil {
		return nil
	}
	text := err.Error()
	if strings.HasPrefix(text, "crypto/bcrypt:") { // it quotes the first character
		text = "basic_auth_users: a password is not hashed with bcrypt"
	}
	for _, quoting := range quotingErrors {
		text = quoting.pattern.ReplaceAllString(text, quoting.instead)
	}
	return errors.New("web configuration: " + text)
}

// quotingErrors are those of the YAML library that quote values, or what it takes for a tag, an anchor or a key though
// it was meant for a value.
var quotingErrors = []struct {
	pattern *regexp.Regexp
	instead string
}{
	{regexp.MustCompile("(?s)cannot unmarshal \\S+( `.{0,10}`)? into "), "cannot unmarshal the value into "},
	{regexp.MustCompile(`(?s)cannot decode .* as a `), "cannot decode the value as a "},
	{regexp.MustCompile(`(?s)unknown anchor '.*' referenced`), noSuchAnchor},
	{regexp.MustCompile(`(?s)anchor '.*' value contains itself`), "a value that begins with & is an anchor; put it in quotes"},
}
