package collector

import (
	"cmp"
	"time"

	"atlas-restore-exporter/atlas"
)

// Facts is what outlives the jobs that it came from, for one delivery type. Zero stands for "never".
type Facts struct {
	LastCreated atlas.Timestamp
	LastSuccess atlas.Timestamp
	LastFailure atlas.Timestamp
	// LastCompleted is when the latest job ended whose duration can be told, LastDuration how long it took, in
	// seconds: below zero where the dates contradict each other.
	LastCompleted atlas.Timestamp
	LastDuration  int64
}

type factsByDelivery [atlas.DeliveryCount]Facts

// merge takes the later of each fact, and of restores that ended in the same second the longest: what is said must not
// depend on the order in which jobs are looked at.
func (f *factsByDelivery) merge(other *factsByDelivery) {
	for i := range f {
		mine, theirs := &f[i], &other[i]
		mine.LastCreated = max(mine.LastCreated, theirs.LastCreated)
		mine.LastSuccess = max(mine.LastSuccess, theirs.LastSuccess)
		mine.LastFailure = max(mine.LastFailure, theirs.LastFailure)
		later := cmp.Compare(theirs.LastCompleted, mine.LastCompleted)
		if later > 0 || later == 0 && theirs.LastDuration > mine.LastDuration {
			mine.LastCompleted, mine.LastDuration = theirs.LastCompleted, theirs.LastDuration
		}
	}
}

// restore is what counts as one restore: a job or, in legacy backup, the jobs of a batch together.
type restore struct {
	delivery  atlas.DeliveryType
	created   atlas.Timestamp // of the first
	newest    atlas.Timestamp // creation of the last
	finished  atlas.Timestamp // of the last; zero unless all have finished
	end       atlas.Timestamp
	failed    bool // any
	succeeded bool // all
	completed bool // all
}

func newRestore(job *atlas.RestoreJob, status atlas.Status) restore {
	completed := status == atlas.StatusCompleted
	archived := job.DeliveryType == atlas.DeliveryDownload &&
		(status == atlas.StatusReady || status == atlas.StatusExpired)
	return restore{
		delivery: job.DeliveryType, created: job.Created, newest: job.Created, finished: job.Finished, end: job.End(),
		failed: status == atlas.StatusFailed, succeeded: completed || archived, completed: completed,
	}
}

// join adds a job of the same batch.
func (r *restore) join(other restore) {
	r.delivery = max(r.delivery, other.delivery) // they are the same, or else it must not be left to chance
	r.created, r.newest = min(r.created, other.created), max(r.newest, other.newest)
	r.end = max(r.end, other.end)
	r.failed = r.failed || other.failed
	r.succeeded = r.succeeded && other.succeeded
	r.completed = r.completed && other.completed
	if r.finished == 0 || other.finished == 0 {
		r.finished = 0
	} else {
		r.finished = max(r.finished, other.finished)
	}
}

func (r *restore) facts() Facts {
	facts := Facts{LastCreated: r.newest}
	if r.failed {
		facts.LastFailure = r.end
	}
	if r.succeeded {
		facts.LastSuccess = r.end
	}
	if r.completed && r.created != 0 && r.finished != 0 {
		facts.LastCompleted, facts.LastDuration = r.finished, int64(r.finished-r.created)
	}
	return facts
}

// factsOf returns what jobs say together at an instant. Some batches are known not to have succeeded by other jobs, and
// some of those to have failed.
func factsOf(jobs []*atlas.RestoreJob, spoiled map[string]bool, now time.Time) factsByDelivery {
	var facts factsByDelivery
	add := func(r restore) {
		var one factsByDelivery
		one[r.delivery] = r.facts()
		facts.merge(&one)
	}
	var batches map[string]restore
	for _, job := range jobs {
		r := newRestore(job, job.StatusAt(now))
		if failed, ok := spoiled[job.BatchID]; ok {
			r.failed, r.succeeded, r.completed = r.failed || failed, false, false
		}
		if job.BatchID == "" {
			add(r)
			continue
		}
		if batches == nil {
			batches = map[string]restore{}
		}
		if batch, ok := batches[job.BatchID]; ok {
			r.join(batch)
		}
		batches[job.BatchID] = r
	}
	for _, batch := range batches {
		add(batch)
	}
	return facts
}
