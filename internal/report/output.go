package report

import (
	"bufio"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// Formats returns the names of the formats.
func Formats() []string { return []string{"html", "csv", "json", "markdown"} }

// Write writes a report in a format.
func Write(w io.Writer, r *Report, format string) error {
	write, ok := map[string]func(io.Writer, *Report) error{
		"html": writeHTML, "csv": writeCSV, "json": writeJSON, "markdown": writeMarkdown,
	}[format]
	if !ok {
		return fmt.Errorf("unknown format %q", format)
	}
	return write(w, r)
}

// Output is a file that is replaced as a whole: a temporary file in the same directory until it is committed.
type Output struct {
	path string
	file *os.File
}

var errNotRegular = errors.New("must be a regular file, not a directory, FIFO, socket, or device")

// CreateOutput creates the temporary file for the output at a path. The caller must call Commit or Discard.
func CreateOutput(path string) (*Output, error) {
	if info, err := os.Stat(path); err == nil && !info.Mode().IsRegular() {
		return nil, fmt.Errorf("output %s: %w", path, errNotRegular)
	}
	temporary := filepath.Join(filepath.Dir(path), "."+filepath.Base(path)+"."+rand.Text()[:8]+".tmp")
	const mode = 0o644                                                           // less the mask of the process
	file, err := os.OpenFile(temporary, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode) //nolint:gosec // like any command
	if pathErr, ok := errors.AsType[*fs.PathError](err); ok {
		return nil, fmt.Errorf("output %s: %w", path, pathErr.Err)
	}
	return &Output{path, file}, err
}

// Commit writes the content, and replaces the file at the path by it. After an error, that file is unchanged.
func (o *Output) Commit(write func(io.Writer) error) error {
	buffered := bufio.NewWriter(o.file)
	err := write(buffered)
	if err == nil {
		err = buffered.Flush()
	}
	if err == nil {
		err = o.file.Sync()
	}
	if closeErr := o.file.Close(); err == nil {
		err = closeErr
	}
	if err == nil {
		err = os.Rename(o.file.Name(), o.path)
	}
	if err != nil {
		_ = os.Remove(o.file.Name())
		return fmt.Errorf("output %s: %w", o.path, err)
	}
	return nil
}

// Discard removes the temporary file.
func (o *Output) Discard() {
	_ = o.file.Close()
	_ = os.Remove(o.file.Name())
}
