package main

import (
	"os"
	"testing"
)

func TestFiles_AreUpToDate(t *testing.T) {
	for file, want := range files() {
		got, err := os.ReadFile(file)
		if err != nil || string(got) != string(want) {
			t.Errorf("%s differs from the output of the generator: run `make golden` (%v)", file, err)
		}
	}
}
