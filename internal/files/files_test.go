package files

import (
	"errors"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"testing/synctest"
)

func TestRead_ReturnsTheContentOfARegularFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(path, []byte("content"), 0o600); err != nil {
		t.Fatal(err)
	}
	if text, err := Read(path, 7); err != nil || string(text) != "content" {
		t.Errorf("got %q, %v", text, err)
	}
}

func TestRead_RejectsAFileOverTheLimit(t *testing.T) {
	path := filepath.Join(t.TempDir(), "large")
	if err := os.WriteFile(path, make([]byte, 2049), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := Read(path, 2048)
	if _, ok := errors.AsType[*TooLargeError](err); !ok || err.Error() != "is larger than 2 KiB" {
		t.Errorf("got %v", err)
	}
}

func TestRead_RejectsADirectory(t *testing.T) {
	if _, err := Read(t.TempDir(), 10); !errors.Is(err, ErrNotRegular) {
		t.Errorf("got %v", err)
	}
}

func TestRead_ReportsAMissingFile(t *testing.T) {
	if _, err := Read(filepath.Join(t.TempDir(), "missing"), 10); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("got %v", err)
	}
}

func TestRead_EndsAtTheTimeoutAndFailsFastWhileTheReadIsBlocked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		unblock := make(chan struct{})
		var reads atomic.Int32
		hang := func(string, int64) ([]byte, error) {
			reads.Add(1)
			<-unblock
			return []byte("late"), nil
		}
		for range 3 {
			if _, err := readWithin(Timeout, hang, "hung-mount", 10); !errors.Is(err, ErrTimeout) {
				t.Errorf("got %v", err)
			}
		}
		if n := reads.Load(); n != 1 {
			t.Errorf("%d reads were started while one was blocked", n)
		}
		close(unblock)
		synctest.Wait()
		if text, err := readWithin(Timeout, hang, "hung-mount", 10); err != nil || string(text) != "late" {
			t.Errorf("after the mount recovered: %q, %v", text, err)
		}
	})
}
