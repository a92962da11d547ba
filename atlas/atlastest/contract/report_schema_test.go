package contract

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

const root = "../../../"

// TestReports_MatchTheirSchema validates the golden reports in the JSON format against the documented schema. All
// fields are required and no others are allowed, so that the schema describes exactly the fields of reports.
func TestReports_MatchTheirSchema(t *testing.T) {
	schema, err := jsonschema.NewCompiler().Compile(root + "docs/report.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	reports, err := filepath.Glob(root + "internal/report/testdata/*.json")
	if err != nil || len(reports) == 0 {
		t.Fatalf("%d reports: %v", len(reports), err)
	}
	for _, path := range reports {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		report, err := jsonschema.UnmarshalJSON(strings.NewReader(string(text)))
		if err != nil {
			t.Fatal(err)
		}
		if err := schema.Validate(report); err != nil {
			t.Errorf("%s: %v", path, err)
		}
	}
}

// TestSchema_RejectsOtherReports checks that the schema is strict.
func TestSchema_RejectsOtherReports(t *testing.T) {
	schema, err := jsonschema.NewCompiler().Compile(root + "docs/report.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(root + "internal/report/testdata/organization.json")
	if err != nil {
		t.Fatal(err)
	}
	for change, replacement := range map[string]string{
		`"job_id":`: `"job":`, `"verdict":"met"`: `"verdict":"good"`, `"2026-07-01T00:00:00Z"`: `"2026-07-01"`,
		`"used":3`: `"used":3,"unused":0`,
	} {
		changed := strings.ReplaceAll(string(text), change, replacement)
		var report any
		if err := json.Unmarshal([]byte(changed), &report); err != nil || changed == string(text) {
			t.Fatalf("%s: %v", change, err)
		}
		if schema.Validate(report) == nil {
			t.Errorf("the schema accepts %s instead of %s", replacement, change)
		}
	}
}
