package report

import (
	"bufio"
	"crypto/sha256"
	_ "embed" // for the template and its style
	"encoding/base64"
	"html/template"
	"io"
)

var (
	//go:embed report.html
	reportHTML string
	//go:embed report.css
	reportCSS string
)

// contentSecurityPolicy allows nothing except the style of the report.
var contentSecurityPolicy = "default-src 'none'; style-src 'sha256-" + styleHash() +
	"'; base-uri 'none'; form-action 'none'"

func styleHash() string {
	sum := sha256.Sum256([]byte(reportCSS))
	return base64.StdEncoding.EncodeToString(sum[:])
}

var reportTemplate = template.Must(template.New("report").Funcs(template.FuncMap{
	"time": formatTime, "seconds": formatSeconds, "objective": formatObjective, "onOff": formatOnOff, "yesNo": yesNo,
	"explain": explain, "label": formatLabel[string], "verdict": formatLabel[Verdict], "team": teamName,
	"kind":        func(r Restore) string { return kindOf(&r) },
	"class":       verdictClass,
	"destination": func(r Restore, c *Cluster) string { return r.destination(c) },
	"details":     func(r Restore) string { return r.details() },
	"validation":  func(r Restore) string { return r.validation() },
	"tables":      clusterTables,
}).Parse(reportHTML))

// htmlView is the data of the template.
type htmlView struct {
	*Report
	Title         string
	Policy        string
	Style         template.CSS
	Fields        []headerField
	Chart         chart
	RestoreCounts string
	WithoutBackup []ScopeCluster
	Excluded      []ScopeCluster
	Unlisted      []string
	Unread        []Target
	SignOffs      string
}

// writeHTML writes the report as one HTML page without scripts and external resources.
func writeHTML(w io.Writer, r *Report) error {
	buffered := bufio.NewWriter(w)
	view := htmlView{
		Report: r, Title: "Restore report, " + r.Data.Period.dates(), Policy: contentSecurityPolicy,
		Style:  template.CSS(reportCSS), //nolint:gosec // a constant
		Fields: headerFields(r), Chart: newChart(&r.Data), RestoreCounts: r.Data.restoreCounts(),
		WithoutBackup: r.Data.withoutBackup(), Unread: r.Data.unreadTargets(), SignOffs: r.Data.SignOffs.sentence(),
	}
	for _, cluster := range r.Data.Scope {
		if !cluster.InScope {
			view.Excluded = append(view.Excluded, cluster)
		}
	}
	for _, unlisted := range r.Data.UnlistedProjects {
		view.Unlisted = append(view.Unlisted, unlisted.sentence())
	}
	if err := reportTemplate.Execute(buffered, view); err != nil {
		return err
	}
	return buffered.Flush()
}

// clusterTable is a table of the restores of a cluster.
type clusterTable struct {
	Title    string
	Restores []Restore
}

// clusterTables returns the tables of a cluster that are not empty.
func clusterTables(c *Cluster) []clusterTable {
	var tables []clusterTable
	for i := range restoreTables {
		if restores := restoreTables[i].list(c); len(restores) > 0 {
			tables = append(tables, clusterTable{restoreTables[i].Title, restores})
		}
	}
	return tables
}

// verdictClass returns the class of a verdict for the style.
func verdictClass(v Verdict) string {
	switch v {
	case Met:
		return "good"
	case Missed:
		return "bad"
	case NotMeasurable:
		return "warn"
	case NoObjective, NotCounted:
	}
	return "dim"
}
