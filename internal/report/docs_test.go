package report

import (
	"encoding/json"
	"regexp"
	"slices"
	"strings"
	"testing"

	"atlas-restore-exporter/internal/testutil"
)

// TestEvidence_NamesExistingColumns checks the mapping of requirements to columns: each is a column of the CSV format,
// or a field of a list of the JSON format.
func TestEvidence_NamesExistingColumns(t *testing.T) {
	_, mapping, _ := strings.Cut(testutil.ReadFile(t, "../../docs/evidence.md"), "\n## Mapping\n")
	mapping, _, _ = strings.Cut(mapping, "\n## ")
	var document struct {
		Data map[string]any `json:"data"`
	}
	if err := json.Unmarshal([]byte(testutil.ReadFile(t, "testdata/organization.json")), &document); err != nil {
		t.Fatal(err)
	}
	isField := func(path string) bool {
		list, field, _ := strings.Cut(path, ".")
		items, _ := document.Data[list].([]any)
		for _, cluster := range document.Data["clusters"].([]any) {
			of, _ := cluster.(map[string]any)[list].([]any)
			items = append(items, of...)
		}
		return slices.ContainsFunc(items, func(item any) bool { _, ok := item.(map[string]any)[field]; return ok })
	}
	found := 0
	for _, match := range regexp.MustCompile("`([a-z0-9_.]+)`").FindAllStringSubmatch(mapping, -1) {
		found++
		isColumn := slices.Contains(columnNames(), match[1])
		if !isColumn && !isField(match[1]) {
			t.Errorf("there is no column or field %s", match[1])
		}
	}
	if found < 40 {
		t.Errorf("only %d columns are mapped", found)
	}
}

func columnNames() []string {
	names := make([]string, len(csvColumns))
	for i := range csvColumns {
		names[i] = csvColumns[i].name
	}
	return names
}
