package config

import (
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"testing"

	"atlas-restore-exporter/internal/testutil"
)

func TestLoadSignOffs_ReadsEveryField(t *testing.T) {
	t.Setenv("HOME", "NOT-IN-A-REPORT")
	path := filepath.Join(t.TempDir(), "signoff.yaml")
	testutil.WriteFile(t, path, `
- {job_id: 612345678901234567890123, reviewer: Ada Lovelace, date: 2026-08-01, result: pass}
- job_id: 64e123456789012345678901
  reviewer: " Grace Hopper "
  date: 2026-08-02T12:00:00+02:00
  result: fail
  notes: |
    Row counts differ: ${HOME}
    see the ticket.
`)
	got, digest, err := LoadSignOffs(path)
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if sum := fmt.Sprintf("%x", sha256.Sum256(text)); digest != sum {
		t.Errorf("digest %s, want %s", digest, sum)
	}
	want := []SignOff{
		{JobID: "612345678901234567890123", Reviewer: "Ada Lovelace", Date: "2026-08-01", Pass: true, Line: 2},
		{
			JobID: "64e123456789012345678901", Reviewer: "Grace Hopper", Date: "2026-08-02T10:00:00Z", Line: 3,
			Notes: "Row counts differ: ${HOME} see the ticket.",
		},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}

func TestLoadSignOffs_AcceptsAnEmptyList(t *testing.T) {
	if signOffs, err := parseSignOffs("f", []byte("[]\n")); err != nil || len(signOffs) != 0 {
		t.Errorf("%v, %v", signOffs, err)
	}
}

func TestLoadSignOffs_LocatesInvalidEntries(t *testing.T) {
	const rest = ", reviewer: r, date: 2026-08-01, result: pass"
	for text, want := range map[string]string{
		"- {}": "f:1: [0].job_id: must be the ID of a restore job\n" +
			"f:1: [0].reviewer: must consist of 1 to 200 printable characters\n" +
			"f:1: [0].date: is required\n" +
			"f:1: [0].result: must be pass or fail",
		"- {job_id: a" + rest + "}\n- {job_id: a" + rest + "}": "f:2: [1].job_id: duplicate job ID, " +
			"already signed off in line 1",
		"- {job_id: a, reviewer: r, date: 2026-02-30, result: pass}": "f:1: [0].date: " +
			"must be a date such as 2026-08-01 or a time such as 2026-08-01T12:00:00Z",
		"- {job_id: a, reviewer: r, date: 2026-08-01, result: ok}": "f:1: [0].result: must be pass or fail",
		"- {job_id: a" + rest + ", note: x}": "f:1: [0].note: unknown key, did you mean notes? " +
			"(allowed keys: job_id, reviewer, date, result, notes)",
		"- {job_id: [a]" + rest + "}": "f:1: [0].job_id: must be a string",
		"- {job_id: a/b" + rest + "}": "f:1: [0].job_id: must be the ID of a restore job",
		"- {job_id: a, reviewer: \"\\a\", date: 2026-08-01, result: pass}": "f:1: [0].reviewer: " +
			"must consist of 1 to 200 printable characters",
		"- {job_id: a, reviewer: mdb_sa_sk_x, date: 2026-08-01, result: pass}": "f:1: [0].reviewer: " +
			"looks like a client secret, which only client_secret or a file may contain",
		"- {job_id: a" + rest + ", notes: []}": "f:1: [0].notes: must be a string",
		"job_id: a":                            "f:1: a mapping is not allowed here, must be a list",
		"":                                     "f: the file is empty",
		"- [":                                  "f:1: invalid YAML: did not find expected node content",
	} {
		if _, err := parseSignOffs("f", []byte(text)); err == nil || err.Error() != want {
			t.Errorf("%s:\ngot  %v\nwant %s", text, err, want)
		}
	}
}

func TestLoadSignOffs_ReportsAnUnreadableFile(t *testing.T) {
	const want = "sign-off file: can't read missing.yaml: no such file or directory; set its path with --signoff"
	if _, _, err := LoadSignOffs("missing.yaml"); err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}
