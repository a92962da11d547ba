package main

import (
	"os"
	"syscall"
	"testing"
)

// withUmask calls do under another umask.
func withUmask(mask int, do func()) {
	before := syscall.Umask(mask)
	defer syscall.Umask(before)
	do()
}

func readFile(t *testing.T, file string) []byte {
	t.Helper()
	content, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return content
}
