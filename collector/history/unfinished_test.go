package history

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"atlas-restore-exporter/atlas"
)

func TestPending_ReturnsJobsOfUnknownStatusForAWeek(t *testing.T) {
	recent, old := job("recent", 7*day-time.Second, atlas.StatusUnknown), job("old", 7*day, atlas.StatusUnknown)
	undated := job("undated", 0, atlas.StatusUnknown)
	undated.Created = 0
	h := newHistory(wideLimits)
	mergeList(h, recent, old, undated)
	for _, test := range []struct {
		now  time.Time
		want []string
	}{{noon, []string{"recent"}}, {noon.Add(time.Second), nil}} {
		r := h.Read(test.now, false)
		r.Add(&atlas.Page{})
		if pending, err := r.Pending(); err != nil || !slices.Equal(pending, test.want) {
			t.Errorf("pending %v, %v; want %v", pending, err, test.want)
		}
	}
}

func TestAdd_ReadsOnAfterAJobOfUnknownStatusForAWeek(t *testing.T) {
	recent, old := job("recent", day, atlas.StatusUnknown), job("old", 8*day, atlas.StatusUnknown)
	h := newHistory(wideLimits)
	mergeList(h, recent, old)
	for job, want := range map[*atlas.RestoreJob]bool{&recent: false, &old: true} {
		if enough := h.Read(noon, false).Add(&atlas.Page{Jobs: []atlas.RestoreJob{*job}}); enough != want {
			t.Errorf("%s: enough %t", job.ID, enough)
		}
	}
}

func TestMerge_KeepsJobsOfUnknownStatusBeyondTheLimitsForAWeek(t *testing.T) {
	h := newHistory(smallLimits)
	recent, old := job("recent", 6*day, atlas.StatusUnknown), job("old", 8*day, atlas.StatusUnknown)
	mergeList(h, recent, old)
	expectKnown(t, h, "recent")
	later := noon.Add(day)
	h.Merge(readList(h, later, recent, old), later)
	expectKnown(t, h)
}

func TestMerge_EvictsDownloadsOfUnknownStatusThatHaveExpired(t *testing.T) {
	h := newHistory(smallLimits)
	mergeList(h, job("a", 6*day, atlas.StatusUnknown, expiringAt(ago(0)), func(j *atlas.RestoreJob) {
		j.DeliveryType, j.ExpiresUnready = atlas.DeliveryDownload, true
	}))
	expectKnown(t, h)
}

func TestMerge_KeepsJobsOfUnknownAgeWithinMaxJobs(t *testing.T) {
	withID := func(id string) func(*atlas.RestoreJob) { return func(j *atlas.RestoreJob) { j.ID = id } }
	h := newHistory(smallLimits)
	mergeList(h, job("stuck", 100*time.Hour, atlas.StatusInProgress), undatedFailure(withID("1")),
		undatedFailure(withID("2"), inBatch("b")), undatedFailure(withID("3"), inBatch("b")))
	expectKnown(t, h, "stuck", "3", "2")
}

func TestSummarize_IsValidUntilAJobOfUnknownStatusIsAWeekOld(t *testing.T) {
	h := New(prodList, Policy{Limits: wideLimits, JobSeries: threeDays, AllowedTargets: []RestoreTarget{}})
	mergeList(h, job("a", 6*day, atlas.StatusUnknown))
	before := h.Summarize(noon)
	if len(before.Series) != 1 || before.Unexpected != 1 || h.Summarize(noon.Add(day-time.Second)) != before {
		t.Errorf("within a week: %+v", before)
	}
	if s := h.Summarize(noon.Add(day)); len(s.Series) != 0 || s.Unexpected != 0 || s.Known != 1 {
		t.Errorf("after a week: %+v", s)
	}
}

// undatedFailure returns a failed job without creation and finish time.
func undatedFailure(changes ...func(*atlas.RestoreJob)) atlas.RestoreJob {
	j := job("a", 0, atlas.StatusFailed)
	j.Created, j.Finished, j.Snapshot, j.RecoveryPoint = 0, 0, 0, 0
	for _, change := range changes {
		change(&j)
	}
	return j
}

func TestLatest_DatesAFailureByItsFirstUsableTime(t *testing.T) {
	for _, test := range []struct {
		name string
		job  atlas.RestoreJob
		want atlas.Timestamp
	}{
		{"finished", undatedFailure(func(j *atlas.RestoreJob) { j.Finished, j.Created = 4, 5 }), 4},
		{"created", undatedFailure(func(j *atlas.RestoreJob) { j.Created, j.RecoveryPoint = 5, 6 }), 5},
		{"recovery point", undatedFailure(func(j *atlas.RestoreJob) { j.RecoveryPoint, j.Snapshot = 6, 7 }), 6},
		{"nothing", undatedFailure(), 0},
	} {
		h := newHistory(wideLimits)
		mergeList(h, test.job)
		if got := latest(h).Failure.End; got != test.want {
			t.Errorf("%s: last failure at %v", test.name, got)
		}
	}
}

func TestLatest_DatesAFailureByTheFirstPollThatSawIt(t *testing.T) {
	running := undatedFailure(func(j *atlas.RestoreJob) { j.Status = atlas.StatusInProgress })
	h := New(prodList, Policy{Limits: wideLimits, JobSeries: threeDays})
	mergeList(h, running)
	for minutes := 1; minutes <= 2; minutes++ {
		now := noon.Add(time.Duration(minutes) * time.Minute)
		count := func(j *atlas.RestoreJob) { j.DownloadURLs = uint16(minutes) } // so that it is stored again
		h.Merge(readList(h, now, undatedFailure(count)), now)
	}
	if got := latest(h).Failure.End; got != ago(-time.Minute) {
		t.Errorf("last failure at %v", got.Time())
	}
	if s := h.Summarize(noon.Add(2 * time.Minute)); len(s.Series) != 1 {
		t.Errorf("%d jobs have series", len(s.Series))
	}
	for range 2 {
		mergeList(h)
	}
	expectKnown(t, h)
	if got := latest(h).Failure.End; got != ago(-time.Minute) {
		t.Errorf("after the job was removed, last failure at %v", got.Time())
	}
}

func TestLatest_DatesAFailureByTheFirstPollThatSawItRegardlessOfOtherStatuses(t *testing.T) {
	running := undatedFailure(func(j *atlas.RestoreJob) { j.Status = atlas.StatusInProgress })
	completed := undatedFailure(func(j *atlas.RestoreJob) { j.Status = atlas.StatusCompleted })
	unknown := undatedFailure(func(j *atlas.RestoreJob) { j.Status = atlas.StatusUnknown })
	failed := undatedFailure()
	for _, test := range []struct {
		name  string
		polls []atlas.RestoreJob // one per minute
		want  atlas.Timestamp
	}{
		{"unknown before", []atlas.RestoreJob{running, unknown, failed}, ago(-2 * time.Minute)},
		{"completed before", []atlas.RestoreJob{running, completed, failed}, ago(-2 * time.Minute)},
		{"unknown meanwhile", []atlas.RestoreJob{running, failed, unknown, failed}, ago(-time.Minute)},
		{"running meanwhile", []atlas.RestoreJob{running, failed, running, failed}, ago(-time.Minute)},
		{"failed from the start", []atlas.RestoreJob{failed, running, failed}, ago(-2 * time.Minute)},
		{"never unfinished", []atlas.RestoreJob{unknown, failed}, 0},
	} {
		h := newHistory(wideLimits)
		for minutes, job := range test.polls {
			now := noon.Add(time.Duration(minutes) * time.Minute)
			h.Merge(readList(h, now, job), now)
		}
		if got := latest(h).Failure.End; got != test.want {
			t.Errorf("%s: last failure at %v, want %v", test.name, got.Time(), test.want.Time())
		}
	}
}

func TestMerge_KeepsTheTimeOfAnUndatedFailureThatIsEvicted(t *testing.T) {
	running := undatedFailure(func(j *atlas.RestoreJob) { j.Status = atlas.StatusInProgress })
	other := job("other", time.Hour, atlas.StatusCompleted)
	h := New(prodList, Policy{Limits: Limits{MaxAge: 400 * day, MaxJobs: 1}, JobSeries: threeDays})
	mergeList(h, other, running)
	mergeList(h, other, undatedFailure())
	expectKnown(t, h, "other")
	for range 2 {
		mergeList(h, undatedFailure())
	}
	s := h.Summarize(noon)
	if len(s.Series) != 1 || s.Series[0].ID != running.ID {
		t.Errorf("series of %+v", s.Series)
	}
}

func TestMerge_BoundsTheTimesOfUndatedFailuresThatAreNotKnown(t *testing.T) {
	h := newHistory(wideLimits)
	for i := range 2 * maxFailedSince {
		withID := func(j *atlas.RestoreJob) { j.ID = fmt.Sprint(i) }
		running := undatedFailure(withID, func(j *atlas.RestoreJob) { j.Status = atlas.StatusInProgress })
		for _, listed := range [][]atlas.RestoreJob{{running}, {undatedFailure(withID)}, {}, {}, {running}, {}, {}} {
			mergeList(h, listed...)
		}
	}
	expectKnown(t, h)
	if n := len(h.failedSince); n != maxFailedSince {
		t.Errorf("%d times are kept", n)
	}
}

func TestSummarize_OnlyCountsAnUndatedJobThatFailedFromTheStart(t *testing.T) {
	h := New(prodList, Policy{Limits: wideLimits, JobSeries: threeDays, AllowedTargets: []RestoreTarget{}})
	for range 2 {
		mergeList(h, undatedFailure())
	}
	s := h.Summarize(noon)
	if s.Counts[atlas.DeliveryAutomated][atlas.StatusFailed] != 1 || len(s.Series) != 0 || s.Unexpected != 0 {
		t.Errorf("%+v", s)
	}
	expectLatest(t, h, Latest{})
}

func TestLatest_DatesADownloadThatExpiredEarlyByItsCreationUntilItsExpiry(t *testing.T) {
	h := newSeriesHistory(threeDays, job("a", time.Hour, atlas.StatusReady, expiringAt(ago(-time.Hour)),
		func(j *atlas.RestoreJob) { j.Status = atlas.StatusExpired }))
	for i, want := range []atlas.Timestamp{ago(time.Hour), ago(-time.Hour)} {
		now := noon.Add(time.Duration(i) * time.Hour)
		if got := h.Summarize(now).Latest[atlas.DeliveryDownload][PurposeOther].Success.End; got != want {
			t.Errorf("at %v, last success at %v", now, got.Time())
		}
	}
}

func TestMerge_DoesNotLearnEvictedUndatedJobsAgain(t *testing.T) {
	h := newHistory(Limits{MaxAge: 400 * day, MaxJobs: 1})
	a := job("b", time.Hour, atlas.StatusCompleted)
	mergeList(h, a, undatedFailure())
	r := h.Read(noon, false)
	r.Add(listPage(2, false, a, undatedFailure()))
	expectFullPollNeeded(t, r, false, "")
}

func TestMerge_RetainsNoPartOfABatchFromAListThatContradictsItself(t *testing.T) {
	h := newHistory(wideLimits)
	r, _, _ := readTwice(h, listPage(2, true, job("1", 500*day, atlas.StatusCompleted, inBatch("b"))))
	h.Merge(r, noon)
	expectLatest(t, h, Latest{})
}

// buildingIndexes returns a completed job whose indexes are not done yet.
func buildingIndexes(id string, age time.Duration) atlas.RestoreJob {
	return job(id, age, atlas.StatusCompleted, func(j *atlas.RestoreJob) { j.Indexes = atlas.IndexesPending })
}

func TestPending_ReturnsJobsWithPendingIndexesForAWeek(t *testing.T) {
	undated := buildingIndexes("undated", 0)
	undated.Created = 0
	failed := job("failed", day, atlas.StatusFailed, func(j *atlas.RestoreJob) { j.Indexes = atlas.IndexesPending })
	recent := buildingIndexes("recent", 7*day-time.Second)
	h := newHistory(wideLimits)
	mergeList(h, failed, recent, buildingIndexes("old", 7*day), undated)
	for _, test := range []struct {
		now  time.Time
		want []string
	}{{noon, []string{"recent"}}, {noon.Add(time.Second), nil}} {
		r := h.Read(test.now, false)
		r.Add(&atlas.Page{})
		if pending, err := r.Pending(); err != nil || !slices.Equal(pending, test.want) {
			t.Errorf("pending %v, %v; want %v", pending, err, test.want)
		}
	}
	recent.Indexes = atlas.IndexesFailed
	mergeNewest(t, h, recent)
	if _, changeable := h.changeable["recent"]; changeable || h.jobs["recent"].Indexes != atlas.IndexesFailed {
		t.Errorf("changeable %t, known as %+v", changeable, h.jobs["recent"])
	}
}

func TestAdd_ReadsOnAfterAJobWithPendingIndexes(t *testing.T) {
	a, done := buildingIndexes("a", day), buildingIndexes("a", day)
	done.Indexes = atlas.IndexesDone
	h := newHistory(wideLimits)
	mergeList(h, a)
	for _, job := range []atlas.RestoreJob{a, done} {
		if h.Read(noon, false).Add(listPage(1, false, job)) {
			t.Errorf("a page with a job with indexes %v ended the poll", job.Indexes)
		}
	}
	mergeNewest(t, h, done)
	if !h.Read(noon, false).Add(listPage(1, false, done)) {
		t.Error("the indexes are done, but the page did not end the poll")
	}
}

func TestMerge_KeepsJobsWithPendingIndexesBeyondTheLimitsForAWeek(t *testing.T) {
	h := newHistory(smallLimits)
	recent, old := buildingIndexes("recent", 6*day), buildingIndexes("old", 8*day)
	mergeList(h, recent, old)
	expectKnown(t, h, "recent")
	later := noon.Add(day)
	h.Merge(readList(h, later, recent, old), later)
	expectKnown(t, h)
}

func TestSummarize_TreatsJobsWithPendingIndexesAsFinished(t *testing.T) {
	h := New(prodList, Policy{
		Limits: wideLimits, JobSeries: SeriesLimits{MaxAge: 30 * day}, AllowedTargets: []RestoreTarget{},
	})
	mergeList(h, buildingIndexes("a", 2*day))
	s := h.Summarize(noon)
	if s.Counts[atlas.DeliveryAutomated][atlas.StatusCompleted] != 1 || len(s.Series) != 0 || s.Omitted != 1 ||
		s.Unexpected != 0 {
		t.Errorf("%+v", s)
	}
}
