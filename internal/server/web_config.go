package server

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	common "github.com/prometheus/common/config"
	"github.com/prometheus/exporter-toolkit/web"
	"go.yaml.in/yaml/v2" // the version that exporter-toolkit uses, because its types decode themselves
	"golang.org/x/crypto/bcrypt"

	"atlas-restore-exporter/internal/config"
)

// webSettings are the settings of a web configuration file, together with the content of the files that it names. It
// must not be modified while it is in use.
type webSettings struct {
	web.Config
	tls *tls.Config // nil without TLS
}

// ValidateWebConfig validates the file at path, which contains TLS and basic authentication settings. If path is empty,
// there is nothing to validate. Errors don't contain values of the file, which may be passwords.
func ValidateWebConfig(path string) error {
	if path == "" {
		return nil
	}
	_, err := loadWebSettings(path)
	return err
}

// loadWebSettings reads and validates a web configuration file and the files that it names. Like every other file, they
// must be regular files, and reading them has a deadline.
func loadWebSettings(path string) (*webSettings, error) {
	text, err := config.ReadFile(path, config.MaxFileSize)
	if err != nil {
		return nil, fmt.Errorf("web configuration: %w", err)
	}
	settings := &webSettings{Config: web.Config{
		TLSConfig:  web.TLSConfig{MinVersion: tls.VersionTLS12, MaxVersion: tls.VersionTLS13},
		HTTPConfig: web.HTTPConfig{HTTP2: true},
	}}
	err = yaml.UnmarshalStrict(text, &settings.Config)
	if err == nil {
		err = errors.Join(validateHeaders(settings.HTTPConfig.Header), validateUsers(settings))
	}
	if err == nil {
		err = settings.loadTLS(filepath.Dir(path))
	}
	if err != nil {
		return nil, errors.New("web configuration: " + withoutQuotes(err.Error()))
	}
	return settings, nil
}

// loadTLS reads the certificates. The configuration then contains their text instead of their paths.
func (s *webSettings) loadTLS(dir string) error {
	settings := &s.TLSConfig
	if !settings.IsEnabled() {
		return nil
	}
	settings.SetDirectory(dir)
	verifiesClients := settings.ClientCAs != "" || settings.ClientCAsText != ""
	contents := config.ReadFiles(slices.DeleteFunc(
		[]string{settings.TLSCertPath, settings.TLSKeyPath, settings.ClientCAs},
		func(path string) bool { return path == "" },
	))
	read := func(key string, path *string, use func(text string)) error {
		if *path == "" {
			return nil
		}
		content := contents[*path]
		if content.Err != nil {
			return fmt.Errorf("tls_server_config.%s: %w", key, content.Err)
		}
		use(string(content.Text))
		*path = ""
		return nil
	}
	if err := errors.Join(
		read("cert_file", &settings.TLSCertPath, func(text string) { settings.TLSCert = text }),
		read("key_file", &settings.TLSKeyPath, func(text string) { settings.TLSKey = common.Secret(text) }),
		read("client_ca_file", &settings.ClientCAs, func(text string) { settings.ClientCAsText = text }),
	); err != nil {
		return err
	}
	if verifiesClients && !x509.NewCertPool().AppendCertsFromPEM([]byte(settings.ClientCAsText)) {
		return errors.New("tls_server_config: the client CA contains no PEM certificate")
	}
	config, err := web.ConfigToTLSConfig(settings)
	if err != nil {
		return err
	}
	certificate, err := config.GetCertificate(nil)
	if err != nil {
		return err
	}
	config.Certificates, config.GetCertificate = []tls.Certificate{*certificate}, nil
	config.SessionTicketsDisabled = true // a resumed session would skip changed requirements for client certificates
	s.tls = config
	return nil
}

// headers are the headers that a web configuration may set, with their values; any value if there are none.
var headers = map[string][]string{
	"Strict-Transport-Security": nil,
	"X-Content-Type-Options":    {"nosniff"},
	"X-Frame-Options":           {"deny", "sameorigin"},
	"X-XSS-Protection":          nil,
	"Content-Security-Policy":   nil,
}

func validateHeaders(configured map[string]string) error {
	for _, name := range slices.Sorted(maps.Keys(configured)) {
		switch values, known := headers[name]; {
		case !known:
			return fmt.Errorf("http_server_config.headers: %q is not configurable, must be one of %s",
				name, strings.Join(slices.Sorted(maps.Keys(headers)), ", "))
		case len(values) > 0 && !slices.Contains(values, configured[name]):
			return fmt.Errorf("http_server_config.headers.%s: %q must be one of %s",
				name, configured[name], strings.Join(values, ", "))
		}
	}
	return nil
}

func validateUsers(settings *webSettings) error {
	for _, hash := range settings.Users {
		if _, err := bcrypt.Cost([]byte(hash)); err != nil {
			return errors.New("basic_auth_users: a password is not hashed with bcrypt")
		}
	}
	return nil
}

// withoutQuotes removes values from an error of the YAML library.
func withoutQuotes(text string) string {
	for _, quoting := range quotingErrors {
		text = quoting.pattern.ReplaceAllString(text, quoting.replacement)
	}
	return text
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

// Reasons for which new settings are rejected while the exporter runs: a file that is being written, or was emptied by
// accident, must not open the endpoint to everyone.
var (
	errTLSChanged = errors.New("web configuration: TLS can't be enabled or disabled while the exporter runs, " +
		"restart it to do so")
	errAuthenticationRemoved = errors.New("web configuration: it no longer requires authentication; " +
		"restore basic_auth_users and client_auth_type, or restart the exporter")
)

// replaceableBy returns an error if other settings require a restart.
func (s *webSettings) replaceableBy(other *webSettings) error {
	switch {
	case (s.tls == nil) != (other.tls == nil):
		return errTLSChanged
	case len(s.Users) > 0 && len(other.Users) == 0, s.tls != nil && s.tls.ClientAuth > other.tls.ClientAuth:
		return errAuthenticationRemoved
	}
	return nil
}
