package atlas

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

const (
	jobID   = "6a794733c0eb9e7a17740663" // of a recorded job
	flexRow = `{"id":"` + jobID + `","status":"RUNNING","deliveryType":"RESTORE"}`
)

// newFindings returns the findings for a response at noon, see status_test.go.
func newFindings() findings { return findings{now: TimestampOf(noon)} }

func timestamp(t *testing.T, text string) Timestamp {
	t.Helper()
	at, err := time.Parse(time.RFC3339, text)
	if err != nil {
		t.Fatal(err)
	}
	return TimestampOf(at)
}

func expectJob(t *testing.T, backupType BackupType, wire string, want RestoreJob) {
	t.Helper()
	found := newFindings()
	job, err := routes[backupType].job([]byte(wire), &found)
	if err != nil {
		t.Errorf("%s: %v", wire, err)
	}
	if job != want {
		t.Errorf("%s:\n got %+v\nwant %+v", wire, job, want)
	}
}

func TestDecodeJob_ReadsAllFieldsOfDedicatedJobs(t *testing.T) {
	expectJob(t, Dedicated, `{"id":"6a794733c0eb9e7a17740663","deliveryType":"pointInTime","snapshotId":"s",
		"targetGroupId":"g","targetClusterName":"c","targetDeploymentItemName":"not it",
		"timestamp":"2026-08-10T03:35:05Z","finishedAt":"2026-08-10T03:40:10Z","expiresAt":"2026-08-10T04:40:10Z",
		"failed":true,"expired":true,"desiredTimestamp":{"increment":1,"time":null,"date":"2026-08-10T03:00:00Z"},
		"pointInTimeUTCSeconds":5,"oplogTs":6,"unheardOf":{}}`,
		RestoreJob{
			ID: "6a794733c0eb9e7a17740663", SnapshotID: "s", TargetProjectID: "g", TargetClusterName: "c",
			Created: 0x6a794733, Finished: timestamp(t, "2026-08-10T03:40:10Z"),
			Expiry: timestamp(t, "2026-08-10T04:40:10Z"), Snapshot: timestamp(t, "2026-08-10T03:35:05Z"),
			PointInTime: timestamp(t, "2026-08-10T03:00:00Z"), RecoveryPoint: timestamp(t, "2026-08-10T03:00:00Z"),
			DeliveryType: DeliveryPointInTime, Status: StatusFailed,
			HasFlags: true, FailedFlag: true, ExpiredFlag: true,
		})
}

func TestDecodeJob_ReadsDatesWithEscapes(t *testing.T) {
	want := RestoreJob{ID: "x", DeliveryType: DeliveryDownload, Status: StatusCompleted, HasFlags: true}
	want.ExpiresUnready = true
	want.Finished = timestamp(t, "2026-08-10T03:40:10Z")
	expectJob(t, Dedicated, `{"id":"x","deliveryType":"download","finishedAt":"2026-08-10T03:40:10\u002B00:00"}`, want)
}

func TestDecodeJob_ReadsThePointInTimeOfDedicatedJobsFromTheFirstFieldThatIsSet(t *testing.T) {
	want := RestoreJob{ID: "x", DeliveryType: DeliveryPointInTime, Status: StatusInProgress, HasFlags: true}
	want.PointInTime, want.RecoveryPoint = 1786000000, 1786000000
	expectJob(t, Dedicated, `{"id":"x","deliveryType":"pointInTime","desiredTimestamp":{"date":null},
		"pointInTimeUTCSeconds":1786000000,"oplogTs":7}`, want)
	want.PointInTime, want.RecoveryPoint = 1786000001, 1786000001
	expectJob(t, Dedicated, `{"id":"x","deliveryType":"pointInTime","oplogTs":1786000001}`, want)
}

func TestDecodeJob_CountsAllLinksOfDedicatedDownloads(t *testing.T) {
	expectJob(t, Dedicated, `{"id":"x","deliveryType":"download","targetGroupId":"g","targetClusterName":"c",
		"deliveryUrl":["https://a","https://b"],"components":[{"downloadUrl":"https://c",
		"privateDownloadDeliveryUrls":[{"endpointId":"vpce-0","deliveryUrl":"https://d"}]}],
		"privateDownloadDeliveryUrls":[{"deliveryUrl":"https://e"}]}`,
		RestoreJob{
			ID: "x", DownloadURLs: 5, DeliveryType: DeliveryDownload, Status: StatusReady, ExpiresUnready: true,
			HasFlags: true,
		})
}

func TestDecodeJob_ReadsAllFieldsOfFlexJobs(t *testing.T) {
	expectJob(t, Flex, `{"id":"6a793f812c88faeba59bc399","deliveryType":"RESTORE","status":"COMPLETED","snapshotId":"s",
		"targetProjectId":"g","targetDeploymentItemName":"c","restoreScheduledDate":"2026-08-10T03:03:29Z",
		"restoreFinishedDate":"2026-08-10T03:04:32Z","snapshotFinishedDate":"2026-08-02T17:06:56Z",
		"expirationDate":"2026-08-10T09:03:29Z","instanceName":"source","projectId":"p"}`,
		RestoreJob{
			ID: "6a793f812c88faeba59bc399", SnapshotID: "s", TargetProjectID: "g", TargetClusterName: "c",
			Created: timestamp(t, "2026-08-10T03:03:29Z"), Finished: timestamp(t, "2026-08-10T03:04:32Z"),
			Snapshot: timestamp(t, "2026-08-02T17:06:56Z"), Expiry: timestamp(t, "2026-08-10T09:03:29Z"),
			RecoveryPoint: timestamp(
				t,
				"2026-08-02T17:06:56Z",
			), DeliveryType: DeliveryAutomated, Status: StatusCompleted,
		})
}

func TestDecodeJob_ReadsAllFieldsOfCollectionJobs(t *testing.T) {
	expectJob(
		t,
		Collection,
		`{"id":"x","state":"IN_PROGRESS","snapshotId":"s","targetGroupId":"g","targetClusterName":"c",
		"createdAt":"2026-07-07T12:00:00Z","finishedAt":null,"restoredDocuments":0,"totalDocuments":20000,
		"pointInTimeUtcSeconds":1786000000,"oplogTs":7,"writeStrategy":"CREATE_NEW",
		"indexStatus":{"state":"IN_PROGRESS","failedCollectionCount":3}}`,
		RestoreJob{
			ID: "x", SnapshotID: "s", TargetProjectID: "g", TargetClusterName: "c",
			Created: timestamp(t, "2026-07-07T12:00:00Z"), PointInTime: 1786000000, RecoveryPoint: 1786000000,
			RestoredDocuments: CountOf(0), TotalDocuments: CountOf(20000),
			Indexes: IndexesPending, IndexFailures: CountOf(3), WritesCopies: true,
			DeliveryType: DeliveryPointInTime, Status: StatusInProgress,
		},
	)
}

func TestDecodeJob_ReadsAllFieldsOfLegacyJobs(t *testing.T) {
	expectJob(t, Legacy, `{"id":"x","batchId":"b","snapshotId":"s","statusName":"FINISHED",
		"created":"2018-01-22T23:48:11Z","timestamp":{"date":"2018-01-22T22:44:54Z","increment":1},
		"delivery":{"methodName":"HTTP","statusName":"READY","expires":"2018-01-22T23:49:38Z","maxDownloads":2147483647,
		"url":"https://a","urlV2":"https://a","authHeader":"h","authValue":"v"}}`,
		RestoreJob{
			ID: "x", BatchID: "b", SnapshotID: "s", Created: timestamp(t, "2018-01-22T23:48:11Z"),
			Snapshot: timestamp(t, "2018-01-22T22:44:54Z"), RecoveryPoint: timestamp(t, "2018-01-22T22:44:54Z"),
			Expiry: timestamp(t, "2018-01-22T23:49:38Z"), MaxDownloads: CountOf(2147483647),
			DownloadURLs: 1, DeliveryType: DeliveryDownload, Status: StatusReady,
		})
	expectJob(t, Legacy, `{"id":"x","statusName":"FINISHED","delivery":{"methodName":"AUTOMATED_RESTORE",
		"targetGroupId":"g","targetClusterName":"c"}}`,
		RestoreJob{
			ID: "x", TargetProjectID: "g", TargetClusterName: "c",
			DeliveryType: DeliveryAutomated, Status: StatusCompleted,
		})
}

func TestDecodeJob_ReadsTheIndexStatusOfCollectionJobs(t *testing.T) {
	for _, test := range []struct {
		indexStatus string
		want        IndexStatus
		unknown     []unknownValue
	}{
		{`{"state":"NOT_STARTED","failedCollectionCount":0}`, IndexesPending, nil},
		{`{"state":"IN_PROGRESS"}`, IndexesPending, nil},
		{`{"state":"SUCCESSFUL"}`, IndexesDone, nil},
		{`{"state":"NOT_RESTORED"}`, IndexesDone, nil},
		{`{"state":"FAILED"}`, IndexesFailed, nil},
		{`{"failedCollectionCount":0}`, IndexesDone, nil},
		{`{"state":null}`, IndexesAbsent, nil},
		{`null`, IndexesAbsent, nil},
		{`{"state":"ROLLBACK"}`, IndexesDone, []unknownValue{{"index_status_state", "ROLLBACK"}}},
	} {
		found := newFindings()
		job, err := decodeJob[collectionJob](
			[]byte(`{"id":"x","state":"SUCCESSFUL","indexStatus":`+test.indexStatus+`}`), &found)
		if err != nil || job.Indexes != test.want || !slices.Equal(found.unknown, test.unknown) {
			t.Errorf("%s: got %d, %v, unknown values %v", test.indexStatus, job.Indexes, err, found.unknown)
		}
	}
}

func TestDecodeJob_ReadsWhetherCollectionJobsWriteCopies(t *testing.T) {
	for _, test := range []struct {
		strategy string
		copies   bool
		unknown  int
	}{{`"CREATE_NEW"`, true, 0}, {`"OVERWRITE_EXISTING"`, false, 0}, {`null`, false, 0}, {`"MERGE"`, false, 1}} {
		found := newFindings()
		job, err := decodeJob[collectionJob](
			[]byte(`{"id":"x","state":"SUCCESSFUL","writeStrategy":`+test.strategy+`}`), &found)
		if err != nil || job.WritesCopies != test.copies || len(found.unknown) != test.unknown {
			t.Errorf("%s: got %t, %v, unknown values %v", test.strategy, job.WritesCopies, err, found.unknown)
		}
	}
}

func TestDecodeJob_DerivesTheRecoveryPointFromTheFirstTimeThatIsSet(t *testing.T) {
	const taken = `"2026-08-01T00:00:00Z"`
	snapshotTime := timestamp(t, "2026-08-01T00:00:00Z")
	for _, test := range []struct {
		backupType BackupType
		job        string
		want       Timestamp
	}{
		{Dedicated, `"pointInTimeUTCSeconds":1786000000,"timestamp":` + taken, 1786000000},
		{Dedicated, `"timestamp":` + taken + `,"snapshotId":"6a6f78e0cab84da5c4476b25"`, snapshotTime},
		{Dedicated, `"snapshotId":"6a6f78e0cab84da5c4476b25"`, 0},
		{Flex, `"snapshotFinishedDate":` + taken, snapshotTime},
		{Legacy, `"timestamp":{"date":` + taken + `}`, snapshotTime},
		{Collection, `"oplogTs":1786000000,"snapshotId":"6a6f78e0cab84da5c4476b25"`, 1786000000},
		{Collection, `"snapshotId":"6a6f78e0cab84da5c4476b25"`, 0x6a6f78e0},
		{Collection, `"snapshotId":"ffffffffcab84da5c4476b25"`, 0},
		{Collection, `"snapshotId":"none"`, 0},
	} {
		found := newFindings()
		job, err := routes[test.backupType].job([]byte(`{"id":"x",`+test.job+`}`), &found)
		if err != nil || job.RecoveryPoint != test.want {
			t.Errorf("%s %s: got %d, %v; want %d", test.backupType, test.job, job.RecoveryPoint, err, test.want)
		}
	}
}

// pageTest is a page of Flex jobs and the expected result.
type pageTest struct {
	name, body string
	jobs       int
	malformed  int
	last       bool
	total      string // if empty, the page has no count
}

func expectPages(t *testing.T, tests []pageTest) {
	t.Helper()
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			found := newFindings()
			page, err := decodePage[flexJob]([]byte(test.body), &found)
			if err != nil {
				t.Fatal(err)
			}
			total := ""
			if n, ok := page.TotalCount.Value(); ok {
				total = fmt.Sprint(n)
			}
			if len(page.Jobs) != test.jobs || page.Malformed != test.malformed || page.Last != test.last ||
				total != test.total {
				t.Errorf("got %d jobs, %d malformed, last %t, total %q; want %d, %d, %t, %q", len(page.Jobs),
					page.Malformed, page.Last, total, test.jobs, test.malformed, test.last, test.total)
			}
			if page.MalformedErr != nil && strings.Contains(page.MalformedErr.Error(), "secret") {
				t.Errorf("the error quotes the response: %v", page.MalformedErr)
			}
		})
	}
}

func TestDecodePage_EndsAtAPageWithoutANextLinkOrItems(t *testing.T) {
	expectPages(t, []pageTest{
		{
			name: "last page", body: `{"results":[` + flexRow + `],"totalCount":1,"links":[{"rel":"self"}]}`,
			jobs: 1, last: true, total: "1",
		},
		{name: "next link", body: `{"results":[` + flexRow + `],"links":[{"rel":"self"},{"rel":"next"}]}`, jobs: 1},
		{name: "next link but no items", body: `{"results":[],"links":[{"rel":"next"}]}`, last: true},
		{name: "no links", body: `{"results":[` + flexRow + `]}`, jobs: 1, last: true},
		{name: "empty list", body: `{"results":[],"totalCount":0}`, last: true, total: "0"},
	})
}

func TestDecodePage_KeepsTheOtherJobsIfSomeAreMalformed(t *testing.T) {
	expectPages(t, []pageTest{
		{
			name: "wrong type", body: `{"results":[` + flexRow + `,{"id":5},` + flexRow + `]}`,
			jobs: 2, malformed: 1, last: true,
		},
		{
			name: "invalid date", body: `{"results":[{"id":"x","restoreFinishedDate":"https://secret"},` + flexRow + `]}`,
			jobs: 2, last: true,
		},
		{name: "not a job", body: `{"results":[null,"x",[],7,` + flexRow + `]}`, jobs: 1, malformed: 4, last: true},
		{name: "no ID", body: `{"results":[{"status":"RUNNING"},` + flexRow + `]}`, jobs: 1, malformed: 1, last: true},
		{
			name:      "a path as ID",
			body:      `{"results":[{"id":"../../x"},` + flexRow + `]}`,
			jobs:      1,
			malformed: 1,
			last:      true,
		},
		{name: "only the ID is valid", body: `{"results":[{"id":"x","restoreFinishedDate":1}]}`, jobs: 1, last: true},
	})
}

func TestDecodePage_RejectsPagesWithoutAnyRestoreJob(t *testing.T) {
	expectPageErrors(t, []pageErrorTest{
		{name: "no item is a job", body: `{"results":[17,"x",{"status":"RUNNING"}]}`, err: "no item is a restore job"},
		{name: "no job has an ID", body: `{"results":[{},null]}`, err: "no item is a restore job"},
	})
}

func TestDecodePage_RejectsPagesWithTooManyItems(t *testing.T) {
	expectPageErrors(t, []pageErrorTest{
		{"too many jobs", `{"results":[` + strings.Repeat(`{},`, 1000) + `{}]}`, "too many items for a page"},
		{"too many numbers", `{"results":[` + strings.Repeat(`1,`, 1000) + `1]}`, "too many items for a page"},
		{"15 MB of jobs", `{"results":[` + strings.Repeat(`{},`, 5_000_000) + `{}]}`, "too many items for a page"},
	})
}

func TestDecodePage_RejectsOtherDocuments(t *testing.T) {
	expectPageErrors(t, []pageErrorTest{
		{name: "truncated", body: `{"results":[` + flexRow, err: "unexpected end of JSON"},
		{name: "HTML", body: `<html>`, err: "invalid JSON at byte 0"},
		{name: "empty", body: ``, err: "unexpected end of JSON"},
		{name: "an array", body: `[]`, err: "missing list of results"},
		{name: "null", body: `null`, err: "missing list of results"},
		{name: "no results", body: `{"totalCount":3}`, err: "missing list of results"},
		{name: "results of another type", body: `{"results":{"a":1}}`, err: "value of another type at byte 11"},
		{name: "negative count", body: `{"results":[],"totalCount":-1}`, err: "invalid count"},
		{name: "two lists", body: `{"results":[` + flexRow + `],"results":[]}`, err: "repeated key at byte "},
		{name: "two counts", body: `{"results":[],"totalCount":1,"totalCount":0}`, err: "repeated key at byte "},
		{name: "other case", body: `{"Results":[` + flexRow + `]}`, err: "missing list of results"},
	})
}

func TestDecodePage_ErrorsDoNotQuoteTheResponse(t *testing.T) {
	for _, body := range []string{
		`{"results":[],"https://SECRET":1,"https://SECRET":2}`, `{"https://SECRET":1,"https://SECRET":2,"results":[]}`,
		`{"results":{"https://SECRET":7}}`, `{"results":[],"totalCount":"https://SECRET"}`, `{"results":[],"links":"SECRET"}`,
		`SECRET`, `{"results":[{"SECRET":tru}]}`, `{"results":["\xSECRET"]}`, `{"results":[],"totalCount":1e999SECRET}`,
	} {
		found := newFindings()
		if _, err := decodePage[flexJob]([]byte(body), &found); err == nil || strings.Contains(err.Error(), "SECRET") {
			t.Errorf("%s: %v", body, err)
		}
		if _, err := decodeItems[wireCluster]([]byte(body), strict); err == nil || strings.Contains(err.Error(), "SECRET") {
			t.Errorf("%s: %v", body, err)
		}
	}
}

func TestDecodePage_ReplacesInvalidUTF8(t *testing.T) {
	found := newFindings()
	page, err := decodePage[flexJob]([]byte("{\"results\":[{\"id\":\"x\",\"snapshotId\":\"a\xffb\\ud800c\",\"\xff\":1,"+
		"\"targetDeploymentItemName\":\"a\xffb\",\"status\":\"RUNNING\",\"deliveryType\":\"RESTORE\"}]}"), &found)
	if err != nil || len(page.Jobs) != 1 || len(found.omitted) > 0 ||
		page.Jobs[0].SnapshotID != "a_b_c" || page.Jobs[0].TargetClusterName != "a_b" {
		t.Errorf("%+v, %v, omitted %q", page, err, found.omitted)
	}
}

type pageErrorTest struct {
	name, body string
	err        string // part of the error
}

func expectPageErrors(t *testing.T, tests []pageErrorTest) {
	t.Helper()
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			found := newFindings()
			_, err := decodePage[flexJob]([]byte(test.body), &found)
			if err == nil || !strings.Contains(err.Error(), test.err) {
				t.Fatalf("error %v, want %s", err, test.err)
			}
		})
	}
}
