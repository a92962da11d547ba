package collector

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"atlas-restore-exporter/atlas"
)

var noon = time.Date(2026, 8, 10, 12, 0, 0, 0, time.UTC)

// ago returns an instant before noon.
func ago(d time.Duration) atlas.Timestamp { return atlas.TimestampOf(noon.Add(-d)) }

// job returns a job of a given age that an atlas.Client would return; status is one of the words below.
func job(t *testing.T, id string, age time.Duration, status string, change ...func(*atlas.RestoreJob)) atlas.RestoreJob {
	t.Helper()
	j := decoded(t, status)
	// Nothing of it may depend on when it was decoded: two jobs of the same age and status are equal.
	j.ID, j.Created, j.SnapshotID, j.Snapshot = id, ago(age), "snapshot", ago(age+24*time.Hour)
	if j.Finished != 0 {
		j.Finished = ago(age - time.Minute)
	}
	if j.Expiry != 0 {
		j.Expiry = ago(age - 100*365*24*time.Hour)
	}
	for _, f := range change {
		f(&j)
	}
	return j
}

func reading(whole bool, jobs ...atlas.RestoreJob) *Reading {
	r := newReading()
	r.Pages, r.Whole, r.Total = max((len(jobs)+499)/500, 1), whole, int64(len(jobs))
	for _, j := range jobs {
		r.Jobs[j.ID] = j
	}
	return r
}

func ids(h *History) []string {
	var ids []string
	for _, j := range h.newestFirst() {
		ids = append(ids, j.ID)
	}
	return ids
}

var wide = HistoryLimits{MaxAge: 400 * 24 * time.Hour, MaxJobs: 5000}

func TestMergeForgetsWhatTwoWholeListsInARowDidNotHave(t *testing.T) {
	a, b := job(t, "a", time.Hour, "completed"), job(t, "b", 2*time.Hour, "completed")
	h := NewHistory(wide)
	h.Merge(reading(true, a, b), noon)
	h.Merge(reading(true, a), noon)
	h.Merge(reading(true, a, b), noon) // b is back: the row is broken
	h.Merge(reading(true, a), noon)
	h.Merge(reading(false, a), noon) // the newest pages prove nothing
	if got := ids(h); !slices.Equal(got, []string{"a", "b"}) {
		t.Fatalf("too early: %v", got)
	}
	odd := reading(true, a)
	odd.Unread["b"] = true
	h.Merge(odd, noon)
	h.Merge(reading(true, a), noon)
	if got := ids(h); !slices.Equal(got, []string{"a", "b"}) {
		t.Fatalf("what is there and can't be decoded is not absent: %v", got)
	}
	if !h.Merge(reading(true, a), noon) {
		t.Error("that a job is gone is news")
	}
	if got := ids(h); !slices.Equal(got, []string{"a"}) {
		t.Fatalf("after two lists: %v", got)
	}
	if facts := h.Summarize(&Target{}, noon).Facts[atlas.DeliveryAutomated]; facts.LastSuccess != ago(59*time.Minute) {
		t.Errorf("facts %+v", facts)
	}
	gone := reading(false)
	gone.Gone = []string{"a", "never known"}
	if h.Merge(gone, noon); len(ids(h)) != 0 {
		t.Error("a is still known")
	}
	if facts := h.Summarize(&Target{}, noon).Facts[atlas.DeliveryAutomated]; facts.LastSuccess != ago(59*time.Minute) {
		t.Errorf("facts outlive their jobs, but got %+v", facts)
	}
}

func TestMergeTellsNews(t *testing.T) {
	a := job(t, "a", time.Hour, "in_progress")
	h := NewHistory(wide)
	for i, test := range []struct {
		reading *Reading
		news    bool
	}{
		{reading(true), false},
		{reading(true, a), true},
		{reading(true, a), false},
		{reading(false), false},
		{reading(true, job(t, "a", time.Hour, "completed")), true},
		{reading(true, job(t, "a", time.Hour, "completed")), false},
		{reading(true, job(t, "a", time.Hour, "completed"), job(t, "old", 500*24*time.Hour, "completed")), true}, // will outlive a
		{reading(true, job(t, "a", time.Hour, "completed"), job(t, "old", 500*24*time.Hour, "completed")), false},
		{reading(true, job(t, "a", time.Hour, "completed"), job(t, "old", 500*24*time.Hour, "failed")), true},
		{reading(true, job(t, "a", time.Hour, "completed"), job(t, "old", 500*24*time.Hour, "failed")), false},
	} {
		if news := h.Merge(test.reading, noon); news != test.news {
			t.Errorf("step %d: news %t, want %t", i, news, test.news)
		}
	}
}

func TestLimits(t *testing.T) {
	h := NewHistory(HistoryLimits{MaxAge: 24 * time.Hour, MaxJobs: 3})
	var jobs []atlas.RestoreJob
	for i := range 6 {
		jobs = append(jobs, job(t, fmt.Sprint(i), time.Duration(i+1)*time.Hour, "completed"))
	}
	jobs = append(jobs, job(t, "stuck", 100*time.Hour, "in_progress"), job(t, "last failure", 50*time.Hour, "failed"))
	h.Merge(reading(true, jobs...), noon)
	if got := ids(h); !slices.Equal(got, []string{"0", "1", "2", "stuck"}) {
		t.Errorf("known: %v", got)
	}
	facts := h.Summarize(&Target{}, noon).Facts[atlas.DeliveryAutomated]
	if want := ago(50*time.Hour - time.Minute); facts.LastFailure != want {
		t.Errorf("last failure %v, want %v: what the limits drop must not change what is said", facts.LastFailure, want)
	}
	for i := range jobs {
		if settled := h.Settled(&jobs[i], noon); settled != (jobs[i].ID != "stuck") {
			t.Errorf("%s settled: %t", jobs[i].ID, settled)
		}
	}
	if h.Merge(reading(true, jobs...), noon) {
		t.Error("the same list again is no news")
	}
	if h.Surprising(reading(false, jobs...), noon) {
		t.Error("what is beyond the limits is not new")
	}
	h.Merge(reading(true), noon.Add(30*time.Hour))
	h.Merge(reading(true, job(t, "stuck", 100*time.Hour, "completed")), noon.Add(30*time.Hour))
	if got := ids(h); len(got) != 0 {
		t.Errorf("all are too old by now: %v", got)
	}
}

func TestBatchesAreOneRestore(t *testing.T) {
	batch := func(id string) func(*atlas.RestoreJob) {
		return func(j *atlas.RestoreJob) { j.BatchID = id }
	}
	h := NewHistory(HistoryLimits{MaxAge: 400 * 24 * time.Hour, MaxJobs: 4})
	h.Merge(reading(true,
		job(t, "a1", time.Hour, "completed", batch("a")), job(t, "a2", time.Hour, "in_progress", batch("a")),
		job(t, "b1", 2*time.Hour, "completed", batch("b")), job(t, "b2", 2*time.Hour, "completed", batch("b")),
		job(t, "b3", 2*time.Hour, "failed", batch("b")),
		job(t, "c1", 3*time.Hour, "completed", batch("c")), job(t, "c2", 3*time.Hour-time.Second, "completed", batch("c")),
	), noon)
	if got := ids(h); !slices.Equal(got, []string{"a2", "a1", "b3", "b2", "b1"}) {
		t.Errorf("known: %v, want batches whole", got)
	}
	facts := h.Summarize(&Target{}, noon).Facts[atlas.DeliveryAutomated]
	want := Facts{
		LastCreated: ago(time.Hour), LastFailure: ago(2*time.Hour - time.Minute),
		LastSuccess: ago(3*time.Hour - time.Minute - time.Second), LastCompleted: ago(3*time.Hour - time.Minute - time.Second),
		LastDuration: 61,
	}
	if facts != want {
		t.Errorf("facts %+v\nwant  %+v", facts, want)
	}
}

// TestClockJumps sets the clock two years ahead for one poll: when it is right again, so is what is known.
func TestClockJumps(t *testing.T) {
	jobs := []atlas.RestoreJob{job(t, "a", time.Hour, "completed"), job(t, "b", 2*time.Hour, "failed"), job(t, "c", 3*time.Hour, "in_progress")}
	h := NewHistory(wide)
	for _, at := range []time.Time{noon, noon.Add(2 * 365 * 24 * time.Hour), noon, noon.Add(-24 * time.Hour), noon} {
		h.Merge(reading(true, jobs...), at)
	}
	if got := ids(h); !slices.Equal(got, []string{"a", "b", "c"}) {
		t.Errorf("known: %v", got)
	}
}

// TestFailedBatchStaysFailed has the failed job of a batch vanish: the others don't make the restore a success.
func TestFailedBatchStaysFailed(t *testing.T) {
	batch := func(j *atlas.RestoreJob) { j.BatchID = "b" }
	good, bad := job(t, "good", time.Hour, "completed", batch), job(t, "bad", time.Hour, "failed", batch)
	h := NewHistory(wide)
	h.Merge(reading(true, good, bad), noon)
	for range 3 {
		h.Merge(reading(true, good), noon)
	}
	facts := h.Summarize(&Target{}, noon).Facts[atlas.DeliveryAutomated]
	if len(ids(h)) != 1 || facts.LastSuccess != 0 || facts.LastFailure == 0 {
		t.Errorf("known %v, facts %+v", ids(h), facts)
	}
}

func TestIncremental(t *testing.T) {
	page := func(n int) *Reading {
		r := reading(true)
		r.Pages = n
		return r
	}
	for _, test := range []struct {
		name     string
		readings []*Reading
		want     bool
	}{
		{"nothing read", nil, false},
		{"two pages", []*Reading{page(2)}, false},
		{"three pages", []*Reading{page(3)}, true},
		{"once unordered", []*Reading{func() *Reading { r := page(3); r.Ordered = false; return r }(), page(3)}, false},
		{"shrunk", []*Reading{page(3), page(1)}, false},
	} {
		h := NewHistory(wide)
		for _, r := range test.readings {
			h.Merge(r, noon)
		}
		if got := h.Incremental(); got != test.want {
			t.Errorf("%s: %t, want %t", test.name, got, test.want)
		}
	}
}

func TestSurprising(t *testing.T) {
	known := job(t, "a", time.Hour, "completed")
	for _, test := range []struct {
		name         string
		before, then int64
		jobs         []atlas.RestoreJob
		want         bool
	}{
		{"nothing new", 10, 10, []atlas.RestoreJob{known}, false},
		{"one new", 10, 11, []atlas.RestoreJob{known, job(t, "b", 0, "pending")}, false},
		{"one new that was not read", 10, 11, []atlas.RestoreJob{known}, true},
		{"one new, one pruned", 10, 10, []atlas.RestoreJob{known, job(t, "b", 0, "pending")}, true},
		{"shrunk", 10, 9, []atlas.RestoreJob{known}, true},
		{"not told before", -1, 9, []atlas.RestoreJob{known}, false},
		{"not told now", 10, -1, []atlas.RestoreJob{known}, false},
	} {
		h := NewHistory(wide)
		before := reading(true, known)
		before.Total = test.before
		h.Merge(before, noon)
		r := reading(false, test.jobs...)
		r.Total = test.then
		if got := h.Surprising(r, noon); got != test.want {
			t.Errorf("%s: %t, want %t", test.name, got, test.want)
		}
	}
}

func TestSummaryHoldsUntilTheClockMakesItWrong(t *testing.T) {
	h := NewHistory(wide)
	h.Merge(reading(true,
		job(t, "ready", time.Hour, "ready", func(j *atlas.RestoreJob) { j.Expiry = ago(-10 * time.Minute) }),
		job(t, "done", 70*time.Hour, "completed"),
	), noon)
	limits := &Target{JobSeries: JobSeriesLimits{MaxAge: 72 * time.Hour, MaxPerTarget: 50}}
	summary := h.Summarize(limits, noon)
	for _, test := range []struct {
		after time.Duration
		want  bool
	}{{0, true}, {10*time.Minute - time.Second, true}, {10 * time.Minute, false}, {-time.Second, false}} {
		if got := summary.holds(noon, noon.Add(test.after)); got != test.want {
			t.Errorf("after %v: %t, want %t", test.after, got, test.want)
		}
	}
	later := h.Summarize(limits, noon.Add(11*time.Minute))
	if later.NextExpiry != 0 || later.Counts[atlas.DeliveryDownload][atlas.StatusExpired] != 1 || len(later.Series) != 2 {
		t.Errorf("later: %+v", later)
	}
	if later.holds(noon, noon.Add(2*time.Hour+2*time.Minute)) {
		t.Error("it holds although a job is too old for its series")
	}
}

// TestExpiredDownloadKeepsItsSeries has a download whose link lived for longer than job_series.max_age.
func TestExpiredDownloadKeepsItsSeries(t *testing.T) {
	h := NewHistory(wide)
	h.Merge(reading(true, job(t, "a", 100*time.Hour, "ready", func(j *atlas.RestoreJob) { j.Expiry = ago(time.Hour) })), noon)
	target := &Target{JobSeries: JobSeriesLimits{MaxAge: 72 * time.Hour, MaxPerTarget: 50}}
	if summary := h.Summarize(target, noon); len(summary.Series) != 1 || summary.Series[0].Status != atlas.StatusExpired {
		t.Errorf("series %+v", summary.Series)
	}
	if summary := h.Summarize(target, noon.Add(72*time.Hour)); len(summary.Series) != 0 {
		t.Errorf("later: %+v", summary.Series)
	}
}

func TestSeriesLimit(t *testing.T) {
	h := NewHistory(wide)
	var jobs []atlas.RestoreJob
	for i := range 10 {
		status := "completed"
		if i%4 == 3 {
			status = "in_progress"
		}
		jobs = append(jobs, job(t, fmt.Sprint(i), time.Duration(i)*time.Hour, status))
	}
	h.Merge(reading(true, jobs...), noon)
	for _, test := range []struct {
		limits  JobSeriesLimits
		want    string
		omitted int
	}{
		{JobSeriesLimits{MaxAge: 72 * time.Hour, MaxPerTarget: 50}, "[3 7 0 1 2 4 5 6 8 9]", 0},
		{JobSeriesLimits{MaxAge: 72 * time.Hour, MaxPerTarget: 4}, "[3 7 0 1]", 6},
		{JobSeriesLimits{MaxAge: 72 * time.Hour, MaxPerTarget: 1}, "[3]", 9},
		{JobSeriesLimits{MaxAge: 2 * time.Hour, MaxPerTarget: 50}, "[3 7 0 1 2]", 0},
		{JobSeriesLimits{MaxAge: 72 * time.Hour}, "[]", 10},
	} {
		summary := h.Summarize(&Target{JobSeries: test.limits}, noon)
		got := []string{}
		for _, j := range summary.Series {
			got = append(got, j.ID)
		}
		if fmt.Sprint(got) != test.want || summary.Omitted != test.omitted {
			t.Errorf("%+v: %v, %d omitted; want %s, %d", test.limits, got, summary.Omitted, test.want, test.omitted)
		}
	}
}

func TestUnexpectedTargets(t *testing.T) {
	into := func(project, cluster string) func(*atlas.RestoreJob) {
		return func(j *atlas.RestoreJob) { j.TargetProjectID, j.TargetClusterName = project, cluster }
	}
	h := NewHistory(wide)
	h.Merge(reading(true,
		job(t, "home", time.Hour, "completed", into("p", "prod")),
		job(t, "drill", time.Hour, "completed", into("p", "drill")),
		job(t, "abroad", 23*time.Hour, "failed", into("q", "prod")),
		job(t, "long ago", 25*time.Hour, "completed", into("q", "prod")),
		job(t, "still at it", 50*time.Hour, "in_progress", into("q", "prod")),
		job(t, "nowhere", time.Hour, "in_progress", into("", "")),
		job(t, "download", time.Hour, "ready"),
	), noon)
	for _, test := range []struct {
		allowed []AllowedTarget
		want    int
	}{
		{nil, 0},
		{[]AllowedTarget{}, 5},
		{[]AllowedTarget{{ProjectID: "p"}}, 3},
		{[]AllowedTarget{{ProjectID: "p", ClusterNames: []string{"drill", "other"}}}, 4},
		{[]AllowedTarget{{ProjectID: "p"}, {ProjectID: "q", ClusterNames: []string{"prod"}}}, 1},
	} {
		target := &Target{AllowedTargets: test.allowed}
		summary := h.Summarize(target, noon)
		if summary.Unexpected != test.want {
			t.Errorf("%v: %d, want %d", test.allowed, summary.Unexpected, test.want)
		}
		if test.want == 5 && summary.holds(noon, noon.Add(time.Hour)) {
			t.Error("it holds although a job has got old")
		}
	}
}
