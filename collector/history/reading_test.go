package history

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"atlas-restore-exporter/atlas"
)

var (
	errNoJob    = errors.New("not a job")
	errNotFound = &atlas.Error{Status: 404, Code: "RESTORE_JOB_NOT_FOUND"}
)

func TestRead_IsIncrementalOnlyForLongSortedLists(t *testing.T) {
	type list struct {
		pages    int
		unsorted bool
	}
	for _, test := range []struct {
		name  string
		lists []list
		full  bool
	}{
		{"before the first poll", nil, true},
		{"two pages", []list{{pages: 2}}, true},
		{"three pages", []list{{pages: 3}}, false},
		{"not sorted once", []list{{pages: 3, unsorted: true}, {pages: 3}}, true},
		{"shrunk", []list{{pages: 3}, {pages: 1}}, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			h := newHistory(wideLimits)
			for _, list := range test.lists {
				r := h.Read(noon, true)
				for number := range list.pages {
					page := atlas.Page{Last: number+1 == list.pages}
					if list.unsorted {
						page.Jobs = []atlas.RestoreJob{job(fmt.Sprint(number), -time.Duration(number)*time.Hour, atlas.StatusCompleted)}
					}
					r.Add(&page)
				}
				h.Merge(r, noon)
			}
			if got := h.Read(noon, false).Full(); got != test.full {
				t.Errorf("full poll %t, want %t", got, test.full)
			}
		})
	}
}

func TestRead_IsAFullPollIfOneIsDue(t *testing.T) {
	h := newHistory(wideLimits)
	mergeList(h)
	if !h.Read(noon, true).Full() {
		t.Error("the poll is an incremental poll")
	}
}

func TestAdd_ReadsTheWholeListInAFullPoll(t *testing.T) {
	a := job("a", time.Hour, atlas.StatusCompleted)
	h := newHistory(wideLimits)
	mergeList(h, a)
	r := h.Read(noon, true)
	if r.Add(&atlas.Page{Jobs: []atlas.RestoreJob{a}}) {
		t.Error("a page of known finished jobs ended a full poll")
	}
	if !r.Add(&atlas.Page{Last: true}) || r.Truncated() || r.Pages() != 2 {
		t.Errorf("read %d pages, truncated: %t", r.Pages(), r.Truncated())
	}
}

func TestAdd_EndsATruncatedPollAfterMaxPages(t *testing.T) {
	r := newHistory(wideLimits).Read(noon, true)
	for number := 1; number <= MaxPages; number++ {
		if enough := r.Add(&atlas.Page{}); enough != (number == MaxPages) {
			t.Fatalf("page %d: enough %t", number, enough)
		}
	}
	if !r.Truncated() || r.Pages() != MaxPages {
		t.Errorf("read %d pages, truncated: %t", r.Pages(), r.Truncated())
	}
}

func TestAdd_EndsAnIncrementalPollAtAPageOfKnownFinishedJobs(t *testing.T) {
	known, running := job("known", time.Hour, atlas.StatusCompleted), job("running", 2*time.Hour, atlas.StatusInProgress)
	ready := job("ready", 3*time.Hour, atlas.StatusReady, expiringAt(ago(-time.Minute)))
	h := newHistory(wideLimits)
	mergeList(h, known, running, ready)
	for _, test := range []struct {
		name   string
		job    atlas.RestoreJob
		enough bool
	}{
		{"known", known, true},
		{"new", job("new", 0, atlas.StatusCompleted), false},
		{"unfinished", running, false},
		{"finished since the last poll", job("running", 2*time.Hour, atlas.StatusCompleted), false},
		{"ready download", ready, false},
		{"unknown and too old", job("old", 500*day, atlas.StatusCompleted), true},
		{"unknown, too old, and unfinished", job("old", 500*day, atlas.StatusPending), false},
	} {
		if got := h.Read(noon, false).Add(&atlas.Page{Jobs: []atlas.RestoreJob{known, test.job}}); got != test.enough {
			t.Errorf("%s: enough %t, want %t", test.name, got, test.enough)
		}
	}
	if !h.Read(noon.Add(time.Minute), false).Add(&atlas.Page{Jobs: []atlas.RestoreJob{ready}}) {
		t.Error("an expired download is not finished")
	}
}

func TestAdd_TreatsEvictedJobsAsFinished(t *testing.T) {
	h := newHistory(smallLimits)
	mergeList(h, jobsBeyondLimits()...)
	for _, job := range jobsBeyondLimits() {
		enough := h.Read(noon, false).Add(&atlas.Page{Jobs: []atlas.RestoreJob{job}})
		if enough != (job.ID != "stuck") {
			t.Errorf("%s: enough %t", job.ID, enough)
		}
	}
}

func TestPending_NeedsAFullPollIfNewJobsWereMissed(t *testing.T) {
	known, added := job("a", time.Hour, atlas.StatusCompleted), job("b", 0, atlas.StatusPending)
	unknown := atlas.Count{}
	for _, test := range []struct {
		name          string
		before, after atlas.Count
		jobs          []atlas.RestoreJob
		missed        bool
	}{
		{"nothing new", atlas.CountOf(10), atlas.CountOf(10), []atlas.RestoreJob{known}, false},
		{"one new", atlas.CountOf(10), atlas.CountOf(11), []atlas.RestoreJob{added, known}, false},
		{"one new that was not read", atlas.CountOf(10), atlas.CountOf(11), []atlas.RestoreJob{known}, true},
		{"one new, one removed", atlas.CountOf(10), atlas.CountOf(10), []atlas.RestoreJob{added, known}, true},
		{"shrunk", atlas.CountOf(10), atlas.CountOf(9), []atlas.RestoreJob{known}, true},
		{"no count before", unknown, atlas.CountOf(9), []atlas.RestoreJob{known}, false},
		{"no count now", atlas.CountOf(10), unknown, []atlas.RestoreJob{known}, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			h := newHistory(wideLimits)
			full := h.Read(noon, true)
			full.Add(&atlas.Page{TotalCount: test.before, Jobs: []atlas.RestoreJob{known}})
			full.Add(&atlas.Page{})
			full.Add(&atlas.Page{Last: true})
			h.Merge(full, noon)
			r := h.Read(noon, false)
			r.Add(&atlas.Page{TotalCount: test.after, Jobs: test.jobs})
			expectFullPollNeeded(t, r, test.missed, "increase in job count")
		})
	}
}

func TestPending_ComparesTheTotalCountOfTheFirstPage(t *testing.T) {
	h := newHistory(wideLimits)
	mergeList(h, job("a", time.Hour, atlas.StatusCompleted))
	r := h.Read(noon, false)
	r.Add(&atlas.Page{TotalCount: atlas.CountOf(2), Jobs: []atlas.RestoreJob{job("b", 0, atlas.StatusPending)}})
	r.Add(&atlas.Page{TotalCount: atlas.CountOf(3)}) // a job was created in between; the next poll sees it
	expectFullPollNeeded(t, r, false, "")
}

func TestPending_DoesNotCountEvictedJobsAsNew(t *testing.T) {
	h := newHistory(smallLimits)
	jobs := jobsBeyondLimits()
	mergeList(h, jobs...)
	r := h.Read(noon, false)
	r.Add(&atlas.Page{TotalCount: atlas.CountOf(int64(len(jobs))), Jobs: jobs})
	expectFullPollNeeded(t, r, false, "")
}

func TestPending_NeedsAFullPollIfThePagesAreNotSorted(t *testing.T) {
	for _, test := range []struct {
		newerBy time.Duration
		needed  bool
	}{{-time.Second, false}, {2 * time.Second, false}, {3 * time.Second, true}} {
		for _, last := range []bool{false, true} {
			h := newHistory(wideLimits)
			mergeList(h)
			r := h.Read(noon, false)
			first, second := job("1", time.Hour, atlas.StatusCompleted), job("2", time.Hour-test.newerBy, atlas.StatusCompleted)
			r.Add(&atlas.Page{Jobs: []atlas.RestoreJob{first, second}, Last: last})
			expectFullPollNeeded(t, r, test.needed, "not sorted")
		}
	}
}

func TestPending_IgnoresTheOrderOfRepeatedAndUndatedJobs(t *testing.T) {
	h := newHistory(wideLimits)
	mergeList(h)
	r := h.Read(noon, false)
	first, second := job("1", time.Hour, atlas.StatusCompleted), job("2", 2*time.Hour, atlas.StatusCompleted)
	undated := job("3", 0, atlas.StatusCompleted)
	undated.Created = 0
	r.Add(&atlas.Page{Jobs: []atlas.RestoreJob{undated, first, second}})
	r.Add(&atlas.Page{Jobs: []atlas.RestoreJob{first, second}})
	expectFullPollNeeded(t, r, false, "")
}

func TestPending_NeedsAFullPollIfThatCostsFewerRequests(t *testing.T) {
	for unfinished, needed := range map[int]bool{3: false, 4: true} {
		h := newHistory(wideLimits)
		full := h.Read(noon, true)
		for i := range unfinished {
			full.Add(&atlas.Page{Jobs: []atlas.RestoreJob{job(fmt.Sprint(i), time.Duration(i)*time.Hour, atlas.StatusPending)}})
		}
		full.Add(&atlas.Page{Last: true})
		h.Merge(full, noon)
		h.pages = 3
		r := h.Read(noon, false)
		r.Add(&atlas.Page{})
		expectFullPollNeeded(t, r, needed, "too many unfinished jobs")
	}
}

// expectFullPollNeeded checks whether a reading is rejected, and that the error contains the reason.
func expectFullPollNeeded(t *testing.T, r *Reading, needed bool, reason string) {
	t.Helper()
	pending, err := r.Pending()
	switch {
	case !needed && err != nil:
		t.Errorf("full poll needed: %v", err)
	case needed && (!errors.Is(err, ErrFullPollNeeded) || !strings.Contains(err.Error(), reason) || pending != nil):
		t.Errorf("pending %v, error %v; want a full poll because of %q", pending, err, reason)
	}
}

func TestPending_ReturnsUnfinishedJobsThatWereNotRead(t *testing.T) {
	newest, running := job("newest", time.Hour, atlas.StatusPending), job("running", 2*time.Hour, atlas.StatusInProgress)
	ready := job("ready", 3*time.Hour, atlas.StatusReady)
	expired := job("expired", 3*time.Hour, atlas.StatusReady, expiringAt(ago(time.Minute)))
	failed := job("failed", 4*time.Hour, atlas.StatusFailed)
	h := newHistory(wideLimits)
	mergeList(h, newest, running, ready, expired, failed)
	for _, full := range []bool{false, true} {
		r := h.Read(noon, full)
		r.Add(&atlas.Page{Jobs: []atlas.RestoreJob{newest}})
		if pending, err := r.Pending(); err != nil || !slices.Equal(pending, []string{"ready", "running"}) {
			t.Errorf("full %t: pending %v, %v", full, pending, err)
		}
		r.Add(&atlas.Page{Last: true})
		if pending, err := r.Pending(); err != nil || !slices.Equal(pending, []string{"ready", "running"}) {
			t.Errorf("full %t: pending %v, %v, after the list was read completely", full, pending, err)
		}
	}
}

func TestPending_DoesNotRequestRemovedJobs(t *testing.T) {
	h := newHistory(wideLimits)
	mergeList(h, job("a", time.Hour, atlas.StatusInProgress))
	for _, want := range [][]string{{"a"}, {"a"}, {}} {
		if requested := pollTruncated(t, h, errNotFound); !slices.Equal(requested, want) {
			t.Errorf("%q requested, want %q", requested, want)
		}
	}
}

// pollTruncated merges a full poll of a truncated list without jobs, and returns the IDs of the requested jobs. Each
// request returns the error or, if that is nil, a completed job.
func pollTruncated(t *testing.T, h *History, response error) (requested []string) {
	t.Helper()
	r := readTruncated(h)
	pending, err := r.Pending()
	if err != nil {
		t.Fatal(err)
	}
	for _, id := range pending {
		requested = append(requested, id)
		if r.Put(id, job(id, time.Hour, atlas.StatusCompleted), response) != nil {
			break
		}
	}
	h.Merge(r, noon)
	return requested
}

// newHistoryOfPending returns a history of n pending jobs, and their sorted IDs.
func newHistoryOfPending(n int) (h *History, ids []string) {
	var jobs []atlas.RestoreJob
	for i := range n {
		ids = append(ids, fmt.Sprintf("%03d", i))
		jobs = append(jobs, job(ids[i], time.Duration(i)*time.Hour, atlas.StatusPending))
	}
	h = newHistory(wideLimits)
	mergeList(h, jobs...)
	return h, ids
}

func TestPending_RequestsAllUnfinishedJobsInTurnOverSeveralFullPolls(t *testing.T) {
	h, ids := newHistoryOfPending(maxRequests + 5)
	for _, want := range [][]string{ids[:maxRequests], ids[maxRequests:], nil} {
		if requested := pollTruncated(t, h, nil); !slices.Equal(requested, want) {
			t.Errorf("%q requested, want %q", requested, want)
		}
	}
}

func TestPending_ContinuesAfterTheJobThatWasRequestedLast(t *testing.T) {
	h, ids := newHistoryOfPending(maxRequests + 5)
	for range 2 {
		pollTruncated(t, h, errNotFound)
	}
	expectKnown(t, h, ids[15:]...) // 0 to 14 were requested twice
	for _, want := range []string{"015", "016", "017"} {
		if requested := pollTruncated(t, h, errNoJob); !slices.Equal(requested, []string{want}) {
			t.Errorf("%q requested, want %q, because the request before failed", requested, want)
		}
	}
}

func TestMerge_RemovesJobsThatAreNotFoundInTurn(t *testing.T) {
	h, _ := newHistoryOfPending(3 * maxRequests)
	for range 6 {
		pollTruncated(t, h, errNotFound)
	}
	expectKnown(t, h)
}

func TestPut_UpdatesAJob(t *testing.T) {
	h := newHistory(wideLimits)
	mergeList(h, job("a", time.Hour, atlas.StatusInProgress))
	r := h.Read(noon, false)
	r.Add(&atlas.Page{})
	if err := r.Put("a", job("a", time.Hour, atlas.StatusCompleted), nil); err != nil {
		t.Fatal(err)
	}
	h.Merge(r, noon)
	if n := h.Summarize(noon).Counts[atlas.DeliveryAutomated][atlas.StatusCompleted]; n != 1 {
		t.Errorf("%d completed jobs", n)
	}
}

func TestPut_NeedsAFullPollIfARequestOfAnIncrementalPollFails(t *testing.T) {
	h := newHistory(wideLimits)
	mergeList(h, job("a", time.Hour, atlas.StatusInProgress))
	for _, cause := range []error{errNotFound, &atlas.Error{Status: 503}, &atlas.MalformedError{Err: errNoJob}} {
		r := h.Read(noon, false)
		r.Add(&atlas.Page{})
		err := r.Put("a", atlas.RestoreJob{}, cause)
		if !errors.Is(err, ErrFullPollNeeded) || !errors.Is(err, cause) {
			t.Errorf("error %v, want a full poll because of %v", err, cause)
		}
		if again := r.Again(noon); !again.Full() {
			t.Error("the next reading is not full")
		}
	}
	want := "full poll needed: unfinished job can't be read by ID: atlas api returned 503"
	if err := h.Read(noon, false).Put("a", atlas.RestoreJob{}, &atlas.Error{Status: 503}); err.Error() != want {
		t.Errorf("%q, want %q", err, want)
	}
}

func TestPut_KeepsTheJobIfARequestOfAFullPollFails(t *testing.T) {
	h := newHistory(wideLimits)
	mergeList(h, job("a", time.Hour, atlas.StatusInProgress))
	for _, cause := range []error{&atlas.Error{Status: 503}, &atlas.MalformedError{Err: errNoJob}, errNoJob} {
		r := h.Read(noon, true)
		r.Add(&atlas.Page{Jobs: []atlas.RestoreJob{job("b", 0, atlas.StatusFailed)}})
		if err := r.Put("a", atlas.RestoreJob{}, cause); !errors.Is(err, cause) || errors.Is(err, ErrFullPollNeeded) {
			t.Errorf("error %v, want %v", err, cause)
		}
		h.Merge(r, noon)
		expectKnown(t, h, "b", "a")
	}
}

func TestMalformed_CountsJobsOfAllPages(t *testing.T) {
	r := newHistory(wideLimits).Read(noon, true)
	r.Add(&atlas.Page{Malformed: 2, MalformedErr: errNoJob})
	r.Add(&atlas.Page{Malformed: 1, MalformedErr: errNoJob})
	r.Add(&atlas.Page{Last: true})
	if n, err := r.Malformed(); n != 3 || !errors.Is(err, errNoJob) {
		t.Errorf("%d malformed jobs, %v", n, err)
	}
}
