package main

import (
	"os"
	"path/filepath"
	"testing"
)

func TestPages_AreCurrent(t *testing.T) {
	markdown, err := os.ReadFile("../../../deploy/runbooks/README.md")
	if err != nil {
		t.Fatal(err)
	}
	pages, err := render(string(markdown))
	if err != nil {
		t.Fatal(err)
	}
	committed, err := filepath.Glob("../pages/*")
	if err != nil || len(committed) != len(pages) {
		t.Errorf("%d pages are committed, want %d: %v", len(committed), len(pages), err)
	}
	for name, want := range pages {
		if got, err := os.ReadFile(filepath.Join("../pages", name)); err != nil || string(got) != want {
			t.Errorf("%s is outdated, run `go generate ./internal/runbooks`: %v", name, err)
		}
	}
}
