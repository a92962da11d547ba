package server

import (
	"fmt"
	"strings"
	"testing"

	"atlas-restore-exporter/internal/testutil"
)

// TestWatchInterval_IsDocumented checks the documented time after which a rotated secret is used, and the watched
// settings.
func TestWatchInterval_IsDocumented(t *testing.T) {
	text := testutil.ReadFile(t, "../../docs/atlas-access.md")
	for _, want := range []string{
		fmt.Sprintf("Within %d s, the exporter detects", int(watchInterval.Seconds())),
		"`client_secret_file`", "`private_key_file`", "`atlas.ca_file`",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("docs/atlas-access.md does not contain %q", want)
		}
	}
}
