package server

import "testing"

func TestExternalURL_IsNormalized(t *testing.T) {
	for text, want := range map[string]ExternalURL{
		"":                                      "",
		"https://example.com":                   "https://example.com",
		"https://example.com/":                  "https://example.com",
		"HTTP://example.com:8080/restores//":    "http://example.com:8080/restores",
		"https://[2001:db8::1]:8443/a/b c/\xff": "https://[2001:db8::1]:8443/a/b%20c/%FF",
	} {
		got := ExternalURL("https://default.example")
		if err := got.UnmarshalText([]byte(text)); err != nil || got != want {
			t.Errorf("%q: %q, want %q: %v", text, got, want, err)
		}
	}
}

func TestExternalURL_RejectsEverythingElseWithoutQuotingIt(t *testing.T) {
	for _, text := range []string{
		"example.com", "/restores", "//example.com", "ftp://example.com", "javascript:alert(1)", "https://",
		"https:example.com",
		"https://:8080", "https://example.com:port", "https://user@example.com", "https://user:SECRET@example.com",
		"https://example.com/?a=b", "https://example.com?", "https://example.com/#a", "https://example.com#",
		"https://example.com/%zz", "https://exa mple.com", "https://example.com/\n",
	} {
		var got ExternalURL
		const want = "must be http:// or https:// followed by a host and an optional path, " +
			"without user, query, and fragment, such as https://example.com/restores"
		if err := got.UnmarshalText([]byte(text)); err == nil || err.Error() != want || got != "" {
			t.Errorf("%q: %q, %v", text, got, err)
		}
	}
}
