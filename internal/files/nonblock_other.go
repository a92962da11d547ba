//go:build !unix

package files

// nonblock has no equivalent where there are no FIFOs in the file system.
const nonblock = 0
