package server

import (
	"errors"
	"net/url"
	"strings"
)

// ExternalURL is the URL under which users reach the exporter, without a trailing slash. It is empty if it is not set.
//
// It is only used in links and in web_info. A reverse proxy that serves the exporter below a path must remove the path
// from requests, because the exporter serves its endpoints at /.
type ExternalURL string

var errExternalURL = errors.New("must be http:// or https:// followed by a host and an optional path, " +
	"without user, query, and fragment, such as https://example.com/restores")

// UnmarshalText parses an external URL. Its error doesn't contain the text, which may contain a password.
func (u *ExternalURL) UnmarshalText(text []byte) error {
	if len(text) == 0 {
		*u = ""
		return nil
	}
	parsed, err := url.Parse(string(text))
	if err != nil || (parsed.Scheme != "http" && parsed.Scheme != "https") || parsed.Hostname() == "" ||
		parsed.User != nil || strings.ContainsAny(string(text), "?#") {
		return errExternalURL
	}
	*u = ExternalURL(strings.TrimRight(parsed.String(), "/"))
	return nil
}
