// Package docs contains only tests: they compare the documents with the code and the files that the documents name.
package docs

import (
	"encoding/json"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"atlas-restore-exporter/collector"
	"atlas-restore-exporter/collector/poll"
	"atlas-restore-exporter/internal/testutil"
)

// The documents that tests of this package generate or check.
const (
	readme              = "../README.md"
	metricsPage         = "metrics.md"
	atlasPage           = "atlas-api.md"
	troubleshootingPage = "troubleshooting.md"
)

// TestMetrics_ListsEveryMetric compares the tables of metrics with the metric families. With UPDATE_GOLDEN set, it
// writes the tables.
func TestReadme_ListsEveryMetric(t *testing.T) {
	const begin, end = "<!-- metrics: ", "<!-- end of metrics -->\n"
	text := testutil.ReadFile(t, metricsPage)
	from, to := strings.Index(text, begin), strings.Index(text, end)
	if from < 0 || to < from {
		t.Fatalf("%s has no comments around the tables of metrics", metricsPage)
	}
	from += strings.Index(text[from:], "\n") + 1
	want := metricTables()
	if os.Getenv(testutil.UpdateGolden) != "" {
		testutil.WriteFile(t, metricsPage, text[:from]+want+text[to:])
	} else if text[from:to] != want {
		t.Errorf("the tables of metrics are\n%s\nwant\n%s", text[from:to], want)
	}
}

const (
	targetPrefix   = "mongodbatlas_restore_"
	clusterPrefix  = "mongodbatlas_restore_cluster_"
	jobPrefix      = "mongodbatlas_restore_job_"
	exporterPrefix = "mongodbatlas_restore_exporter_"
)

// metricTables returns a table of the families of clusters, of targets, of jobs, and of the exporter.
func metricTables() string {
	families := map[string][]collector.Family{}
	for _, f := range collector.Families() {
		prefix := prefixOf(&f)
		families[prefix] = append(families[prefix], f)
	}
	table := func(title, prefix string, commonLabels int) string {
		return metricTable(title, prefix, commonLabels, families[prefix])
	}
	const cluster, target = "`project_id`, `cluster_name`", "`project_id`, `cluster_name`, `backup_type`"
	return table("Metrics of each cluster, also with the labels "+cluster+":", clusterPrefix, 2) +
		table("Metrics of each target, also with the labels "+target+":", targetPrefix, 3) +
		table("Metrics of each job with per-job series, also with the labels "+target+", `job_id`:", jobPrefix, 4) +
		table("The exporter:", exporterPrefix, 0) + "\n"
}

// prefixOf returns the prefix of the table that contains a family. Some families of targets have a prefix or a label of
// the families of jobs, but none has both.
func prefixOf(f *collector.Family) string {
	switch {
	case strings.HasPrefix(f.Name, exporterPrefix):
		return exporterPrefix
	case strings.HasPrefix(f.Name, clusterPrefix):
		return clusterPrefix
	case strings.HasPrefix(f.Name, jobPrefix) && slices.Contains(f.Labels, "job_id"):
		return jobPrefix
	}
	return targetPrefix
}

// metricTable returns a table of families without the first labels, which the title lists.
func metricTable(title, prefix string, commonLabels int, families []collector.Family) string {
	var table strings.Builder
	_, _ = fmt.Fprintf(&table, "\n%s\n\n| `%s…` | type | labels | meaning |\n| --- | --- | --- | --- |\n", title, prefix)
	for _, f := range families {
		var labels []string
		for _, label := range f.Labels[commonLabels:] {
			labels = append(labels, "`"+label+"`")
		}
		name := strings.TrimPrefix(f.Name, prefix)
		_, _ = fmt.Fprintf(&table, "| `%s` | %s | %s | %s |\n", name, f.Type, strings.Join(labels, ", "), f.Help)
	}
	return table.String()
}

// TestAtlasAPI_ListsEveryFieldOfRestoreJobs compares the table of fields with the official API description.
func TestAtlasAPI_ListsEveryFieldOfRestoreJobs(t *testing.T) {
	var description struct {
		Components struct {
			Schemas map[string]struct {
				Properties map[string]json.RawMessage `json:"properties"`
			} `json:"schemas"`
		} `json:"components"`
	}
	testutil.ReadOpenAPI(t, &description)
	_, table, _ := strings.Cut(testutil.ReadFile(t, atlasPage), "## Fields of restore jobs")
	table, _, _ = strings.Cut(table, "\n## ")
	for _, schema := range []string{
		"DiskBackupSnapshotRestoreJob", "DiskBackupRestoreMember", "ServerlessBackupRestoreJob",
		"FlexBackupRestoreJob20241113",
		"ApiAtlasCollectionRestoreJobResponse", "BackupRestoreJob", "BackupRestoreJobDelivery",
	} {
		fields := description.Components.Schemas[schema].Properties
		if len(fields) == 0 {
			t.Errorf("the API description has no schema %s", schema)
		}
		for field := range fields {
			if !regexp.MustCompile("[`.]" + field + "[`.[]").MatchString(table) {
				t.Errorf("the table of fields has no %s of %s", field, schema)
			}
		}
	}
}

// TestTroubleshooting_ExplainsEveryReason checks the table of reasons of failed polls.
func TestTroubleshooting_ExplainsEveryReason(t *testing.T) {
	text := testutil.ReadFile(t, troubleshootingPage)
	for _, reason := range poll.Reasons() {
		if !strings.Contains(text, fmt.Sprintf("| `%s` |", reason)) {
			t.Errorf("the table of reasons has no %s", reason)
		}
	}
}
