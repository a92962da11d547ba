package atlas

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"
)

// pageOfJobs returns a page of n Flex jobs in the wire format.
func pageOfJobs(n int) []byte {
	var jobs []string
	for i := range n {
		created := time.Unix(1786000000-int64(i)*3600, 0).UTC()
		jobs = append(
			jobs,
			fmt.Sprintf(`{"deliveryType":"RESTORE","expirationDate":%q,"id":"%08x%016x","instanceName":"c",
			"projectId":"b0123456789abcdef012345b","restoreFinishedDate":%q,"restoreScheduledDate":%q,
			"snapshotFinishedDate":%q,"snapshotId":"6a6f78e0cab84da5c4476b25","status":"COMPLETED",
			"targetDeploymentItemName":"cluster-833","targetProjectId":"b0123456789abcdef012345b"}`,
				created.Add(6*time.Hour).Format(time.RFC3339), created.Unix(), rand.Uint64(),
				created.Add(time.Minute).Format(time.RFC3339), created.Format(time.RFC3339),
				created.Add(-time.Hour).Format(time.RFC3339)),
		)
	}
	return []byte(`{"results":[` + strings.Join(jobs, ",") + `],"totalCount":` + fmt.Sprint(n) + `}`)
}

// BenchmarkDecodePage compares the decoder with one whose types are generated from the OpenAPI description.
func BenchmarkDecodePage(b *testing.B) {
	body := pageOfJobs(500)
	b.Run("decodePage", func(b *testing.B) {
		b.SetBytes(int64(len(body)))
		b.ReportAllocs()
		for b.Loop() {
			found := newFindings()
			if page, err := decodePage[flexJob](body, &found); err != nil || len(page.Jobs) != 500 {
				b.Fatal(err)
			}
		}
	})
	b.Run("generated types", func(b *testing.B) {
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

// generatedPage has all described fields as optional fields.
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
