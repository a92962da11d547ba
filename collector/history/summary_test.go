package history

import (
	"fmt"
	"testing"
	"time"

	"atlas-restore-exporter/atlas"
)

var threeDays = SeriesLimits{MaxAge: 72 * time.Hour, MaxPerTarget: 50}

// newSeriesHistory returns a history with per-job series and these known jobs.
func newSeriesHistory(limits SeriesLimits, jobs ...atlas.RestoreJob) *History {
	h := New(prodList, Policy{Limits: wideLimits, JobSeries: limits})
	mergeList(h, jobs...)
	return h
}

func TestSummarize_IsValidUntilADownloadExpires(t *testing.T) {
	h := newSeriesHistory(threeDays,
		job("ready", time.Hour, atlas.StatusReady, expiringAt(ago(-10*time.Minute))),
		job("done", 70*time.Hour, atlas.StatusCompleted))
	for _, test := range []struct {
		after time.Duration
		valid bool
	}{{0, true}, {10*time.Minute - time.Second, true}, {10 * time.Minute, false}} {
		before := h.Summarize(noon)
		if valid := h.Summarize(noon.Add(test.after)) == before; valid != test.valid {
			t.Errorf("valid after %v: %t, want %t", test.after, valid, test.valid)
		}
	}
	s := h.Summarize(noon.Add(11 * time.Minute))
	if s.NextExpiry != nil || s.Counts[atlas.DeliveryDownload][atlas.StatusExpired] != 1 || len(s.Series) != 2 {
		t.Errorf("after the expiry: %+v", s)
	}
}

func TestSummarize_IsValidUntilAJobIsTooOldForSeries(t *testing.T) {
	h := newSeriesHistory(threeDays, job("done", 70*time.Hour, atlas.StatusCompleted))
	before := h.Summarize(noon)
	if h.Summarize(noon.Add(2*time.Hour)) != before {
		t.Error("not valid after two hours")
	}
	if s := h.Summarize(noon.Add(2*time.Hour + 2*time.Minute)); s == before || len(s.Series) != 0 {
		t.Errorf("%d jobs have series", len(s.Series))
	}
}

func TestSummarize_IsInvalidIfTheClockWasSetBack(t *testing.T) {
	h := newSeriesHistory(threeDays, job("ready", time.Hour, atlas.StatusReady, expiringAt(ago(time.Minute))))
	before := h.Summarize(noon)
	back := h.Summarize(noon.Add(-time.Second))
	if back == before {
		t.Error("the summary is valid before the time for which it was computed")
	}
	if s := h.Summarize(noon.Add(-time.Hour)); s.Counts[atlas.DeliveryDownload][atlas.StatusReady] != 1 {
		t.Errorf("the download is not ready: %v", s.Counts)
	}
}

func TestSummarize_CountsJobsByStatus(t *testing.T) {
	h := newSeriesHistory(threeDays,
		job("1", 2*time.Hour, atlas.StatusInProgress), job("2", 3*time.Hour, atlas.StatusPending),
		job("3", 4*time.Hour, atlas.StatusReady, expiringAt(ago(-2*time.Hour))),
		job("4", 5*time.Hour, atlas.StatusReady, expiringAt(ago(-time.Hour))),
		job("5", 6*time.Hour, atlas.StatusFailed), job("6", 7*time.Hour, atlas.StatusFailed))
	s := h.Summarize(noon)
	automated, download := s.Counts[atlas.DeliveryAutomated], s.Counts[atlas.DeliveryDownload]
	if s.Known != 6 || automated[atlas.StatusInProgress] != 1 || automated[atlas.StatusPending] != 1 ||
		automated[atlas.StatusFailed] != 2 || download[atlas.StatusReady] != 2 {
		t.Errorf("counts are %v", s.Counts)
	}
	if s.OldestActive[atlas.DeliveryAutomated][PurposeInPlace].ID != "2" || s.NextExpiry.ID != "4" {
		t.Errorf("oldest active %v, next expiry %v", s.OldestActive, s.NextExpiry)
	}
	if len(s.Newest) != newestJobs || s.Newest[0].ID != "1" {
		t.Errorf("newest %+v", s.Newest)
	}
}

func TestSummarize_ChoosesAmongEqualTimesInAnyOrderOfJobs(t *testing.T) {
	expiry := expiringAt(ago(-time.Hour))
	jobs := []atlas.RestoreJob{
		job("1", 2*time.Hour, atlas.StatusPending), job("3", 2*time.Hour, atlas.StatusPending, inBatch("a")),
		job("2", 2*time.Hour, atlas.StatusInProgress, inBatch("b")), job("4", time.Hour, atlas.StatusPending),
		job("5", 2*time.Hour, atlas.StatusPending, into(project, "other")),
		job("6", 2*time.Hour, atlas.StatusReady, expiry), job("7", 2*time.Hour, atlas.StatusReady, expiry),
		job("8", 3*time.Hour, atlas.StatusReady, expiry, func(j *atlas.RestoreJob) { j.Finished = ago(time.Hour) }),
		job("9", 2*time.Hour, atlas.StatusReady, expiringAt(ago(-day))),
	}
	for range jobs {
		jobs = append(jobs[1:], jobs[0])
		s := newSeriesHistory(threeDays, jobs...).Summarize(noon)
		oldest := s.OldestActive[atlas.DeliveryAutomated]
		if oldest[PurposeInPlace].ID != "3" || oldest[PurposeOther].ID != "5" || oldest[PurposeDrill] != nil {
			t.Errorf("oldest active %+v", oldest)
		}
		if s.NextExpiry.ID != "8" {
			t.Errorf("next expiry %+v", s.NextExpiry)
		}
	}
}

func TestActive_ReportsPendingAndInProgressJobs(t *testing.T) {
	for status, want := range map[atlas.Status]bool{
		atlas.StatusPending: true, atlas.StatusInProgress: true, atlas.StatusReady: false, atlas.StatusFailed: false,
	} {
		if got := newSeriesHistory(threeDays, job("a", time.Hour, status)).Summarize(noon).Active(); got != want {
			t.Errorf("%v: %t", status, got)
		}
	}
	if (*Summary)(nil).Active() {
		t.Error("a nil summary is active")
	}
}

func TestSummarize_KeepsSeriesOfADownloadAfterItsExpiry(t *testing.T) {
	h := newSeriesHistory(threeDays, job("a", 100*time.Hour, atlas.StatusReady, expiringAt(ago(time.Hour))))
	if s := h.Summarize(noon); len(s.Series) != 1 || s.Series[0].Status != atlas.StatusExpired {
		t.Errorf("series %+v", s.Series)
	}
	if s := h.Summarize(noon.Add(72 * time.Hour)); len(s.Series) != 0 {
		t.Errorf("series %+v, three days later", s.Series)
	}
}

func TestSummarize_LimitsTheSeriesOfFinishedJobs(t *testing.T) {
	var jobs []atlas.RestoreJob
	for i := range 10 {
		status := atlas.StatusCompleted
		if i%4 == 3 {
			status = atlas.StatusInProgress
		}
		jobs = append(jobs, job(fmt.Sprint(i), time.Duration(i)*time.Hour, status))
	}
	for _, test := range []struct {
		limits  SeriesLimits
		want    string
		omitted int
	}{
		{SeriesLimits{MaxAge: 72 * time.Hour, MaxPerTarget: 50}, "[3 7 0 1 2 4 5 6 8 9]", 0},
		{SeriesLimits{MaxAge: 72 * time.Hour, MaxPerTarget: 4}, "[3 7 0 1 2 4]", 4},
		{SeriesLimits{MaxAge: 72 * time.Hour, MaxPerTarget: 1}, "[3 7 0]", 7},
		{SeriesLimits{MaxAge: 2 * time.Hour, MaxPerTarget: 50}, "[3 7 0 1 2]", 0},
		{SeriesLimits{MaxAge: 72 * time.Hour}, "[3 7]", 8},
	} {
		s := newSeriesHistory(test.limits, jobs...).Summarize(noon)
		ids := []string{}
		for _, job := range s.Series {
			ids = append(ids, job.ID)
		}
		if got := fmt.Sprint(ids); got != test.want || s.Omitted != test.omitted {
			t.Errorf("%+v: %s, %d omitted; want %s, %d", test.limits, got, s.Omitted, test.want, test.omitted)
		}
	}
}

func TestSummarize_LimitsTheSeriesOfUnfinishedJobs(t *testing.T) {
	var jobs []atlas.RestoreJob
	for i := range 1002 {
		jobs = append(jobs, job(fmt.Sprint(i), time.Duration(i)*time.Minute, atlas.StatusPending))
	}
	jobs = append(jobs, job("done", time.Hour, atlas.StatusCompleted), job("old", 2*time.Hour, atlas.StatusCompleted))
	r := newSeriesHistory(SeriesLimits{MaxAge: day, MaxPerTarget: 1})
	full := r.Read(noon, true)
	full.Add(listPage(int64(len(jobs)), true, jobs...))
	r.Merge(full, noon)
	s := r.Summarize(noon)
	if n := len(s.Series); n != 1001 || s.Series[999].ID != "999" || s.Series[1000].ID != "done" || s.Omitted != 3 {
		t.Errorf("%d jobs have series, %d are omitted", n, s.Omitted)
	}
}

// jobsInTargets returns jobs that restore into several projects and clusters.
func jobsInTargets() []atlas.RestoreJob {
	return []atlas.RestoreJob{
		job("prod", time.Hour, atlas.StatusCompleted, into("p", "prod")),
		job("drill", time.Hour, atlas.StatusCompleted, into("p", "drill")),
		job("other project", 23*time.Hour, atlas.StatusFailed, into("q", "prod")),
		job("too old", 25*time.Hour, atlas.StatusCompleted, into("q", "prod")),
		job("unfinished", 50*time.Hour, atlas.StatusInProgress, into("q", "prod")),
		job("no target", time.Hour, atlas.StatusInProgress, into("", "")),
		job("download", time.Hour, atlas.StatusReady),
	}
}

func TestSummarize_CountsRecentAndUnfinishedJobsInUnexpectedTargets(t *testing.T) {
	for _, test := range []struct {
		allowed []RestoreTarget
		want    int
	}{
		{nil, 0},
		{[]RestoreTarget{}, 5},
		{[]RestoreTarget{{ProjectID: "p"}}, 3},
		{[]RestoreTarget{{ProjectID: "p", ClusterNames: []string{"drill", "other"}}}, 4},
		{[]RestoreTarget{{ProjectID: "p"}, {ProjectID: "q", ClusterNames: []string{"prod"}}}, 1},
	} {
		h := New(prodList, Policy{Limits: wideLimits, AllowedTargets: test.allowed})
		mergeList(h, jobsInTargets()...)
		if got := h.Summarize(noon).Unexpected; got != test.want {
			t.Errorf("%v: %d jobs in unexpected targets, want %d", test.allowed, got, test.want)
		}
	}
}

func TestSummarize_IsValidUntilAJobInAnUnexpectedTargetIsADayOld(t *testing.T) {
	h := New(prodList, Policy{Limits: wideLimits, AllowedTargets: []RestoreTarget{}})
	mergeList(h, jobsInTargets()...)
	before := h.Summarize(noon)
	if h.Summarize(noon.Add(time.Hour-time.Second)) != before {
		t.Error("the summary is not valid for an hour")
	}
	if s := h.Summarize(noon.Add(time.Hour)); s.Unexpected != before.Unexpected-1 {
		t.Errorf("%d jobs in unexpected targets after an hour", s.Unexpected)
	}
}

func TestAvailableURLs_IsZeroAfterTheExpiry(t *testing.T) {
	h := newSeriesHistory(threeDays, job("a", time.Hour, atlas.StatusReady, expiringAt(ago(-time.Hour))))
	if j := h.Summarize(noon).Newest[0]; j.AvailableURLs() != 1 || !j.HasDownloadURLs() {
		t.Errorf("%d URLs before the expiry", j.AvailableURLs())
	}
	if j := h.Summarize(noon.Add(time.Hour)).Newest[0]; j.AvailableURLs() != 0 || !j.HasDownloadURLs() {
		t.Errorf("%d URLs after the expiry", j.AvailableURLs())
	}
}

func TestAvailableURLs_IsZeroAfterTheExpiryOfAFailedDownload(t *testing.T) {
	h := newSeriesHistory(threeDays, job("a", time.Hour, atlas.StatusReady, expiringAt(ago(-time.Hour)),
		func(j *atlas.RestoreJob) { j.Status = atlas.StatusFailed }))
	for after, want := range map[time.Duration]uint16{0: 1, time.Hour: 0} {
		if got := h.Summarize(noon.Add(after)).Newest[0].AvailableURLs(); got != want {
			t.Errorf("%d URLs after %v, want %d", got, after, want)
		}
	}
}

func TestSummarize_TreatsOnlyDownloadsAsDownloads(t *testing.T) {
	other := job("a", 100*day, atlas.StatusReady, expiringAt(ago(-time.Hour)),
		func(j *atlas.RestoreJob) { j.DeliveryType = atlas.DeliveryOther })
	h := newSeriesHistory(threeDays, other)
	s := h.Summarize(noon)
	if s.NextExpiry != nil || s.Newest[0].HasDownloadURLs() || s.Newest[0].Status != atlas.StatusReady {
		t.Errorf("next expiry %v, job %+v", s.NextExpiry, s.Newest[0])
	}
	if s := h.Summarize(noon.Add(time.Hour)); s.Newest[0].Status != atlas.StatusExpired || len(s.Series) > 0 {
		t.Errorf("series of %v after the expiry", jobIDs(s.Series))
	}
}
