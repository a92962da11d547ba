package testutil

import (
	"io"
	"net/http"
	"testing"
)

// SendRequest sends a request over a new connection. Headers are pairs of a name and a value. If there is no complete
// response, it returns status 0 and the error.
func SendRequest(
	t *testing.T, client *http.Client, method, url string, headers ...string,
) (status int, body string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, url, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	request.Close = true
	for i := 0; i+1 < len(headers); i += 2 {
		request.Header.Set(headers[i], headers[i+1])
	}
	response, err := client.Do(request)
	if err != nil {
		return 0, err.Error()
	}
	defer func() { _ = response.Body.Close() }()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		return 0, err.Error()
	}
	return response.StatusCode, string(text)
}
