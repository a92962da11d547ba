package collector

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
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
	"atlas-restore-exporter/collector/history"
	"atlas-restore-exporter/collector/poll"
)

// fuzzAPI is an Atlas API with the responses that a fuzz test provides: one for each page of a list, and one for each
// job and project.
type fuzzAPI struct {
	client    *atlas.Client
	page, job atomic.Pointer[[]byte]
}

func newFuzzAPI(tb testing.TB) *fuzzAPI {
	tb.Helper()
	api := &fuzzAPI{}
	pipe := atlastest.NewPipe(api)
	client, err := atlas.NewClient(atlas.Options{
		BaseURL: "http://atlas.test", DialContext: pipe.DialContext, Observer: NewExporter(BuildInfo{}),
		Credential: atlas.Credential{ServiceAccount: &atlas.ServiceAccount{ClientID: "id", ClientSecret: "secret"}},
	})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { client.Close(); pipe.Close() })
	api.client = client
	return api
}

func (api *fuzzAPI) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("RateLimit-Limit", "1000000")
	w.Header().Set("RateLimit-Remaining", "1000000") // no request waits
	switch number := r.URL.Query().Get("pageNum"); {
	case atlastest.TokenRequests(r):
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, `{"access_token":"x","token_type":"Bearer","expires_in":360000}`)
	case number == "":
		_, _ = w.Write(*api.job.Load())
	case number == "1":
		_, _ = w.Write(*api.page.Load())
	default: // the first page had a link to the next
		_, _ = io.WriteString(w, `{"results":[]}`)
	}
}

// poll polls a list of each backup type: first only a job by ID, then the whole list.
func (api *fuzzAPI) poll(t *testing.T, page, job []byte) fixedSource {
	t.Helper()
	api.page.Store(&page)
	api.job.Store(&job)
	var named struct {
		ID string `json:"id"`
	}
	_ = json.Unmarshal(job, &named)
	cluster := api.cluster(t)
	var source fixedSource
	for _, backupType := range atlas.BackupTypes() {
		target := target(atlas.List{ProjectID: project, ClusterName: "prod", BackupType: backupType})
		const long = 250 * 365 * 24 * time.Hour
		target.Policy.Limits.MaxAge, target.Policy.JobSeries.MaxAge = long, long
		known := history.New(target.List, target.Policy)
		if reading := known.Read(time.Now(), true); api.readJob(t.Context(), target.List, named.ID, reading) == nil {
			known.Merge(reading, time.Now())
		}
		snapshot := &poll.Snapshot{Target: &target, LastPoll: time.Now()}
		reading := known.Read(time.Now(), true)
		if err := api.readList(t.Context(), target.List, reading); err != nil {
			snapshot.Err, snapshot.Reason = err, poll.ReasonOf(err, backupType)
			if snapshot.Reason != poll.ReasonMalformed {
				t.Fatalf("%s: %v", snapshot.Reason, err)
			}
		} else {
			known.Merge(reading, time.Now())
			snapshot.Summary, snapshot.LastSuccess = known.Summarize(time.Now()), time.Now()
		}
		source = append(source, poll.State{Snapshot: snapshot, Cluster: cluster, First: len(source) == 0})
	}
	return source
}

// cluster reads facts about a cluster: the project from the response for a job, and the others from the list.
func (api *fuzzAPI) cluster(t *testing.T) *poll.Cluster {
	t.Helper()
	cluster := &poll.Cluster{ProjectID: project, Name: "prod"}
	if read, err := api.client.Project(t.Context(), project); err == nil {
		cluster.ProjectName, cluster.Team = read.Name, read.Tags.Label("team")
	}
	list, err := api.client.Clusters(t.Context(), project, atlas.DedicatedClusters)
	if err == nil && len(list.Clusters) > 0 {
		first := &list.Clusters[0]
		cluster.Environment, cluster.Created = first.Tags.Label("environment"), first.Created
		cluster.BackupEnabled, cluster.PointInTimeEnabled = first.BackupEnabled, first.PointInTimeEnabled
	}
	return cluster
}

func (api *fuzzAPI) readJob(ctx context.Context, list atlas.List, id string, reading *history.Reading) error {
	job, err := api.client.RestoreJob(ctx, list, id)
	return reading.Put(id, job, err)
}

func (api *fuzzAPI) readList(ctx context.Context, list atlas.List, reading *history.Reading) error {
	for page, err := range api.client.RestoreJobs(ctx, list) {
		if err != nil {
			return err
		}
		if reading.Add(&page) {
			break
		}
	}
	return nil
}

// FuzzExposition checks that no response of Atlas leads to contradicting, unbounded, or unreadable series. Each input
// passes through the client, the history, and the collector to the text that Prometheus reads.
func FuzzExposition(f *testing.F) {
	const job = `{"id":"6a794733c0eb9e7a17740663","name":"Payments"}`
	for _, page := range []string{
		`{"results":[{"id":"6a794733c0eb9e7a17740663","deliveryType":"download","deliveryUrl":["https://a"]},` +
			`{"id":"b","deliveryType":"automated","failed":true,"finishedAt":"2026-08-10T04:44:52Z",` +
			`"targetClusterName":"https://x"}],"links":[{"rel":"next"}]}`,
		`{"results":[{"id":"a","status":"RUNNING","deliveryType":"RESTORE"},{"id":7},null,{"id":"a","status":"FAILED"}]}`,
		`{"results":[{"id":"a","state":"FINALIZING","restoredDocuments":5,"snapshotId":"\u2028\\\"\n"}]}`,
	} {
		f.Add([]byte(page), []byte(job))
	}
	f.Add([]byte(`{"results":[{"id":"a","batchId":"b","statusName":"FINISHED","delivery":{"methodName":"HTTP",`+
		`"statusName":"READY","maxDownloads":1}},{"id":"c","batchId":"b","statusName":"BROKEN"}]}`),
		[]byte(`{"name":"\ud800"}`))
	f.Add([]byte(`{"results":[{"id":"6a794733c0eb9e7a17740663","name":"prod","createDate":"2024-01-02T03:04:05Z",`+
		`"backupEnabled":true,"pitEnabled":false,"tags":[{"key":"environment","value":"https://x/\u2028\""}],`+
		`"state":"SUCCESSFUL","indexStatus":{"state":"FAILED","failedCollectionCount":3}}],"totalCount":1}`),
		[]byte(`{"name":"Payments","tags":[{"key":"team","value":"a\\b\n"}]}`))
	api := newFuzzAPI(f)
	f.Fuzz(func(t *testing.T, page, job []byte) {
		source := api.poll(t, page, job)
		for _, s := range source {
			checkSummary(t, s.Snapshot)
		}
		registry := prometheus.NewPedanticRegistry()
		registry.MustRegister(NewCollector(source))
		want := gather(t, registry)
		checkFormat(t, registry, want, expfmt.NewFormat(expfmt.TypeTextPlain))
		checkFormat(t, registry, want, expfmt.NewFormat(expfmt.TypeOpenMetrics))
	})
}

// checkSummary checks that the counts of a summary add up and that its series are bounded.
func checkSummary(t *testing.T, s *poll.Snapshot) {
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
	if len(s.Summary.Series) > s.Target.Policy.JobSeries.MaxPerTarget {
		t.Fatalf("%d jobs have series", len(s.Summary.Series))
	}
	for i := range s.Summary.Series {
		if status := s.Summary.Series[i].Status; status >= atlas.StatusCount {
			t.Fatalf("status %d", status)
		}
	}
}

// gather returns the values of all series and checks their labels.
func gather(t *testing.T, registry *prometheus.Registry) map[string]float64 {
	t.Helper()
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	samples, err := expfmt.ExtractSamples(&expfmt.DecodeOptions{}, families...)
	if err != nil {
		t.Fatal(err)
	}
	values := map[string]float64{}
	for _, sample := range samples {
		checkLabels(t, sample.Metric)
		values[sample.Metric.String()] = float64(sample.Value)
	}
	return values
}

func checkLabels(t *testing.T, metric model.Metric) {
	t.Helper()
	const longest = 128
	isNotPrintable := func(r rune) bool { return !unicode.IsPrint(r) }
	for name, value := range metric {
		if len(value) > longest || !value.IsValid() || strings.Contains(string(value), "://") ||
			strings.ContainsFunc(string(value), isNotPrintable) {
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

// checkFormat encodes all series, and checks that a parser reads the same series with the same values.
func checkFormat(t *testing.T, gatherer prometheus.Gatherer, want map[string]float64, format expfmt.Format) {
	t.Helper()
	families, err := gatherer.Gather()
	if err != nil {
		t.Fatal(err)
	}
	var text bytes.Buffer
	encoder := expfmt.NewEncoder(&text, format)
	for _, family := range families {
		err = errors.Join(err, encoder.Encode(family))
	}
	if closer, ok := encoder.(expfmt.Closer); ok {
		err = errors.Join(err, closer.Close())
	}
	if err != nil {
		t.Fatal(err)
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
		t.Fatalf("%s: read %d series, want %d", format, got, len(want))
	}
}
