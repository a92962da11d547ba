package config

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"atlas-restore-exporter/internal/testutil"
)

// readExample returns config.example.yaml with paths that exist.
func readExample(t *testing.T) string {
	t.Helper()
	t.Setenv("ATLAS_CLIENT_ID", "mdb_sa_id_1")
	t.Setenv("ATLAS_PRIVATE_KEY", "x")
	text, err := os.ReadFile("../../config.example.yaml")
	if err != nil {
		t.Fatal(err)
	}
	secretFile := filepath.Join(t.TempDir(), "secret")
	testutil.WriteFile(t, secretFile, "x")
	return strings.NewReplacer("/run/secrets/atlas-client-secret", secretFile,
		"/etc/ssl/certs/proxy-ca.pem", "testdata/ca.pem").Replace(string(text))
}

func TestExampleConfiguration_IsValid(t *testing.T) {
	mustParse(t, readExample(t))
}

func TestExampleConfiguration_IsValidWithAllSettingsUncommented(t *testing.T) {
	mustParse(t, strings.ReplaceAll(readExample(t), "#: ", ""))
}

func TestExampleConfiguration_ContainsEverySetting(t *testing.T) {
	example := readExample(t)
	for _, name := range []string{
		"rawConfig", "rawAtlas", "rawCredential", "rawServiceAccount", "rawAPIKey", "rawPolling", "rawDiscovery",
		"rawHistory", "rawJobSeries", "rawInherited", "rawObjectives", "rawLabels", "rawTagLabels",
		"rawRestoreTarget", "rawProject", "rawCluster", "rawRule",
	} {
		keys := keysOf(reflect.TypeFor[rawConfig](), "config."+name)
		if len(keys) == 0 {
			t.Errorf("%s has no keys", name)
		}
		for _, key := range keys {
			if !strings.Contains(example, key+":") {
				t.Errorf("%s of %s is missing", key, name)
			}
		}
	}
}
