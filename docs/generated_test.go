package docs

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"atlas-restore-exporter/collector"
	"atlas-restore-exporter/internal/demo"
	"atlas-restore-exporter/internal/server"
	"atlas-restore-exporter/internal/testutil"
)

const scrapeFile = "metrics.txt"

// absentInDemo is the family without a value in the demo: it has more slots than targets, so no poll ever waits.
const absentInDemo = "mongodbatlas_restore_exporter_oldest_waiting_poll_timestamp_seconds"

// TestScrape_IsUpToDate checks that the scrape of the demo has each metric family with its current help text, type, and
// labels. With UPDATE_GOLDEN set, it replaces an outdated scrape.
func TestScrape_IsUpToDate(t *testing.T) {
	missing := missingInScrape(testutil.ReadFile(t, scrapeFile))
	if len(missing) > 0 && os.Getenv(testutil.UpdateGolden) != "" {
		testutil.WriteFile(t, scrapeFile, scrapeDemo(t))
		missing = missingInScrape(testutil.ReadFile(t, scrapeFile))
	}
	for _, line := range missing {
		t.Errorf("%s is outdated, it has no %s", scrapeFile, line)
	}
}

// missingInScrape returns the comments and series that a scrape should have, but hasn't.
func missingInScrape(scrape string) []string {
	var missing []string
	for _, f := range collector.Families() {
		if f.Name == absentInDemo {
			continue
		}
		labels := slices.Sorted(slices.Values(f.Labels))
		series := f.Name
		if f.Type == "histogram" {
			series += "_count"
		}
		for i, label := range labels {
			labels[i] = label + `="[^"]*"`
		}
		if len(labels) > 0 {
			series += `\{` + strings.Join(labels, ",") + `\}`
		}
		for _, line := range []string{
			regexp.QuoteMeta("# HELP " + f.Name + " " + f.Help), regexp.QuoteMeta("# TYPE " + f.Name + " " + f.Type),
			series + ` \S+`,
		} {
			if !regexp.MustCompile("(?m)^" + line + "$").MatchString(scrape) {
				missing = append(missing, line)
			}
		}
	}
	return missing
}

// scrapeDemo runs the demo until a scrape has every family.
func scrapeDemo(t *testing.T) string {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	address := testutil.FreeAddress(t)
	options := server.Options{
		ListenAddresses: []string{address}, Logger: slog.New(slog.DiscardHandler), Build: server.BuildInfo("dev"),
	}
	go func() { ended <- demo.Run(ctx, io.Discard, options) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	scrape := ""
	testutil.Eventually(t, func() bool {
		response, err := http.Get("http://" + address + "/metrics")
		if err != nil {
			return false
		}
		defer func() { _ = response.Body.Close() }()
		text, err := io.ReadAll(response.Body)
		scrape = string(text)
		return err == nil && len(missingInScrape(scrape)) == 0
	}, func() string { return strings.Join(missingInScrape(scrape), "\n") })
	return scrape
}

var (
	fencedPromQL = regexp.MustCompile("(?ms)^```promql\n(.*?)^```$")
	promNames    = regexp.MustCompile(`mongodbatlas_\w+`)
	promLabels   = regexp.MustCompile(`(\w+)\s*(?:=~|!~|!=|=)\s*"`)
	promLists    = regexp.MustCompile(`(?:by|on|group_left)\s*\(([^)]*)\)`)
)

// TestQueries_UseMetricsAndLabelsThatExist checks the names in the queries of all documents.
func TestQueries_UseMetricsAndLabelsThatExist(t *testing.T) {
	names, labels := map[string]bool{}, map[string]bool{}
	for _, f := range collector.Families() {
		names[f.Name] = true
		for _, label := range f.Labels {
			labels[label] = true
		}
	}
	found := 0
	for _, file := range proseFiles(t) {
		for _, query := range fencedPromQL.FindAllStringSubmatch(testutil.ReadFile(t, file), -1) {
			found++
			for _, name := range promNames.FindAllString(query[1], -1) {
				if !names[name] {
					t.Errorf("%s: there is no metric %s", file, name)
				}
			}
			for _, label := range labelsOf(query[1]) {
				if !labels[label] {
					t.Errorf("%s: there is no label %s", file, label)
				}
			}
		}
	}
	if found < 10 {
		t.Errorf("only %d queries were found", found)
	}
}

func labelsOf(query string) []string {
	var labels []string
	for _, match := range promLabels.FindAllStringSubmatch(query, -1) {
		labels = append(labels, match[1])
	}
	for _, list := range promLists.FindAllStringSubmatch(query, -1) {
		for label := range strings.FieldsFuncSeq(list[1], func(r rune) bool { return r == ',' || r == ' ' }) {
			labels = append(labels, label)
		}
	}
	return labels
}

// TestQueries_AreValid checks the syntax of the queries of all documents.
func TestQueries_AreValid(t *testing.T) {
	promtool := testutil.NeedTool(t, "promtool", "prometheus")
	var rules strings.Builder
	rules.WriteString("groups:\n- name: queries\n  rules:\n")
	for _, file := range proseFiles(t) {
		for _, query := range fencedPromQL.FindAllStringSubmatch(testutil.ReadFile(t, file), -1) {
			lines := strings.ReplaceAll(strings.TrimSpace(query[1]), "\n", "\n      ")
			rules.WriteString("  - record: query\n    expr: |\n      " + lines + "\n")
		}
	}
	file := filepath.Join(t.TempDir(), "rules.yaml")
	testutil.WriteFile(t, file, rules.String())
	command := exec.CommandContext(t.Context(), promtool, "check", "rules", "--lint=none", file)
	if output, err := command.CombinedOutput(); err != nil {
		t.Errorf("%v: %s", err, output)
	}
}

var (
	requirements = regexp.MustCompile(`(?m)^\t(\S+) v\S+$`)
	dependencies = regexp.MustCompile("(?m)^\\| `([^`]+)` \\|")
)

// TestDependencies_ListsEveryModule compares the tables of dependencies with the direct requirements in go.mod.
func TestDependencies_ListsEveryModule(t *testing.T) {
	modules := func(pattern *regexp.Regexp, file string) []string {
		var names []string
		for _, match := range pattern.FindAllStringSubmatch(testutil.ReadFile(t, file), -1) {
			names = append(names, match[1])
		}
		slices.Sort(names)
		return names
	}
	got, want := modules(dependencies, "dependencies.md"), modules(requirements, "../go.mod")
	if !slices.Equal(got, want) {
		t.Errorf("modules %q, want %q", got, want)
	}
}

// sampleSeries are the lines of a scrape in the README.
var sampleSeries = regexp.MustCompile(`(?m)^(mongodbatlas_\w+)\{(.*)\} \S+$`)

// TestReadme_ShowsSeriesOfTheScrape checks that the sample in the README is from the scrape of the demo, except for
// values and IDs, which differ between scrapes.
func TestReadme_ShowsSeriesOfTheScrape(t *testing.T) {
	scrape := testutil.ReadFile(t, scrapeFile)
	samples := sampleSeries.FindAllStringSubmatch(testutil.ReadFile(t, readme), -1)
	for _, sample := range samples {
		labels := regexp.MustCompile(`job_id="[^"]*"`).ReplaceAllString(regexp.QuoteMeta(sample[2]), `job_id="[^"]*"`)
		if !regexp.MustCompile(`(?m)^` + sample[1] + `\{` + labels + `\} \S+$`).MatchString(scrape) {
			t.Errorf("%s has no %s", scrapeFile, sample[0])
		}
	}
	if len(samples) < 8 {
		t.Errorf("the README shows only %d series", len(samples))
	}
}
