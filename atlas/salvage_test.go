package atlas

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// salvageTest is a job in the wire format, without braces and ID, and the expected result.
type salvageTest struct {
	backupType BackupType
	job        string
	omitted    []string
	want       RestoreJob // without the ID
}

func expectSalvaged(t *testing.T, tests []salvageTest) {
	t.Helper()
	for _, test := range tests {
		t.Run(string(test.backupType)+" "+test.job, func(t *testing.T) {
			found := newFindings()
			page, err := routes[test.backupType].page([]byte(`{"results":[{"id":"x",`+test.job+`}]}`), &found)
			if err != nil || len(page.Jobs) != 1 || page.Malformed != 0 {
				t.Fatalf("%+v, %v", page, err)
			}
			if test.want.ID = "x"; page.Jobs[0] != test.want {
				t.Errorf("\n got %+v\nwant %+v", page.Jobs[0], test.want)
			}
			if !slices.Equal(found.omitted, test.omitted) {
				t.Errorf("omitted %q, want %q", found.omitted, test.omitted)
			}
		})
	}
}

func TestSalvage_OmitsOnlyTheFieldsThatCannotBeRead(t *testing.T) {
	expectSalvaged(t, []salvageTest{
		{
			Dedicated, `"deliveryType":"automated","expiresAt":"soon","failed":true`, []string{"expires_at"},
			RestoreJob{DeliveryType: DeliveryAutomated, Status: StatusFailed, HasFlags: true, FailedFlag: true},
		},
		{
			Dedicated, `"deliveryType":"pointInTime","desiredTimestamp":{"date":7},"oplogTs":"2026-08-10T03:00:00Z"`,
			[]string{"desired_timestamp_date", "oplog_ts"},
			RestoreJob{DeliveryType: DeliveryPointInTime, Status: StatusInProgress, HasFlags: true},
		},
		{
			Dedicated, `"deliveryType":"pointInTime","desiredTimestamp":[],"pointInTimeUTCSeconds":1786000000`,
			[]string{"desired_timestamp"},
			RestoreJob{
				PointInTime: 1786000000, RecoveryPoint: 1786000000, DeliveryType: DeliveryPointInTime,
				Status: StatusInProgress, HasFlags: true,
			},
		},
		{
			Dedicated, `"deliveryType":"automated","snapshotId":{},"targetGroupId":5,"targetClusterName":"c"`,
			[]string{"snapshot_id", "target_group_id"},
			RestoreJob{
				TargetClusterName: "c",
				DeliveryType:      DeliveryAutomated,
				Status:            StatusInProgress,
				HasFlags:          true,
			},
		},
		{
			Flex, `"deliveryType":"RESTORE","status":"COMPLETED","restoreFinishedDate":1786000000,"snapshotId":"s"`,
			[]string{"restore_finished_date"},
			RestoreJob{SnapshotID: "s", DeliveryType: DeliveryAutomated, Status: StatusCompleted},
		},
		{
			Collection, `"state":"SUCCESSFUL","indexStatus":{"state":7,"failedCollectionCount":2},"totalDocuments":-1`,
			[]string{"index_status_state", "total_documents"},
			RestoreJob{
				DeliveryType: DeliveryAutomated, Status: StatusCompleted, Indexes: IndexesDone, IndexFailures: CountOf(2),
			},
		},
		{
			Legacy, `"statusName":"BROKEN","timestamp":"2018","delivery":{"methodName":"HTTP","maxDownloads":"many"}`,
			[]string{"timestamp", "delivery_max_downloads"},
			RestoreJob{DeliveryType: DeliveryDownload, Status: StatusFailed},
		},
	})
}

func TestSalvage_CountsTheLinksThatCanBeRead(t *testing.T) {
	want := RestoreJob{
		DownloadURLs: 2, DeliveryType: DeliveryDownload, Status: StatusReady, ExpiresUnready: true, HasFlags: true,
	}
	expectSalvaged(t, []salvageTest{
		{
			Dedicated, `"deliveryType":"download","deliveryUrl":{},"components":[5,{"downloadUrl":"https://a"},
				{"downloadUrl":7,"privateDownloadDeliveryUrls":[null,{"deliveryUrl":"https://b"}]},{"downloadUrl":8}]`,
			[]string{"delivery_url", "components", "components_download_url"}, want,
		},
		{
			Dedicated, `"deliveryType":"download","deliveryUrl":["https://a","https://b"],"components":"none"`,
			[]string{"components"}, want,
		},
	})
}

// The status must not look better than it may be: the field that can't be read may report a failure.
func TestSalvage_StatusIsUnknownIfAFieldThatDecidesItCannotBeRead(t *testing.T) {
	for _, test := range []struct {
		backupType BackupType
		job        string
		status     string
	}{
		{Dedicated, `"deliveryType":"automated","failed":"yes","finishedAt":` + past, "unknown"},
		{Dedicated, `"deliveryType":"automated","failed":1,"cancelled":true`, "unknown"},
		{Dedicated, `"deliveryType":"automated","cancelled":"no","finishedAt":` + past, "unknown"},
		{Dedicated, `"deliveryType":"automated","failed":true,"cancelled":"yes"`, "failed"},
		{Dedicated, `"deliveryType":"automated","expired":"no","finishedAt":` + past, "completed"},
		{Dedicated, `"deliveryType":"automated","expired":"no"`, "unknown"},
		{Dedicated, `"deliveryType":"automated","finishedAt":7`, "unknown"},
		{Dedicated, `"deliveryType":"automated","finishedAt":"9999-12-31T23:59:59Z"`, "unknown"},
		{Dedicated, `"deliveryType":"automated","finishedAt":"","expired":true`, "unknown"},
		{Dedicated, `"deliveryType":"automated","timestamp":7`, "in_progress"},
		{Dedicated, `"deliveryType":"automated","components":7`, "in_progress"},
		{Dedicated, `"deliveryType":"automated","failed":true,"finishedAt":7`, "failed"},
		{Dedicated, `"deliveryType":"download","finishedAt":7`, "unknown"},
		{Dedicated, `"deliveryType":"download","finishedAt":7,"deliveryUrl":["https://a"]`, "ready"},
		{Dedicated, `"deliveryType":"download","finishedAt":7,"expiresAt":` + past, "expired"},
		{Dedicated, `"deliveryType":"download","deliveryUrl":[5]`, "unknown"},
		{Dedicated, `"deliveryType":"download","deliveryUrl":{},"expiresAt":` + past, "expired"},
		{Dedicated, `"deliveryType":"download","components":[{"downloadUrl":7}]`, "unknown"},
		{Dedicated, `"deliveryType":"download","privateDownloadDeliveryUrls":[{"deliveryUrl":7}]`, "unknown"},
		{Serverless, `"deliveryType":"automated","finishedAt":7`, "unknown"},
		{Dedicated, `"deliveryType":7`, "unknown"},
		{Dedicated, `"deliveryType":7,"finishedAt":` + past, "completed"},
		{Dedicated, `"deliveryType":"download","expired":"no","deliveryUrl":["https://a"]`, "unknown"},
		{Dedicated, `"deliveryType":"download","expired":"no","expiresAt":` + past, "expired"},
		{Dedicated, `"deliveryType":"download","failed":"no","expiresAt":` + past, "unknown"},
		{Dedicated, `"deliveryType":"download","cancelled":"no","expired":true`, "expired"},
		{Flex, `"deliveryType":"RESTORE","status":7`, "unknown"},
		{Flex, `"deliveryType":"DOWNLOAD","status":"COMPLETED","snapshotUrl":7`, "completed"},
		{Collection, `"state":["SUCCESSFUL"]`, "unknown"},
		{Legacy, `"statusName":7,"delivery":{"methodName":"HTTP","targetClusterName":"c"}`, "unknown"},
		{Legacy, `"statusName":"FINISHED","delivery":"HTTP"`, "unknown"},
		{
			Legacy, `"statusName":"FINISHED","delivery":{"methodName":"AUTOMATED_RESTORE","statusName":7}`, "unknown",
		},
	} {
		found := newFindings()
		job, err := routes[test.backupType].job([]byte(`{"id":"`+jobID+`",`+test.job+`}`), &found)
		if got := job.StatusAt(noon).String(); err != nil || got != test.status || len(found.omitted) != 1 {
			t.Errorf(
				"%s %s: got %s, %v, omitted %v; want %s",
				test.backupType,
				test.job,
				got,
				err,
				found.omitted,
				test.status,
			)
		}
	}
}

func TestSalvage_ReportsNoUnknownValueOfAnOmittedField(t *testing.T) {
	found := newFindings()
	if _, err := decodeJob[flexJob]([]byte(`{"id":"x","status":7,"deliveryType":{}}`), &found); err != nil {
		t.Fatal(err)
	}
	if len(found.unknown) != 0 || !slices.Equal(found.omitted, []string{"status", "delivery_type"}) {
		t.Errorf("unknown %v, omitted %v", found.unknown, found.omitted)
	}
}

func TestSalvage_ALegacyRestoreWithAnUnreadableTargetIsNoDownload(t *testing.T) {
	found := newFindings()
	job, err := decodeJob[legacyJob]([]byte(`{"id":"x","statusName":"FINISHED","delivery":{"methodName":"HTTP",
		"statusName":"READY","targetClusterName":7}}`), &found)
	if err != nil || job.DeliveryType != DeliveryOther {
		t.Errorf("%+v, %v", job, err)
	}
}

func TestSalvage_AJobWithoutAReadableIDIsMalformed(t *testing.T) {
	for item, want := range map[string]error{
		`{"id":7,"failed":"x"}`: errJobID, `{"id":null,"oplogTs":"x"}`: errJobID, `{"failed":"x"}`: errJobID,
		`[]`: errNotJob, `"x"`: errNotJob, `7`: errNotJob, `{"id":"x","id":7}`: errJobID, `{"id":"x","id":"x"}`: errJobID,
		`{"ID":"x"}`: errJobID,
	} {
		found := newFindings()
		if _, err := decodeJob[dedicatedJob]([]byte(item), &found); err == nil || err.Error() != want.Error() {
			t.Errorf("%s: %v, want %v", item, err, want)
		}
		if len(found.omitted) != 0 {
			t.Errorf("%s: omitted %v", item, found.omitted)
		}
	}
}

// It is not clear which of the values applies.
func TestSalvage_OmitsRepeatedKeys(t *testing.T) {
	for job, want := range map[string]struct {
		omitted []string
		status  Status
	}{
		`"failed":true,"failed":false`:                        {[]string{"failed"}, StatusUnknown},
		`"failed":true,"Failed":false,"FAILED":false`:         {nil, StatusFailed},
		`"expiresAt":7,"expiresAt":null,"expiresAt":""`:       {[]string{"expires_at"}, StatusInProgress},
		`"unknown":1,"unknown":{"a":1,"a":2}`:                 {nil, StatusInProgress},
		`"desiredTimestamp":{"date":null,"date":null}`:        {[]string{"desired_timestamp_date"}, StatusInProgress},
		`"components":[{"downloadUrl":"a","downloadUrl":""}]`: {[]string{"components_download_url"}, StatusInProgress},
	} {
		job += `,"deliveryType":"automated"`
		for _, body := range []string{`{"id":"x","ID":"y",` + job + `}`, `{` + job + `,"Id":7,"id":"x"}`} {
			found := newFindings()
			body = `{"results":[` + body + `,{"id":"z","deliveryType":"automated"}]}`
			page, err := decodePage[dedicatedJob]([]byte(body), &found)
			if err != nil || len(page.Jobs) != 2 || page.Jobs[0].ID != "x" || page.Jobs[0].Status != want.status {
				t.Errorf("%s: %+v, %v", body, page.Jobs, err)
			}
			if !slices.Equal(found.omitted, want.omitted) || len(found.unknown) > 0 {
				t.Errorf("%s: omitted %q, unknown %v", body, found.omitted, found.unknown)
			}
		}
	}
}

func TestFindings_OmitImplausibleTimes(t *testing.T) {
	const tomorrow, later = `"2026-08-11T12:00:00Z"`, `"2026-08-11T12:00:01Z"`
	const in400Days, laterExpiry = `"2027-09-14T12:00:00Z"`, `"2027-09-14T12:00:01Z"`
	for _, test := range []struct {
		backupType     BackupType
		job            string
		latest, beyond string
		field          string
	}{
		{Dedicated, `"finishedAt":%s`, tomorrow, later, "finished_at"},
		{Dedicated, `"timestamp":%s`, tomorrow, later, "timestamp"},
		{Dedicated, `"expiresAt":%s`, in400Days, laterExpiry, "expires_at"},
		{Dedicated, `"desiredTimestamp":{"date":%s}`, tomorrow, later, "desired_timestamp_date"},
		{Dedicated, `"pointInTimeUTCSeconds":%s`, "1786449600", "1786449601", "point_in_time_utc_seconds"},
		{Dedicated, `"oplogTs":%s`, "1786449600", "9007199254740993", "oplog_ts"},
		{Dedicated, `"id":%s`, `"6a7b0ec0c0eb9e7a17740663"`, `"6a7b0ec1c0eb9e7a17740663"`, "id_time"},
		{Flex, `"restoreScheduledDate":%s`, tomorrow, later, "restore_scheduled_date"},
		{Flex, `"restoreFinishedDate":%s`, tomorrow, `"9999-12-31T23:59:59Z"`, "restore_finished_date"},
		{Flex, `"snapshotFinishedDate":%s`, tomorrow, later, "snapshot_finished_date"},
		{Flex, `"expirationDate":%s`, in400Days, laterExpiry, "expiration_date"},
		{Collection, `"createdAt":%s`, tomorrow, later, "created_at"},
		{Collection, `"finishedAt":%s`, tomorrow, later, "finished_at"},
		{Collection, `"pointInTimeUtcSeconds":%s`, "1786449600", "1786449601", "point_in_time_utc_seconds"},
		{Collection, `"oplogTs":%s`, "1786449600", "1786449601", "oplog_ts"},
		{
			Collection, `"snapshotId":%s`, `"6a7b0ec0c0eb9e7a17740663"`, `"6a7b0ec1c0eb9e7a17740663"`, "snapshot_id_time",
		},
		{Legacy, `"created":%s`, tomorrow, later, "created"},
		{Legacy, `"timestamp":{"date":%s}`, tomorrow, later, "timestamp_date"},
		{Legacy, `"delivery":{"expires":%s}`, in400Days, laterExpiry, "delivery_expires"},
	} {
		for value, want := range map[string][]string{test.latest: nil, test.beyond: {test.field}} {
			found := newFindings()
			job := fmt.Sprintf(test.job, value)
			if !strings.HasPrefix(job, `"id"`) {
				job += `,"id":"x"`
			}
			_, err := routes[test.backupType].job([]byte(`{`+job+`}`), &found)
			if err != nil || !slices.Equal(found.omitted, want) {
				t.Errorf(
					"%s %s %s: omitted %q, %v; want %q",
					test.backupType,
					test.job,
					value,
					found.omitted,
					err,
					want,
				)
			}
		}
	}
}

func TestFindings_UseTheNextTimeIfOneIsImplausible(t *testing.T) {
	expectSalvaged(t, []salvageTest{
		{
			Dedicated, `"deliveryType":"pointInTime","desiredTimestamp":{"date":"9999-01-01T00:00:00Z"},
				"pointInTimeUTCSeconds":4000000000,"oplogTs":1786000000`,
			[]string{"desired_timestamp_date", "point_in_time_utc_seconds"},
			RestoreJob{
				PointInTime: 1786000000, RecoveryPoint: 1786000000, DeliveryType: DeliveryPointInTime,
				Status: StatusInProgress, HasFlags: true,
			},
		},
		{
			Dedicated, `"deliveryType":"pointInTime","desiredTimestamp":{"date":"9999-01-01T00:00:00Z"},"timestamp":` + past,
			[]string{"desired_timestamp_date"},
			RestoreJob{
				Snapshot: TimestampOf(
					noon,
				) - 1, RecoveryPoint: TimestampOf(noon) - 1, DeliveryType: DeliveryPointInTime,
				Status: StatusInProgress, HasFlags: true,
			},
		},
	})
}

func TestFindings_ADedicatedJobWithAnImplausibleFinishTimeIsNotCompleted(t *testing.T) {
	expectSalvaged(t, []salvageTest{{
		Dedicated, `"deliveryType":"automated","finishedAt":"9999-12-31T00:00:00Z"`, []string{"finished_at"},
		RestoreJob{DeliveryType: DeliveryAutomated, Status: StatusUnknown, HasFlags: true},
	}})
}

func TestFindings_ReportAFieldOnceForEachJob(t *testing.T) {
	found := newFindings()
	page, err := decodePage[dedicatedJob]([]byte(`{"results":[
		{"id":"a","components":[{"downloadUrl":1},{"downloadUrl":2}]},{"id":7,"expiresAt":7},
		{"id":"b","components":[{"downloadUrl":3}]}]}`), &found)
	if err != nil || len(page.Jobs) != 2 || page.Malformed != 1 ||
		!slices.Equal(found.omitted, []string{"components_download_url", "components_download_url"}) {
		t.Errorf("%+v, %v, omitted %v", page, err, found.omitted)
	}
}

func TestMalformedFields_AreNamedAfterTheJSONKeys(t *testing.T) {
	for _, backupType := range BackupTypes() {
		fields := MalformedFields(backupType)
		if !slices.IsSorted(fields) || len(slices.Compact(slices.Clone(fields))) != len(fields) {
			t.Error("the fields are not sorted or not unique")
		}
		if slices.ContainsFunc(fields, func(f string) bool { return !strings.HasPrefix(f, string(backupType)+"_") }) {
			t.Errorf("fields of another backup type than %s: %q", backupType, fields)
		}
	}
	fields := MalformedFields(Collection)
	want := []string{
		"collection_created_at", "collection_finished_at", "collection_id_time", "collection_index_status",
		"collection_index_status_failed_collection_count", "collection_index_status_state", "collection_oplog_ts",
		"collection_point_in_time_utc_seconds", "collection_restored_documents", "collection_snapshot_id",
		"collection_snapshot_id_time", "collection_state", "collection_target_cluster_name",
		"collection_target_group_id", "collection_total_documents", "collection_write_strategy",
	}
	if !slices.Equal(fields, want) {
		t.Errorf("got %q", fields)
	}
	for key, want := range map[string]string{
		"pointInTimeUTCSeconds": "point_in_time_utc_seconds", "urlV2": "url_v2", "deliveryUrl": "delivery_url", "id": "id",
	} {
		if got := snakeCase(key); got != want {
			t.Errorf("%s: %s, want %s", key, got, want)
		}
	}
}

// FuzzSalvage compares the salvaged fields of any job with those of the whole job. If the whole job can be decoded,
// both must be equal, and no field is omitted. Otherwise, each omitted field must be in MalformedFields.
func FuzzSalvage(f *testing.F) {
	for _, job := range []string{
		`{"id":"x","ID":"y","deliveryType":"download","deliveryUrl":["https://a"],"components":[{"downloadUrl":"b"}]}`,
		`{"id":"x","desiredTimestamp":{"date":"2026-08-10T03:00:00Z"},"desiredTimestamp":{"increment":1},"failed":"yes"}`,
		`{"id":"x","components":[{"privateDownloadDeliveryUrls":[{"deliveryUrl":[]},7]}],"components":[null]}`,
		`{"id":"x","status":"FAILED","snapshotUrl":"https://a","restoreFinishedDate":1e400}`,
		`{"id":"x","state":"FAILED","indexStatus":{"state":"https://a","failedCollectionCount":-1}}`,
		`{"id":"x","statusName":"FINISHED","delivery":{"methodName":"HTTP","url":{},"expires":"9999-01-01T00:00:00Z"}}`,
	} {
		f.Add([]byte(job))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		if !jsontext.Value(body).IsValid(lenient) {
			return
		}
		fuzzSalvage[dedicatedJob](t, Dedicated, body)
		fuzzSalvage[collectionJob](t, Collection, body)
		fuzzSalvage[flexJob](t, Flex, body)
		fuzzSalvage[legacyJob](t, Legacy, body)
	})
}

func fuzzSalvage[W wireJob](t *testing.T, backupType BackupType, body []byte) {
	t.Helper()
	var whole W
	wholeErr := json.Unmarshal(body, &whole, strict)
	found := newFindings()
	salvaged, err := salvageJob[W](body, &found)
	if wholeErr == nil && string(body) != "null" &&
		(err != nil || len(found.omitted) > 0 || !reflect.DeepEqual(salvaged, whole)) {
		t.Fatalf("%s: got %+v, %v, omitted %v; want %+v", body, salvaged, err, found.omitted, whole)
	}
	if job, err := decodeJob[W](body, &found); err == nil {
		checkJob(t, job)
	}
	for _, field := range found.omitted {
		if !slices.Contains(MalformedFields(backupType), string(backupType)+"_"+field) {
			t.Fatalf("%s is not in MalformedFields", field)
		}
	}
}
