package deploy

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestDashboards_FitOnAPhone adds the widths of the columns that a responder needs. A phone is 390 pixels wide.
func TestDashboards_FitOnAPhone(t *testing.T) {
	const width = 366
	dashboards := readDashboards(t)
	for _, test := range []struct{ dashboard, panel, last string }{
		{"now", "Open problems", "Over limit"},
		{"now", "Running restores", "For"},
		{"now", "Copies of data", "Time left"},
		{"now", "Drills", "Newest drill"},
		{"cluster", "Open problems", "Over limit"},
		{"cluster", "Jobs", "Took"},
		{"drills", "Last successful drill of each cluster", "Newest drill"},
	} {
		p := dashboards[test.dashboard].panel(t, test.panel)
		sum, seen := 0, ""
		for _, title := range p.columns(t) {
			if p.override(title, "custom.hidden") == "true" {
				continue
			}
			sum += p.width(title)
			seen = title
			if seen == test.last {
				break
			}
		}
		if seen != test.last || sum > width {
			t.Errorf("%s, %s: the columns up to %s are %d pixels wide", test.dashboard, test.panel, seen, sum)
		}
	}
}

// TestDashboards_ClipNoTimes checks that the texts of times wrap. Their lengths differ.
func TestDashboards_ClipNoTimes(t *testing.T) {
	for name, d := range readDashboards(t) {
		for _, p := range d.Panels {
			for _, o := range p.FieldConfig.Overrides {
				column := o.Matcher.Options
				isTime := strings.HasPrefix(p.override(column, "unit"), `"time:`)
				if p.Type == "table" && isTime && (p.override(column, "custom.wrapText") != "true" || p.width(column) < 80) {
					t.Errorf("%s, %s: the column %s is %d pixels wide and does not wrap", name, p.Title, column, p.width(column))
				}
			}
		}
	}
}

// TestDashboards_NameEachCondition compares the values of the variable with the texts of both tables.
func TestDashboards_NameEachCondition(t *testing.T) {
	now := readDashboards(t)["now"]
	var conditions []string
	for _, v := range now.Templating.List {
		if v.Name == "condition" {
			conditions = strings.Split(fmt.Sprint(v.Query), ", ")
		}
	}
	if len(conditions) < 10 {
		t.Errorf("the variable has only the conditions %q", conditions)
	}
	for i, condition := range conditions {
		for panel, format := range map[string]string{"Open problems": "%d", "Conditions": "%02d"} {
			rank := fmt.Sprintf(format, i+1)
			text := now.panel(t, panel).mappedTo(t, rank, "Condition")
			if want := fmt.Sprintf("%s : %d", text, i+1); want != condition {
				t.Errorf("%s: %s is %q, and %q in the variable", panel, rank, text, condition)
			}
			if past := now.panel(t, panel).mappedTo(t, rank+".5", "Condition"); past != "Was: "+text {
				t.Errorf("%s: at the last poll, %s is %q", panel, text, past)
			}
		}
	}
	link := now.panel(t, "Conditions").override("Condition", "links")
	for _, part := range []string{
		"/d/atlas-restore-now?", "var-condition=${__data.fields.value}", "${cluster:queryparam}",
	} {
		if !strings.Contains(link, part) {
			t.Errorf("the link of a condition does not contain %s: %s", part, link)
		}
	}
}

// TestDashboards_ShowOverdueDrills checks that no negative time is shown as a time in the past.
func TestDashboards_ShowOverdueDrills(t *testing.T) {
	dashboards := readDashboards(t)
	for _, test := range []struct{ dashboard, panel string }{
		{"now", "Drills"}, {"drills", "Last successful drill of each cluster"},
	} {
		p := dashboards[test.dashboard].panel(t, test.panel)
		for value, want := range map[string]string{
			"-1000000": "Never", "-900000": "No backup", "-800000": "Ended", "-700000": "Repeat",
			"-30.5": "Overdue", "-0.5": "Overdue", "30": "",
		} {
			if text := p.mappedTo(t, value, "Due in"); text != want {
				t.Errorf("%s, %s: %s days are %q", test.dashboard, test.panel, value, text)
			}
		}
		if !slices.Contains(p.columns(t), "Overdue by") || p.override("Overdue by", "thresholds") == "" {
			t.Errorf("%s, %s does not show by how much a drill is overdue", test.dashboard, test.panel)
		}
	}
	p := dashboards["drills"].panel(t, "Last successful drill of each cluster")
	for _, title := range []string{"Too old by", "Too slow by"} {
		if !strings.Contains(p.override(title, "custom.cellOptions"), "color-background") ||
			!strings.Contains(p.override(title, "thresholds"), `"yellow"`) {
			t.Errorf("the column %s is not yellow", title)
		}
	}
	open := dashboards["now"].panel(t, "Open problems").Targets
	if over := open[2].Expr; !strings.Contains(over, "NeverDrilled") {
		t.Errorf("the time beyond the objective of clusters that were never drilled is missing: %s", over)
	}
	// The start of these conditions is not known, only the time when they were discovered.
	for _, condition := range []string{"AtlasRestoreNoBackup", "AtlasRestoreTargetGone"} {
		if since := open[1].Expr; strings.Contains(since, condition) {
			t.Errorf("%s has a time that is not its start: %s", condition, since)
		}
	}
}

// TestDashboards_RepeatFailedDrills checks that a cluster whose newest drill failed is neither in time nor good.
func TestDashboards_RepeatFailedDrills(t *testing.T) {
	dashboards := readDashboards(t)
	const newestFailed = "mongodbatlas_restore_last_failure_timestamp_seconds"
	if expr := dashboards["now"].panel(t, "Drills").Targets[0].Expr; !strings.Contains(expr, newestFailed) {
		t.Errorf("the next drill is due regardless of the newest one: %s", expr)
	}
	teams := dashboards["drills"].panel(t, "Teams")
	for title, i := range map[string]int{"All objectives met": 0, "All met": 2, "Newest failed": 7} {
		if !slices.Contains(teams.columns(t), title) || !strings.Contains(teams.Targets[i].Expr, newestFailed) {
			t.Errorf("%s does not depend on the newest drill: %s", title, teams.Targets[i].Expr)
		}
	}
}

// TestDashboards_ColorDrillsOnce checks that conditions of drills have the color of conditions that can wait.
func TestDashboards_ColorDrillsOnce(t *testing.T) {
	dashboards := readDashboards(t)
	for _, test := range []struct{ dashboard, panel, field, id string }{
		{"now", "Counts of open problems", "Failing drills", "thresholds"},
		{"now", "Counts of open problems", "Drills due", "thresholds"},
		{"cluster", "Restores and drills", "Failing drills", "thresholds"},
		{"cluster", "Restores and drills", "/^(Was: )?Drill due in$/", "thresholds"},
		{"cluster", "Restores and drills", "/^(Was: )?Drill due in$/", "mappings"},
		{"cluster", "Restores and drills", "/^(Was: )?Drill overdue by$/", "thresholds"},
		{"now", "Drills", "Due in", "mappings"},
		{"now", "Drills", "Overdue by", "thresholds"},
		{"drills", "Last successful drill of each cluster", "Due in", "mappings"},
		{"drills", "Last successful drill of each cluster", "Overdue by", "thresholds"},
		{"drills", "Teams", "All objectives met", "thresholds"},
	} {
		colors := dashboards[test.dashboard].panel(t, test.panel).override(test.field, test.id)
		if !strings.Contains(colors, `"yellow"`) || strings.Contains(colors, `"red"`) {
			t.Errorf("%s, %s: %s has the colors %s", test.dashboard, test.panel, test.field, colors)
		}
	}
	for _, title := range []string{"Clusters by age", "Findings in these clusters"} {
		limits := dashboards["drills"].panel(t, title).FieldConfig.Defaults.Thresholds.Steps
		if last := limits[len(limits)-1]; last.Color != "yellow" {
			t.Errorf("counts of %s are %s", title, last.Color)
		}
	}
}

// TestDashboards_ShowFailedDrillsApart checks that a failed drill is no failed restore of a cluster, and comes later.
func TestDashboards_ShowFailedDrillsApart(t *testing.T) {
	p := readDashboards(t)["now"].panel(t, "Restores by cluster")
	const failing = ` on (project_id, cluster_name) (alert:mongodbatlas_restore_restores:labeled{condition=~"`
	const atEnd = `AtlasRestore(Failed|TooSlow|Stuck)",` + clusterMatchers
	for i, want := range []string{
		" and" + failing + atEnd + `,purpose!="drill"} @ end())`,
		" and" + failing + atEnd + `,purpose="drill"} @ end())`,
		" unless" + failing + atEnd + `} @ end())`,
	} {
		expr := p.Targets[i].Expr
		if !strings.Contains(expr, want) || !strings.Contains(expr, `purpose="drill"}) + 10 unless`) {
			t.Errorf("query %d does not contain %s: %s", i, want, expr)
		}
	}
	state, _ := p.FieldConfig.Defaults.Mappings[0].Options["10"].(map[string]any)
	if state["text"] != "Drill failed" || state["color"] != "yellow" {
		t.Errorf("a failed drill is %v", state)
	}
}

// TestDashboards_NameAges checks that the age of polls and the age of restored data have different names.
func TestDashboards_NameAges(t *testing.T) {
	dashboards := readDashboards(t)
	for _, test := range []struct{ dashboard, panel, column string }{
		{"now", "Running restores", "Last poll"},
		{"cluster", "Targets and objectives", "Recovery point age"},
		{"drills", "Last successful drill of each cluster", "Recovery point age"},
	} {
		if columns := dashboards[test.dashboard].panel(t, test.panel).columns(t); !slices.Contains(columns, test.column) {
			t.Errorf("%s, %s: columns %q", test.dashboard, test.panel, columns)
		}
	}
	for name, d := range dashboards {
		if d.panel(t, "Monitoring").override("Oldest poll", "unit") == "" {
			t.Errorf("%s: the age of the last poll has no name", name)
		}
		for _, p := range d.Panels {
			if p.override("Data age", "unit") != "" {
				t.Errorf("%s, %s: the column Data age can have two meanings", name, p.Title)
			}
		}
	}
}

// TestDashboards_CountDrillsOnce checks that the counts of clusters by drill age are disjoint.
func TestDashboards_CountDrillsOnce(t *testing.T) {
	drills := readDashboards(t)["drills"]
	targets := drills.panel(t, "Clusters by age of the last success").Targets
	if len(targets) != 5 {
		t.Fatalf("%d counts", len(targets))
	}
	for _, target := range targets {
		if strings.Contains(target.Expr, "RecoveryPointOld") {
			t.Errorf("clusters with an old recovery point are counted twice: %s", target.Expr)
		}
		canBeDrilled := `} unless on (project_id, cluster_name) (cluster:mongodbatlas_restore_cluster_backup:missing`
		if strings.HasSuffix(target.LegendFormat, "Never drilled") && !strings.Contains(target.Expr, canBeDrilled) {
			t.Errorf("clusters that can't be drilled are counted twice: %s", target.Expr)
		}
	}
	if expr := drills.panel(t, "Findings in these clusters").Targets[1].Expr; !strings.Contains(expr, "RecoveryPointOld") {
		t.Errorf("clusters with an old recovery point are not counted: %s", expr)
	}
}

// TestDashboards_CountFailedDrillsApart checks that each failure is in one of two counts: a failed drill can wait.
func TestDashboards_CountFailedDrillsApart(t *testing.T) {
	dashboards := readDashboards(t)
	for name, panel := range map[string]string{"now": "Counts of open problems", "cluster": "Restores and drills"} {
		for legend, purpose := range map[string]string{
			"Failed restores": `purpose!="drill"`, "Failing drills": `purpose="drill"`,
		} {
			expr := dashboards[name].panel(t, panel).expr("{{was}}" + legend)
			if !strings.Contains(expr, "AtlasRestoreFailed") || !strings.Contains(expr, purpose) {
				t.Errorf("%s: %s is not the count of %s: %s", name, legend, purpose, expr)
			}
		}
	}
}

// TestDashboards_ShowUTC checks that times are absolute, because a picture can be old, and contain the zone.
func TestDashboards_ShowUTC(t *testing.T) {
	found := 0
	for name, d := range readDashboards(t) {
		if d.Timezone != "utc" {
			t.Errorf("%s: time zone %q", name, d.Timezone)
		}
		for _, p := range d.Panels {
			for _, o := range p.FieldConfig.Overrides {
				u := p.override(o.Matcher.Options, "unit")
				if strings.HasPrefix(u, `"dateTime`) || strings.HasPrefix(u, `"time:`) && !strings.HasSuffix(u, ` z"`) {
					t.Errorf("%s, %s: %s has the unit %s", name, p.Title, o.Matcher.Options, u)
				}
				if strings.HasPrefix(u, `"time:`) {
					found++
				}
			}
		}
	}
	if found < 10 {
		t.Errorf("only %d columns contain times", found)
	}
}

// TestDashboards_NameOneReasonForNoData checks that an empty panel has one reason.
func TestDashboards_NameOneReasonForNoData(t *testing.T) {
	for name, d := range readDashboards(t) {
		for _, p := range d.Panels {
			if strings.Contains(p.FieldConfig.Defaults.NoValue, " or ") {
				t.Errorf("%s, %s: an empty panel shows %q", name, p.Title, p.FieldConfig.Defaults.NoValue)
			}
		}
	}
}

func TestDashboards_CountExpiringCredentials(t *testing.T) {
	targets := readDashboards(t)["exporter"].panel(t, "Failures of the exporter").Targets
	expiring := slices.ContainsFunc(targets, func(target target) bool {
		return strings.Contains(target.Expr, "credential_expiry:min < time() + 14 * 86400")
	})
	if !expiring {
		t.Error("no count contains the credentials that expire")
	}
	alerts := 0
	for _, rule := range readRules(t) {
		if rule.Alert == "AtlasRestoreCredentialExpires" && strings.Contains(rule.Expr, "time() + 14 * 86400") {
			alerts++
		}
	}
	if alerts != 1 {
		t.Errorf("%d alerts have the same limit", alerts)
	}
}

func TestDashboards_NameTheProjectOfTheCluster(t *testing.T) {
	if title := readDashboards(t)["cluster"].Panels[0].Title; title != "State of ${cluster} (${project:text})" {
		t.Errorf("the dashboard starts with %s", title)
	}
}

// TestDashboards_LinkOnlyKnownAddresses applies the expressions that build links.
func TestDashboards_LinkOnlyKnownAddresses(t *testing.T) {
	replacement := regexp.MustCompile(`"(status_page|atlas_page)", "([^"]*)", "named", "([^"]*)"`)
	matches := replacement.FindAllStringSubmatch(readDashboards(t)["now"].panel(t, "Open problems").Targets[0].Expr, -1)
	got := map[string]string{}
	for _, match := range matches {
		pattern := regexp.MustCompile("^(?:" + match[3] + ")$")
		for _, source := range []string{"6f0e;orders;https://e.com;https://a.com", "6f0e;orders;;", "6f0e;;https://e.com;"} {
			if pattern.MatchString(source) {
				got[match[1]+" of "+source] = pattern.ReplaceAllString(source, match[2])
			}
		}
	}
	want := map[string]string{
		"status_page of 6f0e;orders;https://e.com;https://a.com": "https://e.com/?project=6f0e&cluster=orders",
		"atlas_page of 6f0e;orders;https://e.com;https://a.com":  "https://a.com/v2/6f0e#/clusters/backup/orders",
		"status_page of 6f0e;;https://e.com;":                    "https://e.com/?project=6f0e&cluster=",
	}
	if !maps.Equal(got, want) {
		t.Errorf("links %q, want %q", got, want)
	}
}
