package atlas

import (
	"net/http"
	"strings"
	"testing"
	"time"
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

// FuzzDecodeError reads any bytes as a refusal: what is shown of it is one bounded line without links.
func FuzzDecodeError(f *testing.F) {
	f.Add([]byte(`{"detail":"see https://x/y?z","error":404,"errorCode":"CLUSTER_NOT_FOUND"}`))
	f.Add([]byte(`{"error":"invalid_client","error_description":"Invalid credentials provided."}`))
	f.Add([]byte(`<html>`))
	f.Fuzz(func(t *testing.T, body []byte) {
		text := decodeError("x", http.StatusNotFound, http.Header{}, body, "hunter2").Error()
		if len([]rune(text)) > 310 || strings.ContainsAny(text, "\r\n\x00") || strings.Contains(text, "https://") ||
			strings.Contains(text, "hunter2") {
			t.Errorf("%q", text)
		}
	})
}
