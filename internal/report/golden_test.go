package report

import (
	"bytes"
	"strings"
	"testing"
	"testing/synctest"

	"atlas-restore-exporter/internal/testutil"
)

// extensions are the names of golden files by format.
var extensions = map[string]string{"html": "html", "csv": "csv", "json": "json", "markdown": "md"}

// equalGolden compares a report in every format with the golden files of a name.
func equalGolden(t *testing.T, name string, r *Report) {
	t.Helper()
	for _, format := range Formats() {
		testutil.EqualGolden(t, "testdata/"+name+"."+extensions[format], write(t, r, format))
	}
}

func write(t *testing.T, r *Report, format string) string {
	t.Helper()
	var text bytes.Buffer
	if err := Write(&text, r, format); err != nil {
		t.Fatal(err)
	}
	return text.String()
}

// organizationReport returns the report about the simulated organization.
func organizationReport(t *testing.T) (r *Report) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, generatedAt)
		w.addOrganization()
		r = w.mustGenerate(w.config(organizationConfig),
			Options{Period: thirdQuarter(t), SignOffs: organizationSignOffs(),
				SignOffDigest: strings.Repeat("0123456789abcdef", 4)})
	})
	return r
}

func TestReport_OfTheSimulatedOrganization(t *testing.T) {
	equalGolden(t, "organization", organizationReport(t))
}
