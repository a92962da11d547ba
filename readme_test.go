package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"atlas-restore-exporter/collector"
	"atlas-restore-exporter/internal/golden"
)

// TestReadmeMetrics holds the README's table of metrics to what is served: names, types, labels and meanings. With
// UPDATE_GOLDEN set it writes the table.
func TestReadmeMetrics(t *testing.T) {
	readmePart(t, "metrics: written by UPDATE_GOLDEN=1 go test -run TestReadmeMetrics .", "end of metrics", metricTable())
}

// readmePart holds what stands between two comments in the README to what a test made. With UPDATE_GOLDEN set it writes
// it.
func readmePart(t *testing.T, begin, end, want string) {
	t.Helper()
	begin, end = "<!-- "+begin+" -->\n", "<!-- "+end+" -->\n"
	text, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	before, rest, found := strings.Cut(string(text), begin)
	table, after, foundEnd := strings.Cut(rest, end)
	if !found || !foundEnd {
		t.Fatal("the marks around the table are missing")
	}
	if os.Getenv(golden.Update) != "" {
		if err := os.WriteFile("README.md", []byte(before+begin+want+end+after), 0o600); err != nil {
			t.Fatal(err)
		}
		return
	}
	if table != want {
		t.Errorf("the README's table is\n%s\nwant\n%s", table, want)
	}
}

func metricTable() string {
	var table strings.Builder
	part := func(title, prefix string, common []string, families []collector.Family) {
		_, _ = fmt.Fprintf(&table, "\n%s\n\n| `%s…` | type | labels | meaning |\n| --- | --- | --- | --- |\n", title, prefix)
		for _, f := range families {
			var labels []string
			for _, label := range f.Labels[len(common):] {
				labels = append(labels, "`"+label+"`")
			}
			_, _ = fmt.Fprintf(&table, "| `%s` | %s | %s | %s |\n", strings.TrimPrefix(f.Name, prefix), f.Type, strings.Join(labels, ", "), f.Help)
		}
	}
	var target, job, exporter []collector.Family
	for _, f := range collector.Families() {
		switch {
		case strings.HasPrefix(f.Name, "mongodbatlas_restore_exporter_"):
			exporter = append(exporter, f)
		case strings.Contains(strings.Join(f.Labels, " "), "job_id"):
			job = append(job, f)
		default:
			target = append(target, f)
		}
	}
	list := []string{"project_id", "cluster_name", "backup_type"}
	part("Per list of restore jobs, labels `project_id`, `cluster_name`, `backup_type` and:", "mongodbatlas_restore_", list, target)
	part("Per job, the same labels, `job_id` and:", "mongodbatlas_restore_job_", append(list, "job_id"), job)
	part("The exporter itself:", "mongodbatlas_restore_exporter_", nil, exporter)
	table.WriteString("\n")
	return table.String()
}

// TestReadmeFields wants every field that the official description gives to restore jobs in the table of fields.
func TestReadmeFields(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(contractDir(t), "atlas-openapi-restore.json"))
	if err != nil {
		t.Fatal(err)
	}
	var description struct {
		Components struct {
			Schemas map[string]struct {
				Properties map[string]json.RawMessage `json:"properties"`
			} `json:"schemas"`
		} `json:"components"`
	}
	if err := json.Unmarshal(text, &description); err != nil {
		t.Fatal(err)
	}
	readme, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, table, _ := strings.Cut(string(readme), "## Fields of restore jobs")
	table, _, _ = strings.Cut(table, "\n## ")
	for _, schema := range []string{
		"DiskBackupSnapshotRestoreJob", "DiskBackupRestoreMember", "ServerlessBackupRestoreJob", "FlexBackupRestoreJob20241113",
		"ApiAtlasCollectionRestoreJobResponse", "BackupRestoreJob", "BackupRestoreJobDelivery",
	} {
		fields := description.Components.Schemas[schema].Properties
		if len(fields) == 0 {
			t.Errorf("%s is not described", schema)
		}
		for field := range fields {
			if !regexp.MustCompile("[`.]" + field + "[`.[]").MatchString(table) {
				t.Errorf("%s of %s is not in the README's table of fields", field, schema)
			}
		}
	}
}

// TestReadmeReasons wants every reason of a failed poll explained.
func TestReadmeReasons(t *testing.T) {
	text, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, reason := range collector.Reasons() {
		if !strings.Contains(string(text), fmt.Sprintf("| `%s` |", reason)) {
			t.Errorf("the README does not explain the reason %s", reason)
		}
	}
}
