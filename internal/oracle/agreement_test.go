package oracle

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"atlas-restore-exporter/internal/testutil"
)

// TestExporter_AgreesWithTheOracleOnRandomHistories compares every series of 1,000 random histories. It fails if fewer
// than 20 histories hit a required situation.
func TestExporter_AgreesWithTheOracleOnRandomHistories(t *testing.T) {
	const seeds, parts, minimum = 1000, 20, 20
	var mu sync.Mutex
	compared, hits := 0, map[string]int{}
	t.Run("histories", func(t *testing.T) {
		for part := range uint64(parts) {
			t.Run(fmt.Sprint(part), func(t *testing.T) {
				t.Parallel()
				exposition := newExposition()
				for seed := part; seed < seeds; seed += parts {
					s, polls := Random(seed)
					n := compare(t, exposition, fmt.Sprintf("seed %d (%s)", seed, s.BackupType), s, polls)
					mu.Lock()
					compared += n
					for _, name := range Cover(s, polls) {
						hits[name]++
					}
					mu.Unlock()
				}
			})
		}
	})
	t.Logf("%d series compared", compared)
	for _, name := range required {
		if hits[name] < minimum {
			t.Errorf("%d histories hit %q, want at least %d", hits[name], name, minimum)
		}
	}
}

// TestExporter_AgreesWithTheOracleOnRecordedResponses compares every series of the recorded lists and jobs.
func TestExporter_AgreesWithTheOracleOnRecordedResponses(t *testing.T) {
	dir := os.Getenv(testutil.ContractDir)
	if dir == "" {
		t.Skipf("%s is not set; it must be a directory with recorded responses of Atlas", testutil.ContractDir)
	}
	recordings := map[string]string{ // backup types by name
		"dedicated-get-automated-in-progress":   "dedicated",
		"dedicated-get-download-ready":          "dedicated",
		"dedicated-list-one-finished-automated": "dedicated",
		"docsample-collection-restore-job":      "collection",
		"docsample-v1-legacy-1":                 "legacy",
		"flex-get-running":                      "flex",
		"flex-list-page1-of-22":                 "flex",
	}
	for name, backupType := range recordings {
		body := testutil.ReadFile(t, filepath.Join(dir, "captured", name+".json"))
		var list struct{ Results []json.RawMessage }
		if err := json.Unmarshal([]byte(body), &list); err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(name, "-list-") && list.Results == nil {
			list.Results = []json.RawMessage{json.RawMessage(body)}
		}
		s := testSettings(backupType)
		s.HistoryMaxAge = 10000 * day
		recorded := time.Date(2026, 8, 10, 3, 45, 0, 0, time.UTC)
		var polls []Poll
		for _, after := range []time.Duration{0, time.Hour, 30 * day} {
			polls = append(polls, Poll{Now: recorded.Add(after), Jobs: list.Results})
			compare(t, newExposition(), fmt.Sprintf("%s after %v", name, after), s, polls)
		}
	}
}

// compare fails the test if the series of the exporter differ from those that the oracle expects. It returns the number
// of series.
func compare(t *testing.T, exposition *exposition, name string, s Settings, polls []Poll) int {
	t.Helper()
	var got map[string]float64
	synctest.Test(t, func(t *testing.T) { got = export(t, exposition, s, polls) })
	want := Expect(s, polls)
	all := maps.Clone(want)
	maps.Copy(all, got)
	for _, series := range slices.Sorted(maps.Keys(all)) {
		g, exported := got[series]
		w, expected := want[series]
		switch {
		case !exported:
			t.Errorf("%s: missing %s %v", name, series, w)
		case !expected:
			t.Errorf("%s: unexpected %s %v", name, series, g)
		case g != w:
			t.Errorf("%s: %s is %v, want %v", name, series, g, w)
		}
	}
	return len(all)
}
