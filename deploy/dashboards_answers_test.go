package deploy

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"atlas-restore-exporter/internal/testutil"
)

// TestDashboards_SortOpenProblems checks the parts of the position of a row: severity, production, and condition.
func TestDashboards_SortOpenProblems(t *testing.T) {
	for _, name := range []string{"now", "cluster"} {
		p := readDashboards(t)[name].panel(t, "Open problems")
		order := p.Targets[4].Expr
		for _, part := range []string{
			`condition=~"AtlasRestoreFailed",` + clusterMatchers + `,purpose!="drill"} + 200200000000000 or `,
			`"AtlasRestoreUnexpectedTarget",` + clusterMatchers + "} + 100000000000 or ", // before a failed restore
			" + 100600000000000 or ", // a download that expires, too
			`"AtlasRestoreDrillOverdue",` + clusterMatchers + "} + 301200000000000 or ",
			`1e13 * cluster:mongodbatlas_restore:labels{` + clusterMatchers + `,environment!~"(?i)prod.*"} or 0 * `,
		} {
			if !strings.Contains(order, part) {
				t.Errorf("%s: the order does not contain %s: %s", name, part, order)
			}
		}
		if !p.sortedBy("Order") || p.override("Order", "custom.hidden") != "true" {
			t.Errorf("%s is not sorted by a hidden column", name)
		}
	}
}

const clusterMatchers = `project_id=~"$project",cluster_name=~"$cluster",team=~"$team",environment=~"$environment"`

// TestDashboards_ShowTheSoonestExpiryFirst checks that the rank of a copy that expires has a fraction: the time left.
func TestDashboards_ShowTheSoonestExpiryFirst(t *testing.T) {
	p := readDashboards(t)["now"].panel(t, "Copies of data")
	for value, want := range map[string]string{
		"0": "Unexpected target", "0.5": "Was: Unexpected target", "1": "Other project", "1.5": "Was: Other project",
		"2": "Open download", "2.00003": "Open download", "2.99": "Open download",
		"3.00003": "Was open", "4.00003": "Past download",
	} {
		if text := p.mappedTo(t, value, "Copy"); text != want {
			t.Errorf("%s is %q, want %q", value, text, want)
		}
	}
	if !strings.Contains(p.Targets[0].Expr, "(2 + clamp(") || !p.sortedBy("Copy") {
		t.Errorf("open downloads are not sorted by the time left: %s", p.Targets[0].Expr)
	}
}

// TestDashboards_ReadLinksPerJob checks that no panel reads links only from the recorded series, which is late and
// contains one link per target.
func TestDashboards_ReadLinksPerJob(t *testing.T) {
	now := readDashboards(t)["now"]
	for panel, targets := range map[string][]int{
		"Counts of open problems": {3, 4}, "Open problems": {0, 3}, "Copies of data": {0, 3},
	} {
		for _, i := range targets {
			expr := now.panel(t, panel).Targets[i].Expr
			for _, fact := range []string{"job_expiry_timestamp_seconds{", "next_expiry_timestamp_seconds{"} {
				if !strings.Contains(expr, "mongodbatlas_restore_"+fact) {
					t.Errorf("%s, query %d does not read %s: %s", panel, i, fact, expr)
				}
			}
		}
	}
}

// TestDashboards_CountFailures checks that the row of a failed restore contains the number of failures.
func TestDashboards_CountFailures(t *testing.T) {
	p := readDashboards(t)["cluster"].panel(t, "Open problems")
	const since = "count by (project_id, cluster_name, backup_type, kind, purpose, into) (" +
		"max_over_time(target:mongodbatlas_restore_last_failure:latest"
	if !slices.Contains(p.columns(t), "Failures") || strings.Count(p.Targets[6].Expr, since) != 2 {
		t.Errorf("failures of restores and drills are not counted: %s", p.Targets[6].Expr)
	}
}

// TestDashboards_DropExpiredLinks checks that a link that expired since the last poll is not counted as one that will.
func TestDashboards_DropExpiredLinks(t *testing.T) {
	now := readDashboards(t)["now"]
	for panel, i := range map[string]int{"Counts of open problems": 3, "Open problems": 0} {
		const soon = " > time() < on (project_id, cluster_name, backup_type) group_left () (time() + "
		if expr := now.panel(t, panel).Targets[i].Expr; !strings.Contains(expr, soon) {
			t.Errorf("%s contains links that have expired: %s", panel, expr)
		}
	}
}

// TestDashboards_MarkThePast checks that values of the last poll have another name and the color of an unknown state.
func TestDashboards_MarkThePast(t *testing.T) {
	for _, test := range []struct{ dashboard, panel string }{
		{"now", "Counts of open problems"}, {"cluster", "Restores and drills"},
		{"drills", "Clusters by age of the last success"}, {"drills", "Findings in these clusters"},
	} {
		p := readDashboards(t)[test.dashboard].panel(t, test.panel)
		var limits struct{ Steps []threshold }
		err := json.Unmarshal([]byte(p.override("/^Was: /", "thresholds")), &limits)
		if err != nil || len(limits.Steps) != 1 || limits.Steps[0].Color != "purple" {
			t.Errorf("%s, %s: values of the last poll have the thresholds %v (%v)", test.dashboard, test.panel, limits, err)
		}
		named := 0
		for _, target := range p.Targets {
			if strings.HasPrefix(target.LegendFormat, "{{was}}") && strings.Contains(target.Expr, `"was", "Was: "`) {
				named++
			}
		}
		if named < 3 {
			t.Errorf("%s, %s: only %d values have another name", test.dashboard, test.panel, named)
		}
	}
}

// TestDashboards_ShowTheNewestDrill checks that the result of the newest drill is next to the last successful one.
func TestDashboards_ShowTheNewestDrill(t *testing.T) {
	dashboards := readDashboards(t)
	for _, test := range []struct{ dashboard, panel string }{
		{"now", "Drills"}, {"drills", "Last successful drill of each cluster"},
	} {
		p := dashboards[test.dashboard].panel(t, test.panel)
		columns := p.columns(t)
		if i := slices.Index(columns, "Last success"); i < 0 || columns[i+1] != "Newest drill" {
			t.Errorf("%s, %s: columns %q", test.dashboard, test.panel, columns)
		}
		for value, want := range map[string]string{
			"0": "Failed", "1": "Completed", "2": "Was: failed", "3": "Was: completed", "4": "Not polled",
		} {
			if text := p.mappedTo(t, value, "Newest drill"); text != want {
				t.Errorf("%s, %s: %s is %q", test.dashboard, test.panel, value, text)
			}
		}
	}
	title := dashboards["drills"].panel(t, "Last successful drill").Title
	if !strings.Contains(title, "failed drills from ${__from:date:iso}") {
		t.Errorf("failed drills have no period: %s", title)
	}
}

// TestDashboards_ColorFailedDurations checks that a failed job is not plotted like a successful one.
func TestDashboards_ColorFailedDurations(t *testing.T) {
	p := readDashboards(t)["cluster"].panel(t, "Durations of finished jobs, in minutes")
	for i, status := range []string{`status!="failed"`, `status="failed"`} {
		if !strings.Contains(p.Targets[i].Expr, status) {
			t.Errorf("query %d is not restricted to %s: %s", i, status, p.Targets[i].Expr)
		}
	}
	name, color := p.Targets[1].LegendFormat, p.override("/^failed:/", "color")
	if !strings.HasPrefix(name, "failed:") || !strings.Contains(color, `"red"`) {
		t.Errorf("failed jobs are named %s and colored %s", name, color)
	}
	if label := p.override("number", "custom.axisLabel"); label != `"minutes"` {
		t.Errorf("the axis has the unit %s", label)
	}
}

// TestDashboards_CountRows checks that long tables have pages, which show the number of all rows. Grafana has moved the
// option.
func TestDashboards_CountRows(t *testing.T) {
	paged := 0
	for name, d := range readDashboards(t) {
		for _, p := range d.Panels {
			isLong := p.Type == "table" && p.GridPos.H >= 9
			if isLong != p.Options.EnablePagination || isLong != p.Options.Footer.EnablePagination {
				t.Errorf("%s, %s: pages %v, in old versions %v", name, p.Title, p.Options.EnablePagination,
					p.Options.Footer.EnablePagination)
			}
			if isLong {
				paged++
			}
		}
	}
	if paged < 6 {
		t.Errorf("only %d tables have pages", paged)
	}
}

// TestDashboards_FitIntoAConfigMap checks the size of the ConfigMap of the Helm chart. Kubernetes limits it to 1 MiB.
func TestDashboards_FitIntoAConfigMap(t *testing.T) {
	const limit = 768 << 10
	size := 0
	for name := range readDashboards(t) {
		size += len(testutil.ReadFile(t, "grafana/dashboards/"+name+".json"))
	}
	if size > limit {
		t.Errorf("the dashboards have %d bytes", size)
	}
}
