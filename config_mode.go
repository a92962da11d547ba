package main

import (
	"fmt"
	"os"
	"runtime"
	"strings"

	"atlas-restore-exporter/atlas"
)

// warnOfReaders warns of a file with a secret that every user of the machine can read. One that a group can read is
// fine: that is how Kubernetes' fsGroup hands secrets to who is not root.
func (c *Config) warnOfReaders(what, path, instead string) {
	info, err := os.Stat(path)
	const others = 0o004
	if err != nil || !info.Mode().IsRegular() || info.Mode()&others == 0 || runtime.GOOS == "windows" { // which has no modes
		return
	}
	c.Warnings = append(c.Warnings, fmt.Sprintf("%s: every user of this machine can read %s (mode %#o): chmod 600 it, or %s",
		what, path, info.Mode().Perm(), instead))
}

// warnOfLiterals warns of the configuration file itself where a secret stands in it.
func (c *Config) warnOfLiterals(path, text string) {
	for _, credential := range c.Credentials {
		if strings.Contains(text, secretOf(credential)) {
			c.warnOfReaders("credentials."+credential.Name, path, "keep the secret in a file of its own")
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
