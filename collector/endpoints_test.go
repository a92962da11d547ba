package collector

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	"google.golang.org/protobuf/proto"
)

const (
	acceptText        = "text/plain;version=0.0.4"
	acceptOpenMetrics = "application/openmetrics-text;version=1.0.0," +
		"application/openmetrics-text;version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5"
	acceptProtobuf = "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited"
)

// endpoints are an Exposition and its reference, promhttp with a Collector of the same source.
type endpoints struct {
	*testing.T
	cached    *Exposition
	reference http.Handler
}

func newEndpoints(t *testing.T, source Source) *endpoints {
	t.Helper()
	live, targets := prometheus.NewRegistry(), prometheus.NewPedanticRegistry()
	live.MustRegister(NewExporter(BuildInfo{"1.2.3", "abc", "go1.26"}))
	targets.MustRegister(NewCollector(source))
	gatherers := prometheus.Gatherers{live, targets}
	reference := promhttp.HandlerFor(gatherers, promhttp.HandlerOpts{EnableOpenMetrics: true})
	return &endpoints{t, NewExposition(source, live, reference, slog.New(slog.DiscardHandler)), reference}
}

// get returns the header and the decompressed body of a response, and checks Content-Length.
func (e *endpoints) get(handler http.Handler, method, accept, encoding string) (http.Header, []byte) {
	e.Helper()
	request := httptest.NewRequest(method, "/metrics", http.NoBody)
	request.Header.Set("Accept", accept)
	request.Header.Set("Accept-Encoding", encoding)
	recorder := httptest.NewRecorder()
	handler.ServeHTTP(recorder, request)
	header, body := recorder.Header(), recorder.Body.Bytes()
	if method == http.MethodHead {
		return header, body
	}
	if length := header.Get("Content-Length"); length != "" && length != strconv.Itoa(len(body)) {
		e.Errorf("%d bytes, Content-Length is %s", len(body), length)
	}
	if header.Get("Content-Encoding") == "gzip" {
		reader, err := gzip.NewReader(bytes.NewReader(body))
		if err != nil {
			e.Fatal(err)
		}
		reader.Multistream(false) // some clients ignore all members but the first
		if body, err = io.ReadAll(reader); err != nil {
			e.Fatal(err)
		}
	}
	return header, body
}

// expectEqual expects that the responses of both endpoints have equal metrics and headers, in each format and encoding.
func (e *endpoints) expectEqual(when string) {
	e.Helper()
	for _, accept := range []string{acceptText, acceptOpenMetrics} {
		for _, encoding := range []string{"gzip", "identity"} {
			got, gotBody := e.get(e.cached, http.MethodGet, accept, encoding)
			want, wantBody := e.get(e.reference, http.MethodGet, accept, encoding)
			for _, header := range []string{"Content-Type", "Content-Encoding", "Vary"} {
				if got.Get(header) != want.Get(header) {
					e.Errorf("%s: %s %q, want %q", when, header, got.Get(header), want.Get(header))
				}
			}
			if bytes.HasSuffix(gotBody, []byte("# EOF\n")) != (accept == acceptOpenMetrics) {
				e.Errorf("%s, %s: the end is %q", when, accept, gotBody[max(len(gotBody)-20, 0):])
			}
			expectEqualFamilies(e.T, when+", "+accept, parse(e.T, gotBody), parse(e.T, wantBody))
		}
	}
}

// parse parses a response in either text format. It converts OpenMetrics to the text format, for which a parser exists.
func parse(t *testing.T, body []byte) map[string]*dto.MetricFamily {
	t.Helper()
	text := string(body)
	for _, family := range Families() {
		if name := strings.TrimSuffix(family.Name, "_total"); family.isCounter() {
			text = strings.Replace(text, "# TYPE "+name+" counter", "# TYPE "+family.Name+" counter", 1)
			text = strings.Replace(text, "# HELP "+name+" ", "# HELP "+family.Name+" ", 1)
		}
	}
	parser := expfmt.NewTextParser(model.LegacyValidation)
	families, err := parser.TextToMetricFamilies(strings.NewReader(strings.TrimSuffix(text, "# EOF\n")))
	if err != nil {
		t.Fatalf("%v in\n%s", err, body)
	}
	return families
}

func expectEqualFamilies(t *testing.T, when string, got, want map[string]*dto.MetricFamily) {
	t.Helper()
	for name, family := range want {
		sortSeries(family)
		sortSeries(got[name])
		if !proto.Equal(got[name], family) {
			t.Fatalf("%s: %s differs\n%s", when, name, difference(got[name].GetMetric(), family.GetMetric()))
		}
	}
	if len(got) != len(want) {
		t.Fatalf("%s: %d families, want %d", when, len(got), len(want))
	}
}

func sortSeries(family *dto.MetricFamily) {
	slices.SortFunc(family.GetMetric(), func(a, b *dto.Metric) int {
		return slices.CompareFunc(a.GetLabel(), b.GetLabel(), func(a, b *dto.LabelPair) int {
			return strings.Compare(a.GetValue(), b.GetValue())
		})
	})
}

// difference describes the first series that differs.
func difference(got, want []*dto.Metric) string {
	for i := range min(len(got), len(want)) {
		if !proto.Equal(got[i], want[i]) {
			return fmt.Sprintf("got  %v\nwant %v", got[i], want[i])
		}
	}
	return fmt.Sprintf("got %d series, want %d, or HELP or TYPE differs", len(got), len(want))
}
