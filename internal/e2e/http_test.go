package e2e

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"atlas-restore-exporter/internal/testutil"
)

// fetch gets a URL over a connection of its own. The status code is 0 if there is no response.
func fetch(t *testing.T, url string, header ...string) (status int, body string) {
	t.Helper()
	return testutil.SendRequest(t, http.DefaultClient, http.MethodGet, url, header...)
}

// waitForMetrics waits until the metrics contain each of the texts, and returns the metrics.
func waitForMetrics(t *testing.T, url string, wanted ...string) (metrics string) {
	t.Helper()
	testutil.Eventually(t, func() bool {
		_, metrics = fetch(t, url+"/metrics")
		return !slices.ContainsFunc(wanted, func(text string) bool { return !strings.Contains(metrics, text) })
	}, func() string { return fmt.Sprintf("%q aren't all in\n%s", wanted, metrics) })
	return metrics
}

// expectMetrics checks that the metrics contain each of the texts.
func expectMetrics(t *testing.T, metrics string, wanted ...string) {
	t.Helper()
	for _, text := range wanted {
		if !strings.Contains(metrics, text) {
			t.Errorf("no %s in\n%s", text, metrics)
		}
	}
}

// expectNoMetrics checks that the metrics contain none of the texts.
func expectNoMetrics(t *testing.T, metrics string, unwanted ...string) {
	t.Helper()
	for _, text := range unwanted {
		if strings.Contains(metrics, text) {
			t.Errorf("unwanted %s in\n%s", text, metrics)
		}
	}
}
