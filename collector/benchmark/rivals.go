package main

import (
	"bytes"
	"compress/gzip"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"

	"github.com/VictoriaMetrics/metrics"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"atlas-restore-exporter/collector"
)

// The variants, by name.
const (
	fast      = "exposition"         // what the exporter serves
	constant  = "const metrics"      // the same series as client_golang's const metrics, through promhttp
	gauges    = "GaugeVec"           // the same series as gauges that are set when something changes, through promhttp
	stateText = "kube-state-metrics" // its way: the text of each object is kept, put together and compressed at each scrape
	victoria  = "VictoriaMetrics"    // its library: the same series as gauges with callbacks; it does not compress
	floor     = "floor"              // the exposition's bytes from memory, and the process' own metrics by promhttp
)

func variants() []string { return []string{fast, constant, gauges, stateText, victoria, floor} }

// newHandler returns what serves a fleet in the way of a variant.
func newHandler(variant string, k *known) http.Handler {
	switch variant {
	case constant:
		return promhttp.HandlerFor(prometheus.Gatherers{live(k), targets(k)}, promhttp.HandlerOpts{EnableOpenMetrics: true})
	case gauges:
		return promhttp.HandlerFor(prometheus.Gatherers{live(k), vectors(k)}, promhttp.HandlerOpts{EnableOpenMetrics: true})
	case stateText:
		return newTexts(k)
	case victoria:
		return newSet(k)
	case floor:
		return newFloor(k)
	}
	return newExposition(k)
}

func newExposition(k *known) http.Handler {
	standard := promhttp.HandlerFor(prometheus.Gatherers{live(k), targets(k)}, promhttp.HandlerOpts{EnableOpenMetrics: true})
	return collector.NewExposition(k, live(k), standard, slog.New(slog.DiscardHandler))
}

// live gathers what every variant serves besides the fleet.
func live(k *known) prometheus.Gatherer {
	registry := prometheus.NewRegistry()
	registry.MustRegister(k.metrics, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return registry
}

func targets(k *known) prometheus.Gatherer {
	registry := prometheus.NewRegistry()
	registry.MustRegister(collector.NewCollector(k))
	return registry
}

// vectors returns the series of a fleet as gauges.
func vectors(k *known) prometheus.Gatherer {
	families, err := targets(k).Gather()
	if err != nil {
		panic(err)
	}
	registry := prometheus.NewRegistry()
	for _, family := range families {
		var names []string
		for _, pair := range family.Metric[0].Label {
			names = append(names, pair.GetName())
		}
		vector := prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: family.GetName(), Help: family.GetHelp()}, names)
		registry.MustRegister(vector)
		for _, metric := range family.Metric {
			labels := prometheus.Labels{}
			for _, pair := range metric.Label {
				labels[pair.GetName()] = pair.GetValue()
			}
			vector.With(labels).Set(metric.GetGauge().GetValue() + metric.GetCounter().GetValue())
		}
	}
	return registry
}

// plain returns the fleet's text, without the process' own.
func plain(k *known) []byte {
	recorder := httptest.NewRecorder()
	handler := promhttp.HandlerFor(targets(k), promhttp.HandlerOpts{DisableCompression: true})
	handler.ServeHTTP(recorder, httptest.NewRequest(http.MethodGet, "/metrics", http.NoBody))
	return recorder.Body.Bytes()
}

// texts keeps, as kube-state-metrics does, the text of each object by family.
type texts struct {
	headers []string
	objects []map[string][]byte
	live    http.Handler
}

func newTexts(k *known) *texts {
	t := &texts{live: promhttp.HandlerFor(live(k), promhttp.HandlerOpts{DisableCompression: true})}
	var object map[string][]byte
	for line := range strings.Lines(string(plain(k))) {
		if strings.HasPrefix(line, "# HELP") {
			t.headers = append(t.headers, line)
			object = map[string][]byte{}
			t.objects = append(t.objects, object)
			continue
		}
		if strings.HasPrefix(line, "#") {
			t.headers[len(t.headers)-1] += line
			continue
		}
		_, rest, _ := strings.Cut(line, `cluster_name="`)
		name, _, _ := strings.Cut(rest, `"`)
		object[name] = append(object[name], line...)
	}
	return t
}

func (t *texts) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var out io.Writer = w
	if strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") {
		w.Header().Set("Content-Encoding", "gzip")
		compressed := gzip.NewWriter(w)
		defer func() { _ = compressed.Close() }()
		out = compressed
	}
	for i, header := range t.headers {
		_, _ = io.WriteString(out, header)
		for _, text := range t.objects[i] {
			_, _ = out.Write(text)
		}
	}
	recorder := httptest.NewRecorder()
	t.live.ServeHTTP(recorder, r)
	_, _ = out.Write(recorder.Body.Bytes())
}

// set serves with VictoriaMetrics' library.
type set struct{ *metrics.Set }

func newSet(k *known) set {
	s := set{metrics.NewSet()}
	for line := range strings.Lines(string(plain(k))) {
		if !strings.HasPrefix(line, "#") {
			name := line[:strings.LastIndexByte(line, ' ')]
			s.NewGauge(name, func() float64 { return 1 })
		}
	}
	return s
}

func (s set) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	s.WritePrometheus(w)
	metrics.WriteProcessMetrics(w)
}

// newFloor serves bytes that were made before, and go and process metrics by promhttp behind them. No client could read
// it compressed; it is what serving cannot cost less than.
func newFloor(k *known) http.Handler {
	bodies := map[bool][]byte{}
	exposition := newExposition(k)
	for _, compressed := range []bool{false, true} {
		request := httptest.NewRequest(http.MethodGet, "/metrics", http.NoBody)
		if compressed {
			request.Header.Set("Accept-Encoding", "gzip")
		}
		recorder := httptest.NewRecorder()
		exposition.ServeHTTP(recorder, request)
		bodies[compressed] = bytes.Clone(recorder.Body.Bytes())
	}
	own := promhttp.HandlerFor(live(k), promhttp.HandlerOpts{EnableOpenMetrics: true})
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = w.Write(bodies[strings.Contains(r.Header.Get("Accept-Encoding"), "gzip")])
		own.ServeHTTP(w, r)
	})
}
