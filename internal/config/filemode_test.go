package config

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"atlas-restore-exporter/internal/testutil"
)

// modes are the file modes of a configuration file and of a file with a secret.
type modes struct{ config, secretFile os.FileMode }

// loadWithModes writes both files with their modes, loads the configuration, and returns its warnings.
func loadWithModes(t *testing.T, dir, credential string, modes modes) []string {
	t.Helper()
	configFile, secretFile := filepath.Join(dir, "config.yaml"), filepath.Join(dir, "secret")
	testutil.WriteFile(t, secretFile, "in-a-file\n")
	testutil.WriteFile(t, configFile, "credentials: {default: {"+credential+"}}\n"+
		"projects: [{id: "+payments+", clusters: [{name: prod}]}]\n")
	for path, mode := range map[string]os.FileMode{secretFile: modes.secretFile, configFile: modes.config} {
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
	}
	config, err := Load(configFile)
	if err != nil {
		t.Fatal(err)
	}
	return config.Warnings
}

func TestLoad_WarnsOfWorldReadableSecretFiles(t *testing.T) {
	for _, test := range []struct {
		setting, format string
		mode            os.FileMode
		warns           bool
	}{
		{"service_account.client_secret_file", "service_account: {client_id: x, client_secret_file: %s}", 0o400, false},
		{"service_account.client_secret_file", "service_account: {client_id: x, client_secret_file: %s}", 0o440, false},
		{"service_account.client_secret_file", "service_account: {client_id: x, client_secret_file: %s}", 0o644, true},
		{"service_account.client_secret_file", "service_account: {client_id: x, client_secret_file: %s}", 0o604, true},
		{"api_key.private_key_file", "api_key: {public_key: x, private_key_file: %s}", 0o400, false},
		{"api_key.private_key_file", "api_key: {public_key: x, private_key_file: %s}", 0o644, true},
	} {
		for _, name := range []string{"secret", "link"} {
			dir := t.TempDir()
			if err := os.Symlink(filepath.Join(dir, "secret"), filepath.Join(dir, "link")); err != nil {
				t.Fatal(err)
			}
			path := filepath.Join(dir, name)
			var want []string
			if test.warns {
				want = []string{fmt.Sprintf("credentials.default.%s: %s is readable by all users of this machine "+
					"(mode %#o): run chmod 600, or in Kubernetes, set defaultMode: 0440 for the volume and fsGroup for the pod",
					test.setting, path, test.mode)}
			}
			got := loadWithModes(t, dir, fmt.Sprintf(test.format, path), modes{0o644, test.mode})
			if !slices.Equal(got, want) {
				t.Errorf("%s, mode %#o:\ngot  %q\nwant %q", test.setting, test.mode, got, want)
			}
		}
	}
}

func TestLoad_WarnsOfWorldReadableConfigurationWithSecrets(t *testing.T) {
	t.Setenv("TEST_SECRET", "from-the-environment")
	for _, test := range []struct {
		credential string
		mode       os.FileMode
		warns      bool
	}{
		{"service_account: {client_id: x, client_secret: in-the-file}", 0o400, false},
		{"service_account: {client_id: x, client_secret: in-the-file}", 0o440, false},
		{"service_account: {client_id: x, client_secret: in-the-file}", 0o644, true},
		{"api_key: {public_key: x, private_key: in-the-file}", 0o644, true},
		{"service_account: {client_id: x, client_secret: '${TEST_SECRET}'}", 0o644, false},
		{"api_key: {public_key: x, private_key: '${TEST_SECRET}'}", 0o644, false},
	} {
		dir := t.TempDir()
		var want []string
		if test.warns {
			want = []string{fmt.Sprintf("credentials.default: %s is readable by all users of this machine (mode %#o): "+
				"run chmod 600, or move the secret to a separate file", filepath.Join(dir, "config.yaml"), test.mode)}
		}
		if got := loadWithModes(t, dir, test.credential, modes{test.mode, 0o644}); !slices.Equal(got, want) {
			t.Errorf("%s, mode %#o:\ngot  %q\nwant %q", test.credential, test.mode, got, want)
		}
	}
}
