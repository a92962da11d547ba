package e2e

import (
	"os/exec"
	"slices"
	"strings"
	"testing"

	"atlas-restore-exporter/atlas/atlastest"
	"atlas-restore-exporter/internal/testutil"
)

const openMetrics = "application/openmetrics-text;version=1.0.0"

// pythonReader requests a URL with an Accept header, and writes the decompressed response.
const pythonReader = `
import gzip, sys, urllib.request
request = urllib.request.Request(sys.argv[1], headers={"Accept": sys.argv[2], "Accept-Encoding": "gzip"})
response = urllib.request.urlopen(request)
assert response.headers["Content-Encoding"] == "gzip"
sys.stdout.buffer.write(gzip.decompress(response.read()))`

// The exposition is one gzip member that is made of parts: other programs have to read all of it.
func TestCompressedExposition_IsReadWholeByOtherPrograms(t *testing.T) {
	sim, configFile := simulateAtlas(t, "{name: prod}")
	const jobs = 30
	sim.AddJobs(prod, make([]atlastest.Job, jobs)...)
	url := startExporter(t, configFile).waitForReady() + "/metrics"
	for name, arguments := range map[string][]string{
		"curl": {"--silent", "--show-error", "--fail", "--compressed", "--header", "Accept: " + openMetrics, url},

		"python3": {"-c", pythonReader, url, openMetrics},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := exec.LookPath(name); err != nil {
				t.Skipf("%s is not installed", name)
			}
			read, err := exec.CommandContext(t.Context(), name, arguments...).Output()
			if err != nil {
				t.Fatal(err)
			}
			_, plain := fetch(t, url, "Accept", openMetrics, "Accept-Encoding", "identity")
			if got, want := seriesIn(string(read)), seriesIn(plain); !slices.Equal(got, want) || len(got) < jobs*10 {
				t.Errorf("%d series, want %d", len(got), len(want))
			}
			if !strings.HasSuffix(string(read), "\n# EOF\n") {
				t.Error("the end is missing")
			}
		})
	}
}

// seriesIn returns the names and labels of the series in an exposition.
func seriesIn(exposition string) []string {
	var series []string
	for line := range strings.Lines(exposition) {
		if at := strings.LastIndexByte(line, ' '); !strings.HasPrefix(line, "#") && at > 0 {
			series = append(series, line[:at])
		}
	}
	return series
}

func TestExpositionOfTheDemo_PassesPromtool(t *testing.T) {
	promtool := testutil.NeedTool(t, "promtool", "prometheus")
	url := startCommand(t, "demo", "--web.listen-address=127.0.0.1:0").waitForReady()
	_, metrics := fetch(t, url+"/metrics")
	check := exec.CommandContext(t.Context(), promtool, "check", "metrics")
	check.Stdin = strings.NewReader(metrics)
	if output, err := check.CombinedOutput(); err != nil || len(output) > 0 {
		t.Errorf("%v: %s", err, output)
	}
}
