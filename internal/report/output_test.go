package report

import (
	"crypto/sha256"
	"encoding/csv"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"atlas-restore-exporter/internal/testutil"
)

func TestOutput_KeepsThePreviousFileAfterAnError(t *testing.T) {
	path := filepath.Join(t.TempDir(), "report")
	testutil.WriteFile(t, path, "previous")
	output, err := CreateOutput(path)
	if err != nil {
		t.Fatal(err)
	}
	failed := errors.New("failed halfway")
	err = output.Commit(func(w io.Writer) error {
		_, _ = io.WriteString(w, strings.Repeat("half", 10_000))
		return failed
	})
	if !errors.Is(err, failed) || err.Error() != "output "+path+": failed halfway" {
		t.Errorf("error %v", err)
	}
	expectOnlyFile(t, path, "previous")

	output, err = CreateOutput(path)
	if err != nil {
		t.Fatal(err)
	}
	output.Discard()
	expectOnlyFile(t, path, "previous")
}

func TestOutput_ReplacesThePreviousFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "report")
	testutil.WriteFile(t, path, "previous")
	output, err := CreateOutput(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := output.Commit(func(w io.Writer) error { _, err := io.WriteString(w, "new"); return err }); err != nil {
		t.Fatal(err)
	}
	expectOnlyFile(t, path, "new")
}

// expectOnlyFile checks the content of a file, and that its directory contains no other file.
func expectOnlyFile(t *testing.T, path, want string) {
	t.Helper()
	entries, err := os.ReadDir(filepath.Dir(path))
	if err != nil || len(entries) != 1 {
		t.Errorf("entries %v, error %v", entries, err)
	}
	if got := testutil.ReadFile(t, path); got != want {
		t.Errorf("content %q, want %q", got, want)
	}
}

func TestCreateOutput_AcceptsOnlyRegularFiles(t *testing.T) {
	dir := t.TempDir()
	want := "output " + dir + ": must be a regular file, not a directory, FIFO, socket, or device"
	if _, err := CreateOutput(dir); err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

func TestWrite_RejectsUnknownFormats(t *testing.T) {
	if err := Write(io.Discard, &Report{}, "pdf"); err == nil || err.Error() != `unknown format "pdf"` {
		t.Errorf("error %v", err)
	}
}

// The digest can be recomputed from the file with any JSON library that keeps the order of fields.
func TestJSON_ContainsTheDigestOfItsData(t *testing.T) {
	text := write(t, organizationReport(t), "json")
	var document struct {
		Header struct {
			Digest string `json:"data_sha256"`
		} `json:"header"`
		Data json.RawMessage `json:"data"`
	}
	if err := json.Unmarshal([]byte(text), &document); err != nil {
		t.Fatal(err)
	}
	_, data, _ := strings.Cut(text, `"data":`)
	compact := strings.ReplaceAll(strings.TrimSuffix(data, "}\n"), "\n", "") // strings contain no line breaks
	sum := sha256.Sum256([]byte(compact))
	if got := hex.EncodeToString(sum[:]); got != document.Header.Digest {
		t.Errorf("digest %s, want %s", document.Header.Digest, got)
	}
}

func TestFormats_ContainTheSameDigest(t *testing.T) {
	report := organizationReport(t)
	for _, format := range Formats() {
		if !strings.Contains(write(t, report, format), report.Header.Digest) {
			t.Errorf("%s doesn't contain the digest", format)
		}
	}
}

func TestCSV_HasALineForEachDrillAndEachClusterWithoutAny(t *testing.T) {
	report := organizationReport(t)
	rows, err := csv.NewReader(strings.NewReader(write(t, report, "csv"))).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]bool{}
	for _, cluster := range report.Data.Clusters {
		for _, drill := range cluster.Drills {
			want[cluster.ClusterName+" "+drill.JobID] = true
		}
		if len(cluster.Drills) == 0 {
			want[cluster.ClusterName+" "] = true
		}
	}
	columns := map[string]int{}
	for i, name := range rows[0] {
		columns[name] = i
	}
	if len(columns) != len(csvColumns) || len(rows)-1 != len(want) {
		t.Errorf("%d columns, %d lines, want %d", len(columns), len(rows)-1, len(want))
	}
	for _, row := range rows[1:] {
		if key := row[columns["cluster_name"]] + " " + row[columns["job_id"]]; !want[key] {
			t.Errorf("unexpected line for %s", key)
		}
	}
}

func TestCSV_ContainsNoFormulas(t *testing.T) {
	for text, want := range map[string]string{
		"=1+1": "'=1+1", "@x": "'@x", "+x": "'+x", "-x": "'-x", "-60": "-60", "": "", "a=b": "a=b",
	} {
		if got := withoutFormula(text); got != want {
			t.Errorf("%s becomes %s, want %s", text, got, want)
		}
	}
}

func TestMarkdown_EscapesEveryCell(t *testing.T) {
	const text = "a|b <img src=x> [x](y) *b* _i_ `c` @all # ~ \\"
	const want = `a\|b &#60;img src=x&#62; \[x\](y) \*b\* \_i\_ ` + "\\`c\\`" + ` &#64;all \# \~ \\`
	if got := escapeMarkdown(text); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

// A browser must neither run a script nor send a request when it shows a report, and the style must match the policy.
func TestHTML_IsSelfContained(t *testing.T) {
	html := write(t, hostileReport(t), "html")
	for _, pattern := range []string{
		`(?i)<(script|img|link|iframe|object|embed|form)`, `(?i)<[^<>]* (on[a-z]+|style|src)=`, `(?i)javascript:`,
		`(?i)url\(`, `(?i)@import`, `href="[^#]`,
	} {
		if found := regexp.MustCompile(pattern).FindString(html); found != "" {
			t.Errorf("the report contains %s", found)
		}
	}
	_, style, _ := strings.Cut(html, "<style>")
	style, _, _ = strings.Cut(style, "</style>")
	if style != reportCSS {
		t.Error("the style is not the one whose hash is in the policy")
	}
	if !strings.Contains(html, `content="default-src &#39;none&#39;; style-src &#39;sha256-`) {
		t.Error("the report has no policy")
	}
}
