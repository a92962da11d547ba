package atlas

import (
	"bytes"
	"encoding/json"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"
)

// FuzzPage decodes any bytes as a page of each backup type and as a single job. The result must be limited in size,
// its strings must be safe as labels, and its statuses must be valid.
func FuzzPage(f *testing.F) {
	f.Add([]byte(`{"results":[{"id":"6a794733c0eb9e7a17740663","deliveryType":"download","deliveryUrl":["https://a"],` +
		`"expiresAt":"2026-08-10T04:44:52Z"}],"totalCount":1,"links":[{"rel":"next"}]}`))
	f.Add([]byte(`{"results":[{"id":"a","status":"RUNNING"},{"id":7},null],"totalCount":3}`))
	f.Add([]byte(`{"results":[{"id":"a","state":"FAILED","restoredDocuments":5}]}`))
	f.Add([]byte(`{"results":[{"id":"a","statusName":"FINISHED","delivery":{"methodName":"HTTP","statusName":"READY",` +
		`"maxDownloads":1}}]}`))
	f.Add([]byte(`{"id":"6a794733c0eb9e7a17740663","deliveryType":"pointInTime","oplogTs":1786000000,"failed":true,` +
		`"targetClusterName":"\u2028https://x"}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		for _, backupType := range BackupTypes() {
			found := newFindings()
			if page, err := routes[backupType].page(body, &found); err == nil {
				if len(page.Jobs)+page.Malformed > maxItems {
					t.Fatalf("%d jobs, %d malformed", len(page.Jobs), page.Malformed)
				}
				for _, job := range page.Jobs {
					checkJob(t, job)
				}
			}
			if job, err := routes[backupType].job(body, &found); err == nil {
				checkJob(t, job)
			}
			for _, value := range found.unknown {
				checkLabel(t, value.value)
				if !slices.Contains(UnknownValueFields(), string(backupType)+"_"+value.field) {
					t.Fatalf("%s is not in UnknownValueFields", value.field)
				}
			}
		}
	})
}

var idPattern = regexp.MustCompile(`^[0-9A-Za-z_-]{1,64}$`)

func checkJob(t *testing.T, job RestoreJob) {
	t.Helper()
	if !idPattern.MatchString(job.ID) || job.StatusAt(time.Now()) >= StatusCount || job.DeliveryType >= DeliveryCount {
		t.Fatalf("%+v", job)
	}
	for _, label := range []string{job.ID, job.BatchID, job.SnapshotID, job.TargetProjectID, job.TargetClusterName} {
		checkLabel(t, label)
	}
	for _, at := range []Timestamp{job.Created, job.Finished, job.Expiry, job.Snapshot, job.PointInTime} {
		if at < 0 {
			t.Fatalf("timestamp %d", at)
		}
	}
	for _, count := range []Count{job.RestoredDocuments, job.TotalDocuments, job.MaxDownloads} {
		if n, ok := count.Value(); n < 0 || n != 0 && !ok {
			t.Fatalf("count %+v", count)
		}
	}
}

// checkLabel checks that a string is safe as a label.
func checkLabel(t *testing.T, label string) {
	t.Helper()
	const maxLength = 128
	if label != sanitizeLabel(label) || len(label) > maxLength || !utf8.ValidString(label) ||
		strings.Contains(label, "://") ||
		strings.ContainsFunc(label, func(r rune) bool { return !unicode.IsPrint(r) }) {
		t.Fatalf("label %q", label)
	}
}

// FuzzDecodeError decodes any bytes as an error response, with SECRET replaced by a secret. The texts of the error must
// be one short line without links and without the secret.
func FuzzDecodeError(f *testing.F) {
	f.Add([]byte(`{"detail":"see https://x/y?z","error":404,"errorCode":"CLUSTER_NOT_FOUND"}`), "hunter22")
	f.Add(
		[]byte(`{"error":"invalid_client","error_description":"Invalid credentials SECRET provided."}`),
		"hunter\ttwo",
	)
	f.Add([]byte(`{"detail":"hunter\n two or SECRET","errorCode":"SECRET"}`), "hunter two")
	f.Add([]byte(`{"detail":"next\u0085line, \u202eturned\u009b31m, \ufeffhidden \ud800"}`), "hunter22")
	f.Add([]byte(`{"detail":"see https\u200b://host/?sig=1, \u00ff://x"}`), "hunter22")
	f.Add([]byte(`<html>`), "hunter22")
	f.Fuzz(func(t *testing.T, body []byte, secret string) {
		const minLength = 8 // a shorter secret can appear by chance
		if len(secret) < minLength || !utf8.ValidString(secret) || strings.ContainsAny(secret, "<>…") {
			return
		}
		quoted, err := json.Marshal(secret)
		if err != nil {
			t.Fatal(err)
		}
		body = bytes.ReplaceAll(body, []byte("SECRET"), quoted[1:len(quoted)-1])
		apiErr := decodeError("x", http.StatusNotFound, http.Header{}, body, secret)
		if apiErr.Code != "" && !codePattern.MatchString(apiErr.Code) {
			t.Errorf("code %q", apiErr.Code)
		}
		for _, text := range []string{apiErr.Code, apiErr.Detail} {
			if utf8.RuneCountInString(text) > 200 || strings.Contains(text, "://") || !utf8.ValidString(text) ||
				strings.ContainsFunc(text, func(r rune) bool { return !unicode.IsPrint(r) }) {
				t.Errorf("%q is not safe", text)
			}
			shown := strings.Join(strings.Fields(secret), " ")
			if len(shown) >= minLength && strings.Contains(text, shown) {
				t.Errorf("%q contains the secret %q", text, secret)
			}
		}
	})
}
