package oracle

import (
	"slices"
	"strings"
	"time"
)

// event is the success or failure of one restore.
type event struct {
	end time.Time
	job job // the job that names it
}

// eventKey identifies one series: "One series per delivery type and purpose".
type eventKey struct {
	success               bool
	deliveryType, purpose string
}

// lastValues contains the last_* values. They "are retained after their jobs are removed".
type lastValues struct {
	events  map[eventKey]event
	created map[string]time.Time // by delivery type
}

func newLastValues() *lastValues {
	return &lastValues{events: map[eventKey]event{}, created: map[string]time.Time{}}
}

// observeCreated adds the creation times of the jobs: "creation time of the newest known job".
func (l *lastValues) observeCreated(jobs []record) {
	for _, r := range jobs {
		if created := r.job.created; created != nil {
			if old, ok := l.created[r.job.deliveryType]; !ok || created.After(old) {
				l.created[r.job.deliveryType] = *created
			}
		}
	}
}

// observe adds the events of the jobs.
func (l *lastValues) observe(s Settings, jobs []record) {
	restores := map[string][]record{}
	for _, r := range jobs {
		name := batchOf(r.job)
		restores[name] = append(restores[name], r)
	}
	for _, restore := range restores {
		e, success, ok := outcome(restore)
		if !ok {
			continue
		}
		key := eventKey{success, e.job.deliveryType, purpose(s, e.job)}
		if old, ok := l.events[key]; !ok || compareEvents(e, old) < 0 {
			l.events[key] = e
		}
	}
}

// outcome returns the event of one restore: "The jobs of one legacy batch count as one restore. It failed if any job
// failed, and succeeded only if all jobs succeeded. Its end time is the latest end time of its jobs; it is named by its
// failed (else any) job that comes first in the order below." Any other job is a batch of one job.
func outcome(restore []record) (e event, success, ok bool) {
	var failures []record
	successes := 0
	var latest *time.Time
	for _, r := range restore {
		if st, _ := status(r.job, r.at); st == failed {
			failures = append(failures, r)
		}
		if isSuccessful(r.job, r.at) {
			successes++
		}
		if t := end(r); compareTimes(t, latest) > 0 {
			latest = t
		}
	}
	success = successes == len(restore)
	if latest == nil || !success && len(failures) == 0 {
		return event{}, false, false
	}
	named := restore
	if !success {
		named = failures
	}
	first := slices.MinFunc(named, compareOrder)
	return event{end: *latest, job: first.job}, success, true
}

// compareOrder sorts jobs: "the latest end wins, then the latest creation, then the greatest ID".
func compareOrder(a, b record) int {
	if c := compareTimes(end(b), end(a)); c != 0 {
		return c
	}
	return compareCreation(a.job, b.job)
}

// compareEvents sorts events in the same order.
func compareEvents(a, b event) int {
	if c := b.end.Compare(a.end); c != 0 {
		return c
	}
	return compareCreation(a.job, b.job)
}

func compareCreation(a, b job) int {
	if c := compareTimes(b.created, a.created); c != 0 {
		return c
	}
	return strings.Compare(b.id, a.id)
}

// compareTimes sorts times; an absent time is before every other time.
func compareTimes(a, b *time.Time) int {
	switch {
	case a == nil && b == nil:
		return 0
	case a == nil:
		return -1
	case b == nil:
		return 1
	}
	return a.Compare(*b)
}
