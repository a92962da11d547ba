package config

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"atlas-restore-exporter/internal/testutil"
)

// FuzzConfig parses any bytes as a configuration: the result is a usable configuration or at least one located error,
// and neither an error nor a warning quotes a secret.
func FuzzConfig(f *testing.F) {
	f.Add([]byte(minimal))
	files, _ := filepath.Glob("testdata/bad/*.yaml")
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		text, inPlace := testutil.PlantSecret(text, "client_secret", "private_key")
		config, err := Parse("x", text)
		if err == nil && (len(config.Targets)+len(config.Discoveries) == 0 || len(config.Credentials) == 0) {
			t.Error("valid, but there is nothing to poll")
		}
		if err == nil && testutil.QuotesSecret(strings.Join(config.Warnings, "\n")) && inPlace {
			t.Errorf("a warning quotes the secret: %s", config.Warnings)
		}
		if invalid, ok := errors.AsType[*InvalidError](err); err != nil && (!ok || len(invalid.issues) == 0) {
			t.Errorf("%T: %v", err, err)
		}
		if err != nil && testutil.QuotesSecret(err.Error()) && inPlace {
			t.Errorf("%v\nquotes the secret in\n%s", err, text)
		}
	})
}
