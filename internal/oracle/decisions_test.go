package oracle

import (
	"cmp"
	"slices"
	"strings"
	"time"
)

// This file contains the main decisions on text of the contract that has more than one reading. NOTES.md explains each
// decision.

// hasPassed: a time has passed at that time, not only after it.
func hasPassed(t *time.Time, now time.Time) bool {
	return t != nil && !now.Before(*t)
}

// isUnfinished: "unfinished means active, ready, or unknown and created in the last 7 days". The 7 days apply to
// unknown only, and an unknown job without a creation time is finished.
func isUnfinished(j job, now time.Time) bool {
	st, _ := status(j, now)
	if st == unknown {
		return isWithin(j.created, now, 7*day)
	}
	return isActive(j, now) || st == ready
}

// mayChange: "A SUCCESSFUL job whose indexes are still NOT_STARTED or IN_PROGRESS stays unfinished for polling",
// for as long as a job of unknown status. Therefore it is not evicted.
func mayChange(j job, now time.Time) bool {
	st, _ := status(j, now)
	indexing := st == completed && (j.indexState == "NOT_STARTED" || j.indexState == "IN_PROGRESS")
	return isUnfinished(j, now) || indexing && isWithin(j.created, now, 7*day)
}

// isWithin: a period ends at its end, not after it.
func isWithin(t *time.Time, now time.Time, age time.Duration) bool {
	return t != nil && now.Sub(*t) < age
}

// compareNewest sorts jobs "newest first": latest creation, then greatest ID. Jobs without a creation time are last.
func compareNewest(a, b job) int {
	return cmp.Or(compareTimes(b.created, a.created), strings.Compare(b.id, a.id))
}

// withinLimits returns the known jobs: "the jobs of a target within its history limits (age and count), merged across
// polls by job ID. Unfinished jobs are known regardless of the limits." The count is that of the newest jobs that the
// age allows, unfinished jobs included.
func withinLimits(s Settings, jobs map[string]record, now time.Time) map[string]record {
	known, count := map[string]record{}, 0
	newest := sorted(jobs)
	slices.SortStableFunc(newest, func(a, b record) int { return compareNewest(a.job, b.job) })
	for _, r := range newest {
		unfinished := mayChange(r.job, now)
		if isTooOld(s, r, now) && !unfinished {
			continue
		}
		if count++; count <= s.HistoryMaxJobs || unfinished {
			known[r.job.id] = r
		}
	}
	return known
}

// isTooOld: the age of a job is the time since its creation, inclusive. A job without it is not too old.
func isTooOld(s Settings, r record, now time.Time) bool {
	return r.job.created != nil && now.Sub(*r.job.created) > s.HistoryMaxAge
}

// isConclusive: only a list without malformed items shows that a job is absent, because an item may be the job.
func isConclusive(poll *Poll) bool {
	return !slices.ContainsFunc(poll.items(), func(o object) bool { return o.text("id") == "" })
}

// isAbsentTwice returns whether a known job that the list does not contain, and that Atlas does not find either, is
// removed: "only if two polls in a row got a job-not-found error code for it, or if two consecutive complete,
// consistent lists don't contain it" (DESIGN.md). Only a job that may change is requested.
func isAbsentTwice(r *record, now time.Time, conclusive bool) bool {
	before := r.notFound
	r.notFound = mayChange(r.job, now)
	if conclusive {
		r.absences++
	}
	return before && r.notFound || r.absences == 2
}

// lastValuesOf returns the last_* values. last_success_* and last_failure_* cover "all" jobs: each that was ever
// listed, known or not, in its last reading. Jobs that are not known were evaluated when they were listed last, or
// ceased to be known. last_created_* covers known jobs only. All values "are retained after their jobs are removed".
//
// A job that was removed while it was unfinished doesn't prevent the success of its batch, because Atlas has no such
// job, if another job of the batch remained known. If all its jobs were removed at once, the batch never succeeded.
func lastValuesOf(s Settings, h state) *lastValues {
	last := newLastValues()
	jobs := slices.Concat(sorted(h.known), sorted(h.others))
	all := slices.Clone(jobs)
	last.observeCreated(slices.Concat(sorted(h.known), h.former))
	last.observe(s, jobs)
	last.observe(s, slices.DeleteFunc(jobs, func(r record) bool {
		_, isKnown := h.known[r.job.id]
		return !isKnown && r.job.batchID != "" && isUnfinished(r.job, r.at) && !isSuccessful(r.job, r.at) &&
			slices.ContainsFunc(all, func(o record) bool { return o.job.batchID == r.job.batchID && h.remainedAfter(o, r) })
	}))
	return last
}

// remainedAfter returns whether a job was evaluated after another one had been removed.
func (h state) remainedAfter(r, removed record) bool {
	_, isKnown := h.known[r.job.id]
	return isKnown || r.at.After(removed.at)
}

// batchOf returns the name of the restore that a job belongs to. The jobs of a batch are one restore for
// last_success_*, last_failure_*, and last_duration_* only.
func batchOf(j job) string {
	if j.batchID != "" {
		return "batch " + j.batchID
	}
	return "job " + j.id
}

// exportedOther: combinations that are not in the table "are exported once they occur", which means as long as
// the number of jobs is not 0.
func exportedOther(jobs int) bool { return jobs > 0 }

// possibleStatuses returns the statuses of the state set of a job: those of the table for its backup type and
// delivery type, and its own.
func possibleStatuses(j job, st string) []string {
	statuses := []string{st}
	for _, c := range alwaysExported(j.backupType) {
		if c[0] == j.deliveryType {
			statuses = append(statuses, c[1])
		}
	}
	return statuses
}

// flagValue returns the flag "as Atlas reports it (1 or 0); derived from the status for backup types without this
// flag". A flag that Atlas does not report is 0.
func flagValue(j job, flag *bool, st, flagStatus string) float64 {
	switch j.backupType {
	case "dedicated", "serverless":
		return boolean(isSet(flag))
	}
	return boolean(st == flagStatus)
}

// availableLinks: "number of links currently available; 0 while the archive is being prepared and after the links
// have expired": 0 if the status is expired or the expiry has passed.
func availableLinks(j job, now time.Time) int {
	if st, _ := status(j, now); st == expired || hasPassed(j.expiry, now) {
		return 0
	}
	return j.links
}

// indexesFailed: "1 if indexStatus of that job is FAILED or counts failed collections, else 0; absent without
// indexStatus". Any object counts as an indexStatus.
func indexesFailed(j job) (float64, bool) {
	counted := j.indexFailed != nil && *j.indexFailed > 0
	return boolean(j.indexState == "FAILED" || counted), j.hasIndexStatus
}

// isExportedObjective: "0s disables an inherited objective" (STYLE.md): its series is absent.
func isExportedObjective(d time.Duration) bool { return d > 0 }
