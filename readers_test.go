package main

import (
	"bytes"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"atlas-restore-exporter/atlas"
	"atlas-restore-exporter/atlas/atlastest"
)

// TestReadByOthers has other programs read the compressed exposition, whose gzip member is made of parts: they have to
// see all of it.
func TestReadByOthers(t *testing.T) {
	sim, configFile := newSim(t, "{name: prod}")
	sim.AddJobs(atlas.List{ProjectID: payments, ClusterName: "prod", BackupType: atlas.Dedicated}, make([]atlastest.Job, 30)...)
	p := start(t, "--config.file", configFile, "--web.listen-address", "127.0.0.1:0")
	url := "http://" + p.address() + "/metrics"
	eventually(t, func() bool {
		status, _ := fetch(t, nil, strings.Replace(url, "/metrics", "/-/ready", 1))
		return status == 200
	}, p.stderr.String)
	const openMetrics = "application/openmetrics-text;version=1.0.0"
	const script = `
import gzip, sys, urllib.request
request = urllib.request.Request(sys.argv[1], headers={"Accept": sys.argv[2], "Accept-Encoding": "gzip"})
answer = urllib.request.urlopen(request)
assert answer.headers["Content-Encoding"] == "gzip"
sys.stdout.buffer.write(gzip.decompress(answer.read()))`
	for name, arguments := range map[string][]string{
		"curl":    {"--silent", "--show-error", "--fail", "--compressed", "--header", "Accept: " + openMetrics, url},
		"python3": {"-c", script, url, openMetrics},
	} {
		if _, err := exec.LookPath(name); err != nil {
			t.Logf("not read by %s, which is not installed", name)
			continue
		}
		read, err := exec.CommandContext(t.Context(), name, arguments...).Output()
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		_, plain := fetch(t, nil, url, "Accept", openMetrics, "Accept-Encoding", "identity")
		if got, want := seriesIn(string(read)), seriesIn(plain); !slices.Equal(got, want) || len(got) < 30*10 {
			t.Errorf("%s sees %d series, want %d", name, len(got), len(want))
		}
		if !bytes.HasSuffix(read, []byte("\n# EOF\n")) {
			t.Errorf("%s does not see the end", name)
		}
	}
}

// seriesIn returns the names and labels of what is exposed.
func seriesIn(exposition string) []string {
	var series []string
	for line := range strings.Lines(exposition) {
		if at := strings.LastIndexByte(line, ' '); !strings.HasPrefix(line, "#") && at > 0 {
			series = append(series, line[:at])
		}
	}
	return series
}
