package main

import (
	"bytes"
	"compress/gzip"
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"

	"github.com/VictoriaMetrics/metrics"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"atlas-restore-exporter/collector"
)

// The variants, by name.
const (
	cached       = "exposition"         // collector.Exposition, which the exporter uses
	constMetrics = "const metrics"      // collector.Collector and promhttp
	gaugeVecs    = "GaugeVec"           // the same series as gauges that are set when something changes, and promhttp
	cachedTexts  = "kube-state-metrics" // the text of each object is cached, and compressed at each scrape
	victoria     = "VictoriaMetrics"    // the same series as gauges with callbacks, uncompressed
	floor        = "floor"              // the bytes of the exposition from memory, and live metrics by promhttp
)

func variants() []string {
	return []string{cached, constMetrics, gaugeVecs, cachedTexts, victoria, floor}
}

// newHandler returns a handler that serves a fleet by a variant.
func newHandler(variant string, fleet *polledFleet) http.Handler {
	switch variant {
	case constMetrics:
		return handlerFor(live(fleet), targets(fleet))
	case gaugeVecs:
		return handlerFor(live(fleet), vectors(fleet))
	case cachedTexts:
		return newTexts(fleet)
	case victoria:
		return newSet(fleet)
	case floor:
		return newFloor(fleet)
	}
	return newExposition(fleet)
}

// handlerFor returns the handler of promhttp for several gatherers.
func handlerFor(gatherers ...prometheus.Gatherer) http.Handler {
	return promhttp.HandlerFor(prometheus.Gatherers(gatherers), promhttp.HandlerOpts{EnableOpenMetrics: true})
}

func newExposition(fleet *polledFleet) http.Handler {
	standard := handlerFor(live(fleet), targets(fleet))
	return collector.NewExposition(fleet, live(fleet), standard, slog.New(slog.DiscardHandler))
}

// live returns the metrics that every variant serves besides the fleet.
func live(fleet *polledFleet) prometheus.Gatherer {
	registry := prometheus.NewRegistry()
	registry.MustRegister(fleet.exporter, collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return registry
}

func targets(fleet *polledFleet) prometheus.Gatherer {
	registry := prometheus.NewRegistry()
	registry.MustRegister(collector.NewCollector(fleet))
	return registry
}

// vectors returns the series of a fleet as gauges.
func vectors(fleet *polledFleet) prometheus.Gatherer {
	families, err := targets(fleet).Gather()
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

func scrapeRequest() *http.Request {
	return httptest.NewRequestWithContext(context.Background(), http.MethodGet, "/metrics", http.NoBody)
}

// plain returns the text of the fleet, without live metrics.
func plain(fleet *polledFleet) []byte {
	recorder := httptest.NewRecorder()
	handler := promhttp.HandlerFor(targets(fleet), promhttp.HandlerOpts{DisableCompression: true})
	handler.ServeHTTP(recorder, scrapeRequest())
	return recorder.Body.Bytes()
}

// texts caches the text of each object by family, as kube-state-metrics does.
type texts struct {
	headers []string
	objects []map[string][]byte
	live    http.Handler
}

func newTexts(fleet *polledFleet) *texts {
	t := &texts{live: promhttp.HandlerFor(live(fleet), promhttp.HandlerOpts{DisableCompression: true})}
	var object map[string][]byte
	for line := range strings.Lines(string(plain(fleet))) {
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

// set serves a fleet by the library of VictoriaMetrics.
type set struct{ *metrics.Set }

func newSet(fleet *polledFleet) set {
	s := set{metrics.NewSet()}
	for line := range strings.Lines(string(plain(fleet))) {
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

// newFloor returns a handler that serves bytes from memory, followed by live metrics from promhttp. The result is not a
// valid response: it measures the minimum cost of any variant.
func newFloor(fleet *polledFleet) http.Handler {
	bodies := map[bool][]byte{}
	exposition := newExposition(fleet)
	for _, compressed := range []bool{false, true} {
		request := scrapeRequest()
		if compressed {
			request.Header.Set("Accept-Encoding", "gzip")
		}
		recorder := httptest.NewRecorder()
		exposition.ServeHTTP(recorder, request)
		bodies[compressed] = bytes.Clone(recorder.Body.Bytes())
	}
	own := handlerFor(live(fleet))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, recorder := bodies[strings.Contains(r.Header.Get("Accept-Encoding"), "gzip")], httptest.NewRecorder()
		own.ServeHTTP(recorder, r)
		w.Header().Set("Content-Length", strconv.Itoa(len(body)+recorder.Body.Len()))
		_, _ = w.Write(body)
		_, _ = w.Write(recorder.Body.Bytes())
	})
}
