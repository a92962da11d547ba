package report

import (
	"bufio"
	"cmp"
	"fmt"
	"io"
	"strconv"
	"strings"
)

// markdown writes Markdown. It ignores errors, which the writer keeps.
type markdown struct{ w *bufio.Writer }

// line writes a line without escaping it.
func (m *markdown) line(format string, args ...any) { _, _ = fmt.Fprintf(m.w, format+"\n", args...) }

// heading writes a heading between blank lines.
func (m *markdown) heading(level int, text string) {
	m.line("\n%s %s\n", strings.Repeat("#", level), escapeMarkdown(text))
}

// row writes a row of a table, and escapes its cells.
func (m *markdown) row(cells ...string) {
	for i, cell := range cells {
		cells[i] = escapeMarkdown(cell)
	}
	m.line("| %s |", strings.Join(cells, " | "))
}

// table writes the head of a table.
func (m *markdown) table(columns ...string) {
	m.row(columns...)
	m.line("|%s", strings.Repeat(" --- |", len(columns)))
}

// escapeMarkdown escapes the characters that have a meaning in Markdown or HTML. An at sign could mention a user of an
// issue tracker, so it is written as an entity.
func escapeMarkdown(text string) string {
	var escaped strings.Builder
	for _, r := range text {
		switch {
		case strings.ContainsRune("\\`*_[]|#~", r):
			escaped.WriteRune('\\')
			escaped.WriteRune(r)
		case strings.ContainsRune("<>&@", r):
			_, _ = fmt.Fprintf(&escaped, "&#%d;", r)
		default:
			escaped.WriteRune(r)
		}
	}
	return escaped.String()
}

// writeMarkdown writes the report for a ticket.
func writeMarkdown(w io.Writer, r *Report) error {
	m := &markdown{bufio.NewWriter(w)}
	m.line("# Restore report")
	m.header(r)
	m.summary(&r.Data)
	m.clusters(&r.Data)
	m.drills(&r.Data)
	for i := range restoreTables {
		m.restores(&r.Data, &restoreTables[i])
	}
	m.scope(&r.Data)
	m.completeness(&r.Data)
	return m.w.Flush()
}

func (m *markdown) header(r *Report) {
	m.line("")
	m.table("Field", "Value")
	for _, field := range headerFields(r) {
		m.row(field.Name, field.Value)
	}
	m.line("")
	for _, statement := range r.Header.Statements {
		m.line("- %s", escapeMarkdown(statement))
	}
}

func (m *markdown) summary(data *Data) {
	m.heading(2, "Summary")
	m.table("Team", "Clusters", "Objectives met", "Missed", "Not measurable", "No objectives")
	row := func(team string, c Counts) {
		m.row(team, strconv.Itoa(c.Clusters), strconv.Itoa(c.Met), strconv.Itoa(c.Missed), strconv.Itoa(c.NotMeasurable),
			strconv.Itoa(c.NoObjectives))
	}
	row("All", data.Summary.Counts)
	for _, team := range data.Teams {
		row(teamName(team.Team), team.Counts)
	}
	m.line("\n%s", escapeMarkdown(data.restoreCounts()))
}

func (m *markdown) clusters(data *Data) {
	m.heading(2, "Clusters")
	m.table("Cluster", "Team", "Environment", "Backup", "Continuous backup", "Verdict", "Drill age", "Duration",
		"Recovery point age", "Drills")
	for i := range data.Clusters {
		c := &data.Clusters[i]
		m.row(c.Name(), c.Team, c.Environment, formatOnOff(c.BackupEnabled), formatOnOff(c.ContinuousBackup),
			strings.TrimSpace(formatLabel(c.Verdict)+" "+c.Validated()), oneLine(c.DrillAge), oneLine(c.Duration),
			oneLine(c.RecoveryPointAge), strconv.Itoa(len(c.Drills)))
	}
}

// oneLine returns a judgment with its values.
func oneLine(j Judgment) string {
	text := formatLabel(j.Verdict)
	if details := explain(j); details != "" {
		text += " (" + details + ")"
	}
	if j.Value.known {
		text += ": " + formatSeconds(j.Value)
		if j.Objective.known {
			text += " of " + formatSeconds(j.Objective)
		}
	}
	return text
}

func (m *markdown) drills(data *Data) {
	m.heading(2, "Drills")
	if data.Summary.Drills == 0 {
		m.line("None.")
		return
	}
	m.table("Cluster", "Job", "Kind", "Requested", "Finished", "Duration", "Recovery point", "Recovery point age",
		"Target", "In place", "Validation")
	for i := range data.Clusters {
		c := &data.Clusters[i]
		for j := range c.Drills {
			d := &c.Drills[j]
			m.row(c.Name(), d.JobID, kindOf(d), formatTime(d.Requested), formatTime(d.Finished), oneLine(d.Duration),
				formatTime(d.RecoveryPoint), oneLine(d.RecoveryPointAge), d.destination(c), yesNo(d.InPlace), d.validation())
		}
	}
}

// restores writes a table of the restores in one of the lists of each cluster.
func (m *markdown) restores(data *Data, table *restoreTable) {
	m.heading(2, table.Title)
	found := false
	for i := range data.Clusters {
		c := &data.Clusters[i]
		for _, r := range table.list(c) {
			if !found {
				m.table("Cluster", "Job", "Kind", "Purpose", "Status at generation", "Requested", "Ended", "Duration",
					"Recovery point", "Target", "Details")
				found = true
			}
			m.row(c.Name(), r.JobID, kindOf(&r), formatLabel(r.Purpose), formatLabel(r.Status), formatTime(r.Requested),
				formatTime(r.Ended), formatSeconds(r.Duration.Value), formatTime(r.RecoveryPoint), r.destination(c), r.details())
		}
	}
	if !found {
		m.line("None.")
	}
}

func (m *markdown) scope(data *Data) {
	m.heading(2, "Scope")
	m.table("Project", "Cluster", "In scope", "Excluded by", "Backup", "Listed by Atlas")
	for i := range data.Scope {
		s := &data.Scope[i]
		m.row(s.project(), s.ClusterName, yesNo(s.InScope), s.ExcludedBy, formatOnOff(s.BackupEnabled), yesNo(s.Listed))
	}
	m.heading(3, "Projects whose clusters could not be listed")
	for i := range data.UnlistedProjects {
		m.line("- %s", escapeMarkdown(data.UnlistedProjects[i].sentence()))
	}
	if len(data.UnlistedProjects) == 0 {
		m.line("None.")
	}
}

func (m *markdown) completeness(data *Data) {
	m.heading(2, "Completeness")
	for _, id := range data.SignOffs.Unresolved {
		m.line("- %s", escapeMarkdown("The sign-off file names job "+id+", which no list that was read contains."))
	}
	if len(data.SignOffs.Unresolved) > 0 {
		m.line("")
	}
	m.table("Project", "Cluster", "Backup type", "Read", "Jobs", "Oldest job created", "Restores without a known end")
	for i := range data.Targets {
		t := &data.Targets[i]
		m.row(cmp.Or(t.ProjectName, t.ProjectID), t.ClusterName, t.BackupType, t.State(), strconv.Itoa(t.Jobs),
			formatTime(t.Oldest), strconv.Itoa(t.Undated))
	}
	m.line("\n%s", escapeMarkdown(data.SignOffs.sentence()))
}
