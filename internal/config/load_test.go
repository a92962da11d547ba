package config

import (
	"path/filepath"
	"strings"
	"testing"

	"atlas-restore-exporter/internal/testutil"
)

// TestLoad_ReportsInvalidSettings compares the error for each file in testdata/bad to the file of the same name that
// ends in .err. Each file has one invalid setting, except for several-errors.
func TestLoad_ReportsInvalidSettings(t *testing.T) {
	files, err := filepath.Glob("testdata/bad/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	for _, file := range files {
		name := strings.TrimSuffix(file, ".yaml")
		t.Run(filepath.Base(name), func(t *testing.T) {
			t.Setenv("EMPTY_VARIABLE", "")
			_, err := Load(file)
			if err == nil {
				t.Fatal("no error")
			}
			testutil.EqualGolden(t, name+".err", strings.ReplaceAll(err.Error(), file, "config.yaml")+"\n")
		})
	}
}

func TestLoad_NamesTheFlagIfTheFileIsMissing(t *testing.T) {
	const want = "configuration file: can't read testdata/no-such-file: no such file or directory; " +
		"set its path with --config.file"
	if _, err := Load("testdata/no-such-file"); err == nil || err.Error() != want {
		t.Errorf("error %v\nwant  %s", err, want)
	}
}

func TestLoad_NamesTheFlagIfThePathIsADirectory(t *testing.T) {
	const want = "configuration file: can't read testdata: it is a directory, but must be a regular file; " +
		"set its path with --config.file"
	if _, err := Load("testdata"); err == nil || err.Error() != want {
		t.Errorf("error %v\nwant  %s", err, want)
	}
}

func TestLoad_RejectsHugeFiles(t *testing.T) {
	huge := filepath.Join(t.TempDir(), "huge")
	testutil.WriteFile(t, huge, string(make([]byte, MaxFileSize+1)))
	if _, err := Load(huge); err == nil || !strings.Contains(err.Error(), "is larger than 4096 KiB") {
		t.Errorf("error %v", err)
	}
}
