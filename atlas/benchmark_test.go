package atlas

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"
)

// flexPage returns a page of n Flex jobs in the wire format.
func flexPage(n int) []byte {
	return pageOf(n, func(created time.Time, id string) string {
		return fmt.Sprintf(`{"deliveryType":"RESTORE","expirationDate":%q,"id":%q,"instanceName":"c",`+
			`"projectId":"b0123456789abcdef012345b","restoreFinishedDate":%q,"restoreScheduledDate":%q,`+
			`"snapshotFinishedDate":%q,"snapshotId":"6a6f78e0cab84da5c4476b25","status":"COMPLETED",`+
			`"targetDeploymentItemName":"cluster-833","targetProjectId":"b0123456789abcdef012345b"}`,
			date(created.Add(6*time.Hour)), id, date(created.Add(time.Minute)), date(created),
			date(created.Add(-time.Hour)))
	})
}

// dedicatedPage returns a page of n dedicated jobs in the wire format.
func dedicatedPage(n int) []byte {
	return pageOf(n, func(created time.Time, id string) string {
		const group = "http://localhost:8080/api/atlas/v2/groups/b0123456789abcdef012345b"
		return fmt.Sprintf(`{"cancelled":false,"deliveryType":"automated","deliveryUrl":[],`+
			`"desiredTimestamp":{"increment":null,"time":null,"date":null},"expired":false,"failed":false,`+
			`"finishedAt":%[2]q,"id":%[1]q,"links":[{"href":"%[4]s/clusters/c/backup/restoreJobs/%[1]s","rel":"self"},`+
			`{"href":"%[4]s/clusters/c/backup/snapshots/%[1]s","rel":"https://cloud.mongodb.com/snapshot"},`+
			`{"href":"%[4]s/clusters/c","rel":"https://cloud.mongodb.com/cluster"},`+
			`{"href":"%[4]s","rel":"https://cloud.mongodb.com/group"}],"snapshotId":"6a6f78e0cab84da5c4476b25",`+
			`"targetClusterName":"cluster-833","targetDeploymentItemName":"atlas-72ck1q",`+
			`"targetGroupId":"b0123456789abcdef012345b","timestamp":%[3]q}`,
			id, date(created.Add(time.Minute)), date(created.Add(-time.Hour)), group)
	})
}

func date(t time.Time) string { return t.Format(time.RFC3339) }

func pageOf(n int, job func(created time.Time, id string) string) []byte {
	jobs := make([]string, n)
	for i := range jobs {
		created := time.Unix(1786000000-int64(i)*3600, 0).UTC()
		jobs[i] = job(created, fmt.Sprintf("%08x%016x", created.Unix(), rand.Uint64()))
	}
	return []byte(`{"results":[` + strings.Join(jobs, ",") + `],"totalCount":` + fmt.Sprint(n) + `}`)
}

// BenchmarkDecodePage compares the decoder with encoding/json and the structs of the official SDK, which are generated
// from the API description. The last variant alternates between both, so that a busy machine affects both.
func BenchmarkDecodePage(b *testing.B) {
	benchmarkDecodePage[flexJob, sdkFlexJob](b, "flex", flexPage(500))
	benchmarkDecodePage[dedicatedJob, sdkDedicatedJob](b, "dedicated", dedicatedPage(500))
}

func benchmarkDecodePage[W wireJob, S any](b *testing.B, name string, body []byte) {
	decode := func() {
		found := newFindings()
		if page, err := decodePage[W](body, &found); err != nil || len(page.Jobs) != 500 || len(found.omitted) > 0 {
			b.Fatal(err)
		}
	}
	decodeSDK := func() {
		var page sdkPage[S]
		if err := json.Unmarshal(body, &page); err != nil || len(*page.Results) != 500 {
			b.Fatal(err)
		}
	}
	for variant, run := range map[string]func(){"decodePage": decode, "SDK": decodeSDK} {
		b.Run(name+"/"+variant, func(b *testing.B) {
			b.SetBytes(int64(len(body)))
			b.ReportAllocs()
			for b.Loop() {
				run()
			}
		})
	}
	b.Run(name+"/ratio", func(b *testing.B) {
		var own, sdk time.Duration
		for b.Loop() {
			start := time.Now()
			decode()
			middle := time.Now()
			decodeSDK()
			own, sdk = own+middle.Sub(start), sdk+time.Since(middle)
		}
		b.ReportMetric(0, "ns/op")
		b.ReportMetric(sdk.Seconds()/own.Seconds(), "times-faster")
	})
}

// sdkPage has all described fields as optional fields.
type sdkPage[J any] struct {
	Links      *[]sdkLink `json:"links,omitempty"`
	Results    *[]J       `json:"results,omitempty"`
	TotalCount *int       `json:"totalCount,omitempty"`
}

type sdkLink struct {
	Href *string `json:"href,omitempty"`
	Rel  *string `json:"rel,omitempty"`
}

type sdkFlexJob struct {
	DeliveryType             *string    `json:"deliveryType,omitempty"`
	ExpirationDate           *time.Time `json:"expirationDate,omitempty"`
	ID                       *string    `json:"id,omitempty"`
	InstanceName             *string    `json:"instanceName,omitempty"`
	Links                    *[]sdkLink `json:"links,omitempty"`
	ProjectID                *string    `json:"projectId,omitempty"`
	RestoreFinishedDate      *time.Time `json:"restoreFinishedDate,omitempty"`
	RestoreScheduledDate     *time.Time `json:"restoreScheduledDate,omitempty"`
	SnapshotFinishedDate     *time.Time `json:"snapshotFinishedDate,omitempty"`
	SnapshotID               *string    `json:"snapshotId,omitempty"`
	SnapshotURL              *string    `json:"snapshotUrl,omitempty"`
	Status                   *string    `json:"status,omitempty"`
	TargetDeploymentItemName *string    `json:"targetDeploymentItemName,omitempty"`
	TargetProjectID          *string    `json:"targetProjectId,omitempty"`
}

type sdkDedicatedJob struct {
	Cancelled        *bool           `json:"cancelled,omitempty"`
	Components       *[]sdkComponent `json:"components,omitempty"`
	DeliveryType     string          `json:"deliveryType"`
	DeliveryURL      *[]string       `json:"deliveryUrl,omitempty"`
	DesiredTimestamp *struct {
		Date      *time.Time `json:"date,omitempty"`
		Increment *int       `json:"increment,omitempty"`
	} `json:"desiredTimestamp,omitempty"`
	Expired                     *bool            `json:"expired,omitempty"`
	ExpiresAt                   *time.Time       `json:"expiresAt,omitempty"`
	Failed                      *bool            `json:"failed,omitempty"`
	FinishedAt                  *time.Time       `json:"finishedAt,omitempty"`
	ID                          *string          `json:"id,omitempty"`
	Links                       *[]sdkLink       `json:"links,omitempty"`
	OplogInc                    *int             `json:"oplogInc,omitempty"`
	OplogTS                     *int             `json:"oplogTs,omitempty"`
	PointInTimeUTCSeconds       *int             `json:"pointInTimeUTCSeconds,omitempty"`
	PrivateDownloadDeliveryURLs *[]sdkPrivateURL `json:"privateDownloadDeliveryUrls,omitempty"`
	SnapshotID                  *string          `json:"snapshotId,omitempty"`
	TargetClusterName           *string          `json:"targetClusterName,omitempty"`
	TargetGroupID               *string          `json:"targetGroupId,omitempty"`
	Timestamp                   *time.Time       `json:"timestamp,omitempty"`
}

type sdkComponent struct {
	DownloadURL                 *string          `json:"downloadUrl,omitempty"`
	PrivateDownloadDeliveryURLs *[]sdkPrivateURL `json:"privateDownloadDeliveryUrls,omitempty"`
	ReplicaSetName              *string          `json:"replicaSetName,omitempty"`
}

type sdkPrivateURL struct {
	DeliveryURL *string `json:"deliveryUrl,omitempty"`
	EndpointID  *string `json:"endpointId,omitempty"`
}
