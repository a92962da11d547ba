package history

import (
	"errors"
	"slices"
	"testing"
	"time"

	"atlas-restore-exporter/atlas"
)

// pollWithout merges a poll whose conclusive list lacks all known jobs. Each requested job has the given response.
func pollWithout(t *testing.T, h *History, full bool, found *atlas.RestoreJob, response error) (requested []string) {
	t.Helper()
	r := h.Read(noon, full)
	r.Add(&atlas.Page{Jobs: []atlas.RestoreJob{job("new", 0, atlas.StatusCompleted)}, Items: 1, Last: true})
	pending, err := r.Pending()
	if err != nil {
		t.Fatal(err)
	}
	for _, id := range pending {
		requested = append(requested, id)
		if err := r.Put(id, *found, response); err != nil {
			if !errors.Is(err, response) || errors.Is(err, ErrFullPollNeeded) {
				t.Errorf("error %v, want %v", err, response)
			}
			break
		}
	}
	h.Merge(r, noon)
	return requested
}

func TestMerge_KeepsAnUnfinishedJobThatTheListLacksButThatIsFound(t *testing.T) {
	running, failed := job("a", time.Hour, atlas.StatusInProgress), job("a", time.Hour, atlas.StatusFailed)
	for _, full := range []bool{false, true} {
		h := newHistory(wideLimits)
		mergeList(h, running)
		for range 3 {
			if requested := pollWithout(t, h, full, &running, nil); !slices.Equal(requested, []string{"a"}) {
				t.Errorf("full %t: %q requested", full, requested)
			}
			expectKnown(t, h, "new", "a")
			h.pages = 3 // so that polls can be incremental
		}
		pollWithout(t, h, full, &failed, nil)
		expectLatest(t, h, Latest{Success: latest(h).Success, Failure: event(&failed, failed.Finished)})
		for range 2 { // finished jobs are not requested
			if requested := pollWithout(t, h, full, nil, nil); len(requested) > 0 {
				t.Errorf("full %t: %q requested", full, requested)
			}
		}
		expectKnown(t, h, "new")
		expectLatest(t, h, Latest{Success: latest(h).Success, Failure: event(&failed, failed.Finished)})
	}
}

func TestMerge_RemovesAnUnfinishedJobThatTheListLacksIfItIsNotFound(t *testing.T) {
	notFound := []error{errNotFound, &atlas.Error{Status: 404}, &atlas.Error{Status: 404, Code: "RESOURCE_NOT_FOUND"}}
	for _, response := range notFound {
		h := newHistory(wideLimits)
		mergeList(h, job("a", time.Hour, atlas.StatusInProgress))
		for _, want := range [][]string{{"new", "a"}, {"new"}} {
			pollWithout(t, h, true, &atlas.RestoreJob{}, response)
			expectKnown(t, h, want...)
		}
	}
}

func TestMerge_KeepsAnUnfinishedJobThatTheListLacksWhileItCannotBeRequested(t *testing.T) {
	h := newHistory(wideLimits)
	mergeList(h, job("a", time.Hour, atlas.StatusInProgress))
	for _, poll := range []struct {
		response error
		want     []string
	}{
		{&atlas.Error{Status: 503}, []string{"new", "a"}},
		{&atlas.Error{Status: 429}, []string{"new", "a"}},
		{errNotFound, []string{"new", "a"}},
		{&atlas.MalformedError{Err: errNoJob}, []string{"new", "a"}}, // doesn't interrupt the count
		{errNotFound, []string{"new"}},
	} {
		pollWithout(t, h, true, &atlas.RestoreJob{}, poll.response)
		expectKnown(t, h, poll.want...)
	}
}

func TestMerge_RemovesNoUnfinishedJobWithoutHavingRequestedItTwice(t *testing.T) {
	h, ids := newHistoryOfPending(maxRequests + 5)
	count := map[string]int{}
	for polls := 1; len(h.jobs) > 1 || polls == 1; polls++ {
		for _, id := range pollWithout(t, h, true, &atlas.RestoreJob{}, errNotFound) {
			count[id]++
		}
		if polls > 10 {
			t.Fatalf("%d jobs are known after %d polls", len(h.jobs), polls)
		}
	}
	for _, id := range ids {
		if count[id] != 2 {
			t.Errorf("%s was requested %d times", id, count[id])
		}
	}
}
