package main

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// expectChecksums checks that there is a line for each file, in order and in the format of sha256sum.
func expectChecksums(t *testing.T, out, checksums string) {
	t.Helper()
	var want strings.Builder
	entries, err := os.ReadDir(out) // sorted
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if e.Name() != sums {
			_, _ = fmt.Fprintf(&want, "%x  %s\n", sha256.Sum256(readFile(t, filepath.Join(out, e.Name()))), e.Name())
		}
	}
	if checksums != want.String() || strings.Count(checksums, "\n") != 4 {
		t.Errorf("checksums are\n%swant\n%s", checksums, want.String())
	}
}

// unpack returns the files of an archive, and checks that their headers don't depend on the machine.
func unpack(t *testing.T, file string) map[string][]byte {
	t.Helper()
	files := map[string][]byte{}
	var order []string
	add := func(name string, mode fs.FileMode, date time.Time, content io.Reader) {
		order = append(order, name)
		text, err := io.ReadAll(content)
		if err != nil {
			t.Fatal(err)
		}
		files[name] = text
		want := fs.FileMode(0o644)
		if strings.HasPrefix(path.Base(name), program) && !strings.HasSuffix(name, ".service") {
			want = 0o755
		}
		if mode != want || !date.Equal(committed) {
			t.Errorf("%s: mode %v, want %v; dated %v", name, mode, want, date)
		}
	}
	if strings.HasSuffix(file, ".zip") {
		readZip(t, file, add)
	} else {
		readTar(t, file, add)
	}
	if !slices.IsSorted(order) {
		t.Errorf("%s is not sorted: %v", file, order)
	}
	return files
}

// addFile is called for each file of an archive.
type addFile func(name string, mode fs.FileMode, date time.Time, content io.Reader)

func readZip(t *testing.T, file string, add addFile) {
	t.Helper()
	archive, err := zip.OpenReader(file)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = archive.Close() }()
	for _, f := range archive.File {
		content, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		add(f.Name, f.Mode(), f.Modified, content)
	}
}

func readTar(t *testing.T, file string, add addFile) {
	t.Helper()
	unzipped, err := gzip.NewReader(bytes.NewReader(readFile(t, file)))
	if err != nil {
		t.Fatal(err)
	}
	archive := tar.NewReader(unzipped)
	for {
		header, err := archive.Next()
		if errors.Is(err, io.EOF) {
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		if header.Uid != 0 || header.Gid != 0 || header.Uname != "root" || header.Gname != "root" {
			t.Errorf("%s belongs to %s:%s", header.Name, header.Uname, header.Gname)
		}
		add(header.Name, header.FileInfo().Mode(), header.ModTime, archive)
	}
}
