package collector

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"atlas-restore-exporter/collector/poll"
)

// BenchmarkScrape measures a scrape of 200 targets with 50 jobs each, depending on the changes since the last one.
func BenchmarkScrape(b *testing.B) {
	for _, test := range []struct {
		name, encoding string
		change         func(*fleet)
	}{
		{"Unchanged", "gzip", func(*fleet) {}},
		{"UnchangedUncompressed", "identity", func(*fleet) {}},
		{"TwoTargetsChanged", "gzip", func(f *fleet) { f.publishSummaries(2) }},
		{"AllTargetsChanged", "gzip", func(f *fleet) { f.publishSummaries(len(f.states)) }},
		{"AllTargetsPolled", "gzip", (*fleet).publishTimes},
	} {
		b.Run(test.name, func(b *testing.B) {
			fleet, live := newFleet(200, 50), prometheus.NewRegistry()
			live.MustRegister(NewExporter(BuildInfo{}))
			exposition := NewExposition(fleet, live, http.NotFoundHandler(), slog.New(slog.DiscardHandler))
			request := httptest.NewRequest(http.MethodGet, "/metrics", http.NoBody)
			request.Header.Set("Accept", acceptOpenMetrics)
			request.Header.Set("Accept-Encoding", test.encoding)
			exposition.ServeHTTP(discard{http.Header{}}, request)
			b.ReportAllocs()
			for b.Loop() {
				b.StopTimer()
				test.change(fleet)
				b.StartTimer()
				exposition.ServeHTTP(discard{http.Header{}}, request)
			}
		})
	}
}

// publishTimes publishes that all targets were polled without news.
func (f *fleet) publishTimes() {
	now := time.Now()
	for i := range f.states {
		f.publish(i, func(s *poll.Snapshot) { s.LastPoll, s.LastSuccess = now, now })
	}
}
