package atlas

import (
	"net/http"
	"testing"
	"time"
)

func TestDecodeError_AcceptsAnyBody(t *testing.T) {
	for _, test := range []struct{ name, body, want string }{
		{
			"ApiError", `{"detail":"No cluster named x exists in group y.","error":404,"errorCode":"CLUSTER_NOT_FOUND",
				"parameters":["x","y"],"reason":"Not Found"}`,
			"atlas api returned 404 CLUSTER_NOT_FOUND: No cluster named x exists in group y.",
		},
		{
			"no errorCode", `{"error":404,"reason":"Unauthorized","detail":"You are not authorized for this resource."}`,
			"atlas api returned 404: You are not authorized for this resource.",
		},
		{"null errorCode", `{"detail":null,"error":404,"errorCode":null,"parameters":null}`, "atlas api returned 404"},
		{
			"error of OAuth", `{"error_description":"Invalid credentials provided.","error":"invalid_client"}`,
			"atlas api returned 404 invalid_client: Invalid credentials provided.",
		},
		{"HTML", "<html><body>https://secret</body></html>", "atlas api returned 404"},
		{"empty", "", "atlas api returned 404"},
		{"null", "null", "atlas api returned 404"},
		{"an array", `["x"]`, "atlas api returned 404"},
		{"wrong types", `{"detail":{"a":1},"error":[],"errorCode":5}`, "atlas api returned 404"},
		{"invalid code", `{"errorCode":"see https://secret/","detail":"x"}`, "atlas api returned 404: x"},
		{"control characters", `{"detail":"a\u0000b\r\n\tc\u001b[31m"}`, "atlas api returned 404: a b c [31m"},
	} {
		t.Run(test.name, func(t *testing.T) {
			got := decodeError("x", http.StatusNotFound, http.Header{}, []byte(test.body)).Error()
			if got != test.want {
				t.Errorf("got  %s\nwant %s", got, test.want)
			}
		})
	}
}

func TestDecodeError_ReplacesLinksInOtherEncodings(t *testing.T) {
	for _, linked := range []string{
		"https%253A%252F%252Fhost%252FLINKSECRET", "https:&#x2F;&#47;host&#x2f;LINKSECRET",
		"https&colon;&sol;&sol;host&sol;LINKSECRET", `https\u003a\u002f\u002fhost\u002fLINKSECRET`,
		"aHR0cHM6Ly9yZXN0b3JlLm1vbmdvZGIubmV0L0xJTktTRUNSRVQ",
		"68747470733a2f2f726573746f72652e6d6f6e676f64622e6e65742f4c494e4b534543524554",
	} {
		detail := sanitizeText("see " + linked)
		if detail != "see <link>" {
			t.Errorf("%s became %q", linked, detail)
		}
	}
}

func TestRetryAfter_ReadsSecondsAndDatesUpToAnHour(t *testing.T) {
	for value, want := range map[string]time.Duration{
		"": 0, "x": 0, "-1": 0, "0": 0, "7": 7 * time.Second, " 7 ": 7 * time.Second, "86400": time.Hour,
		"99999999999999999999": 0, "Mon, 02 Jan 2006 15:04:05 GMT": 0, "Fri, 02 Jan 2099 15:04:05 GMT": time.Hour,
	} {
		if got := retryAfter(http.Header{"Retry-After": {value}}); got != want {
			t.Errorf("retryAfter(%q) = %v, want %v", value, got, want)
		}
	}
	for date, want := range map[string]time.Duration{
		"Fri, 02 Jan 2099 15:04:00 GMT": 5 * time.Second, "Fri, 02 Jan 2099 16:00:00 GMT": time.Hour, "x": time.Hour,
	} {
		header := http.Header{"Retry-After": {"Fri, 02 Jan 2099 15:04:05 GMT"}, "Date": {date}}
		if got := retryAfter(header); got != want {
			t.Errorf("with Date %q: %v, want %v", date, got, want)
		}
	}
	soon := time.Now().UTC().Add(10 * time.Minute).Format(http.TimeFormat)
	wrong := http.Header{"Retry-After": {soon}, "Date": {"Thu, 01 Jan 1970 00:00:00 GMT"}}
	if got := retryAfter(wrong); got > 10*time.Minute || got < 9*time.Minute {
		t.Errorf("with a wrong Date: %v", got)
	}
	behind := http.Header{"Retry-After": {"Thu, 01 Jan 1970 00:00:07 GMT"}, "Date": {"Thu, 01 Jan 1970 00:00:00 GMT"}}
	if got := retryAfter(behind); got != 7*time.Second {
		t.Errorf("with a clock that is behind: %v", got)
	}
}
