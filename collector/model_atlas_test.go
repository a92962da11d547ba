package collector

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"iter"
	"maps"
	"slices"
	"time"

	"pgregory.net/rapid"

	"atlas-restore-exporter/atlas"
)

// modelAtlas is a list of restore jobs, served page by page to a poller.
type modelAtlas struct {
	Client   // what is not asked for here
	pageSize int
	jobs     map[string]*modelJob
	view     []*modelJob // the jobs in the list's order; nil once that has changed

	oldestFirst, shuffled bool
	total                 int           // what is added to the true count, or noTotal
	behind                time.Duration // how far the poller's clock is ahead of Atlas'

	serial   int
	requests int
	notFound []string // jobs that were asked for and are not there, since the poll began
	failAt   int      // the request that fails, from 1; none for zero
	cancel   func()   // if set, is called instead
	shiftAt  int      // before this page is read, shift is called
	shift    func()
}

const noTotal = 1 << 20

// modelJob is a job as Atlas has it.
type modelJob struct {
	atlas.RestoreJob
	unreadable bool
	unseen     bool // since the last successful poll
	late       bool // listed further down than where new jobs stand
}

var _ Client = (*modelAtlas)(nil)

// now returns the instant at which a job is created now, by Atlas' clock.
func (a *modelAtlas) now() atlas.Timestamp { return atlas.TimestampOf(time.Now().Add(-a.behind)) }

func (a *modelAtlas) add(job atlas.RestoreJob) *modelJob {
	a.serial++
	job.ID = fmt.Sprint("job", a.serial)
	added := &modelJob{RestoreJob: job, unseen: true}
	a.jobs[job.ID] = added
	a.view = nil
	return added
}

func (a *modelAtlas) remove(id string) {
	delete(a.jobs, id)
	a.view = nil
}

// scatter orders ids as chance does, and always the same.
func scatter(id string) uint64 {
	hash := fnv.New64a()
	_, _ = hash.Write([]byte(id))
	return hash.Sum64()
}

// listed returns the jobs in the list's order. Those of one second are in no order.
func (a *modelAtlas) listed() []*modelJob {
	if a.view != nil {
		return a.view
	}
	a.view = slices.Collect(maps.Values(a.jobs))
	slices.SortFunc(a.view, func(x, y *modelJob) int {
		byCreation := cmp.Compare(y.Created, x.Created)
		if a.oldestFirst {
			byCreation = -byCreation
		}
		if a.shuffled {
			byCreation = 0
		}
		return cmp.Or(byCreation, cmp.Compare(scatter(x.ID), scatter(y.ID)))
	})
	return a.view
}

// pick draws one of the jobs for which a condition holds, in the order of the list; nil where there is none.
func (a *modelAtlas) pick(t *rapid.T, condition func(*modelJob) bool) *modelJob {
	var some []*modelJob
	for _, job := range a.listed() {
		if condition(job) {
			some = append(some, job)
		}
	}
	if len(some) == 0 {
		return nil
	}
	return some[rapid.IntRange(0, len(some)-1).Draw(t, "which")]
}

var errModel = &atlas.Error{Endpoint: "flex_list", Status: 503}

// ask counts a request, and fails if it is to.
func (a *modelAtlas) ask(ctx context.Context) error {
	a.requests++
	if a.requests == a.failAt {
		if a.cancel != nil {
			a.cancel()
			return ctx.Err()
		}
		return errModel
	}
	return nil
}

// RestoreJobs implements Client.
func (a *modelAtlas) RestoreJobs(ctx context.Context, _ atlas.List) iter.Seq2[atlas.Page, error] {
	return func(yield func(atlas.Page, error) bool) {
		for number := 1; ; number++ {
			if number == a.shiftAt {
				a.shift()
			}
			if err := a.ask(ctx); err != nil {
				yield(atlas.Page{}, err)
				return
			}
			page := a.page(number)
			if !yield(page, nil) || page.Last {
				return
			}
		}
	}
}

func (a *modelAtlas) page(number int) atlas.Page {
	listed := a.listed()
	end := min(number*a.pageSize, len(listed))
	page := atlas.Page{Last: end == len(listed)}
	if a.total != noTotal {
		page.TotalCount = atlas.CountOf(int64(max(len(listed)+a.total, 0)))
	}
	for _, job := range listed[min((number-1)*a.pageSize, end):end] {
		if !job.unreadable {
			page.Jobs = append(page.Jobs, job.RestoreJob)
			continue
		}
		page.Malformed, page.MalformedErr = page.Malformed+1, errors.New("not a job")
		page.Unread = append(page.Unread, job.ID)
	}
	return page
}

// RestoreJob implements Client.
func (a *modelAtlas) RestoreJob(ctx context.Context, _ atlas.List, id string) (atlas.RestoreJob, error) {
	if err := a.ask(ctx); err != nil {
		return atlas.RestoreJob{}, err
	}
	switch job := a.jobs[id]; {
	case job == nil:
		a.notFound = append(a.notFound, id)
		return atlas.RestoreJob{}, &atlas.Error{Status: 404, Code: "RESTORE_JOB_NOT_FOUND"}
	case job.unreadable:
		return atlas.RestoreJob{}, &atlas.MalformedError{Job: true, Err: errors.New("not a job")}
	default:
		return job.RestoreJob, nil
	}
}

// ProjectName implements Client.
func (a *modelAtlas) ProjectName(context.Context, string) (string, error) { return "Payments", nil }
