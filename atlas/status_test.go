package atlas

import (
	"testing"
	"time"
)

// noon is the time of the status tests. The dates past and future are one second before and after it.
var noon = time.Date(2026, 8, 10, 12, 0, 0, 0, time.UTC)

const past, future = `"2026-08-10T11:59:59Z"`, `"2026-08-10T12:00:01Z"`

// statusTest is a job in the wire format, without braces and ID, and the expected result.
type statusTest struct {
	job      string
	delivery string
	status   string
	unknown  int // number of unknown values
}

func expectStatuses(t *testing.T, backupType BackupType, tests []statusTest) {
	t.Helper()
	for _, test := range tests {
		t.Run(test.job, func(t *testing.T) {
			found := newFindings()
			job, err := routes[backupType].job([]byte(`{"id":"`+jobID+`",`+test.job+`}`), &found)
			if err != nil {
				t.Fatal(err)
			}
			if got := job.DeliveryType.String(); got != test.delivery {
				t.Errorf("delivery type %s, want %s", got, test.delivery)
			}
			if got := job.StatusAt(noon).String(); got != test.status {
				t.Errorf("status %s, want %s", got, test.status)
			}
			if len(found.unknown) != test.unknown {
				t.Errorf("unknown values %v, want %d", found.unknown, test.unknown)
			}
		})
	}
}

func TestStatusAt_OfDedicatedJobsFollowsFromFlagsDatesAndLinks(t *testing.T) {
	expectStatuses(t, Dedicated, []statusTest{
		{`"deliveryType":"download"`, "download", "in_progress", 0},
		{`"deliveryType":"download","deliveryUrl":[],"cancelled":false`, "download", "in_progress", 0},
		{`"deliveryType":"download","failed":true,"cancelled":true,"expired":true`, "download", "failed", 0},
		{`"deliveryType":"download","expired":true,"cancelled":true`, "download", "expired", 0},
		{`"deliveryType":"download","cancelled":true,"deliveryUrl":["https://a"]`, "download", "cancelled", 0},
		{`"deliveryType":"download","deliveryUrl":["https://a"],"expiresAt":` + future, "download", "ready", 0},
		{`"deliveryType":"download","deliveryUrl":["https://a"],"expiresAt":` + past, "download", "expired", 0},
		{`"deliveryType":"download","deliveryUrl":["https://a"]`, "download", "ready", 0},
		{`"deliveryType":"download","deliveryUrl":[""],"finishedAt":` + past, "download", "completed", 0},
		{`"deliveryType":"download","expiresAt":` + past, "download", "expired", 0},
		{`"deliveryType":"download","expiresAt":` + future, "download", "in_progress", 0},
		{`"deliveryType":"download","finishedAt":` + past + `,"expiresAt":` + past, "download", "expired", 0},
		{`"deliveryType":"download","finishedAt":` + past + `,"expiresAt":` + future, "download", "completed", 0},
		{`"deliveryType":"download","cancelled":true,"expiresAt":` + past, "download", "expired", 0},
		{`"deliveryType":"download","failed":true,"expiresAt":` + past, "download", "failed", 0},
		{
			`"deliveryType":"download","components":[{"downloadUrl":""},{"downloadUrl":"https://a"}]`,
			"download", "ready", 0,
		},
		{
			`"deliveryType":"download","privateDownloadDeliveryUrls":[{"deliveryUrl":"https://a"}]`,
			"download", "ready", 0,
		},
		{
			`"deliveryType":"download","components":[{"privateDownloadDeliveryUrls":[{"deliveryUrl":"https://a"}]}]`,
			"download", "ready", 0,
		},
		{`"deliveryType":"automated"`, "automated", "in_progress", 0},
		{`"deliveryType":"automated","failed":true,"cancelled":true,"finishedAt":` + past, "automated", "failed", 0},
		{`"deliveryType":"automated","cancelled":true,"finishedAt":` + past, "automated", "cancelled", 0},
		{
			`"deliveryType":"automated","expired":true,"expiresAt":` + past + `,"finishedAt":` + past,
			"automated", "completed", 0,
		},
		{`"deliveryType":"automated","expired":true`, "automated", "expired", 0},
		{`"deliveryType":"automated","expiresAt":` + past, "automated", "in_progress", 0},
		{`"deliveryType":"pointInTime","finishedAt":` + past, "point_in_time", "completed", 0},
		{`"deliveryType":"teleport","finishedAt":` + past, "other", "completed", 1},
		{`"deliveryUrl":["https://a"]`, "other", "in_progress", 1},
	})
}

func TestStatusAt_OfServerlessJobsIsThatOfDedicatedJobs(t *testing.T) {
	expectStatuses(t, Serverless, []statusTest{
		{`"deliveryType":"automated","finishedAt":` + past, "automated", "completed", 0},
		{`"deliveryType":"download","expiresAt":` + past, "download", "expired", 0},
	})
}

func TestStatusAt_OfFlexJobsFollowsFromTheStatus(t *testing.T) {
	expectStatuses(t, Flex, []statusTest{
		{`"deliveryType":"RESTORE","status":"FAILED"`, "automated", "failed", 0},
		{`"deliveryType":"RESTORE","status":"COMPLETED","expirationDate":` + past, "automated", "completed", 0},
		{`"deliveryType":"RESTORE","status":"COMPLETED","snapshotUrl":"https://a"`, "automated", "completed", 0},
		{
			`"deliveryType":"DOWNLOAD","status":"COMPLETED","snapshotUrl":"https://a","expirationDate":` + future,
			"download", "ready", 0,
		},
		{
			`"deliveryType":"DOWNLOAD","status":"COMPLETED","snapshotUrl":"https://a","expirationDate":` + past,
			"download", "expired", 0,
		},
		{`"deliveryType":"DOWNLOAD","status":"COMPLETED"`, "download", "completed", 0},
		{`"deliveryType":"DOWNLOAD","status":"COMPLETED","expirationDate":` + future, "download", "completed", 0},
		{`"deliveryType":"DOWNLOAD","status":"COMPLETED","expirationDate":` + past, "download", "expired", 0},
		{`"deliveryType":"DOWNLOAD","status":"FAILED","expirationDate":` + past, "download", "failed", 0},
		{`"deliveryType":"DOWNLOAD","status":"RUNNING","expirationDate":` + past, "download", "in_progress", 0},
		{`"deliveryType":"DOWNLOAD","status":"QUEUED","expirationDate":` + past, "download", "pending", 0},
		{`"deliveryType":"RESTORE","status":"RUNNING"`, "automated", "in_progress", 0},
		{`"deliveryType":"RESTORE","status":"PENDING"`, "automated", "pending", 0},
		{`"deliveryType":"RESTORE","status":"QUEUED"`, "automated", "pending", 0},
		{`"deliveryType":"RESTORE","status":"PAUSED"`, "automated", "unknown", 1},
		{`"deliveryType":"MAIL","status":"COMPLETED"`, "other", "completed", 1},
	})
}

func TestStatusAt_OfCollectionJobsFollowsFromTheState(t *testing.T) {
	expectStatuses(t, Collection, []statusTest{
		{`"state":"FAILED"`, "automated", "failed", 0},
		{`"state":"CANCELED"`, "automated", "cancelled", 0},
		{`"state":"SUCCESSFUL"`, "automated", "completed", 0},
		{`"state":"IN_PROGRESS"`, "automated", "in_progress", 0},
		{`"state":"SUCCESSFUL","indexStatus":{"state":"FAILED"}`, "automated", "completed", 0},
		{`"state":"FINALIZING"`, "automated", "in_progress", 0},
		{`"state":"INITIALIZING"`, "automated", "pending", 0},
		{`"state":"IN_PROGRESS","pointInTimeUtcSeconds":1786000000`, "point_in_time", "in_progress", 0},
		{`"state":"IN_PROGRESS","oplogTs":1786000000`, "point_in_time", "in_progress", 0},
		{`"state":"SLEEPING"`, "automated", "unknown", 1},
	})
}

func TestStatusAt_OfLegacyJobsFollowsFromTheJobAndItsDelivery(t *testing.T) {
	expectStatuses(t, Legacy, []statusTest{
		{`"statusName":"BROKEN","delivery":{"methodName":"QUERY"}`, "download", "failed", 0},
		{`"statusName":"KILLED","delivery":{"methodName":"CLIENT_PIT_HTTP"}`, "download", "cancelled", 0},
		{`"statusName":"IN_PROGRESS","delivery":{"methodName":"HTTP"}`, "download", "in_progress", 0},
		{`"statusName":"FINISHED","delivery":{"methodName":"AUTOMATED_RESTORE"}`, "automated", "completed", 0},
		{
			`"statusName":"FINISHED","delivery":{"methodName":"HTTP","targetClusterName":"x"}`,
			"automated", "completed", 0,
		},
		{
			`"statusName":"FINISHED","delivery":{"methodName":"HTTP","targetClusterName":"x","statusName":"FAILED"}`,
			"automated", "failed", 0,
		},
		{
			`"statusName":"FINISHED","delivery":{"methodName":"HTTP","targetClusterName":"x","statusName":"INTERRUPTED"}`,
			"automated", "failed", 0,
		},
		{`"statusName":"FINISHED","delivery":{"methodName":"HTTP","statusName":"FAILED"}`, "download", "failed", 0},
		{
			`"statusName":"FINISHED","delivery":{"methodName":"HTTP","statusName":"INTERRUPTED"}`,
			"download", "failed", 0,
		},
		{`"statusName":"FINISHED","delivery":{"methodName":"HTTP","statusName":"EXPIRED"}`, "download", "expired", 0},
		{
			`"statusName":"FINISHED","delivery":{"methodName":"HTTP","statusName":"MAX_DOWNLOADS_EXCEEDED"}`,
			"download", "completed", 0,
		},
		{
			`"statusName":"FINISHED","delivery":{"methodName":"HTTP","statusName":"MAX_DOWNLOADS_EXCEEDED","expires":` +
				past + `}`,
			"download", "completed", 0,
		},
		{
			`"statusName":"FINISHED","delivery":{"methodName":"HTTP","statusName":"IN_PROGRESS","expires":` + past + `}`,
			"download", "in_progress", 0,
		},
		{
			`"statusName":"FINISHED","delivery":{"methodName":"SCP","statusName":"READY","expires":` + past + `}`,
			"other", "expired", 0,
		},
		{
			`"statusName":"FINISHED","delivery":{"methodName":"AUTOMATED_RESTORE","statusName":"READY","expires":` + past + `}`,
			"automated", "completed", 0,
		},
		{`"statusName":"KILLED","delivery":{"methodName":"HTTP","expires":` + past + `}`, "download", "cancelled", 0},
		{
			`"statusName":"FINISHED","delivery":{"methodName":"HTTP","statusName":"READY","expires":` + future + `}`,
			"download", "ready", 0,
		},
		{
			`"statusName":"FINISHED","delivery":{"methodName":"HTTP","statusName":"READY","expires":` + past + `}`,
			"download", "expired", 0,
		},
		{
			`"statusName":"FINISHED","delivery":{"methodName":"SCP","statusName":"NOT_STARTED"}`,
			"other", "in_progress", 0,
		},
		{
			`"statusName":"FINISHED","delivery":{"methodName":"CLIENT_PIT_SCP","statusName":"PENDING"}`,
			"other", "in_progress", 0,
		},
		{
			`"statusName":"FINISHED","delivery":{"methodName":"THIRD_PARTY_COPY","statusName":"IN_PROGRESS"}`,
			"other", "in_progress", 0,
		},
		{`"statusName":"FINISHED","delivery":{"methodName":"HTTP","statusName":"ON_FIRE"}`, "download", "unknown", 1},
		{`"statusName":"ON_FIRE","delivery":{"methodName":"PIGEON"}`, "other", "unknown", 2},
	})
}
