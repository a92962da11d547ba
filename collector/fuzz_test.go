package collector

import (
	"bytes"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"
	"unicode"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"atlas-restore-exporter/atlas"
	"atlas-restore-exporter/atlas/atlastest"
)

// oracle is an Atlas that answers what it is told to: each list with a page, each single job, and the project, with
// another text.
type oracle struct {
	client    *atlas.Client
	metrics   *Metrics
	page, job atomic.Pointer[[]byte]
}

func newOracle(tb testing.TB) *oracle {
	tb.Helper()
	o := &oracle{metrics: NewMetrics(BuildInfo{})}
	pipe := atlastest.NewPipe(o)
	client, err := atlas.NewClient(atlas.Options{
		BaseURL: "http://atlas.test", DialContext: pipe.DialContext,
		Credential: atlas.Credential{ServiceAccount: &atlas.ServiceAccount{ClientID: "id", ClientSecret: "secret"}},
		Observer:   o.metrics,
	})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { client.Close(); pipe.Close() })
	o.client = client
	return o
}

func (o *oracle) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("RateLimit-Limit", "1000000")
	w.Header().Set("RateLimit-Remaining", "1000000") // nothing ever waits
	switch number := r.URL.Query().Get("pageNum"); {
	case atlastest.TokenRequests(r):
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, `{"access_token":"x","token_type":"Bearer","expires_in":360000}`)
	case number == "":
		_, _ = w.Write(*o.job.Load())
	case number == "1":
		_, _ = w.Write(*o.page.Load())
	default: // the page had a link to the next
		_, _ = io.WriteString(w, `{"results":[]}`)
	}
}

// fixed is a Source that does not change.
type fixed struct {
	snapshots []*Snapshot
	name      string
}

func (f *fixed) Snapshots() []*Snapshot { return f.snapshots }

func (f *fixed) ProjectName(string) string { return f.name }

// poll polls a list of each backup type, after a single job of each was read.
func (o *oracle) poll(t *testing.T, page, job []byte) *fixed {
	t.Helper()
	o.page.Store(&page)
	o.job.Store(&job)
	var named struct {
		ID string `json:"id"`
	}
	_ = json.Unmarshal(job, &named)
	names := newProjectNames()
	source := &fixed{}
	for _, backupType := range atlas.BackupTypes() {
		target := target(atlas.List{ProjectID: project, ClusterName: "prod", BackupType: backupType})
		target.History.MaxAge, target.JobSeries = 250*365*24*time.Hour, JobSeriesLimits{250 * 365 * 24 * time.Hour, 50}
		p := newPoller(target, o.client, names, o.metrics, slog.New(slog.DiscardHandler))
		reading := newReading()
		if p.refresh(t.Context(), reading, []string{named.ID}) == nil {
			p.history.Merge(reading, time.Now())
		}
		p.poll(t.Context())
		snapshot := p.published.Load()
		if snapshot.Err != nil && snapshot.Reason != ReasonMalformed {
			t.Fatalf("%s: %v", snapshot.Reason, snapshot.Err)
		}
		source.snapshots = append(source.snapshots, snapshot)
	}
	source.name = names.name(project)
	return source
}

// FuzzExposition answers anything, and takes it all the way: through the client, the history and the collector to the
// text that Prometheus reads. Whatever Atlas says, there are no contradicting, unbounded or unreadable series.
func FuzzExposition(f *testing.F) {
	const job = `{"id":"6a794733c0eb9e7a17740663","name":"Payments"}`
	f.Add([]byte(`{"results":[{"id":"6a794733c0eb9e7a17740663","deliveryType":"download","deliveryUrl":["https://a"]},{"id":"b","deliveryType":"automated","failed":true,"finishedAt":"2026-08-10T04:44:52Z","targetClusterName":"https://x"}],"links":[{"rel":"next"}]}`), []byte(job))
	f.Add([]byte(`{"results":[{"id":"a","status":"RUNNING","deliveryType":"RESTORE"},{"id":7},null,{"id":"a","status":"FAILED"}]}`), []byte(job))
	f.Add([]byte(`{"results":[{"id":"a","state":"FINALIZING","restoredDocuments":5,"snapshotId":"\u2028\\\"\n"}]}`), []byte(job))
	f.Add([]byte(`{"results":[{"id":"a","batchId":"b","statusName":"FINISHED","delivery":{"methodName":"HTTP","statusName":"READY","maxDownloads":1}},{"id":"c","batchId":"b","statusName":"BROKEN"}]}`), []byte(`{"name":"\ud800"}`))
	o := newOracle(f)
	f.Fuzz(func(t *testing.T, page, job []byte) {
		source := o.poll(t, page, job)
		for _, s := range source.snapshots {
			checkSummary(t, s)
		}
		registry := prometheus.NewPedanticRegistry()
		registry.MustRegister(NewCollector(source))
		families, err := registry.Gather()
		if err != nil {
			t.Fatal(err)
		}
		samples, err := expfmt.ExtractSamples(&expfmt.DecodeOptions{}, families...)
		if err != nil {
			t.Fatal(err)
		}
		want := map[string]float64{}
		for _, sample := range samples {
			checkLabels(t, sample.Metric)
			want[sample.Metric.String()] = float64(sample.Value)
		}
		checkFormat(t, registry, want, expfmt.NewFormat(expfmt.TypeTextPlain))
		checkFormat(t, registry, want, expfmt.NewFormat(expfmt.TypeOpenMetrics))
	})
}

func checkSummary(t *testing.T, s *Snapshot) {
	t.Helper()
	if s.Summary == nil {
		return
	}
	known := 0
	for _, counts := range s.Summary.Counts {
		for _, n := range counts {
			known += n
		}
	}
	if known != s.Summary.Known {
		t.Fatalf("%d jobs by status, %d known", known, s.Summary.Known)
	}
	if len(s.Summary.Series) > s.Target.JobSeries.MaxPerTarget {
		t.Fatalf("%d jobs have series", len(s.Summary.Series))
	}
	for i := range s.Summary.Series {
		if status := s.Summary.Series[i].Status; status >= atlas.StatusCount {
			t.Fatalf("status %d", status)
		}
	}
}

func checkLabels(t *testing.T, metric model.Metric) {
	t.Helper()
	const longest = 128
	for name, value := range metric {
		if len(value) > longest || !value.IsValid() || strings.Contains(string(value), "://") ||
			strings.ContainsFunc(string(value), func(r rune) bool { return !unicode.IsPrint(r) }) {
			t.Fatalf("label %q of %s", value, metric)
		}
		if name == "status" && !slices.Contains(statuses(), string(value)) {
			t.Fatalf("status %q of %s", value, metric)
		}
	}
}

func statuses() []string {
	var words []string
	for status := range atlas.StatusCount {
		words = append(words, status.String())
	}
	return words
}

// checkFormat writes what is gathered, and expects to read the same series, with the same values.
func checkFormat(t *testing.T, gatherer prometheus.Gatherer, want map[string]float64, format expfmt.Format) {
	t.Helper()
	families, err := gatherer.Gather()
	if err != nil {
		t.Fatal(err)
	}
	var text bytes.Buffer
	encoder := expfmt.NewEncoder(&text, format)
	for _, family := range families {
		if err := encoder.Encode(family); err != nil {
			t.Fatal(err)
		}
	}
	if closer, ok := encoder.(expfmt.Closer); ok {
		if err := closer.Close(); err != nil {
			t.Fatal(err)
		}
	}
	parser := expfmt.NewTextParser(model.LegacyValidation)
	read, err := parser.TextToMetricFamilies(&text)
	if err != nil {
		t.Fatalf("%s: %v", format, err)
	}
	got := 0
	for _, family := range read {
		samples, err := expfmt.ExtractSamples(&expfmt.DecodeOptions{}, family)
		if err != nil {
			t.Fatal(err)
		}
		for _, sample := range samples {
			got++
			if value, ok := want[sample.Metric.String()]; !ok || value != float64(sample.Value) {
				t.Fatalf("%s: %s is %v, want %v (%t)", format, sample.Metric, sample.Value, value, ok)
			}
		}
	}
	if got != len(want) {
		t.Fatalf("%s: %d series are read, %d were written", format, got, len(want))
	}
}
