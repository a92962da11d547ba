package collector

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"atlas-restore-exporter/internal/testutil"
)

// contractSections are the sections of the metric contract that define families, with the names and the first labels of
// their families.
var contractSections = []struct{ heading, prefix, labels string }{
	{"## Per cluster", targetPrefix + "cluster_", "project_id,cluster_name"},
	{"## Per target", targetPrefix, "project_id,cluster_name,backup_type"},
	{"## Per job", targetPrefix + "job_", "project_id,cluster_name,backup_type,job_id"},
	{"## The exporter itself", exporterPrefix, ""},
}

// TestFamilies_AreThoseOfTheMetricContract compares names, types, labels, and their order with the tables of the metric
// contract.
func TestFamilies_AreThoseOfTheMetricContract(t *testing.T) {
	dir := os.Getenv(testutil.ContractDir)
	if dir == "" {
		t.Skip(testutil.ContractDir + " is not set: it names the directory with metrics.md")
	}
	text := testutil.ReadFile(t, filepath.Join(dir, "metrics.md"))
	var want []string
	for _, section := range contractSections {
		_, after, found := strings.Cut(text, "\n"+section.heading)
		if !found {
			t.Fatalf("metrics.md has no section %q", section.heading)
		}
		body, _, _ := strings.Cut(after, "\n## ")
		body, _, _ = strings.Cut(body, "\n### ")
		for line := range strings.Lines(body) {
			if strings.HasPrefix(line, "| `") {
				want = append(want, contractRow(line, section.prefix, section.labels)...)
			}
		}
	}
	var got []string
	for _, family := range Families() {
		got = append(got, family.Name+"{"+strings.Join(family.Labels, ",")+"} "+family.Type)
	}
	for _, family := range want {
		if !slices.Contains(got, family) {
			t.Errorf("%s is missing", family)
		}
	}
	got = slices.DeleteFunc(got, func(family string) bool { return slices.Contains(additions, family) })
	for i, family := range got {
		if !slices.Contains(want, family) {
			t.Errorf("%s is not in metrics.md", family)
		} else if !t.Failed() && want[i] != family {
			t.Errorf("%s is at the place of %s", family, want[i])
		}
	}
}

// additions are families that the contract doesn't have. Without drill_targets_configured, no rule could distinguish
// a cluster that was never drilled from one for which every restore is a drill.
var additions = []string{
	"mongodbatlas_restore_drill_targets_configured{project_id,cluster_name,backup_type} gauge",
}

var contractName = regexp.MustCompile("`([a-z_]+)(?:\\{([a-z_,]*)\\})?`")

// contractRow returns the families that a row of a table defines, with their labels and types. A row can define several
// families; names that end with an underscore share the suffix that follows them.
func contractRow(line, prefix, commonLabels string) []string {
	cells := strings.Split(line, " | ")
	names, kind := strings.TrimPrefix(cells[0], "| "), "gauge"
	if len(cells) > 2 {
		kind = cells[1]
	} else if strings.HasSuffix(names, " (counter)") {
		kind = "counter"
	}
	names, suffix, _ := strings.Cut(names, " + ")
	var families []string
	for _, match := range contractName.FindAllStringSubmatch(names, -1) {
		name, labels := prefix+match[1], strings.Trim(commonLabels+","+match[2], ",")
		if strings.HasSuffix(name, "_") {
			name += strings.Trim(suffix, "`")
		}
		families = append(families, name+"{"+labels+"} "+kind)
	}
	return families
}
