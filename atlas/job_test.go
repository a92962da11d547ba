package atlas

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"
)

// id is the id of a recorded job.
const id = "6a794733c0eb9e7a17740663"

func instant(t *testing.T, text string) Timestamp {
	t.Helper()
	at, err := time.Parse(time.RFC3339, text)
	if err != nil {
		t.Fatal(err)
	}
	return TimestampOf(at)
}

// TestStatus holds every row of the status table to what Atlas writes, at noon of 2026-08-10.
func TestStatus(t *testing.T) {
	now := time.Date(2026, 8, 10, 12, 0, 0, 0, time.UTC)
	const past, future = `"2026-08-10T11:59:59Z"`, `"2026-08-10T12:00:01Z"`
	for _, test := range []struct {
		backupType BackupType
		job        string // without braces and id
		delivery   string
		status     string
		unknown    int
	}{
		{Dedicated, `"deliveryType":"download"`, "download", "in_progress", 0},
		{Dedicated, `"deliveryType":"download","deliveryUrl":[],"cancelled":false`, "download", "in_progress", 0},
		{Dedicated, `"deliveryType":"download","failed":true,"cancelled":true,"expired":true`, "download", "failed", 0},
		{Dedicated, `"deliveryType":"download","expired":true,"cancelled":true`, "download", "expired", 0},
		{Dedicated, `"deliveryType":"download","cancelled":true,"deliveryUrl":["https://a"]`, "download", "cancelled", 0},
		{Dedicated, `"deliveryType":"download","deliveryUrl":["https://a"],"expiresAt":` + future, "download", "ready", 0},
		{Dedicated, `"deliveryType":"download","deliveryUrl":["https://a"],"expiresAt":` + past, "download", "expired", 0},
		{Dedicated, `"deliveryType":"download","deliveryUrl":["https://a"]`, "download", "ready", 0},
		{Dedicated, `"deliveryType":"download","deliveryUrl":[""],"finishedAt":` + past, "download", "completed", 0},
		{Dedicated, `"deliveryType":"download","components":[{"downloadUrl":""},{"downloadUrl":"https://a"}]`, "download", "ready", 0},
		{Dedicated, `"deliveryType":"download","privateDownloadDeliveryUrls":[{"deliveryUrl":"https://a"}]`, "download", "ready", 0},
		{Dedicated, `"deliveryType":"download","components":[{"privateDownloadDeliveryUrls":[{"deliveryUrl":"https://a"}]}]`, "download", "ready", 0},
		{Dedicated, `"deliveryType":"automated"`, "automated", "in_progress", 0},
		{Dedicated, `"deliveryType":"automated","failed":true,"cancelled":true,"finishedAt":` + past, "automated", "failed", 0},
		{Dedicated, `"deliveryType":"automated","cancelled":true,"finishedAt":` + past, "automated", "cancelled", 0},
		{Dedicated, `"deliveryType":"automated","expired":true,"expiresAt":` + past + `,"finishedAt":` + past, "automated", "completed", 0},
		{Dedicated, `"deliveryType":"automated","expired":true`, "automated", "expired", 0},
		{Dedicated, `"deliveryType":"automated","expiresAt":` + past, "automated", "in_progress", 0},
		{Dedicated, `"deliveryType":"pointInTime","finishedAt":` + past, "point_in_time", "completed", 0},
		{Dedicated, `"deliveryType":"teleport","finishedAt":` + past, "other", "completed", 1},
		{Dedicated, `"deliveryUrl":["https://a"]`, "other", "in_progress", 1},
		{Serverless, `"deliveryType":"automated","finishedAt":` + past, "automated", "completed", 0},
		{Flex, `"deliveryType":"RESTORE","status":"FAILED"`, "automated", "failed", 0},
		{Flex, `"deliveryType":"RESTORE","status":"COMPLETED","expirationDate":` + past, "automated", "completed", 0},
		{Flex, `"deliveryType":"RESTORE","status":"COMPLETED","snapshotUrl":"https://a"`, "automated", "completed", 0},
		{Flex, `"deliveryType":"DOWNLOAD","status":"COMPLETED","snapshotUrl":"https://a","expirationDate":` + future, "download", "ready", 0},
		{Flex, `"deliveryType":"DOWNLOAD","status":"COMPLETED","snapshotUrl":"https://a","expirationDate":` + past, "download", "expired", 0},
		{Flex, `"deliveryType":"DOWNLOAD","status":"COMPLETED"`, "download", "completed", 0},
		{Flex, `"deliveryType":"RESTORE","status":"RUNNING"`, "automated", "in_progress", 0},
		{Flex, `"deliveryType":"RESTORE","status":"PENDING"`, "automated", "pending", 0},
		{Flex, `"deliveryType":"RESTORE","status":"QUEUED"`, "automated", "pending", 0},
		{Flex, `"deliveryType":"RESTORE","status":"PAUSED"`, "automated", "unknown", 1},
		{Flex, `"deliveryType":"MAIL","status":"COMPLETED"`, "other", "completed", 1},
		{Collection, `"state":"FAILED"`, "automated", "failed", 0},
		{Collection, `"state":"CANCELED"`, "automated", "cancelled", 0},
		{Collection, `"state":"SUCCESSFUL"`, "automated", "completed", 0},
		{Collection, `"state":"IN_PROGRESS"`, "automated", "in_progress", 0},
		{Collection, `"state":"FINALIZING"`, "automated", "in_progress", 0},
		{Collection, `"state":"INITIALIZING"`, "automated", "pending", 0},
		{Collection, `"state":"IN_PROGRESS","pointInTimeUtcSeconds":1786000000`, "point_in_time", "in_progress", 0},
		{Collection, `"state":"IN_PROGRESS","oplogTs":1786000000`, "point_in_time", "in_progress", 0},
		{Collection, `"state":"SLEEPING"`, "automated", "unknown", 1},
		{Legacy, `"statusName":"BROKEN","delivery":{"methodName":"QUERY"}`, "download", "failed", 0},
		{Legacy, `"statusName":"KILLED","delivery":{"methodName":"CLIENT_PIT_HTTP"}`, "download", "cancelled", 0},
		{Legacy, `"statusName":"IN_PROGRESS","delivery":{"methodName":"HTTP"}`, "download", "in_progress", 0},
		{Legacy, `"statusName":"FINISHED","delivery":{"methodName":"AUTOMATED_RESTORE"}`, "automated", "completed", 0},
		{Legacy, `"statusName":"FINISHED","delivery":{"methodName":"HTTP","targetClusterName":"x"}`, "automated", "completed", 0},
		{Legacy, `"statusName":"FINISHED","delivery":{"methodName":"HTTP","targetClusterName":"x","statusName":"FAILED"}`, "automated", "failed", 0},
		{Legacy, `"statusName":"FINISHED","delivery":{"methodName":"HTTP","targetClusterName":"x","statusName":"INTERRUPTED"}`, "automated", "failed", 0},
		{Legacy, `"statusName":"FINISHED","delivery":{"methodName":"HTTP","statusName":"FAILED"}`, "download", "failed", 0},
		{Legacy, `"statusName":"FINISHED","delivery":{"methodName":"HTTP","statusName":"INTERRUPTED"}`, "download", "failed", 0},
		{Legacy, `"statusName":"FINISHED","delivery":{"methodName":"HTTP","statusName":"EXPIRED"}`, "download", "expired", 0},
		{Legacy, `"statusName":"FINISHED","delivery":{"methodName":"HTTP","statusName":"MAX_DOWNLOADS_EXCEEDED"}`, "download", "completed", 0},
		{Legacy, `"statusName":"FINISHED","delivery":{"methodName":"HTTP","statusName":"READY","expires":` + future + `}`, "download", "ready", 0},
		{Legacy, `"statusName":"FINISHED","delivery":{"methodName":"HTTP","statusName":"READY","expires":` + past + `}`, "download", "expired", 0},
		{Legacy, `"statusName":"FINISHED","delivery":{"methodName":"SCP","statusName":"NOT_STARTED"}`, "other", "in_progress", 0},
		{Legacy, `"statusName":"FINISHED","delivery":{"methodName":"CLIENT_PIT_SCP","statusName":"PENDING"}`, "other", "in_progress", 0},
		{Legacy, `"statusName":"FINISHED","delivery":{"methodName":"THIRD_PARTY_COPY","statusName":"IN_PROGRESS"}`, "other", "in_progress", 0},
		{Legacy, `"statusName":"FINISHED","delivery":{"methodName":"HTTP","statusName":"ON_FIRE"}`, "download", "unknown", 1},
		{Legacy, `"statusName":"ON_FIRE","delivery":{"methodName":"PIGEON"}`, "other", "unknown", 2},
	} {
		t.Run(fmt.Sprintf("%s/%s", test.backupType, test.job), func(t *testing.T) {
			var words words
			job, err := routes[test.backupType].job([]byte(`{"id":"`+id+`",`+test.job+`}`), &words)
			if err != nil {
				t.Fatal(err)
			}
			if got := job.DeliveryType.String(); got != test.delivery {
				t.Errorf("delivery type %s, want %s", got, test.delivery)
			}
			if got := job.StatusAt(now).String(); got != test.status {
				t.Errorf("status %s, want %s", got, test.status)
			}
			if len(words) != test.unknown {
				t.Errorf("unknown words %v, want %d", words, test.unknown)
			}
		})
	}
}

// TestFields holds every field that is used to where it comes from.
func TestFields(t *testing.T) {
	for _, test := range []struct {
		backupType BackupType
		wire       string
		want       RestoreJob
	}{
		{Dedicated, `{"id":"6a794733c0eb9e7a17740663","deliveryType":"pointInTime","snapshotId":"s","targetGroupId":"g",
			"targetClusterName":"c","targetDeploymentItemName":"not it","timestamp":"2026-08-10T03:35:05Z",
			"finishedAt":"2026-08-10T03:40:10Z","expiresAt":"2026-08-10T04:40:10Z","failed":true,"expired":true,
			"desiredTimestamp":{"increment":1,"time":null,"date":"2026-08-10T03:00:00Z"},"pointInTimeUTCSeconds":5,
			"oplogTs":6,"unheardOf":{}}`,
			RestoreJob{
				ID: "6a794733c0eb9e7a17740663", SnapshotID: "s", TargetProjectID: "g", TargetClusterName: "c",
				Created: 0x6a794733, Finished: instant(t, "2026-08-10T03:40:10Z"), Expiry: instant(t, "2026-08-10T04:40:10Z"),
				Snapshot: instant(t, "2026-08-10T03:35:05Z"), PointInTime: instant(t, "2026-08-10T03:00:00Z"),
				DeliveryType: DeliveryPointInTime, status: StatusFailed, flagged: true, failed: true, expired: true,
			}},
		{Dedicated, `{"id":"x","deliveryType":"pointInTime","desiredTimestamp":{"date":null},"pointInTimeUTCSeconds":1786000000,"oplogTs":7}`,
			RestoreJob{ID: "x", PointInTime: 1786000000, DeliveryType: DeliveryPointInTime, status: StatusInProgress, flagged: true}},
		{Dedicated, `{"id":"x","deliveryType":"pointInTime","oplogTs":1786000001}`,
			RestoreJob{ID: "x", PointInTime: 1786000001, DeliveryType: DeliveryPointInTime, status: StatusInProgress, flagged: true}},
		{Dedicated, `{"id":"x","deliveryType":"download","targetGroupId":"g","targetClusterName":"c","deliveryUrl":["https://a","https://b"],
			"components":[{"downloadUrl":"https://c","privateDownloadDeliveryUrls":[{"endpointId":"vpce-0","deliveryUrl":"https://d"}]}],
			"privateDownloadDeliveryUrls":[{"deliveryUrl":"https://e"}]}`,
			RestoreJob{ID: "x", DownloadURLs: 5, DeliveryType: DeliveryDownload, status: StatusReady, flagged: true}},
		{Flex, `{"id":"6a793f812c88faeba59bc399","deliveryType":"RESTORE","status":"COMPLETED","snapshotId":"s",
			"targetProjectId":"g","targetDeploymentItemName":"c","restoreScheduledDate":"2026-08-10T03:03:29Z",
			"restoreFinishedDate":"2026-08-10T03:04:32Z","snapshotFinishedDate":"2026-08-02T17:06:56Z",
			"expirationDate":"2026-08-10T09:03:29Z","instanceName":"source","projectId":"p"}`,
			RestoreJob{
				ID: "6a793f812c88faeba59bc399", SnapshotID: "s", TargetProjectID: "g", TargetClusterName: "c",
				Created: instant(t, "2026-08-10T03:03:29Z"), Finished: instant(t, "2026-08-10T03:04:32Z"),
				Snapshot: instant(t, "2026-08-02T17:06:56Z"), Expiry: instant(t, "2026-08-10T09:03:29Z"),
				DeliveryType: DeliveryAutomated, status: StatusCompleted,
			}},
		{Collection, `{"id":"x","state":"IN_PROGRESS","snapshotId":"s","targetGroupId":"g","targetClusterName":"c",
			"createdAt":"2026-07-07T12:00:00Z","finishedAt":null,"restoredDocuments":0,"totalDocuments":20000,
			"pointInTimeUtcSeconds":1786000000,"oplogTs":7}`,
			RestoreJob{
				ID: "x", SnapshotID: "s", TargetProjectID: "g", TargetClusterName: "c", Created: instant(t, "2026-07-07T12:00:00Z"),
				PointInTime: 1786000000, RestoredDocuments: CountOf(0), TotalDocuments: CountOf(20000),
				DeliveryType: DeliveryPointInTime, status: StatusInProgress,
			}},
		{Legacy, `{"id":"x","batchId":"b","snapshotId":"s","statusName":"FINISHED","created":"2018-01-22T23:48:11Z",
			"timestamp":{"date":"2018-01-22T22:44:54Z","increment":1},"delivery":{"methodName":"HTTP","statusName":"READY",
			"expires":"2018-01-22T23:49:38Z","maxDownloads":2147483647,"url":"https://a","urlV2":"https://a",
			"authHeader":"h","authValue":"v"}}`,
			RestoreJob{
				ID: "x", BatchID: "b", SnapshotID: "s", Created: instant(t, "2018-01-22T23:48:11Z"),
				Snapshot: instant(t, "2018-01-22T22:44:54Z"), Expiry: instant(t, "2018-01-22T23:49:38Z"),
				MaxDownloads: CountOf(2147483647), DownloadURLs: 1, DeliveryType: DeliveryDownload, status: StatusReady,
			}},
		{Legacy, `{"id":"x","statusName":"FINISHED","delivery":{"methodName":"AUTOMATED_RESTORE","targetGroupId":"g","targetClusterName":"c"}}`,
			RestoreJob{ID: "x", TargetProjectID: "g", TargetClusterName: "c", DeliveryType: DeliveryAutomated, status: StatusCompleted}},
	} {
		var words words
		job, err := routes[test.backupType].job([]byte(test.wire), &words)
		if err != nil {
			t.Errorf("%s: %v", test.wire, err)
		}
		if job != test.want {
			t.Errorf("%s:\n got %+v\nwant %+v", test.wire, job, test.want)
		}
	}
}

// TestPage reads pages of which some jobs, or all, are not what they should be.
func TestPage(t *testing.T) {
	const good = `{"id":"` + id + `","status":"RUNNING","deliveryType":"RESTORE"}`
	for _, test := range []struct {
		name, body string
		jobs       int
		malformed  int
		last       bool
		total      string // "" for none
		err        string // part of it
	}{
		{name: "all good", body: `{"results":[` + good + `],"totalCount":1,"links":[{"rel":"self"}]}`, jobs: 1, last: true, total: "1"},
		{name: "next page", body: `{"results":[` + good + `],"links":[{"rel":"self"},{"rel":"next"}]}`, jobs: 1},
		{name: "empty page with a next", body: `{"results":[],"links":[{"rel":"next"}]}`, last: true},
		{name: "no links", body: `{"results":[` + good + `]}`, jobs: 1, last: true},
		{name: "no jobs", body: `{"results":[],"totalCount":0}`, last: true, total: "0"},
		{name: "type of one job", body: `{"results":[` + good + `,{"id":5},` + good + `]}`, jobs: 2, malformed: 1, last: true},
		{name: "date of one job", body: `{"results":[{"id":"x","restoreFinishedDate":"https://secret"},` + good + `]}`, jobs: 1, malformed: 1, last: true},
		{name: "a job that is none", body: `{"results":[null,"x",[],7,` + good + `]}`, jobs: 1, malformed: 4, last: true},
		{name: "no id", body: `{"results":[{"status":"RUNNING"},` + good + `]}`, jobs: 1, malformed: 1, last: true},
		{name: "an id that is a path", body: `{"results":[{"id":"../../x"},` + good + `]}`, jobs: 1, malformed: 1, last: true},
		{name: "too many jobs", body: `{"results":[` + strings.Repeat(`{},`, 1000) + `{}]}`, err: "more than a page can hold"},
		{name: "too many jobs that are none", body: `{"results":[` + strings.Repeat(`1,`, 1000) + `1]}`, err: "more than a page can hold"},
		{name: "a bomb", body: `{"results":[` + strings.Repeat(`{},`, 5_000_000) + `{}]}`, err: "more than a page can hold"},
		{name: "truncated", body: `{"results":[` + good, err: "unexpected end of JSON input"},
		{name: "html", body: `<html>`, err: "invalid character '<'"},
		{name: "empty", body: ``, err: "unexpected end of JSON input"},
		{name: "an array", body: `[]`, err: "cannot unmarshal array"},
		{name: "null", body: `null`, err: "no list of results"},
		{name: "no results", body: `{"totalCount":3}`, err: "no list of results"},
		{name: "results of another shape", body: `{"results":{"a":1}}`, err: "cannot unmarshal object"},
		{name: "no item is a job", body: `{"results":[17,"x",{"status":"RUNNING"}]}`, err: "what are no jobs"},
		{name: "no job has an id", body: `{"results":[{},null]}`, err: "what are no jobs"},
		{name: "a job that can't be read", body: `{"results":[{"id":"x","restoreFinishedDate":1}]}`, malformed: 1, last: true},
		{name: "absurd count", body: `{"results":[],"totalCount":-1}`, err: "not a count"},
	} {
		t.Run(test.name, func(t *testing.T) {
			var words words
			page, err := decodePage[flexJob]([]byte(test.body), &words)
			if test.err != "" {
				if err == nil || !strings.Contains(err.Error(), test.err) {
					t.Fatalf("error %v, want %s", err, test.err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			total := ""
			if n, given := page.TotalCount.Value(); given {
				total = fmt.Sprint(n)
			}
			if len(page.Jobs) != test.jobs || page.Malformed != test.malformed || page.Last != test.last || total != test.total {
				t.Errorf("got %d jobs, %d malformed, last %t, total %q; want %d, %d, %t, %q", len(page.Jobs), page.Malformed,
					page.Last, total, test.jobs, test.malformed, test.last, test.total)
			}
			if page.MalformedErr != nil && strings.Contains(page.MalformedErr.Error(), "secret") {
				t.Errorf("the error quotes what was read: %v", page.MalformedErr)
			}
		})
	}
}

func TestCleanLabel(t *testing.T) {
	for _, test := range []struct{ in, want string }{
		{"prod-eu", "prod-eu"},
		{"Größe (a),b:c&d@e+f'g.h_i j", "Größe (a),b:c&d@e+f'g.h_i j"},
		{"https://user:pass@host/x?y=z", "link"},
		{"see https://user:pass@host/x?y=z or " + strings.Repeat("x", 115) + " ftp://x", "see link or " + strings.Repeat("x", 115) + " "},
		{"a\nb\x00\"\\{}", "a_b_____"},
		{strings.Repeat("ä", 100), strings.Repeat("ä", 64)},
	} {
		if got := cleanLabel(test.in); got != test.want {
			t.Errorf("cleanLabel(%q) = %q, want %q", test.in, got, test.want)
		}
	}
}

// FuzzPage reads any bytes as a page of every backup type, and as a single job. What comes out must be bounded and fit
// for labels, and every status one of the list; what can't be read must not be quoted.
func FuzzPage(f *testing.F) {
	f.Add([]byte(`{"results":[{"id":"6a794733c0eb9e7a17740663","deliveryType":"download","deliveryUrl":["https://a"],"expiresAt":"2026-08-10T04:44:52Z"}],"totalCount":1,"links":[{"rel":"next"}]}`))
	f.Add([]byte(`{"results":[{"id":"a","status":"RUNNING"},{"id":7},null],"totalCount":3}`))
	f.Add([]byte(`{"results":[{"id":"a","state":"FAILED","restoredDocuments":5}]}`))
	f.Add([]byte(`{"results":[{"id":"a","statusName":"FINISHED","delivery":{"methodName":"HTTP","statusName":"READY","maxDownloads":1}}]}`))
	f.Add([]byte(`{"id":"6a794733c0eb9e7a17740663","deliveryType":"pointInTime","oplogTs":1786000000,"failed":true,"targetClusterName":"\u2028https://x"}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		for _, backupType := range BackupTypes() {
			var words words
			if page, err := routes[backupType].page(body, &words); err == nil {
				if len(page.Jobs)+page.Malformed > maxItems || len(page.Unread) > page.Malformed {
					t.Fatalf("%d jobs, %d malformed, %d unread", len(page.Jobs), page.Malformed, len(page.Unread))
				}
				for _, job := range page.Jobs {
					checkJob(t, job)
				}
				for _, id := range page.Unread {
					checkLabel(t, id)
				}
			}
			if job, err := routes[backupType].job(body, &words); err == nil {
				checkJob(t, job)
			}
			for _, unknown := range words {
				checkLabel(t, unknown.word)
				if !slices.Contains(UnknownValueFields(), string(backupType)+"_"+unknown.field) {
					t.Fatalf("an unknown word of a field that has no name: %s", unknown.field)
				}
			}
		}
	})
}

var idPattern = regexp.MustCompile(`^[0-9A-Za-z_-]{1,64}$`)

func checkJob(t *testing.T, job RestoreJob) {
	t.Helper()
	if !idPattern.MatchString(job.ID) || job.StatusAt(time.Now()) >= StatusCount || job.DeliveryType >= DeliveryCount {
		t.Fatalf("%+v", job)
	}
	for _, label := range []string{job.ID, job.BatchID, job.SnapshotID, job.TargetProjectID, job.TargetClusterName} {
		checkLabel(t, label)
	}
	for _, at := range []Timestamp{job.Created, job.Finished, job.Expiry, job.Snapshot, job.PointInTime} {
		if at < 0 {
			t.Fatalf("instant %d", at)
		}
	}
	for _, count := range []Count{job.RestoredDocuments, job.TotalDocuments, job.MaxDownloads} {
		if n, given := count.Value(); n < 0 || n != 0 && !given {
			t.Fatalf("count %+v", count)
		}
	}
}

// checkLabel checks that a label can be shown anywhere.
func checkLabel(t *testing.T, label string) {
	t.Helper()
	const longest = 128
	if label != cleanLabel(label) || len(label) > longest || !utf8.ValidString(label) || strings.Contains(label, "://") ||
		strings.ContainsFunc(label, func(r rune) bool { return !unicode.IsPrint(r) }) {
		t.Fatalf("label %q", label)
	}
}

// pageOfJobs returns a page of Flex jobs as Atlas writes it.
func pageOfJobs(n int) []byte {
	var jobs []string
	for i := range n {
		created := time.Unix(1786000000-int64(i)*3600, 0).UTC()
		jobs = append(jobs, fmt.Sprintf(`{"deliveryType":"RESTORE","expirationDate":%q,"id":"%08x%016x","instanceName":"c",
			"projectId":"b0123456789abcdef012345b","restoreFinishedDate":%q,"restoreScheduledDate":%q,"snapshotFinishedDate":%q,
			"snapshotId":"6a6f78e0cab84da5c4476b25","status":"COMPLETED","targetDeploymentItemName":"cluster-833",
			"targetProjectId":"b0123456789abcdef012345b"}`, created.Add(6*time.Hour).Format(time.RFC3339), created.Unix(),
			rand.Uint64(), created.Add(time.Minute).Format(time.RFC3339), created.Format(time.RFC3339),
			created.Add(-time.Hour).Format(time.RFC3339)))
	}
	return []byte(`{"results":[` + strings.Join(jobs, ",") + `],"totalCount":` + fmt.Sprint(n) + `}`)
}

// BenchmarkDecodePage decodes a page of 500 jobs, beside a client as it is generated from the description.
func BenchmarkDecodePage(b *testing.B) {
	body := pageOfJobs(500)
	b.Run("small struct", func(b *testing.B) {
		b.SetBytes(int64(len(body)))
		b.ReportAllocs()
		for b.Loop() {
			var words words
			if page, err := decodePage[flexJob](body, &words); err != nil || len(page.Jobs) != 500 {
				b.Fatal(err)
			}
		}
	})
	b.Run("generated shape", func(b *testing.B) {
		b.SetBytes(int64(len(body)))
		b.ReportAllocs()
		for b.Loop() {
			var page generatedPage
			if err := json.Unmarshal(body, &page); err != nil || len(*page.Results) != 500 {
				b.Fatal(err)
			}
		}
	})
}

// generatedPage has every field that is described, each optional.
type generatedPage struct {
	Links      *[]generatedLink `json:"links,omitempty"`
	Results    *[]generatedJob  `json:"results,omitempty"`
	TotalCount *int             `json:"totalCount,omitempty"`
}

type generatedLink struct {
	Href *string `json:"href,omitempty"`
	Rel  *string `json:"rel,omitempty"`
}

type generatedJob struct {
	DeliveryType             *string          `json:"deliveryType,omitempty"`
	ExpirationDate           *time.Time       `json:"expirationDate,omitempty"`
	ID                       *string          `json:"id,omitempty"`
	InstanceName             *string          `json:"instanceName,omitempty"`
	Links                    *[]generatedLink `json:"links,omitempty"`
	ProjectID                *string          `json:"projectId,omitempty"`
	RestoreFinishedDate      *time.Time       `json:"restoreFinishedDate,omitempty"`
	RestoreScheduledDate     *time.Time       `json:"restoreScheduledDate,omitempty"`
	SnapshotFinishedDate     *time.Time       `json:"snapshotFinishedDate,omitempty"`
	SnapshotID               *string          `json:"snapshotId,omitempty"`
	SnapshotURL              *string          `json:"snapshotUrl,omitempty"`
	Status                   *string          `json:"status,omitempty"`
	TargetDeploymentItemName *string          `json:"targetDeploymentItemName,omitempty"`
	TargetProjectID          *string          `json:"targetProjectId,omitempty"`
}
