package recompute

import (
	"cmp"
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"time"
)

// input is everything that a report is computed from.
type input struct {
	Now, From, To time.Time
	Clusters      []*clusterInput
	SignOffs      []signOff
}

type signOff struct {
	JobID, Reviewer, Date, Notes string
	Pass                         bool
}

type clusterInput struct {
	Project, Name, Team string
	Created             time.Time // zero if Atlas does not report it
	Backup, PointInTime bool
	Objectives          map[string]int64 // in seconds; no entry if there is none
	Drills, Allowed     *[]target        // nil if not configured
	Lists               map[string]*list
}

// target is an entry of allowed_targets and drill_targets. Without clusters, it names all clusters of the project.
type target struct {
	Project  string   `json:"project_id"`
	Clusters []string `json:"cluster_names,omitempty"`
}

type list struct {
	Denied bool
	Items  []json.RawMessage
}

// row is an object of the JSON report.
type row map[string]any

// rows are the rows of a report, with the clusters by name and their restores by list and job ID.
type rows struct {
	summary  row
	teams    map[string]row
	clusters map[string]row
	restores map[string]map[string]row // "cluster list" → job ID
	targets  map[string]row
	signOffs row
	complete bool
}

// clusterState is a cluster with its restores.
type clusterState struct {
	*clusterInput
	*input
	restores   []*restore
	earlier    []string // IDs of jobs of an earlier cluster of the same name
	incomplete bool     // a list of restores of the whole cluster
}

func recompute(in *input) *rows {
	out := &rows{
		teams: map[string]row{}, clusters: map[string]row{}, restores: map[string]map[string]row{},
		targets: map[string]row{}, complete: true, summary: newCounts(),
	}
	for _, name := range []string{"drills", "drills_signed_off_pass", "drills_signed_off_fail", "drills_not_validated",
		"failed_restores", "failed_restores_followed_up"} {
		out.summary[name] = 0
	}
	used, outside, earlier, found := 0, 0, 0, map[string]bool{}
	for _, c := range in.Clusters {
		s := &clusterState{clusterInput: c, input: in}
		s.read(out)
		for _, id := range s.earlier {
			if found[id] = true; slices.ContainsFunc(in.SignOffs, func(entry signOff) bool { return entry.JobID == id }) {
				earlier++
			}
		}
		for _, r := range s.restores {
			for _, j := range r.jobs {
				found[j.id] = true
			}
			if r.signOff == nil {
				continue
			}
			if place := s.place(r); place != "" && place != "unfinished_restores" {
				used++
			} else {
				outside++
			}
		}
		s.report(out)
	}
	unresolved := []string{}
	for _, entry := range in.SignOffs {
		if !found[entry.JobID] {
			unresolved = append(unresolved, entry.JobID)
		}
	}
	slices.Sort(unresolved)
	out.signOffs = row{"used": used, "ignored_outside_period": outside, "ignored_outside_filters": 0,
		"ignored_earlier_cluster": earlier,
		"unresolved_job_ids":      unresolved}
	return out
}

// read reads the lists of a cluster.
func (s *clusterState) read(out *rows) {
	for backup, list := range s.Lists {
		var jobs []job
		var oldest time.Time
		malformed, undated := 0, 0
		for _, item := range list.Items {
			j, ok := readJob(backup, item, s.Now)
			switch {
			case list.Denied:
			case !ok:
				malformed++
			case !s.Created.IsZero() && !j.created.IsZero() && j.created.Before(s.Created) && !j.isUnfinished(s.Now):
				s.earlier = append(s.earlier, j.id) // "A recreated cluster starts again."
			default:
				jobs = append(jobs, j)
				if oldest.IsZero() || !j.created.IsZero() && j.created.Before(oldest) {
					oldest = j.created
				}
			}
		}
		restores := restoresOf(jobs, s.Now)
		for _, r := range restores {
			if !r.unfinished && r.ended.IsZero() {
				undated++
			}
			for i, entry := range s.SignOffs {
				if slices.ContainsFunc(r.jobs, func(j job) bool { return j.id == entry.JobID }) {
					r.signOff = &s.SignOffs[i]
				}
			}
		}
		s.restores = append(s.restores, restores...)
		if list.Denied || malformed > 0 {
			s.incomplete = s.incomplete || backup != "collection"
			out.complete = false
		}
		out.targets[s.Name+" "+backup] = row{
			"read": !list.Denied, "truncated": false, "inconsistent": false, "malformed_jobs": malformed,
			"jobs": len(jobs), "oldest_job_created": date(oldest), "undated_restores": undated,
		}
	}
}

// place returns the list of a cluster that contains a restore, or an empty text if the restore is not in the report.
// "A restore belongs to it if it ended in it", [from, to); "restores unfinished at to are listed apart".
func (s *clusterState) place(r *restore) string {
	switch {
	case r.unfinished && !r.created.Before(s.To):
		return ""
	case r.unfinished, r.created.Before(s.To) && !r.ended.Before(s.To):
		return "unfinished_restores"
	case r.ended.Before(s.From) || !r.ended.Before(s.To):
		return ""
	case r.backup == "collection":
		return "collection_restores"
	case r.outcome == "failed":
		return "failed_restores"
	case r.kind == "download":
		return "downloads"
	case s.isDrill(r):
		return "drills"
	}
	return "other_restores"
}

// purpose: "in_place (its target is its source cluster), drill (its target is in the configured drill_targets), or
// other (any other target, an unknown target, every download)". "A collection restore with writeStrategy CREATE_NEW is
// never in place".
func (s *clusterState) purpose(r *restore) string {
	switch {
	case r.kind == "download", r.targetCluster == "":
		return "other"
	case r.targetProject == s.Project && r.targetCluster == s.Name && !r.createNew:
		return "in_place"
	case s.Drills != nil && names(*s.Drills, &r.job):
		return "drill"
	}
	return "other"
}

// isDrill: "a successful restore of a whole cluster with delivery type automated or point_in_time and purpose drill; if
// no drill_targets are configured, with any purpose".
func (s *clusterState) isDrill(r *restore) bool {
	return r.backup != "collection" && r.succeeded && (r.kind == "automated" || r.kind == "point_in_time") &&
		(s.Drills == nil || s.purpose(r) == "drill")
}

// counts returns whether a drill counts for the objectives.
func (s *clusterState) counts(r *restore) bool {
	predates := !r.created.IsZero() && r.created.Before(s.Created)
	return s.isDrill(r) && (r.signOff == nil || r.signOff.Pass) && !predates
}

// names returns whether an entry names the project and, if it lists clusters, the cluster of a target.
func names(targets []target, j *job) bool {
	return slices.ContainsFunc(targets, func(t target) bool {
		return t.Project == j.targetProject && (len(t.Clusters) == 0 || slices.Contains(t.Clusters, j.targetCluster))
	})
}

// isUnexpected: a batch restores to an unexpected target if any of its jobs does. A download never does.
func (s *clusterState) isUnexpected(r *restore) bool {
	if s.Allowed == nil {
		return false
	}
	return slices.ContainsFunc(r.jobs, func(j job) bool {
		return j.kind != "download" && (j.targetCluster == "" || !names(*s.Allowed, &j))
	})
}

// followUp: "A failed restore counts as followed up if a later restore with the same purpose succeeded". A restore that
// was requested before the failed one isn't later, even if it ended later.
func (s *clusterState) followUp(failed *restore) any {
	var first *restore
	for _, r := range s.restores {
		if r.succeeded && (r.backup == "collection") == (failed.backup == "collection") &&
			s.purpose(r) == s.purpose(failed) && r.ended.After(failed.ended) &&
			(r.created.IsZero() || !r.created.Before(failed.created)) && (first == nil || r.before(first)) {
			first = r
		}
	}
	if failed.outcome != "failed" || first == nil {
		return nil
	}
	return row{"job_id": first.id, "ended": date(first.ended)}
}

// before returns whether a restore comes before another one: by end, creation, and ID.
func (r *restore) before(other *restore) bool {
	return cmp.Or(r.ended.Compare(other.ended), r.created.Compare(other.created), strings.Compare(r.id, other.id)) < 0
}

func (s *clusterState) restoreRow(r *restore) row {
	validation := row{"validation": "not_validated", "reviewer": "", "review_date": "", "notes": ""}
	if r.signOff != nil {
		validation = row{"validation": "fail", "reviewer": r.signOff.Reviewer, "review_date": r.signOff.Date,
			"notes": r.signOff.Notes}
		if r.signOff.Pass {
			validation["validation"] = "pass"
		}
	}
	var batch any
	if r.batch != "" {
		ids := []string{}
		for _, j := range r.jobs {
			ids = append(ids, j.id)
		}
		slices.Sort(ids)
		batch = ids
	}
	ended, expires := r.ended, r.expires
	if r.unfinished {
		ended = time.Time{}
	}
	if r.kind != "download" {
		expires = time.Time{}
	}
	out := row{
		"job_id": r.id, "batch_id": r.batch, "batch_job_ids": batch, "backup_type": r.backup, "kind": r.kind,
		"purpose": s.purpose(r), "status": r.outcome, "requested": date(r.created), "finished": date(r.finished),
		"ended": date(ended), "expires": date(expires), "recovery_point": date(r.recovery),
		"target_project_id": r.targetProject, "target_cluster_name": r.targetCluster,
		"in_place": s.purpose(r) == "in_place", "unexpected_target": s.isUnexpected(r), "indexes_failed": r.indexesFailed,
		"duration":           s.judgeDrill(r, "duration", duration),
		"recovery_point_age": s.judgeDrill(r, "recovery_point_age", recoveryPointAge),
		"followed_up_by":     s.followUp(r),
	}
	maps.Copy(out, validation)
	return out
}

func date(t time.Time) any {
	if t.IsZero() {
		return nil
	}
	return t.UTC().Format("2006-01-02T15:04:05Z")
}
