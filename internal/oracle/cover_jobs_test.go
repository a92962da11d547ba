package oracle

import (
	"slices"
	"time"
)

// coverJobs covers properties of the known jobs after the last poll.
func coverJobs(hit situations, s Settings, known map[string]record, now time.Time) {
	for _, r := range known {
		j := r.job
		st, rule := status(j, now)
		hit["status "+j.backupType+": "+rule] = true
		hit["delivery "+j.backupType+" "+j.wireDelivery+": "+j.deliveryType] = true
		hit["purpose "+j.backupType+": "+purpose(s, j)] = true
		if j.deliveryType != download {
			coverTarget(hit, s, j)
		}
		coverPoints(hit, r, st, now)
		if st == unknown && !isUnfinished(j, now) {
			hit["unfinished: unknown, but old"] = true
		}
		if st == unknown && isUnfinished(j, now) {
			hit["unfinished: unknown and new"] = true
		}
		if isUnfinished(j, now) && isTooOld(s, r, now) {
			hit["unfinished: older than the history"] = true
		}
		if j.links > 0 && st != ready && st != expired {
			hit["links: neither ready nor expired"] = true
		}
		if j.links > 1 {
			hit["links: several"] = true
		}
		if _, ok := indexesFailed(j); ok && j.indexFailed == nil {
			hit["indexes: only a state"] = true
		}
		if j.hasIndexStatus && j.indexState != "FAILED" && j.indexFailed != nil && *j.indexFailed > 0 {
			hit["indexes: only a count"] = true
		}
		if st == completed && (j.indexState == "IN_PROGRESS" || j.indexState == "NOT_STARTED") {
			hit["indexes: still being built"] = true
		}
	}
}

func coverTarget(hit situations, s Settings, j job) {
	switch {
	case j.targetProject == "" && j.targetCluster == "":
		hit["target "+j.deliveryType+": missing"] = true
	case j.targetProject == "":
		hit["target: cluster only"] = true
	case j.targetCluster == "":
		hit["target: project only"] = true
	}
	if s.AllowedTargets != nil && isUnexpected(s, j) {
		hit["target "+j.backupType+": unexpected"] = true
	}
	inPlace := j.targetProject == s.ProjectID && j.targetCluster == s.ClusterName
	if inPlace && j.createNew {
		hit["purpose: CREATE_NEW into the source"] = true
	}
	if inPlace && isNamed(s.DrillTargets, j) {
		hit["purpose: the source is in drill_targets"] = true
	}
}

func coverPoints(hit situations, r record, st string, now time.Time) {
	j := r.job
	if j.created == nil {
		hit["created: absent"] = true
	} else if id := idTime(j.id); id.After(now.Add(day)) {
		hit["created: from its field, ID implausible"] = true
	}
	switch {
	case j.recovery == nil:
		hit["recovery: absent"] = true
	case j.pointInTime != nil:
		hit["recovery: point in time"] = true
	case j.snapshot != nil:
		hit["recovery: snapshot"] = true
	default:
		hit["recovery: snapshotId"] = true
	}
	if j.finished != nil && j.created != nil && j.finished.Before(*j.created) {
		hit["end: before creation"] = true
	}
	t := end(r)
	switch {
	case t == nil && st == failed:
		hit["end: failed from the start without a usable time"] = true
	case t == nil:
		hit["end: absent"] = true
	case st == failed && j.finished == nil && j.created == nil && t == j.recovery:
		hit["end: recovery point of a failed job"] = true
	case st == expired && j.deliveryType == download && j.expiry == nil:
		hit["end: expired without an expiry"] = true
	case t == j.expiry:
		hit["end: expiry"] = true
	case t == j.created:
		hit["end: created"] = true
	case t != j.finished:
		hit["end: the first poll that saw it failed"] = true
	}
}

// coverBatches covers the batches of the known jobs.
func coverBatches(hit situations, s Settings, known map[string]record, now time.Time) {
	batches := map[string][]record{}
	for _, r := range sorted(known) {
		if r.job.batchID != "" {
			batches[r.job.batchID] = append(batches[r.job.batchID], r)
		}
	}
	for _, batch := range batches {
		if len(batch) < 2 {
			continue
		}
		successes, failures := 0, 0
		deliveries, purposes := map[string]bool{}, map[string]bool{}
		for _, r := range batch {
			if isSuccessful(r.job, now) {
				successes++
			}
			if st, _ := status(r.job, now); st == failed {
				failures++
			}
			deliveries[r.job.deliveryType] = true
			purposes[purpose(s, r.job)] = true
		}
		switch {
		case successes == len(batch):
			hit["batch: all succeeded"] = true
		case failures == len(batch):
			hit["batch: all failed"] = true
		case failures > 0:
			hit["batch: some failed"] = true
		default:
			hit["batch: neither succeeded nor failed"] = true
		}
		if len(deliveries) > 1 {
			hit["batch: several delivery types"] = true
		}
		if len(purposes) > 1 {
			hit["batch: several purposes"] = true
		}
		e, _, ok := outcome(batch)
		if ok && compareTimes(end(known[e.job.id]), &e.end) != 0 {
			hit["batch: end of another job"] = true
		}
	}
}

// coverTies covers jobs that qualify for the same series.
func coverTies(hit situations, s Settings, known map[string]record, now time.Time) {
	jobs := sorted(known)
	for i, a := range jobs {
		// The large histories consist of active jobs; a few of them are enough.
		for _, b := range jobs[i+1 : min(len(jobs), i+20)] {
			coverTie(hit, s, a, b, now)
		}
	}
}

func coverTie(hit situations, s Settings, a, b record, now time.Time) {
	sameSeries := a.job.deliveryType == b.job.deliveryType && purpose(s, a.job) == purpose(s, b.job)
	sameCreation := compareTimes(a.job.created, b.job.created) == 0
	sameEnd := end(a) != nil && compareTimes(end(a), end(b)) == 0
	stA, _ := status(a.job, now)
	stB, _ := status(b.job, now)
	if stA == ready && stB == ready && a.job.expiry != nil && compareTimes(a.job.expiry, b.job.expiry) == 0 {
		hit["tie: next expiry"] = true
	}
	if !sameSeries {
		return
	}
	if isActive(a.job, now) && isActive(b.job, now) && sameCreation {
		hit["tie: oldest active"] = true
	}
	var kind string
	switch {
	case isSuccessful(a.job, now) && isSuccessful(b.job, now):
		kind = "success"
	case stA == failed && stB == failed:
		kind = "failure"
	default:
		return
	}
	if sameEnd && sameCreation {
		hit["tie: "+kind+", same end and creation"] = true
	} else if sameEnd {
		hit["tie: "+kind+", same end"] = true
	}
}

// coverLast covers the last_* values.
func coverLast(hit situations, last *lastValues, known map[string]record) {
	for key, e := range last.events {
		name := "last failure: "
		if key.success {
			name = "last success: "
		}
		hit[name+key.deliveryType+" "+key.purpose] = true
		if _, ok := known[e.job.id]; !ok {
			hit[name+"retained"] = true
		}
	}
}

// coverSettings covers the limits of the per-job series and the settings.
func coverSettings(hit situations, s Settings, known map[string]record, now time.Time) {
	selected, omitted := selectJobs(s, sorted(known), now)
	if omitted > 0 {
		hit["job series: omitted"] = true
	}
	unfinished := 0
	for _, r := range known {
		if isUnfinished(r.job, now) {
			unfinished++
		}
	}
	if unfinished > maxUnfinishedJobSeries {
		hit["job series: more than 1,000 unfinished jobs"] = true
	}
	if s.JobSeriesMaxPerTarget == 0 && omitted > 0 {
		hit["job series: disabled for finished jobs"] = true
	}
	if len(selected)+omitted < len(known) {
		hit["job series: too old"] = true
	}
	for name, rules := range map[string][]TargetRule{"allowed": s.AllowedTargets, "drill": s.DrillTargets} {
		switch {
		case rules == nil:
			hit["settings: "+name+" targets not set"] = true
		case len(rules) == 0:
			hit["settings: "+name+" targets empty"] = true
		}
	}
	for _, d := range s.Objectives {
		if d == 0 {
			hit["settings: objective of 0s"] = true
		}
	}
	if slices.ContainsFunc(sorted(known), func(r record) bool { return r.job.id == "" }) {
		panic("job without an ID")
	}
}
