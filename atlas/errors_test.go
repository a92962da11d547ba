package atlas

import (
	"bytes"
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"
)

// TestDecodeError reads refusals in every shape that was recorded or is documented.
func TestDecodeError(t *testing.T) {
	for _, test := range []struct{ name, body, want string }{
		{"api error", `{"detail":"No cluster named x exists in group y.","error":404,"errorCode":"CLUSTER_NOT_FOUND","parameters":["x","y"],"reason":"Not Found"}`,
			"atlas answered 404 CLUSTER_NOT_FOUND: No cluster named x exists in group y."},
		{"without an errorCode", `{"error":404,"reason":"Unauthorized","detail":"You are not authorized for this resource."}`,
			"atlas answered 404: You are not authorized for this resource."},
		{"null errorCode", `{"detail":null,"error":404,"errorCode":null,"parameters":null}`, "atlas answered 404"},
		{"oauth", `{"error_description":"Invalid credentials provided.","error":"invalid_client"}`,
			"atlas answered 404 invalid_client: Invalid credentials provided."},
		{"html", "<html><body>https://secret</body></html>", "atlas answered 404"},
		{"empty", "", "atlas answered 404"},
		{"null", "null", "atlas answered 404"},
		{"an array", `["x"]`, "atlas answered 404"},
		{"wrong types", `{"detail":{"a":1},"error":[],"errorCode":5}`, "atlas answered 404"},
		{"a code that is none", `{"errorCode":"see https://secret/","detail":"x"}`, "atlas answered 404: x"},
		{"control characters", `{"detail":"a\u0000b\r\n\tc\u001b[31m"}`, "atlas answered 404: a b c [31m"},
	} {
		t.Run(test.name, func(t *testing.T) {
			got := decodeError("x", http.StatusNotFound, http.Header{}, []byte(test.body)).Error()
			if got != test.want {
				t.Errorf("got  %s\nwant %s", got, test.want)
			}
		})
	}
}

func TestRetryAfter(t *testing.T) {
	for value, want := range map[string]time.Duration{
		"": 0, "x": 0, "-1": 0, "0": 0, "7": 7 * time.Second, " 7 ": 7 * time.Second, "86400": time.Hour,
		"99999999999999999999": 0, "Mon, 02 Jan 2006 15:04:05 GMT": 0, "Fri, 02 Jan 2099 15:04:05 GMT": time.Hour,
	} {
		if got := retryAfter(value); got != want {
			t.Errorf("retryAfter(%q) = %v, want %v", value, got, want)
		}
	}
}

// FuzzDecodeError reads any bytes as a refusal, with a secret in the place of each SECRET: what is shown of it is one
// bounded line without links and without the secret.
func FuzzDecodeError(f *testing.F) {
	f.Add([]byte(`{"detail":"see https://x/y?z","error":404,"errorCode":"CLUSTER_NOT_FOUND"}`), "hunter22")
	f.Add([]byte(`{"error":"invalid_client","error_description":"Invalid credentials SECRET provided."}`), "hunter\ttwo")
	f.Add([]byte(`{"detail":"hunter\n two or SECRET","errorCode":"SECRET"}`), "hunter two")
	f.Add([]byte(`{"detail":"next\u0085line, \u202eturned\u009b31m, \ufeffhidden \ud800"}`), "hunter22")
	f.Add([]byte(`{"detail":"see https\u200b://host/?sig=1, \u00ff://x"}`), "hunter22")
	f.Add([]byte(`<html>`), "hunter22")
	f.Fuzz(func(t *testing.T, body []byte, secret string) {
		const shortest = 8 // of what can be told from the words around it
		if len(secret) < shortest || !utf8.ValidString(secret) || strings.ContainsAny(secret, "<>…") {
			return
		}
		quoted, err := json.Marshal(secret)
		if err != nil {
			t.Fatal(err)
		}
		body = bytes.ReplaceAll(body, []byte("SECRET"), quoted[1:len(quoted)-1])
		refusal := decodeError("x", http.StatusNotFound, http.Header{}, body, secret)
		if refusal.Code != "" && !codePattern.MatchString(refusal.Code) {
			t.Errorf("code %q", refusal.Code)
		}
		for _, text := range []string{refusal.Code, refusal.Detail} {
			if utf8.RuneCountInString(text) > 200 || strings.Contains(text, "://") || !utf8.ValidString(text) ||
				strings.ContainsFunc(text, func(r rune) bool { return !unicode.IsPrint(r) }) {
				t.Errorf("%q is not fit to be shown", text)
			}
			if shown := strings.Join(strings.Fields(secret), " "); len(shown) >= shortest && strings.Contains(text, shown) {
				t.Errorf("%q shows the secret %q", text, secret)
			}
		}
	})
}
