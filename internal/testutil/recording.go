package testutil

import (
	"bytes"
	"encoding/json"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// Recording is a recorded response of the Atlas API.
type Recording struct {
	Status int
	Header http.Header
	Body   []byte
}

// Recordings returns the names of all recordings. It skips the test if the recordings, which are not part of the
// project, are not available.
func Recordings(t *testing.T) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(recordingsDir(t), "*.json"))
	if err != nil {
		t.Fatal(err)
	}
	names := make([]string, len(files))
	for i, file := range files {
		names[i] = strings.TrimSuffix(filepath.Base(file), ".json")
	}
	return names
}

func recordingsDir(t *testing.T) string {
	t.Helper()
	dir := os.Getenv(ContractDir)
	if dir == "" {
		t.Skipf("%s is not set; it must be a directory with captured/, recorded responses of Atlas", ContractDir)
	}
	return filepath.Join(dir, "captured")
}

// ReadRecording reads a recording. It skips the test if the recordings are not available. Samples from the
// documentation have no headers.
func ReadRecording(t *testing.T, name string) Recording {
	t.Helper()
	base := filepath.Join(recordingsDir(t), name)
	body, err := os.ReadFile(base + ".json") //nolint:gosec // the path is part of a test
	if err != nil {
		t.Fatal(err)
	}
	body = bytes.TrimSuffix(body, []byte("\n"))
	r := Recording{Status: http.StatusOK, Header: http.Header{"Content-Type": {"application/json"}}, Body: body}
	if header, err := os.ReadFile(base + ".headers.txt"); err == nil { //nolint:gosec // as above
		r.parseHeader(t, string(header))
	}
	return r
}

// parseHeader parses a status line and headers. The headers of the connection don't fit a replay.
func (r *Recording) parseHeader(t *testing.T, text string) {
	t.Helper()
	statusLine, headers, _ := strings.Cut(strings.TrimSpace(text), "\n")
	status, err := strconv.Atoi(strings.Fields(statusLine)[1])
	if err != nil {
		t.Fatal(err)
	}
	r.Status = status
	for line := range strings.SplitSeq(headers, "\n") {
		if key, value, _ := strings.Cut(line, ": "); key != "Content-Length" && key != "Connection" {
			r.Header.Set(key, value)
		}
	}
}

// AsList returns a list that contains only the recorded job.
func (r Recording) AsList(t *testing.T) Recording {
	t.Helper()
	body, err := json.Marshal(map[string]any{
		"results": []json.RawMessage{r.Body}, "totalCount": 1, "links": []any{},
	})
	if err != nil {
		t.Fatal(err)
	}
	r.Body = body
	return r
}

// ServeHTTP sends the recorded response.
func (r Recording) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	maps.Copy(w.Header(), r.Header)
	w.WriteHeader(r.Status)
	_, _ = w.Write(r.Body)
}
