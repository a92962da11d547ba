//go:build race

package e2e

// With the race detector, the tests build the binary with it, too.
func init() { buildFlags = append(buildFlags, "-race") }
