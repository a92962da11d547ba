package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestSecretsThatOthersCanRead has files of every mode, named by the configuration or the configuration itself.
func TestSecretsThatOthersCanRead(t *testing.T) {
	t.Setenv("TEST_SECRET", "from-the-environment")
	dir := t.TempDir()
	configFile, secretFile := filepath.Join(dir, "config.yaml"), filepath.Join(dir, "secret")
	link := filepath.Join(dir, "link")
	if err := os.Symlink(secretFile, link); err != nil {
		t.Fatal(err)
	}
	account := func(rest string) string { return "service_account: {client_id: x, " + rest + "}" }
	key := func(rest string) string { return "api_key: {public_key: x, " + rest + "}" }
	const owner, group, others = 0o400, 0o440, 0o644
	aboutFile := func(key, path string) string {
		return fmt.Sprintf("credentials.default.%s: every user of this machine can read %s (mode 0644): "+
			"chmod 600 it, or in Kubernetes set defaultMode: 0440 on its volume and fsGroup for the pod", key, path)
	}
	aboutConfig := fmt.Sprintf("credentials.default: every user of this machine can read %s (mode 0644): "+
		"chmod 600 it, or keep the secret in a file of its own", configFile)
	for _, test := range []struct {
		credential                 string
		configMode, secretFileMode os.FileMode
		want                       string // nothing for no warning
	}{
		{account("client_secret_file: " + secretFile), others, owner, ""},
		{account("client_secret_file: " + secretFile), others, group, ""},
		{account("client_secret_file: " + secretFile), owner, others, aboutFile("service_account.client_secret_file", secretFile)},
		{account("client_secret_file: " + secretFile), owner, 0o604, strings.Replace(aboutFile("service_account.client_secret_file", secretFile), "0644", "0604", 1)},
		{account("client_secret_file: " + link), owner, group, ""},
		{account("client_secret_file: " + link), owner, others, aboutFile("service_account.client_secret_file", link)},
		{key("private_key_file: " + secretFile), others, owner, ""},
		{key("private_key_file: " + secretFile), owner, others, aboutFile("api_key.private_key_file", secretFile)},
		{account("client_secret: in-the-file"), owner, others, ""},
		{account("client_secret: in-the-file"), group, others, ""},
		{account("client_secret: in-the-file"), others, others, aboutConfig},
		{key("private_key: in-the-file"), others, others, aboutConfig},
		{account("client_secret: '${TEST_SECRET}'"), others, others, ""},
		{key("private_key: '${TEST_SECRET}'"), others, others, ""},
	} {
		for path, text := range map[string]string{
			secretFile: "in-a-file\n",
			configFile: "credentials: {default: {" + test.credential + "}}\nprojects: [{id: " + payments + ", clusters: [{name: prod}]}]\n",
		} {
			_ = os.Remove(path)
			writeFile(t, path, text)
		}
		for path, mode := range map[string]os.FileMode{secretFile: test.secretFileMode, configFile: test.configMode} {
			if err := os.Chmod(path, mode); err != nil {
				t.Fatal(err)
			}
		}
		config, err := LoadConfig(configFile)
		if err != nil {
			t.Fatal(err)
		}
		var want []string
		if test.want != "" {
			want = []string{test.want}
		}
		if !slices.Equal(config.Warnings, want) {
			t.Errorf("%s, configuration %#o, secret %#o:\n%q\nwant\n%q", test.credential, test.configMode, test.secretFileMode, config.Warnings, want)
		}
	}
}
