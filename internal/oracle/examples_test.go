package oracle

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"
)

var noon = time.Date(2026, 8, 10, 12, 0, 0, 0, time.UTC)

// at returns an ID that encodes a time relative to noon. The number makes it unique.
func at(offset time.Duration, number int) string {
	return fmt.Sprintf("%08x%016x", noon.Add(offset).Unix(), number)
}

func iso(offset time.Duration) string { return date(noon.Add(offset)) }

func testSettings(backupType string) Settings {
	return Settings{
		ProjectID: "p", ClusterName: "c", BackupType: backupType,
		HistoryMaxAge: 365 * day, HistoryMaxJobs: 100, JobSeriesMaxAge: 365 * day, JobSeriesMaxPerTarget: 100,
		DrillTargets:   []TargetRule{{ProjectID: "d"}},
		AllowedTargets: []TargetRule{{ProjectID: "p", ClusterNames: []string{"c"}}},
	}
}

// lists returns one poll per minute, the last one at noon. Each list contains objects in JSON.
func lists(all ...[]string) []Poll {
	var polls []Poll
	for i, items := range all {
		now := noon.Add(time.Duration(i-len(all)+1) * time.Minute)
		poll := Poll{Now: now, Date: now}
		for _, item := range items {
			poll.Jobs = append(poll.Jobs, json.RawMessage(item))
		}
		polls = append(polls, poll)
	}
	return polls
}

// check compares some series. Names are without the prefix and the labels of the target; "absent" is -1.
func check(t *testing.T, s Settings, polls []Poll, want map[string]float64) {
	t.Helper()
	got := map[string]float64{}
	target := []string{`backup_type="` + s.BackupType + `",`, `cluster_name="c",`, `project_id="p",`}
	for key, value := range Expect(s, polls) {
		key = strings.TrimPrefix(key, prefix)
		for _, label := range target {
			key = strings.Replace(key, label, "", 1)
		}
		got[strings.NewReplacer(",}", "}", "{}", "").Replace(key)] = value
	}
	for key, value := range want {
		g, ok := got[key]
		if !ok {
			g = -1
		}
		if g != value {
			t.Errorf("%s: got %v, want %v", key, g, value)
		}
	}
}

func unix(offset time.Duration) float64 { return float64(noon.Add(offset).Unix()) }

func TestDedicated(t *testing.T) {
	a, b, c := at(-time.Hour, 1), at(-2*time.Hour, 2), at(-3*time.Hour, 3)
	polls := lists([]string{
		`{"id":"` + a + `","deliveryType":"automated","failed":false,"targetGroupId":"d","targetClusterName":"x",` +
			`"finishedAt":"` + iso(-30*time.Minute) + `","timestamp":"` + iso(-day) + `","snapshotId":"s"}`,
		`{"id":"` + b + `","deliveryType":"download","deliveryUrl":["https://x/"],` +
			`"expiresAt":"` + iso(time.Minute) + `"}`,
		`{"id":"` + c + `","deliveryType":"automated","failed":true,"cancelled":true,"targetGroupId":"p",` +
			`"targetClusterName":"c"}`,
		`null`, `{"id":7}`,
	})
	automatedDrill := `{delivery_type="automated",purpose="drill"}`
	named := `delivery_type="automated",job_id="` + a +
		`",purpose="drill",target_cluster_name="x",target_project_id="d"`
	want := map[string]float64{
		`jobs{delivery_type="automated",status="completed"}`:              1,
		`jobs{delivery_type="automated",status="failed"}`:                 1,
		`jobs{delivery_type="download",status="ready"}`:                   1,
		`jobs{delivery_type="point_in_time",status="cancelled"}`:          0,
		`last_created_timestamp_seconds{delivery_type="automated"}`:       unix(-time.Hour),
		`last_success_timestamp_seconds{` + named + `}`:                   unix(-30 * time.Minute),
		`last_duration_seconds` + automatedDrill:                          1800,
		`next_expiry_timestamp_seconds{job_id="` + b + `"}`:               unix(time.Minute),
		`unexpected_target_jobs`:                                          1,
		`job_download_urls{job_id="` + b + `"}`:                           1,
		`job_unexpected_target{job_id="` + a + `"}`:                       1,
		`job_unexpected_target{job_id="` + b + `"}`:                       0,
		`job_failed{job_id="` + c + `"}`:                                  1,
		`job_failed{job_id="` + b + `"}`:                                  0,
		`job_status{job_id="` + c + `",status="failed"}`:                  1,
		`job_series_omitted`:                                              0,
		`last_duration_seconds{delivery_type="download",purpose="other"}`: -1,
		`last_success_created_timestamp_seconds` +
			`{delivery_type="download",purpose="other"}`: unix(-2 * time.Hour),
		`last_success_recovery_point_timestamp_seconds` + automatedDrill: unix(-day),
		`last_failure_timestamp_seconds{delivery_type="automated",job_id="` + c +
			`",purpose="in_place",target_cluster_name="c",target_project_id="p"}`: unix(-3 * time.Hour),
	}
	check(t, testSettings("dedicated"), polls, want)

	polls[0].Now = noon.Add(time.Minute) // the download expires
	check(t, testSettings("dedicated"), polls, map[string]float64{
		`jobs{delivery_type="download",status="expired"}`:   1,
		`next_expiry_timestamp_seconds{job_id="` + b + `"}`: -1,
		`job_download_urls{job_id="` + b + `"}`:             0,
		`last_success_timestamp_seconds{delivery_type="download",job_id="` + b +
			`",purpose="other",target_cluster_name="",target_project_id=""}`: unix(time.Minute),
	})
}

func TestRemovalAndEviction(t *testing.T) {
	job := func(id, status string) string {
		return `{"id":"` + id + `","deliveryType":"RESTORE","status":"` + status + `"}`
	}
	old, recent := at(-2*time.Hour, 1), at(-time.Hour, 2)
	key := `last_success_timestamp_seconds{delivery_type="automated",job_id="` + recent +
		`",purpose="other",target_cluster_name="",target_project_id=""}`
	completedJobs := `jobs{delivery_type="automated",status="completed"}`
	s := testSettings("flex")
	both := []string{job(recent, "COMPLETED"), job(old, "COMPLETED")}
	one := []string{job(old, "COMPLETED")}
	check(t, s, lists(both, one), map[string]float64{completedJobs: 2, key: unix(-time.Hour)})
	check(t, s, lists(both, one, one), map[string]float64{completedJobs: 1, key: unix(-time.Hour)})
	check(t, s, lists(both, one, both, one), map[string]float64{completedJobs: 2})

	s.HistoryMaxAge = 90 * time.Minute
	check(t, s, lists(one), map[string]float64{
		completedJobs: 0, `last_created_timestamp_seconds{delivery_type="automated"}`: -1,
	})
	running := []string{job(old, "RUNNING")}
	check(t, s, lists(running), map[string]float64{
		`jobs{delivery_type="automated",status="in_progress"}`: 1,
		`oldest_active_created_timestamp_seconds{delivery_type="automated",job_id="` + old +
			`",purpose="other",target_cluster_name="",target_project_id=""}`: unix(-2 * time.Hour),
	})
	s.HistoryMaxAge, s.HistoryMaxJobs, s.JobSeriesMaxPerTarget = day, 1, 0
	check(t, s, lists(both), map[string]float64{completedJobs: 1, `job_series_omitted`: 1})
}

func TestFailedWithoutTime(t *testing.T) {
	id := at(10*day, 1)
	running := `{"id":"` + id + `","state":"IN_PROGRESS"}`
	failedJob := `{"id":"` + id + `","state":"FAILED"}`
	key := `last_failure_timestamp_seconds{delivery_type="automated",job_id="` + id +
		`",purpose="other",target_cluster_name="",target_project_id=""}`
	s := testSettings("collection")
	check(t, s, lists([]string{running}, []string{failedJob}, []string{failedJob}), map[string]float64{
		key: unix(-time.Minute), `jobs{delivery_type="automated",status="failed"}`: 1,
	})
	check(t, s, lists([]string{failedJob}, []string{failedJob}), map[string]float64{
		key: -1, `jobs{delivery_type="automated",status="failed"}`: 1, `job_series_omitted`: 0,
		`job_status{job_id="` + id + `",status="failed"}`: -1,
	})
}

func TestBatch(t *testing.T) {
	job := func(id, batch, status string) string {
		return `{"id":"` + id + `","batchId":"` + batch + `","statusName":"` + status + `","delivery":` +
			`{"methodName":"HTTP","targetClusterName":"c","targetGroupId":"p"}}`
	}
	a, b := at(-time.Hour, 1), at(-time.Hour+time.Second, 2)
	c, d := at(-2*time.Hour, 3), at(-2*time.Hour+time.Second, 4)
	labels := func(id string) string {
		return `{delivery_type="automated",job_id="` + id +
			`",purpose="in_place",target_cluster_name="c",target_project_id="p"}`
	}
	check(t, testSettings("legacy"), lists([]string{
		job(b, "x", "FINISHED"), job(a, "x", "BROKEN"), job(d, "y", "FINISHED"), job(c, "y", "FINISHED"),
	}), map[string]float64{
		`last_failure_timestamp_seconds` + labels(a): unix(-time.Hour + time.Second),
		`last_success_timestamp_seconds` + labels(d): unix(-2*time.Hour + time.Second),
	})
	both, one, none := []string{job(b, "x", "FINISHED"), job(a, "x", "IN_PROGRESS")}, []string{job(b, "x", "FINISHED")},
		[]string{}
	for _, test := range []struct {
		polls []Poll
		want  float64
	}{
		{lists(both), -1},
		{lists(both, one, one), unix(-time.Hour + time.Second)}, // Atlas has no unfinished job
		{lists(both, none, none), -1},
	} {
		check(t, testSettings("legacy"), test.polls, map[string]float64{
			`last_success_timestamp_seconds` + labels(b): test.want,
		})
	}
}
