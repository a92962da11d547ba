package config

import (
	"cmp"
	"crypto/x509"
	"net"
	"net/url"
	"reflect"
	"slices"
	"strings"

	"atlas-restore-exporter/atlas"
	"atlas-restore-exporter/collector/poll"
)

const defaultBaseURL = "https://cloud.mongodb.com"

// connection builds the settings of the connection to the Atlas API.
func (b *builder) connection() {
	b.config.BaseURL = defaultBaseURL
	if b.raw.Atlas.BaseURL != nil {
		b.config.BaseURL = strings.TrimSuffix(*b.raw.Atlas.BaseURL, "/")
	}
	base, err := url.Parse(b.config.BaseURL)
	if err != nil || base.Host == "" || (base.Scheme != "https" && base.Scheme != "http") || base.Path != "" ||
		base.User != nil || base.RawQuery != "" || base.Fragment != "" {
		b.invalidValue("atlas.base_url", "the address of an API; set https:// followed by a host and nothing else, such as "+
			defaultBaseURL)
		return
	}
	if base.Scheme == "http" && !isLoopback(base.Hostname()) {
		b.warn("atlas.base_url is http: credentials and responses are sent unencrypted")
	}
	if b.raw.Atlas.CAFile == "" {
		return
	}
	pem := b.config.contents[b.raw.Atlas.CAFile]
	if pem.Err != nil {
		b.report("atlas.ca_file", "%s", unreadable(b.raw.Atlas.CAFile, pem.Err))
		return
	}
	b.config.CAs = string(pem.Text)
	b.config.RootCAs = x509.NewCertPool()
	if !b.config.RootCAs.AppendCertsFromPEM(pem.Text) {
		b.report("atlas.ca_file", "%s contains no PEM certificate", b.raw.Atlas.CAFile)
	}
}

func isLoopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || (ip != nil && ip.IsLoopback())
}

// ClientOptions returns the options of the client of a credential. The caller adds options that are not configurable.
func (c *Config) ClientOptions(credential atlas.Credential) atlas.Options {
	return atlas.Options{
		BaseURL: c.BaseURL, Credential: credential, RootCAs: c.RootCAs, Reserve: c.Reserve,
		Concurrency: cmp.Or(c.Concurrency, poll.MaxSlots),
	}
}

// SameClient reports whether the client of a credential of c has the same options as its client under another
// configuration, which may be nil. If so, the client can be kept across a reload.
func (c *Config) SameClient(other *Config, credential atlas.Credential) bool {
	return other != nil && other.BaseURL == c.BaseURL && other.CAs == c.CAs && other.Concurrency == c.Concurrency &&
		other.Reserve == c.Reserve && slices.ContainsFunc(other.Credentials, func(o atlas.Credential) bool {
		return reflect.DeepEqual(o, credential)
	})
}
