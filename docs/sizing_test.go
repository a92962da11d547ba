package docs

import (
	"encoding/json"
	"strings"
	"testing"

	"atlas-restore-exporter/internal/testutil"
)

// TestDeployment_SizesAreUpperBounds compares the sizes of shards and of Prometheus with the figures measured for 2,000
// clusters.
func TestDeployment_SizesAreUpperBounds(t *testing.T) {
	var results struct{ Figures map[string]map[string]float64 }
	if err := json.Unmarshal([]byte(testutil.ReadFile(t, "../internal/benchmark/figures.json")), &results); err != nil {
		t.Fatal(err)
	}
	const shard, prometheus = 5_000.0 / 2_000, 10_000.0 / 2_000
	text := testutil.ReadFile(t, "deployment.md")
	for _, size := range []struct {
		phrase              string
		bound, scale        float64
		measurement, figure string
	}{
		{"a third of a core,", 33, shard, "fleet", "percent of a core"},
		{" 350 MiB of memory", 350, shard, "fleet", "MiB resident"},
		{"| 35 MiB,", 35, shard, "fleet", "MiB of a scrape"},
		{"or 3 MiB compressed", 3, shard, "fleet", "MiB of a compressed scrape"},
		{"| 1,200,000 series,", 1_200_000, prometheus, "rules", "series"},
		{
			" one core for scrapes", 30_000, prometheus,
			"rules", "milliseconds of CPU time per 30 s, scrapes included, 500 alerts",
		},
		{"for 12 s of each 30 s", 12_000, prometheus, "rules", "milliseconds of evaluation per 30 s, 500 alerts"},
	} {
		figure, measured := results.Figures[size.measurement][size.figure]
		if scaled := figure * size.scale; !measured || scaled > size.bound || !strings.Contains(text, size.phrase) {
			t.Errorf("%s: %q is %g for this size (measured: %t), but the page contains %q: %t", size.measurement, size.figure,
				scaled, measured, size.phrase, strings.Contains(text, size.phrase))
		}
	}
}
