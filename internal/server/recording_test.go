package server_test

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

// recording is a recorded response of the Atlas API.
type recording struct {
	status int
	header http.Header
	body   []byte
}

// readRecording reads a recording. It skips the test if the recordings, which are not part of the project, are not
// available. Samples from the documentation have no headers.
func readRecording(t *testing.T, name string) recording {
	t.Helper()
	dir := os.Getenv("ATLAS_CONTRACT_DIR")
	if dir == "" {
		t.Skip("ATLAS_CONTRACT_DIR is not set; it must be a directory with captured/, recorded responses of Atlas")
	}
	base := filepath.Join(dir, "captured", name)
	body, err := os.ReadFile(base + ".json")
	if err != nil {
		t.Fatal(err)
	}
	body = bytes.TrimSuffix(body, []byte("\n"))
	r := recording{status: http.StatusOK, header: http.Header{"Content-Type": {"application/json"}}, body: body}
	if header, err := os.ReadFile(base + ".headers.txt"); err == nil {
		r.parseHeader(t, string(header))
	}
	return r
}

// parseHeader parses a status line and headers. The headers of the connection don't fit a replay.
func (r *recording) parseHeader(t *testing.T, text string) {
	t.Helper()
	statusLine, headers, _ := strings.Cut(strings.TrimSpace(text), "\n")
	status, err := strconv.Atoi(strings.Fields(statusLine)[1])
	if err != nil {
		t.Fatal(err)
	}
	r.status = status
	for line := range strings.SplitSeq(headers, "\n") {
		if key, value, _ := strings.Cut(line, ": "); key != "Content-Length" && key != "Connection" {
			r.header.Set(key, value)
		}
	}
}

// asList returns a list that contains only the recorded job.
func (r recording) asList(t *testing.T) recording {
	t.Helper()
	body, err := json.Marshal(map[string]any{
		"results": []json.RawMessage{r.body}, "totalCount": 1, "links": []any{},
	})
	if err != nil {
		t.Fatal(err)
	}
	r.body = body
	return r
}

func (r recording) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	maps.Copy(w.Header(), r.header)
	w.WriteHeader(r.status)
	_, _ = w.Write(r.body)
}
