package history

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"atlas-restore-exporter/atlas"
)

// listPage returns a page of a list with this totalCount.
func listPage(total int64, last bool, jobs ...atlas.RestoreJob) *atlas.Page {
	return &atlas.Page{Jobs: jobs, Items: len(jobs), TotalCount: atlas.CountOf(total), Last: last}
}

// readTwice reads a list of one page as a poller does: twice if Pending needs that.
func readTwice(h *History, page *atlas.Page) (r *Reading, pending []string, err error) {
	r = h.Read(noon, true)
	r.Add(page)
	pending, err = r.Pending()
	if errors.Is(err, ErrFullPollNeeded) {
		r = r.Again(noon)
		r.Add(page)
		pending, err = r.Pending()
	}
	return r, pending, err
}

func TestPending_NeedsASecondReadingIfTheListContradictsItself(t *testing.T) {
	a, b := job("a", time.Hour, atlas.StatusCompleted), job("b", 2*time.Hour, atlas.StatusCompleted)
	malformed := &atlas.Page{Items: 2, Malformed: 2, TotalCount: atlas.CountOf(2), Last: true}
	for _, test := range []struct {
		name   string
		pages  []*atlas.Page
		needed bool
	}{
		{"consistent", []*atlas.Page{listPage(2, true, a, b)}, false},
		{"no items", []*atlas.Page{listPage(601, true)}, true},
		{"fewer items", []*atlas.Page{listPage(2, true, a)}, true},
		{"more items", []*atlas.Page{listPage(1, true, a, b)}, true},
		{"empty page before the end", []*atlas.Page{{Last: true, Cut: true}}, true},
		{"malformed items", []*atlas.Page{malformed}, false},
		{"repeated items", []*atlas.Page{listPage(3, true, a, b, a)}, false},
		{"no count", []*atlas.Page{{Jobs: []atlas.RestoreJob{a}, Items: 1, Last: true}}, false},
		{"truncated", []*atlas.Page{listPage(601, false, a)}, false},
		{"job added meanwhile", []*atlas.Page{listPage(1, false, a), listPage(2, true, a)}, false},
		{"count changed early", []*atlas.Page{listPage(2, false, a), listPage(3, true, b)}, false},
		{"job removed meanwhile", []*atlas.Page{listPage(2, false, a), listPage(1, true)}, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := newHistory(wideLimits).Read(noon, true)
			for _, page := range test.pages {
				r.Add(page)
			}
			expectFullPollNeeded(t, r, test.needed, "contradicts totalCount")
			if got := r.Inconsistent(); got != test.needed {
				t.Errorf("inconsistent %t", got)
			}
		})
	}
}

func TestPending_TrustsTheSecondReadingIfItIsConsistent(t *testing.T) {
	a := job("a", time.Hour, atlas.StatusCompleted)
	first := newHistory(wideLimits).Read(noon, true)
	first.Add(listPage(2, true, a))
	second := first.Again(noon)
	second.Add(listPage(1, true, a))
	expectFullPollNeeded(t, second, false, "")
	if second.Inconsistent() || !second.Full() {
		t.Errorf("inconsistent %t, full %t", second.Inconsistent(), second.Full())
	}
}

func TestMerge_KeepsJobsAbsentFromListsThatContradictThemselves(t *testing.T) {
	running, done := job("a", time.Hour, atlas.StatusInProgress), job("b", 2*time.Hour, atlas.StatusCompleted)
	for name, page := range map[string]*atlas.Page{
		"0 of 2": listPage(2, true), "1 of 3": listPage(3, true, job("c", time.Minute, atlas.StatusFailed)),
	} {
		t.Run(name, func(t *testing.T) {
			h := newHistory(wideLimits)
			mergeList(h, running, done)
			for range 3 {
				r, pending, err := readTwice(h, page)
				if err != nil || !r.Inconsistent() || !slices.Equal(pending, []string{"a"}) {
					t.Fatalf("inconsistent %t, pending %v, %v", r.Inconsistent(), pending, err)
				}
				if err := r.Put("a", running, nil); err != nil {
					t.Fatal(err)
				}
				h.Merge(r, noon)
			}
			known := knownIDs(h)
			if !slices.Contains(known, "a") || !slices.Contains(known, "b") || len(known) != 2+len(page.Jobs) {
				t.Errorf("known jobs are %q", known)
			}
		})
	}
}

func TestMerge_DoesNotInterruptAbsencesByListsThatContradictThemselves(t *testing.T) {
	a, b := job("a", time.Hour, atlas.StatusCompleted), job("b", 2*time.Hour, atlas.StatusCompleted)
	for _, listed := range []bool{false, true} {
		h := newHistory(wideLimits)
		mergeList(h, a, b)
		mergeList(h, a)
		page := listPage(601, true, a)
		if listed {
			page = listPage(601, true, a, b)
		}
		r, _, _ := readTwice(h, page)
		h.Merge(r, noon)
		mergeList(h, a)
		if known := h.jobs["b"] != nil; known != listed {
			t.Errorf("job listed in between %t, known %t", listed, known)
		}
	}
}

func TestMerge_AddsJobsOfBothReadingsOfAListThatContradictsItself(t *testing.T) {
	h := newHistory(wideLimits)
	first := h.Read(noon, true)
	first.Add(listPage(3, true, job("a", time.Hour, atlas.StatusInProgress), job("b", 2*time.Hour, atlas.StatusCompleted)))
	second := first.Again(noon)
	second.Add(listPage(3, true, job("a", time.Hour, atlas.StatusCompleted)))
	expectFullPollNeeded(t, second, false, "")
	h.Merge(second, noon)
	expectKnown(t, h, "a", "b")
	if n := h.Summarize(noon).Counts[atlas.DeliveryAutomated][atlas.StatusCompleted]; n != 2 {
		t.Errorf("%d completed jobs", n)
	}
}

func TestMerge_AddsJobsAlthoughTotalCountIsAlwaysWrong(t *testing.T) {
	for _, wrong := range []int64{-1, 1} {
		h := newHistory(wideLimits)
		jobs := []atlas.RestoreJob{}
		for i := range 4 {
			jobs = append(jobs, job(fmt.Sprint(i), time.Duration(9-i)*time.Hour, atlas.StatusCompleted))
			r, _, err := readTwice(h, listPage(int64(len(jobs))+wrong, true, jobs...))
			if err != nil {
				t.Fatal(err)
			}
			if h.Merge(r, noon); len(h.jobs) != len(jobs) {
				t.Errorf("%d of %d jobs are known", len(h.jobs), len(jobs))
			}
		}
	}
}

func TestPending_NeedsNoFullPollIfTotalCountIsAlwaysWrong(t *testing.T) {
	a, b := job("a", time.Hour, atlas.StatusCompleted), job("b", 2*time.Hour, atlas.StatusInProgress)
	added := job("c", time.Minute, atlas.StatusPending)
	h := newHistory(wideLimits)
	full := h.Read(noon, true)
	full.Add(listPage(3, false, a))
	full.Add(listPage(3, false, b))
	full.Add(listPage(3, true))
	h.Merge(full, noon)
	for name, pages := range map[string][]*atlas.Page{
		"newest pages": {listPage(4, false, added)},
		"whole list":   {listPage(4, false, added), listPage(4, false, a), listPage(4, true, b)},
	} {
		r := h.Read(noon, false)
		for _, page := range pages {
			r.Add(page)
		}
		expectFullPollNeeded(t, r, false, "")
		if r.Inconsistent() {
			t.Errorf("%s: an incremental poll is inconsistent", name)
		}
	}
}

func TestMerge_PrefersTheFailedOrFinishedStateOfARepeatedJob(t *testing.T) {
	failed, completed := job("a", time.Hour, atlas.StatusFailed), job("a", time.Hour, atlas.StatusCompleted)
	pending, running := job("a", time.Hour, atlas.StatusPending), job("a", time.Hour, atlas.StatusInProgress)
	cancelled := job("a", time.Hour, atlas.StatusCancelled)
	for _, test := range []struct {
		name string
		jobs []atlas.RestoreJob
		want atlas.Status
	}{
		{"failed first", []atlas.RestoreJob{failed, running, completed}, atlas.StatusFailed},
		{"failed last", []atlas.RestoreJob{completed, running, failed}, atlas.StatusFailed},
		{"finished first", []atlas.RestoreJob{completed, running}, atlas.StatusCompleted},
		{"finished last", []atlas.RestoreJob{running, completed}, atlas.StatusCompleted},
		{"two finished states", []atlas.RestoreJob{completed, cancelled}, atlas.StatusCancelled},
		{"two unfinished states", []atlas.RestoreJob{running, pending}, atlas.StatusPending},
	} {
		onePage, twoPages := newHistory(wideLimits), newHistory(wideLimits)
		r := onePage.Read(noon, true)
		r.Add(listPage(int64(len(test.jobs)), true, test.jobs...))
		onePage.Merge(r, noon)
		mergeList(twoPages, test.jobs...)
		for _, h := range []*History{onePage, twoPages} {
			s := h.Summarize(noon)
			if s.Known != 1 || s.Counts[atlas.DeliveryAutomated][test.want] != 1 {
				t.Errorf("%s: %d jobs, %v", test.name, s.Known, s.Counts)
			}
		}
	}
}

func TestMerge_PrefersAFailureInEitherReadingOfAListThatContradictsItself(t *testing.T) {
	failed, running := job("a", time.Hour, atlas.StatusFailed), job("a", time.Hour, atlas.StatusInProgress)
	for _, states := range [][2]atlas.RestoreJob{{failed, running}, {running, failed}} {
		h := newHistory(wideLimits)
		first := h.Read(noon, true)
		first.Add(listPage(2, true, states[0]))
		second := first.Again(noon)
		second.Add(listPage(2, true, states[1]))
		expectFullPollNeeded(t, second, false, "")
		h.Merge(second, noon)
		if n := h.Summarize(noon).Counts[atlas.DeliveryAutomated][atlas.StatusFailed]; n != 1 {
			t.Errorf("%d failed jobs", n)
		}
	}
}

func TestMerge_KeepsJobsAbsentFromListsWithAnEmptyPageBeforeTheEnd(t *testing.T) {
	running, done := job("a", time.Hour, atlas.StatusInProgress), job("b", 2*time.Hour, atlas.StatusCompleted)
	h := newHistory(wideLimits)
	mergeList(h, running, done)
	for range 3 {
		r, pending, err := readTwice(h, &atlas.Page{Last: true, Cut: true})
		if err != nil || !r.Inconsistent() || !slices.Equal(pending, []string{"a"}) {
			t.Fatalf("inconsistent %t, pending %v, %v", r.Inconsistent(), pending, err)
		}
		h.Merge(r, noon)
	}
	expectKnown(t, h, "a", "b")
}

func TestPending_NeedsAFullPollIfAnIncrementalOneEndsAtAnEmptyPage(t *testing.T) {
	h := newHistory(wideLimits)
	h.sorted, h.pages = true, 3
	r := h.Read(noon, false)
	r.Add(&atlas.Page{Last: true, Cut: true})
	expectFullPollNeeded(t, r, true, "contradicts totalCount or its own links")
}

func TestMerge_KeepsJobsAbsentFromListsThatRepeatJobs(t *testing.T) {
	a, b := job("a", time.Hour, atlas.StatusCompleted), job("b", 2*time.Hour, atlas.StatusInProgress)
	h := newHistory(wideLimits)
	mergeList(h, a, b)
	for range 3 {
		r, pending, err := readTwice(h, listPage(2, true, a, a))
		if err != nil || r.Inconsistent() || !slices.Equal(pending, []string{"b"}) {
			t.Fatalf("inconsistent %t, pending %v, %v", r.Inconsistent(), pending, err)
		}
		h.Merge(r, noon)
	}
	expectKnown(t, h, "a", "b")
}

func TestPending_ReturnsUnfinishedJobsThatAMalformedItemMayBe(t *testing.T) {
	h := newHistory(wideLimits)
	mergeList(h, job("a", time.Hour, atlas.StatusInProgress))
	page := &atlas.Page{Items: 1, Malformed: 1, MalformedErr: errNoJob, TotalCount: atlas.CountOf(1), Last: true}
	if _, pending, err := readTwice(h, page); err != nil || !slices.Equal(pending, []string{"a"}) {
		t.Errorf("pending %v, %v", pending, err)
	}
}

func TestMerge_KeepsJobsThatAMalformedItemMayBe(t *testing.T) {
	running, done := job("a", time.Hour, atlas.StatusInProgress), job("b", 2*time.Hour, atlas.StatusCompleted)
	h := newHistory(wideLimits)
	mergeList(h, running, done)
	mergeList(h, done)
	for range 3 {
		r := h.Read(noon, true)
		r.Add(&atlas.Page{Items: 1, Malformed: 1, MalformedErr: errNoJob, TotalCount: atlas.CountOf(1), Last: true})
		if pending, err := r.Pending(); err != nil || !slices.Equal(pending, []string{"a"}) {
			t.Fatalf("pending %v, %v", pending, err)
		}
		if err := r.Put("a", running, nil); err != nil {
			t.Fatal(err)
		}
		h.Merge(r, noon)
	}
	expectKnown(t, h, "a", "b")
}

func TestPending_NeedsAFullPollIfRepetitionsHideAnotherJob(t *testing.T) {
	a, added := job("a", time.Hour, atlas.StatusCompleted), job("b", time.Minute, atlas.StatusPending)
	h := newHistory(wideLimits)
	mergeList(h, a)
	r := h.Read(noon, false)
	r.Add(listPage(3, false, added, added)) // a third job is new
	expectFullPollNeeded(t, r, true, "increase in job count")
}
