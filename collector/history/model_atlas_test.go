package history

import (
	"cmp"
	"errors"
	"fmt"
	"hash/fnv"
	"iter"
	"maps"
	"slices"

	"pgregory.net/rapid"

	"atlas-restore-exporter/atlas"
)

// modelAtlas is a list of restore jobs that is read page by page.
type modelAtlas struct {
	pageSize int
	jobs     map[string]*modelJob
	order    listOrder
	view     []*modelJob // the jobs in the order of the list; nil if it must be computed again

	repeat     int  // each repeat-th job is listed twice; 0 for none
	cut        bool // the list ends after keep items, although totalCount counts all
	keep       int
	linked     bool // it ends at an empty page with a link to a next page
	totalError int  // difference between totalCount and the number of jobs, or noTotal
	serial     int  // of the job that was created last

	requests int
	failAt   int      // number of the request that fails; 0 for none
	notFound []string // IDs of jobs that the last reading requested and that were not found
	notRead  bool     // the last reading was full, and another request for a job failed
	shiftAt  int      // number of the page before which shift is called; 0 for none
	shift    func()
}

type listOrder int

const (
	newestFirst listOrder = iota
	oldestFirst
	shuffled
)

const noTotal = 1 << 20 // totalCount is missing

// modelJob is a job in the model.
type modelJob struct {
	atlas.RestoreJob
	unreadable bool // listed without a readable ID
	unseen     bool // was not readable in a successful poll yet
	late       bool // appeared further down the list than new jobs do
	hidden     bool // the next request for it fails with a job-not-found error code
	unlisted   bool // not listed, but found by its ID
}

var errModel = &atlas.Error{Operation: "flex_list", Status: 503}

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

func (a *modelAtlas) setOrder(order listOrder) { a.order, a.view = order, nil }

// anyUnreadable reports whether a job is listed without a readable ID.
func (a *modelAtlas) anyUnreadable() bool {
	for _, job := range a.jobs {
		if job.unreadable {
			return true
		}
	}
	return false
}

// repair makes the list readable, complete and consistent.
func (a *modelAtlas) repair() {
	for _, job := range a.jobs {
		job.unreadable, job.unlisted = false, false
	}
	a.cut, a.repeat, a.view = false, 0, nil
	if a.totalError != noTotal {
		a.totalError = 0
	}
}

// misleading reports whether the list lacks jobs, or may lack them because it changes, and totalCount doesn't show it.
func (a *modelAtlas) misleading() bool {
	return (a.shiftAt != 0 && a.totalError == noTotal) || (a.cut && !a.contradicts())
}

// list returns the jobs in the order of the list. Jobs of the same second are in no particular order.
func (a *modelAtlas) list() []*modelJob {
	if a.view != nil {
		return a.view
	}
	a.view = slices.DeleteFunc(slices.Collect(maps.Values(a.jobs)), func(job *modelJob) bool { return job.unlisted })
	slices.SortFunc(a.view, func(x, y *modelJob) int {
		byCreation := cmp.Compare(y.Created, x.Created)
		switch a.order {
		case oldestFirst:
			byCreation = -byCreation
		case shuffled:
			byCreation = 0
		case newestFirst:
		}
		return cmp.Or(byCreation, cmp.Compare(hash(x.ID), hash(y.ID)))
	})
	return a.view
}

// items returns the items of all pages: the list with its repetitions, up to the cut.
func (a *modelAtlas) items() []*modelJob {
	items := a.list()
	if a.repeat > 0 {
		items = nil
		for i, job := range a.list() {
			items = append(items, job)
			if i%a.repeat == 0 {
				items = append(items, job)
			}
		}
	}
	if a.cut {
		items = items[:min(a.keep, len(items))]
	}
	return items
}

// total returns totalCount.
func (a *modelAtlas) total() int {
	n := len(a.list())
	if a.repeat > 0 {
		n += (n + a.repeat - 1) / a.repeat
	}
	return max(n+a.totalError, 0)
}

// contradicts reports whether totalCount differs from the number of items, or the last page has a link to a next page.
func (a *modelAtlas) contradicts() bool {
	return a.cut && a.linked || a.totalError != noTotal && a.total() != len(a.items())
}

func hash(id string) uint64 {
	h := fnv.New64a()
	_, _ = h.Write([]byte(id))
	return h.Sum64()
}

// pick draws one of the jobs that meet a condition; nil if there is none.
func (a *modelAtlas) pick(t *rapid.T, condition func(*modelJob) bool) *modelJob {
	var candidates []*modelJob
	for _, id := range slices.Sorted(maps.Keys(a.jobs)) {
		if condition(a.jobs[id]) {
			candidates = append(candidates, a.jobs[id])
		}
	}
	if len(candidates) == 0 {
		return nil
	}
	return candidates[rapid.IntRange(0, len(candidates)-1).Draw(t, "job")]
}

// request counts a request and returns its error.
func (a *modelAtlas) request() error {
	if a.requests++; a.requests == a.failAt {
		return errModel
	}
	return nil
}

// RestoreJobs returns the pages of the list. Pages that match their marks are unchanged until one doesn't.
func (a *modelAtlas) RestoreJobs(marks ...atlas.PageMark) iter.Seq2[atlas.Page, error] {
	return func(yield func(atlas.Page, error) bool) {
		unchanged := true
		for number := 1; ; number++ {
			if number == a.shiftAt {
				a.shift()
			}
			if err := a.request(); err != nil {
				yield(atlas.Page{}, err)
				return
			}
			page := a.page(number)
			unchanged = unchanged && number <= len(marks) && page.Mark != (atlas.PageMark{}) && page.Mark == marks[number-1]
			if unchanged {
				page = atlas.Page{Last: page.Last, Mark: page.Mark, Unchanged: true}
			}
			if !yield(page, nil) || page.Last {
				return
			}
		}
	}
}

func (a *modelAtlas) page(number int) atlas.Page {
	list := a.items()
	end := min(number*a.pageSize, len(list))
	list = list[min((number-1)*a.pageSize, end):end]
	page := atlas.Page{Items: len(list), Last: end == len(a.items())}
	if a.cut && a.linked {
		page.Last, page.Cut = len(list) == 0, len(list) == 0
	}
	if a.totalError != noTotal {
		page.TotalCount = atlas.CountOf(int64(a.total()))
	}
	for _, job := range list {
		if !job.unreadable {
			page.Jobs = append(page.Jobs, job.RestoreJob)
			continue
		}
		page.Malformed, page.MalformedErr = page.Malformed+1, errNoJob
	}
	if page.Malformed == 0 && !page.Cut {
		page.Mark = atlas.PageMark{Hash: hash(fmt.Sprintf("%+v", page)), Size: 1, Last: page.Last}
	}
	return page
}

// RestoreJob returns a single job.
func (a *modelAtlas) RestoreJob(id string) (atlas.RestoreJob, error) {
	if err := a.request(); err != nil {
		return atlas.RestoreJob{}, err
	}
	switch job := a.jobs[id]; {
	case job == nil:
		a.notFound = append(a.notFound, id)
		return atlas.RestoreJob{}, errNotFound
	case job.hidden:
		job.hidden = false
		a.notFound = append(a.notFound, id)
		return atlas.RestoreJob{}, errNotFound
	default:
		return job.RestoreJob, nil
	}
}

// read reads the list as a poller does.
func (a *modelAtlas) read(reading *Reading) (*Reading, error) {
	a.notFound, a.notRead = nil, false
	for page, err := range a.RestoreJobs(reading.Marks()...) {
		if err != nil {
			return nil, err
		}
		if reading.Add(&page) {
			break
		}
	}
	pending, err := reading.Pending()
	for _, id := range pending {
		var job atlas.RestoreJob
		job, err = a.RestoreJob(id)
		if err = reading.Put(id, job, err); err != nil {
			break
		}
	}
	if errors.Is(err, ErrFullPollNeeded) {
		return a.read(reading.Again(reading.now))
	}
	a.notRead = err != nil
	return reading, nil
}
