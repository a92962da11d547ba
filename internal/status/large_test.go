package status

import (
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"atlas-restore-exporter/atlas"
	"atlas-restore-exporter/collector/history"
	"atlas-restore-exporter/collector/poll"
)

// newFleet returns a poller with 2,000 clusters in 40 projects. Every tenth cluster has findings, or each of them.
func newFleet(allFail bool) *fakePoller {
	const clusters, projects = 2000, 40
	source := &fakePoller{}
	for i := range clusters {
		job := newJob(fmt.Sprintf("%024x", i), atlas.StatusCompleted, time.Hour)
		s := succeeded(fmt.Sprintf("cluster-with-a-long-name-%d", i), atlas.Dedicated, job)
		s.Target.ProjectID = fmt.Sprintf("%024x", i%projects)
		if allFail || i%10 == 0 {
			s.Err, s.Reason, s.Target.Policy.Objectives.DrillAge = errFlexCluster, poll.ReasonWrongBackupType, day
			setEvents(s, atlas.DeliveryAutomated, history.PurposeInPlace, 0, ago(time.Hour))
		}
		source.snapshots = append(source.snapshots, s)
	}
	return source
}

// TestPage_OfALargeFleetIsSmall checks the size of each kind of page: a browser on a phone should load it quickly.
func TestPage_OfALargeFleetIsSmall(t *testing.T) {
	const limit = 300 << 10
	for _, allFail := range []bool{false, true} {
		source := newFleet(allFail)
		project := source.snapshots[0].Target.ProjectID
		for _, path := range []string{
			"/", "/?all", "/?status=attention", "/?status=good", "/?status=failed&page=7", "/?project=" + project,
			"/?project=" + project + "&cluster=cluster-with-a-long-name-0&all",
		} {
			if page := getPage(t, source, path); len(page) > limit {
				t.Errorf("%s with %t: %d bytes, want at most %d", path, allFail, len(page), limit)
			}
		}
	}
}

// TestAlerts_ExistInTheRules checks that the page links to runbooks of alerts that exist.
func TestAlerts_ExistInTheRules(t *testing.T) {
	read := func(file string) string {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	rules := read("../../deploy/prometheus/rules.yaml")
	alerts := regexp.MustCompile(`"(AtlasRestore\w+)"`).FindAllStringSubmatch(read("findings.go"), -1)
	if len(alerts) < len(kinds) {
		t.Errorf("%d alerts, want one for each of %d kinds", len(alerts), len(kinds))
	}
	for _, match := range alerts {
		if !strings.Contains(rules, "alert: "+match[1]+"\n") {
			t.Errorf("there is no alert %s", match[1])
		}
	}
}

func BenchmarkPage(b *testing.B) {
	page := &Page{Source: newFleet(true), Logger: slog.New(slog.DiscardHandler)}
	for _, path := range []string{"/", "/?status=attention", "/?project=000000000000000000000000"} {
		b.Run(path, func(b *testing.B) {
			for b.Loop() {
				recorder := httptest.NewRecorder()
				page.ServeHTTP(recorder, httptest.NewRequestWithContext(b.Context(), http.MethodGet, path, http.NoBody))
				b.ReportMetric(float64(recorder.Body.Len()), "bytes/page")
			}
		})
	}
}
