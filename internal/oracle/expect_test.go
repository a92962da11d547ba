package oracle

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"time"
)

// TargetRule is one entry of allowed_targets or drill_targets. Without ClusterNames, it names the whole project.
type TargetRule struct {
	ProjectID    string
	ClusterNames []string
}

// Settings is the configuration of one target.
type Settings struct {
	ProjectID   string
	ClusterName string
	BackupType  string

	HistoryMaxAge  time.Duration
	HistoryMaxJobs int

	JobSeriesMaxAge       time.Duration
	JobSeriesMaxPerTarget int

	DrillTargets   []TargetRule // nil: not set
	AllowedTargets []TargetRule // nil: not set

	Objectives map[string]time.Duration
}

// Poll is one complete, consistent list of a full poll, newest first.
type Poll struct {
	Now  time.Time // clock of the exporter
	Date time.Time // Date header of all responses of this poll; zero if there is none
	Jobs []json.RawMessage

	decoded []object
}

// items returns the decoded items of the list; nil for those that are not objects.
func (p *Poll) items() []object {
	if p.decoded == nil {
		for _, raw := range p.Jobs {
			p.decoded = append(p.decoded, decode(raw))
		}
	}
	return p.decoded
}

// record is a job that was seen: its last reading, and the facts that only a sequence of polls shows.
type record struct {
	job           job
	absences      int       // consecutive conclusive lists that did not contain the job
	notFound      bool      // the last poll requested the job, and did not find it
	sawUnfinished bool      // a poll saw the job unfinished
	firstFailed   time.Time // the first poll that saw it failed after an earlier poll saw it unfinished
	at            time.Time // when it was evaluated last: at the last poll, or when it ceased to be known
}

// Expect returns the expected series after all polls, evaluated at the Now of the last poll.
func Expect(s Settings, polls []Poll) map[string]float64 {
	series := newSeries(s)
	objectiveSeries(series, s)
	if len(polls) == 0 {
		return series.values
	}
	states := replay(s, polls)
	h := states[len(states)-1]
	now := polls[len(polls)-1].Now
	targetSeries(series, s, sorted(h.known), now)
	lastSeries(series, lastValuesOf(s, h))
	jobSeries(series, s, sorted(h.known), now)
	return series.values
}

// state is the state of a target after a poll.
type state struct {
	known  map[string]record
	others map[string]record // jobs that are not, or no longer, known, but were listed
	former []record          // jobs when they ceased to be known
}

func newState() state {
	return state{known: map[string]record{}, others: map[string]record{}}
}

// replay returns the states after each poll.
func replay(s Settings, polls []Poll) []state {
	var states []state
	h := newState()
	for i := range polls {
		h = h.after(s, &polls[i])
		states = append(states, h)
	}
	return states
}

// after merges a list into the known jobs: "the jobs of a target [...] merged across polls by job ID". A job that is
// not known can become known only if it is listed.
func (h state) after(s Settings, poll *Poll) state {
	next := state{others: maps.Clone(h.others), former: slices.Clone(h.former)}
	merged, conclusive := h.listed(s, poll), isConclusive(poll)
	for id, r := range h.known {
		if _, ok := merged[id]; ok {
			continue
		}
		r.at = poll.Now
		if isAbsentTwice(&r, poll.Now, conclusive) {
			next.others[id] = r
			next.former = append(next.former, r)
		} else {
			merged[id] = r
		}
	}
	next.known = withinLimits(s, merged, poll.Now)
	for id, r := range merged {
		_, wasKnown := h.known[id]
		if _, ok := next.known[id]; ok {
			delete(next.others, id)
			continue
		}
		next.others[id] = r
		if wasKnown {
			next.former = append(next.former, r)
		}
	}
	return next
}

// listed returns the jobs of a list.
func (h state) listed(s Settings, poll *Poll) map[string]record {
	listed := map[string]record{}
	for _, o := range poll.items() {
		if o.text("id") == "" {
			continue // "list items that are not jobs or have no ID"
		}
		j := readJob(s.BackupType, o, poll.date())
		r := record{job: j, at: poll.Now}
		if old, ok := h.known[j.id]; ok {
			r.sawUnfinished, r.firstFailed = old.sawUnfinished, old.firstFailed
		} else {
			r.firstFailed = h.others[j.id].firstFailed // a job that was removed while it was unfinished starts again
		}
		switch st, _ := status(j, poll.Now); {
		case isUnfinished(j, poll.Now):
			r.sawUnfinished = true
		case st == failed && r.sawUnfinished && r.firstFailed.IsZero():
			// "the first poll that saw it failed after an earlier poll saw it unfinished"
			r.firstFailed = poll.Now
		}
		listed[j.id] = r
	}
	return listed
}

// date returns the time with which times are compared. The contract has "the Date header of the response (the local
// clock if there is none)". The exporter deviates: it uses the later of the two, so that a wrong header hides no time.
func (p *Poll) date() time.Time {
	if p.Date.Before(p.Now) {
		return p.Now
	}
	return p.Date
}

// sorted returns the records in the order of their IDs, so that the result does not depend on the order of a map.
func sorted(records map[string]record) []record {
	return slices.SortedFunc(maps.Values(records), func(a, b record) int { return strings.Compare(a.job.id, b.job.id) })
}
