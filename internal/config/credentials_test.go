package config

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	yaml "go.yaml.in/yaml/v4"

	"atlas-restore-exporter/atlas"
	"atlas-restore-exporter/internal/testutil"
)

// parseCredential returns the credential of a configuration that contains only this one.
func parseCredential(t *testing.T, text string) atlas.Credential {
	t.Helper()
	config := mustParse(t, "credentials: {default: "+text+"}\n"+
		"projects: [{id: "+payments+", clusters: [{name: prod}]}]\n")
	return config.Credentials[0]
}

func TestCredentials_ReadSecretsFromFiles(t *testing.T) {
	file := filepath.Join(t.TempDir(), "secret")
	testutil.WriteFile(t, file, "from a file\n")
	account := parseCredential(t, "{service_account: {client_id: x, client_secret_file: "+file+"}}").ServiceAccount
	if got := account.ClientSecret.Reveal(); got != "from a file" {
		t.Errorf("secret %q", got)
	}
}

func TestCredentials_ReadVariablesFromTheEnvironment(t *testing.T) {
	t.Setenv("TEST_ID", "mdb_sa_id_1")
	t.Setenv("TEST_SECRET", "from the environment")
	const text = `{service_account: {client_id: "${TEST_ID}", client_secret: "${TEST_SECRET}"}}`
	account := parseCredential(t, text).ServiceAccount
	if account.ClientID != "mdb_sa_id_1" || account.ClientSecret.Reveal() != "from the environment" {
		t.Errorf("client ID %q, secret %q", account.ClientID, account.ClientSecret.Reveal())
	}
}

func TestCredentials_KeepEscapedVariablesAndDollarSigns(t *testing.T) {
	key := parseCredential(t, `{api_key: {public_key: "$${x}", private_key: "a$b"}}`).APIKey
	if key.PublicKey != "${x}" || key.PrivateKey.Reveal() != "a$b" {
		t.Errorf("public key %q, private key %q", key.PublicKey, key.PrivateKey.Reveal())
	}
}

func TestCredentials_DontShowSecretsWhenPrinted(t *testing.T) {
	const secret = "NEVER-SHOW-THIS-SECRET"
	config := mustParse(t, strings.Replace(minimal, "private_key: x", "private_key: "+secret, 1))
	asJSON, err := json.Marshal(config.Credentials)
	if err != nil {
		t.Fatal(err)
	}
	asYAML, err := yaml.Dump(config.Credentials)
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{
		string(asJSON), string(asYAML), fmt.Sprintf("%+v", *config), fmt.Sprintf("%+v", config.Credentials[0].APIKey),
	} {
		if strings.Contains(text, secret) {
			t.Errorf("the secret is shown: %s", text)
		}
	}
}

// parseExpiry returns the configuration of a credential with an expiry.
func parseExpiry(t *testing.T, expires string) *Config {
	t.Helper()
	return mustParse(t, strings.Replace(minimal, "  default:\n", "  default:\n    expires: "+expires+"\n", 1))
}

func TestCredentials_ExpireAtTheEndOfADayOrAtATime(t *testing.T) {
	t.Setenv("TEST_EXPIRES", "2119-03-01")
	for expires, want := range map[string]string{
		"2119-03-01":                  "2119-03-01T23:59:59Z",
		"'2119-03-01'":                "2119-03-01T23:59:59Z",
		"'${TEST_EXPIRES}'":           "2119-03-01T23:59:59Z",
		"2119-02-28":                  "2119-02-28T23:59:59Z",
		"2119-03-01T12:00:00Z":        "2119-03-01T12:00:00Z",
		"'2119-03-01T12:00:00+02:00'": "2119-03-01T10:00:00Z",
	} {
		config := parseExpiry(t, expires)
		if got := config.CredentialExpiry["default"].Format(time.RFC3339); got != want || len(config.Warnings) > 0 {
			t.Errorf("%s: %s, want %s; warnings %q", expires, got, want, config.Warnings)
		}
	}
}

func TestCredentials_HaveNoExpiryUnlessItIsSet(t *testing.T) {
	if got := mustParse(t, minimal).CredentialExpiry; len(got) > 0 {
		t.Errorf("expiry %v", got)
	}
}

func TestCredentials_WarnOfAnExpiryInThePast(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // starts at 2000-01-01T00:00:00Z
		expectLines(t, parseExpiry(t, "2000-01-01").Warnings)
		config := parseExpiry(t, "1999-12-31")
		expectLines(t, config.Warnings,
			"credentials.default.expires is in the past (1999-12-31T23:59:59Z): rotate the secret, or update expires")
		if config.CredentialExpiry["default"].IsZero() {
			t.Error("the expiry is not reported")
		}
	})
}
