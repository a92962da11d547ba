package faults

import (
	"fmt"
	"time"

	"atlas-restore-exporter/atlas"
	"atlas-restore-exporter/collector/poll"
)

// series returns the beginning of a line of /metrics: a series of a target. More are labels with a trailing comma that
// come between cluster_name and project_id.
func series(list atlas.List, name, more string) string {
	return fmt.Sprintf(`mongodbatlas_restore_%s{backup_type="%s",cluster_name="%s",%sproject_id="%s"`,
		name, list.BackupType, list.ClusterName, more, list.ProjectID)
}

// successMetrics returns the lines of a target whose last poll succeeded.
func successMetrics(list atlas.List) []string {
	return []string{series(list, "poll_success", "") + "} 1.0\n", "!" + series(list, "poll_error", "")}
}

// failureMetrics returns the lines of a target whose last poll failed for a reason.
func failureMetrics(list atlas.List, reason poll.Reason) []string {
	lines := []string{series(list, "poll_success", "") + "} 0.0\n"}
	for _, other := range poll.Reasons() {
		line := series(list, "poll_error", "") + fmt.Sprintf(",reason=%q} 1.0\n", other)
		if other != reason {
			line = "!" + line
		}
		lines = append(lines, line)
	}
	return lines
}

// lastKnownState returns the lines of a target from before its job failed.
func (w *world) lastKnownState(list atlas.List) []string {
	job := series(list, "job_status", fmt.Sprintf("job_id=%q,", w.running[list])) + `,status="in_progress"} 1.0` + "\n"
	if w.isStale() {
		job = "!" + job
	}
	return []string{series(list, "jobs", `delivery_type="automated",`) + `,status="in_progress"} 1.0` + "\n", job}
}

// isStale reports whether the last known state of the victim is too old for per-job series.
func (w *world) isStale() bool {
	return w.fault.lasts > 0 && w.exporter.Manager().Snapshots()[0].Stale(time.Now())
}

// currentState returns the lines of a target whose failed job is known.
func (w *world) currentState(list atlas.List) []string {
	return append(successMetrics(list),
		series(list, "jobs", `delivery_type="automated",`)+`,status="failed"} 1.0`+"\n",
		series(list, "job_status", fmt.Sprintf("job_id=%q,", w.running[list]))+`,status="failed"} 1.0`+"\n")
}
