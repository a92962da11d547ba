package collector

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"hash/crc32"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	"google.golang.org/protobuf/proto"

	dto "github.com/prometheus/client_model/go"

	"atlas-restore-exporter/atlas"
	"atlas-restore-exporter/atlas/atlastest"
)

const (
	acceptText        = "text/plain;version=0.0.4"
	acceptOpenMetrics = "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5"
	acceptProtobuf    = "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited"
)

// endpoints are the fast way and the standard one to serve the same.
type endpoints struct {
	*testing.T
	fast     *Exposition
	standard http.Handler
}

func newEndpoints(t *testing.T, source Source) *endpoints {
	t.Helper()
	live, targets := prometheus.NewRegistry(), prometheus.NewPedanticRegistry()
	live.MustRegister(NewMetrics(BuildInfo{"1.2.3", "abc", "go1.26"}))
	targets.MustRegister(NewCollector(source))
	standard := promhttp.HandlerFor(prometheus.Gatherers{live, targets}, promhttp.HandlerOpts{EnableOpenMetrics: true})
	return &endpoints{t, NewExposition(source, live, standard, slog.New(slog.DiscardHandler)), standard}
}

// get returns an answer's headers, and its body as it is after decompression.
func (e *endpoints) get(handler http.Handler, method, accept, encoding string) (http.Header, []byte) {
	e.Helper()
	request := httptest.NewRequest(method, "/metrics", http.NoBody)
	request.Header.Set("Accept", accept)
	request.Header.Set("Accept-Encoding", encoding)
	recorder := httptest.NewRecorder()
	handler.ServeHTTP(recorder, request)
	header, body := recorder.Header(), recorder.Body.Bytes()
	if length := header.Get("Content-Length"); length != "" && length != strconv.Itoa(len(body)) && method != http.MethodHead {
		e.Errorf("%d bytes, announced as %s", len(body), length)
	}
	if header.Get("Content-Encoding") == "gzip" && method != http.MethodHead {
		reader, err := gzip.NewReader(bytes.NewReader(body))
		if err != nil {
			e.Fatal(err)
		}
		reader.Multistream(false) // there are readers that see the first member only
		if body, err = io.ReadAll(reader); err != nil {
			e.Fatal(err)
		}
	}
	return header, body
}

// parsed returns what a text exposition says. OpenMetrics' names of counters, and its end, are mapped to those of the
// text format, for which there is a parser.
func parsed(t *testing.T, body []byte) map[string]*dto.MetricFamily {
	t.Helper()
	text := string(body)
	for _, family := range Families() {
		if name := strings.TrimSuffix(family.Name, "_total"); family.counter() {
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

// same fails the test unless both endpoints say the same, in every format in which they can.
func (e *endpoints) same(note string) {
	e.Helper()
	for _, accept := range []string{acceptText, acceptOpenMetrics} {
		for _, encoding := range []string{"gzip", "identity"} {
			got, gotBody := e.get(e.fast, http.MethodGet, accept, encoding)
			want, wantBody := e.get(e.standard, http.MethodGet, accept, encoding)
			for _, header := range []string{"Content-Type", "Content-Encoding", "Vary"} {
				if got.Get(header) != want.Get(header) {
					e.Errorf("%s: %s %q, want %q", note, header, got.Get(header), want.Get(header))
				}
			}
			if bytes.HasSuffix(gotBody, []byte("# EOF\n")) != (accept == acceptOpenMetrics) {
				e.Errorf("%s, %s: ends with %q", note, accept, gotBody[max(len(gotBody)-20, 0):])
			}
			compare(e.T, note+", "+accept, parsed(e.T, gotBody), parsed(e.T, wantBody))
		}
	}
}

func compare(t *testing.T, note string, got, want map[string]*dto.MetricFamily) {
	t.Helper()
	for name, family := range want {
		sortSeries(family)
		sortSeries(got[name])
		if !proto.Equal(got[name], family) {
			t.Fatalf("%s: %s is\n%v\nwant\n%v", note, name, got[name], family)
		}
	}
	if len(got) != len(want) {
		t.Fatalf("%s: %d families, want %d", note, len(got), len(want))
	}
}

func sortSeries(family *dto.MetricFamily) {
	slices.SortFunc(family.GetMetric(), func(a, b *dto.Metric) int {
		return slices.CompareFunc(a.GetLabel(), b.GetLabel(), func(a, b *dto.LabelPair) int { return strings.Compare(a.GetValue(), b.GetValue()) })
	})
}

// TestFastExposition lets a world change in every way, and compares both endpoints after each.
func TestFastExposition(t *testing.T) {
	bubble(t, "", func(t *testing.T) {
		w := newOrganization(t)
		for i := range 18 { // more than one group of targets
			list := atlas.List{ProjectID: project, ClusterName: fmt.Sprintf("c-%02d", i), BackupType: atlas.Dedicated}
			w.sim.AddCluster(project, list.ClusterName, atlastest.DedicatedCluster)
			w.sim.AddJobs(list, atlastest.Job{Takes: time.Duration(i) * time.Minute}, atlastest.Job{Delivery: "download", Takes: time.Minute, LinkLife: time.Hour})
		}
		e := newEndpoints(t, w.manager)
		e.same("nothing")
		everything := everything()
		everything.BackupTypes = append(everything.BackupTypes, atlas.Collection)
		everything.Target.Interval, everything.Target.StaleAfter = 30*time.Minute, 2*time.Hour
		everything.Target.JobSeries.MaxAge = 3 * time.Hour
		w.apply(Setup{Discoveries: []Discovery{everything}})
		stop := w.run()
		e.same("the start")
		for _, wait := range []time.Duration{90 * time.Second, time.Hour, 4 * time.Hour} {
			time.Sleep(wait)
			synctest.Wait()
			e.same("after " + wait.String())
		}
		w.sim.AddProject(analytics, `A "b\c`) // no name that Atlas allows, but what of it
		w.sim.RemoveCluster(project, "c-07")
		time.Sleep(time.Hour)
		e.same("names and clusters have changed")
		w.sim.Script(atlastest.PathHas("/c-1"), 0, atlastest.Status(500))
		time.Sleep(4 * time.Hour)
		e.same("some can't be polled, and are stale")
		w.apply(Setup{Targets: []Target{target(prod)}})
		synctest.Wait()
		e.same("one is left")
		stop()
	})
}

// TestRenderings counts what a scrape renders: only what has changed since the last one.
func TestRenderings(t *testing.T) {
	bubble(t, "", func(t *testing.T) {
		var lists []atlas.List
		for i := range 3 * targetsPerGroup {
			lists = append(lists, atlas.List{ProjectID: project, ClusterName: fmt.Sprintf("c%d", i), BackupType: atlas.Dedicated})
		}
		w := newWorld(t, lists...)
		for _, list := range lists {
			w.sim.AddCluster(project, list.ClusterName, atlastest.DedicatedCluster)
			w.sim.AddJobs(list, atlastest.Job{Created: time.Now().Add(-time.Hour), Takes: time.Minute})
		}
		w.poll()
		e := newEndpoints(t, w.manager)
		scrape := func(note string, want int) {
			t.Helper()
			before := e.fast.renderings
			e.get(e.fast, http.MethodGet, acceptOpenMetrics, "gzip")
			e.get(e.fast, http.MethodGet, acceptText, "identity") // by another scraper
			if n := e.fast.renderings - before; n != want {
				t.Errorf("%s: %d groups rendered, want %d", note, n, want)
			}
		}
		scrape("the first", 3)
		scrape("the next", 0)
		time.Sleep(time.Minute)
		w.poll()
		scrape("polls that found nothing new", 0)
		w.sim.AddJobs(lists[0], atlastest.Job{})
		w.poll()
		scrape("a new job", 1)
		w.sim.Script(atlastest.PathHas(lists[20].ClusterName), 0, atlastest.Status(500))
		w.poll()
		scrape("a failure", 1)
		time.Sleep(time.Hour)
		scrape("everything is stale", 3)
	})
}

// TestNegotiation asks as scrapers, and others, do.
func TestNegotiation(t *testing.T) {
	bubble(t, "", func(t *testing.T) {
		w := newWorld(t, prod)
		w.sim.AddJobs(prod, atlastest.Job{})
		w.poll()
		e := newEndpoints(t, w.manager)
		for _, test := range []struct{ encoding, want string }{
			{"", ""}, {"gzip", "gzip"}, {"deflate, gzip;q=1.0, *;q=0.5", "gzip"}, {"gzip;q=0", ""}, {"identity", ""}, {"br", ""},
			{"*", "gzip"}, {"gzip; q=0.0, *;q=0", ""}, {"gzip;q=x", ""},
		} {
			if answer, _ := e.get(e.fast, http.MethodGet, acceptText, test.encoding); answer.Get("Content-Encoding") != test.want {
				t.Errorf("Accept-Encoding %q: %q", test.encoding, answer.Get("Content-Encoding"))
			}
		}
		for _, accept := range []string{"", "*/*", "text/html", acceptText} {
			if answer, _ := e.get(e.fast, http.MethodGet, accept, ""); !strings.HasPrefix(answer.Get("Content-Type"), "text/plain; version=0.0.4") {
				t.Errorf("Accept %q: %s", accept, answer.Get("Content-Type"))
			}
		}
		for _, encoding := range []string{"gzip", "identity"} {
			head, body := e.get(e.fast, http.MethodHead, acceptText, encoding)
			whole, _ := e.get(e.fast, http.MethodGet, acceptText, encoding)
			if len(body) != 0 || head.Get("Content-Length") != whole.Get("Content-Length") || len(head.Get("Content-Length")) < len("1000") {
				t.Errorf("HEAD, %s: %d bytes, announced as %s; GET %s", encoding, len(body), head.Get("Content-Length"), whole.Get("Content-Length"))
			}
		}
		answer, body := e.get(e.fast, http.MethodGet, acceptProtobuf, "identity")
		if contentType := answer.Get("Content-Type"); !strings.HasPrefix(contentType, "application/vnd.google.protobuf") {
			t.Fatalf("protobuf: %s", contentType)
		}
		decoder := expfmt.NewDecoder(bytes.NewReader(body), expfmt.NewFormat(expfmt.TypeProtoDelim))
		native := false
		for {
			var family dto.MetricFamily
			if decoder.Decode(&family) != nil {
				break
			}
			native = native || (family.GetName() == familyRequestDuration.Name && family.Metric[0].Histogram.Schema != nil)
		}
		if !native || !bytes.Contains(body, []byte(familyJobInfo.Name)) {
			t.Error("protobuf lacks native histograms, or the jobs")
		}
	})
}

// TestScrapesAtOnce has many scrapers read while everything changes: each reads something whole.
func TestScrapesAtOnce(t *testing.T) {
	fleet := newFleet(40, 3)
	e := newEndpoints(t, fleet)
	var scrapers sync.WaitGroup
	for i := range 6 {
		scrapers.Go(func() {
			for range 3 {
				accept, encoding := acceptText, "gzip"
				if i%2 == 0 {
					accept = acceptOpenMetrics
				}
				if i%3 == 0 {
					encoding = "identity"
				}
				_, body := e.get(e.fast, http.MethodGet, accept, encoding)
				if n := len(parsed(t, body)[familyJobInfo.Name].GetMetric()); n != 40*3 {
					t.Errorf("%d jobs", n)
				}
			}
		})
	}
	for range 50 {
		fleet.change(7)
		time.Sleep(time.Millisecond)
	}
	scrapers.Wait()
	e.same("the end")
}

// TestScrapeAllocations are as many for a fleet as for a part of it.
func TestScrapeAllocations(t *testing.T) {
	allocations := func(targets int) float64 {
		e := newEndpoints(t, newFleet(targets, 20))
		request := httptest.NewRequest(http.MethodGet, "/metrics", http.NoBody)
		request.Header.Set("Accept", acceptOpenMetrics)
		request.Header.Set("Accept-Encoding", "gzip")
		return testing.AllocsPerRun(20, func() { e.fast.ServeHTTP(discard{http.Header{}}, request) })
	}
	few, many := allocations(10), allocations(500)
	if many > few+50 {
		t.Errorf("%v allocations with 500 targets, %v with 10", many, few)
	}
}

// discard is a client that reads everything and keeps nothing.
type discard struct{ header http.Header }

func (d discard) Header() http.Header          { return d.header }
func (discard) Write(body []byte) (int, error) { return len(body), nil }
func (discard) WriteHeader(int)                {}

// TestSumOfBoth compares with the checksum of the whole.
func TestSumOfBoth(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for range 200 {
		text := make([]byte, random.IntN(5000))
		for i := range text {
			text[i] = byte(random.Int())
		}
		cut := random.IntN(len(text) + 1)
		first, second := text[:cut], text[cut:]
		got := sumOfBoth(crc32.ChecksumIEEE(first), crc32.ChecksumIEEE(second), int64(len(second)))
		if want := crc32.ChecksumIEEE(text); got != want {
			t.Fatalf("%d and %d bytes: %x, want %x", len(first), len(second), got, want)
		}
	}
	zeros := make([]byte, 1<<20)
	whole, sum := crc32.ChecksumIEEE([]byte("x")), crc32.ChecksumIEEE([]byte("x"))
	for range 600 { // longer than 2^29 bytes, where the powers repeat
		whole = crc32.Update(whole, crc32.IEEETable, zeros)
	}
	var rest uint32
	for range 600 {
		rest = crc32.Update(rest, crc32.IEEETable, zeros)
	}
	if got := sumOfBoth(sum, rest, 600<<20); got != whole {
		t.Errorf("600 MiB: %x, want %x", got, whole)
	}
}
