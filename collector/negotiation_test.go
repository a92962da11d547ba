package collector

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"

	"atlas-restore-exporter/atlas/atlastest"
)

// inBubbleWithJob runs a test with the endpoints of a target with a job.
func inBubbleWithJob(t *testing.T, test func(e *endpoints)) {
	t.Helper()
	inBubble(t, func(t *testing.T) {
		w := newWorld(t, prod)
		w.sim.AddJobs(prod, atlastest.Job{})
		w.poll()
		test(newEndpoints(t, w.manager))
	})
}

func TestExposition_CompressesIfTheClientAcceptsGzip(t *testing.T) {
	inBubbleWithJob(t, func(e *endpoints) {
		for accepted, want := range map[string]string{
			"": "", "identity": "", "br": "", "gzip;q=0": "", "gzip": "gzip", "GZIP": "gzip", "*;q=0, gzip": "gzip",
		} {
			if header, _ := e.get(e.cached, http.MethodGet, acceptText, accepted); header.Get("Content-Encoding") != want {
				e.Errorf("Accept-Encoding %q: got %q, want %q", accepted, header.Get("Content-Encoding"), want)
			}
		}
	})
}

func TestExposition_ServesTheTextFormatUnlessTheClientPrefersAnother(t *testing.T) {
	inBubbleWithJob(t, func(e *endpoints) {
		for accept, want := range map[string]string{
			"": "text/plain; version=0.0.4", "*/*": "text/plain; version=0.0.4", "text/html": "text/plain; version=0.0.4",
			acceptText: "text/plain; version=0.0.4", acceptOpenMetrics: "application/openmetrics-text; version=1.0.0",
		} {
			if header, _ := e.get(e.cached, http.MethodGet, accept, ""); !strings.HasPrefix(header.Get("Content-Type"), want) {
				e.Errorf("Accept %q: got %s, want %s", accept, header.Get("Content-Type"), want)
			}
		}
	})
}

func TestExposition_RespondsToHEADWithTheHeadersOfGET(t *testing.T) {
	inBubbleWithJob(t, func(e *endpoints) {
		for _, encoding := range []string{"gzip", "identity"} {
			head, body := e.get(e.cached, http.MethodHead, acceptText, encoding)
			whole, _ := e.get(e.cached, http.MethodGet, acceptText, encoding)
			length := head.Get("Content-Length")
			if len(body) != 0 || length != whole.Get("Content-Length") || len(length) < len("1000") {
				e.Errorf("%s: %d bytes, Content-Length %s; want %s", encoding, len(body), length, whole.Get("Content-Length"))
			}
		}
	})
}

func TestExposition_ServesProtobufWithNativeHistograms(t *testing.T) {
	inBubbleWithJob(t, func(e *endpoints) {
		header, body := e.get(e.cached, http.MethodGet, acceptProtobuf, "identity")
		if got := header.Get("Content-Type"); !strings.HasPrefix(got, "application/vnd.google.protobuf") {
			e.Fatalf("Content-Type is %s", got)
		}
		decoder := expfmt.NewDecoder(bytes.NewReader(body), expfmt.NewFormat(expfmt.TypeProtoDelim))
		families := map[string]*dto.MetricFamily{}
		for {
			family := &dto.MetricFamily{}
			if err := decoder.Decode(family); errors.Is(err, io.EOF) {
				break
			} else if err != nil {
				e.Fatal(err)
			}
			families[family.GetName()] = family
		}
		if histogram := families[familyRequestDuration.Name]; histogram.GetMetric()[0].GetHistogram().Schema == nil {
			e.Error("the histogram of requests isn't native")
		}
		if len(families[familyJobInfo.Name].GetMetric()) != 1 {
			e.Error("the job is missing")
		}
	})
}

func TestExposition_PassesRequestsForSomeFamiliesToTheFallback(t *testing.T) {
	inBubbleWithJob(t, func(e *endpoints) {
		request := httptest.NewRequest(http.MethodGet, "/metrics?name[]="+familyJobInfo.Name, http.NoBody)
		recorder := httptest.NewRecorder()
		e.cached.ServeHTTP(recorder, request)
		families := parse(e.T, recorder.Body.Bytes())
		if len(families) != 1 || families[familyJobInfo.Name] == nil {
			e.Errorf("%d families, want %s only", len(families), familyJobInfo.Name)
		}
	})
}
