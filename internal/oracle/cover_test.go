package oracle

import (
	"encoding/json"
	"maps"
	"slices"
	"time"
)

// situations is a set of situations that one history hits.
type situations map[string]bool

// Cover returns the situations that one history hits. Situations of statuses are those of the known jobs after the
// last poll.
func Cover(s Settings, polls []Poll) []string {
	hit := situations{}
	h := newState()
	removed := map[string]bool{}
	for i, after := range replay(s, polls) {
		before, poll := h, &polls[i]
		h = after
		coverTimes(hit, before.known, poll)
		coverFields(hit, s, poll)
		coverAbsences(hit, before, h, removed)
		coverEvictions(hit, s, before, h)
	}
	now := polls[len(polls)-1].Now
	coverJobs(hit, s, h.known, now)
	coverBatches(hit, s, h.known, now)
	coverTies(hit, s, h.known, now)
	coverLast(hit, lastValuesOf(s, h), h.known)
	coverSettings(hit, s, h.known, now)
	return slices.Collect(maps.Keys(hit))
}

// coverAbsences covers known jobs that a list does not contain. It adds those that are removed to removed.
func coverAbsences(hit situations, before, after state, removed map[string]bool) {
	for id, old := range before.known {
		r, isKnown := after.known[id]
		switch {
		case !isKnown && after.others[id].absences == 2:
			hit["absence: removed after two lists"] = true
			removed[id] = true
		case !isKnown && after.others[id].notFound:
			hit["absence: removed after two requests"] = true
			removed[id] = true
		case isKnown && r.absences == 1:
			hit["absence: kept after one list"] = true
		case isKnown && old.absences == 1:
			hit["absence: back after one list"] = true
		}
	}
	for id := range after.known {
		if removed[id] {
			hit["absence: back after the removal"] = true
		}
	}
}

// coverEvictions covers jobs beyond the limits, and the progress of known jobs.
func coverEvictions(hit situations, s Settings, before, after state) {
	for id, r := range after.others {
		_, wasKnown := before.known[id]
		_, wasOther := before.others[id]
		switch {
		case wasOther:
		case wasKnown && r.absences < 2:
			hit["eviction: known job"] = true
		case isTooOld(s, r, r.at):
			hit["eviction: new job, by age"] = true
		case !wasKnown:
			hit["eviction: new job, by count"] = true
		}
	}
	for id, r := range after.known {
		if old, ok := before.known[id]; ok {
			coverProgress(hit, old, r)
		}
	}
}

// coverProgress covers changes of a job between two polls.
func coverProgress(hit situations, old, r record) {
	from, _ := status(old.job, old.at)
	to, _ := status(r.job, r.at)
	if from != to {
		hit["progress: "+from+" to "+to] = true
	}
	if clock, _ := status(old.job, r.at); clock != from {
		hit["progress: by the clock between polls"] = true
		if r.absences > 0 {
			hit["progress: by the clock, while absent"] = true
		}
	}
	if compareTimes(end(old), end(r)) > 0 {
		hit["progress: end decreases"] = true
	}
}

// coverTimes covers the clock relative to expiry times.
func coverTimes(hit situations, known map[string]record, poll *Poll) {
	switch {
	case poll.Date.IsZero():
		hit["clock: no Date header"] = true
	case len(known) > 0 && poll.Now.Sub(poll.Date) > day:
		hit["clock: Date header is days behind"] = true
	}
	for _, r := range known {
		if r.job.expiry == nil || r.job.deliveryType != download {
			continue
		}
		switch poll.Now.Sub(*r.job.expiry) {
		case -time.Second:
			hit["clock: just before an expiry"] = true
		case 0:
			hit["clock: at an expiry"] = true
		case time.Second:
			hit["clock: just after an expiry"] = true
		default:
		}
	}
}

// coverFields covers unreadable and implausible fields in a list.
func coverFields(hit situations, s Settings, poll *Poll) {
	latest := poll.date()
	for _, o := range poll.items() {
		if o.text("id") == "" {
			hit["item: not a job"] = true
			continue
		}
		if t := idTime(o.text("id")); t.After(latest.Add(day)) {
			hit["implausible: time of the ID"] = true
		}
		kinds := paths[s.BackupType]
		if s.BackupType == "serverless" {
			kinds = paths["dedicated"]
		}
		for kind, all := range kinds {
			for _, path := range all {
				coverField(hit, o, kind, path, latest)
			}
		}
	}
	if len(poll.Jobs) == 0 {
		hit["list: empty"] = true
	}
}

func coverField(hit situations, o object, kind string, path []string, latest time.Time) {
	name := path[len(path)-1]
	value := o.at(path...)
	switch kind {
	case "time":
		limit := latest.Add(day)
		if slices.Contains([]string{"expiresAt", "expirationDate", "expires"}, name) {
			limit = latest.Add(400 * day)
		}
		switch t := o.date(path...); {
		case t == nil && value != nil:
			hit["unreadable: time "+name] = true
		case t != nil && t.After(limit):
			hit["implausible: "+name] = true
		case t != nil && t.Equal(limit):
			hit["implausible: just not"] = true
		}
	case "text":
		if _, ok := value.(string); !ok && value != nil {
			hit["unreadable: text "+name] = true
		}
	case "flag":
		if _, ok := value.(bool); !ok && value != nil {
			hit["unreadable: flag "+name] = true
		} else if !ok {
			hit["missing: flag "+name] = true
		}
	case "unix":
		if _, ok := value.(json.Number); !ok && value != nil {
			hit["unreadable: seconds "+name] = true
		} else if t := o.unix(name); t != nil && t.After(latest.Add(day)) {
			hit["implausible: seconds "+name] = true
		}
	case "list":
		switch value.(type) {
		case string, bool:
			hit["unreadable: "+name] = true
		}
	}
}
