package config

import (
	"fmt"
	"os"
	"runtime"
	"strings"

	"atlas-restore-exporter/atlas"
)

// warnIfWorldReadable warns of a file with a secret that all users of the machine can read. The alternative is an
// action other than changing the mode. A file that its group can read is accepted: Kubernetes' fsGroup works that
// way.
func (c *Config) warnIfWorldReadable(setting, path, alternative string) {
	const otherRead = 0o004
	info, err := os.Stat(path)
	// Windows has no file modes.
	if err != nil || !info.Mode().IsRegular() || info.Mode()&otherRead == 0 || runtime.GOOS == "windows" {
		return
	}
	c.Warnings = append(c.Warnings, fmt.Sprintf(
		"%s: %s is readable by all users of this machine (mode %#o): run chmod 600, or %s",
		setting, path, info.Mode().Perm(), alternative))
}

// warnIfSecretsReadable warns of a world-readable configuration file that contains a secret.
func (c *Config) warnIfSecretsReadable(path, text string) {
	for _, credential := range c.Credentials {
		if strings.Contains(text, secretOf(credential)) {
			c.warnIfWorldReadable("credentials."+credential.Name, path, "move the secret to a separate file")
			return
		}
	}
}

func secretOf(credential atlas.Credential) string {
	if credential.ServiceAccount != nil {
		return credential.ServiceAccount.ClientSecret.Reveal()
	}
	return credential.APIKey.PrivateKey.Reveal()
}
