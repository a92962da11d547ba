//go:build !unix

package connlimit

// maxDescriptors returns how many file descriptors the process may open, if that is known.
func maxDescriptors() (n uint64, known bool) { return 0, false }
