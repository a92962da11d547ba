package config

import (
	"crypto/sha256"
	"encoding/hex"
)

// Digest returns the SHA-256 digest of the text of the configuration file in hexadecimal digits. The files that the
// configuration refers to, which may contain secrets, are not part of it.
func (c *Config) Digest() string { return digest(c.text) }

// digest returns the SHA-256 digest of a text in hexadecimal digits.
func digest(text []byte) string {
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:])
}
