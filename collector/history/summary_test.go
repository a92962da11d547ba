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
	h := New(Policy{Limits: wideLimits, JobSeries: limits})
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
	if s.NextExpiry != 0 || s.Counts[atlas.DeliveryDownload][atlas.StatusExpired] != 1 || len(s.Series) != 2 {
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
	if s.OldestActive[atlas.DeliveryAutomated] != ago(3*time.Hour) || s.NextExpiry != ago(-time.Hour) {
		t.Errorf("oldest active %v, next expiry %v", s.OldestActive, s.NextExpiry.Time())
	}
	if len(s.Newest) != newestJobs || s.Newest[0].ID != "1" {
		t.Errorf("newest %+v", s.Newest)
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

func TestSummarize_LimitsSeriesAndPrefersUnfinishedJobs(t *testing.T) {
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
		{SeriesLimits{MaxAge: 72 * time.Hour, MaxPerTarget: 4}, "[3 7 0 1]", 6},
		{SeriesLimits{MaxAge: 72 * time.Hour, MaxPerTarget: 1}, "[3]", 9},
		{SeriesLimits{MaxAge: 2 * time.Hour, MaxPerTarget: 50}, "[3 7 0 1 2]", 0},
		{SeriesLimits{MaxAge: 72 * time.Hour}, "[]", 10},
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

// jobsInTargets returns jobs that restore into several projects and clusters.
func jobsInTargets() []atlas.RestoreJob {
	into := func(project, cluster string) func(*atlas.RestoreJob) {
		return func(j *atlas.RestoreJob) { j.TargetProjectID, j.TargetClusterName = project, cluster }
	}
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
		allowed []AllowedTarget
		want    int
	}{
		{nil, 0},
		{[]AllowedTarget{}, 5},
		{[]AllowedTarget{{ProjectID: "p"}}, 3},
		{[]AllowedTarget{{ProjectID: "p", ClusterNames: []string{"drill", "other"}}}, 4},
		{[]AllowedTarget{{ProjectID: "p"}, {ProjectID: "q", ClusterNames: []string{"prod"}}}, 1},
	} {
		h := New(Policy{Limits: wideLimits, AllowedTargets: test.allowed})
		mergeList(h, jobsInTargets()...)
		if got := h.Summarize(noon).Unexpected; got != test.want {
			t.Errorf("%v: %d jobs in unexpected targets, want %d", test.allowed, got, test.want)
		}
	}
}

func TestSummarize_IsValidUntilAJobInAnUnexpectedTargetIsADayOld(t *testing.T) {
	h := New(Policy{Limits: wideLimits, AllowedTargets: []AllowedTarget{}})
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
