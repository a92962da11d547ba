package server

import (
	"path/filepath"
	"testing"

	"atlas-restore-exporter/internal/testutil"
)

// FuzzWebConfig validates any bytes as a web configuration file: errors never quote a password, a hash, or a key.
func FuzzWebConfig(f *testing.F) {
	f.Add([]byte("basic_auth_users:\n  admin: $2y$10$SECRET\ntls_server_config: {cert_file: a.pem, key_file: a.key}\n"))
	f.Add([]byte("basic_auth_users: SECRET\n"))
	f.Add([]byte("basic_auth_users: {admin: SECRET, other: [SECRET]}\n"))
	f.Add([]byte("basic_auth_users: {admin: *SECRET}\n"))
	f.Add([]byte("basic_auth_users: {admin: !SECRET x}\n"))
	f.Add([]byte("basic_auth_users: {admin: !!int SECRET}\n"))
	f.Add([]byte("basic_auth_users: {admin: &SECRET [*SECRET]}\n"))
	f.Add([]byte("tls_server_config: {cert: x, key: SECRET, min_version: TLS13}\n" +
		"http_server_config: {http2: false, headers: {X-Frame-Options: deny}}\nrate_limit: {interval: 1s, burst: 2}\n"))
	f.Add([]byte("tls_server_config: {key: {SECRET: 1}, client_auth_type: None, cipher_suites: [x], " +
		"curve_preferences: [y]}\n"))
	file := filepath.Join(f.TempDir(), "web.yaml")
	f.Fuzz(func(t *testing.T, text []byte) {
		text, inPlace := testutil.PlantSecret(text, "basic_auth_users", "key")
		testutil.WriteFile(t, file, string(text))
		if err := ValidateWebConfig(file); err != nil && testutil.QuotesSecret(err.Error()) && inPlace {
			t.Errorf("%v\nquotes the secret in\n%s", err, text)
		}
	})
}
