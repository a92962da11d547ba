package atlas_test

import (
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"

	"atlas-restore-exporter/atlas"
	"atlas-restore-exporter/atlas/atlastest"
)

func TestRestoreJobs_RequestSmallerPagesAfterAPageWasTooLarge(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sim := newAtlas()
		filler := strings.Repeat(" ", 40<<10)
		item := func(n int) string { return fmt.Sprintf(`{"id":"%024x"%s}`, n, filler) }
		sim.Script(
			atlastest.PathHas("collectionRestoreJobs"),
			0,
			http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				size, _ := strconv.Atoi(r.URL.Query().Get("itemsPerPage"))
				number, _ := strconv.Atoi(r.URL.Query().Get("pageNum"))
				var items []string
				for n := (number - 1) * size; n < min(number*size, 600); n++ {
					items = append(items, item(n))
				}
				next := `{"rel":"self"}`
				if number*size < 600 {
					next = `{"rel":"next"}`
				}
				_, _ = io.WriteString(w, `{"links":[`+next+`],"results":[`+strings.Join(items, ",")+`]}`)
			}),
		)
		client := connect(t, sim, account)
		list := atlas.List{ProjectID: project, ClusterName: "prod", BackupType: atlas.Collection}
		if _, err := readAll(withDeadline(t), client, list); !isMalformed(err) {
			t.Errorf("got %v for a page that is too large", err)
		}
		for range 2 {
			jobs, err := readAll(withDeadline(t), client, list)
			if err != nil || len(jobs) != 600 {
				t.Fatalf("%d jobs, %v", len(jobs), err)
			}
		}
		tooLarge := func(r atlastest.Request) bool { return strings.Contains(r.Query, "itemsPerPage=500") }
		if n := len(sim.Requests(tooLarge)); n != 1 {
			t.Errorf("%d requests for a page that is too large, want 1", n)
		}
	})
}
