//go:build unix

package connlimit

import "syscall"

// maxDescriptors returns how many file descriptors the process may open, if that is known.
func maxDescriptors() (n uint64, known bool) {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return 0, false
	}
	return uint64(limit.Cur), true //nolint:unconvert // signed on some systems
}
