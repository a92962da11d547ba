package config

import (
	"crypto/sha256"
	"encoding/hex"
)

// Digest returns the SHA-256 digest of the text of the configuration file in hexadecimal digits. The files that the
// configuration refers to, which may contain secrets, are not part of it.
func (c *Config) Digest() string {
	sum := sha256.Sum256(c.text)
	return hex.EncodeToString(sum[:])
}
