package config

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"sync"

	"atlas-restore-exporter/internal/files"
)

// MaxFileSize is the maximum size of a configuration file in bytes, and of the files that it refers to.
const MaxFileSize = 4 << 20

// ReadFile reads a regular file of at most limit bytes, and gives up if that takes too long; see package files. Every
// error is a *fs.PathError.
func ReadFile(path string, limit int64) ([]byte, error) {
	text, err := files.Read(path, limit)
	if _, ok := errors.AsType[*fs.PathError](err); err != nil && !ok {
		err = &fs.PathError{Op: "read", Path: path, Err: err}
	}
	return text, err
}

// unreadable describes the error of reading a file and, if permissions are missing, names the user.
func unreadable(shownPath string, err error) string {
	if pathErr, ok := errors.AsType[*fs.PathError](err); ok {
		err = pathErr.Err
	}
	text := fmt.Sprintf("can't read %s: %v", shownPath, err)
	if errors.Is(err, fs.ErrPermission) {
		text += "; the exporter runs as " + currentUser()
	}
	return text
}

func currentUser() string {
	if current, err := user.Current(); err == nil {
		return fmt.Sprintf("user %s (ID %s)", current.Username, current.Uid)
	}
	return fmt.Sprintf("the user with the ID %d", os.Getuid())
}

// FileContent is the content of a file, or the error of reading it.
type FileContent struct {
	Text []byte
	Err  error
}

// ReadFiles reads files of at most MaxFileSize bytes like ReadFile. It reads them concurrently, so that several files
// on a file system that hangs take no longer than one.
func ReadFiles(paths []string) map[string]FileContent {
	return readConcurrently(paths, func(path string) ([]byte, error) { return ReadFile(path, MaxFileSize) })
}

func readConcurrently(paths []string, read func(path string) ([]byte, error)) map[string]FileContent {
	contents := make(map[string]FileContent, len(paths))
	var mu sync.Mutex
	var reads sync.WaitGroup
	started := map[string]bool{}
	for _, path := range paths {
		if started[path] {
			continue
		}
		started[path] = true
		reads.Go(func() {
			text, err := read(path)
			mu.Lock()
			defer mu.Unlock()
			contents[path] = FileContent{text, err}
		})
	}
	reads.Wait()
	return contents
}
