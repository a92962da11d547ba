package config

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"atlas-restore-exporter/internal/files"
	"atlas-restore-exporter/internal/testutil"
)

func TestReadFiles_ReturnsTheContentOrErrorOfEachFile(t *testing.T) {
	good, missing := filepath.Join(t.TempDir(), "good"), filepath.Join(t.TempDir(), "missing")
	testutil.WriteFile(t, good, "content")
	got := ReadFiles([]string{good, missing, good})
	if len(got) != 2 || string(got[good].Text) != "content" || got[good].Err != nil ||
		!errors.Is(got[missing].Err, os.ErrNotExist) {
		t.Errorf("%v", got)
	}
}

func TestReadFiles_TakesAsLongAsOneReadIfAllOfThemBlock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var paths []string
		for i := range 100 {
			paths = append(paths, fmt.Sprintf("secret-%03d", i/2)) // each twice
		}
		var reads atomic.Int32
		start := time.Now()
		got := readConcurrently(paths, func(string) ([]byte, error) {
			reads.Add(1)
			time.Sleep(files.Timeout)
			return nil, files.ErrTimeout
		})
		if took := time.Since(start); took != files.Timeout || reads.Load() != 50 {
			t.Errorf("%d reads took %v", reads.Load(), took)
		}
		if names := slices.Sorted(maps.Keys(got)); !slices.Equal(names, slices.Compact(paths)) {
			t.Errorf("files %v", names)
		}
	})
}
