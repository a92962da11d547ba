package collector

import (
	"strconv"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"atlas-restore-exporter/atlas"
	"atlas-restore-exporter/collector/poll"
)

// Exporter counts the events of the exporter itself: requests, failed polls, and reloads. It observes the clients and
// the manager. As a prometheus.Collector it exports the families that only events change; StateCollector exports the
// others.
type Exporter struct {
	requests        *prometheus.CounterVec
	requestDuration *prometheus.HistogramVec
	failedPolls     *prometheus.CounterVec
	panics          *prometheus.CounterVec
	unknownValues   *prometheus.CounterVec
	malformedJobs   *prometheus.CounterVec
	reloadSuccess   prometheus.Gauge
	reloadTime      prometheus.Gauge
	collectors      []prometheus.Collector // all of the above and build_info

	// The following events are exported by StateCollector, only for the credentials and projects in use.
	mu          sync.Mutex
	credentials map[string]*credentialEvents
	rateLimits  map[string]map[string]int // remaining requests by project ID and operation
	// malformedFields counts omitted fields. Only fields of backup types that have targets have a series if they are 0,
	// because there are about a hundred.
	malformedFields map[string]uint64
}

// credentialEvents are the events of a credential.
type credentialEvents struct {
	used     bool              // Atlas has accepted or rejected the credential
	rejected bool              // when it was last used
	tokens   map[string]uint64 // number of token requests by status code
}

var (
	_ atlas.Observer       = (*Exporter)(nil)
	_ poll.Observer        = (*Exporter)(nil)
	_ prometheus.Collector = (*Exporter)(nil)
)

// BuildInfo identifies the build of the running program.
type BuildInfo struct{ Version, Revision, GoVersion string }

// NewExporter returns an Exporter without events. Its configuration counts as loaded now.
func NewExporter(build BuildInfo) *Exporter {
	e := &Exporter{
		credentials: map[string]*credentialEvents{}, rateLimits: map[string]map[string]int{},
		malformedFields: map[string]uint64{},
	}
	e.requests = e.newCounter(familyRequests)
	e.requestDuration = prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name: familyRequestDuration.Name, Help: familyRequestDuration.Help,
		Buckets:                     []float64{0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30},
		NativeHistogramBucketFactor: 1.1, NativeHistogramMaxBucketNumber: 100,
		NativeHistogramMinResetDuration: time.Hour,
	}, familyRequestDuration.Labels)
	e.collectors = append(e.collectors, e.requestDuration)
	e.failedPolls = e.newCounter(familyFailedPolls)
	e.panics = e.newCounter(familyPanics)
	e.unknownValues = e.newCounter(familyUnknownValues)
	e.malformedJobs = e.newCounter(familyMalformedJobs)
	e.reloadSuccess = e.newGauge(familyReloadSuccess)
	e.reloadTime = e.newGauge(familyReloadTime)
	e.newGauge(familyBuildInfo, build.Version, build.Revision, build.GoVersion).Set(1)
	e.initSeries()
	e.Reloaded(true)
	return e
}

func (e *Exporter) newCounter(f *Family) *prometheus.CounterVec {
	counter := prometheus.NewCounterVec(prometheus.CounterOpts{Name: f.Name, Help: f.Help}, f.Labels)
	e.collectors = append(e.collectors, counter)
	return counter
}

func (e *Exporter) newGauge(f *Family, labels ...string) prometheus.Gauge {
	gauge := prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: f.Name, Help: f.Help}, f.Labels)
	e.collectors = append(e.collectors, gauge)
	return gauge.WithLabelValues(labels...)
}

// initSeries creates the series of counters whose labels are known. If a series appeared with its first event,
// Prometheus couldn't see the increase from 0 to 1.
func (e *Exporter) initSeries() {
	for _, backupType := range atlas.BackupTypes() {
		for _, reason := range poll.Reasons() {
			e.failedPolls.WithLabelValues(string(backupType), string(reason))
		}
		e.panics.WithLabelValues(string(backupType))
		e.malformedJobs.WithLabelValues(string(backupType))
	}
	for _, operation := range atlas.Operations() {
		e.requests.WithLabelValues(operation, "200")
		e.requestDuration.WithLabelValues(operation)
	}
	for _, field := range atlas.UnknownValueFields() {
		e.unknownValues.WithLabelValues(field)
	}
}

// Describe implements prometheus.Collector.
func (e *Exporter) Describe(descs chan<- *prometheus.Desc) {
	for _, c := range e.collectors {
		c.Describe(descs)
	}
}

// Collect implements prometheus.Collector.
func (e *Exporter) Collect(metrics chan<- prometheus.Metric) {
	for _, c := range e.collectors {
		c.Collect(metrics)
	}
}

// Reloaded records whether the last configuration reload succeeded.
func (e *Exporter) Reloaded(ok bool) {
	e.reloadSuccess.Set(boolValue(ok))
	if ok {
		e.reloadTime.SetToCurrentTime()
	}
}

// PollFailed implements poll.Observer.
func (e *Exporter) PollFailed(backupType atlas.BackupType, reason poll.Reason) {
	e.failedPolls.WithLabelValues(string(backupType), string(reason)).Inc()
}

// PollPanicked implements poll.Observer.
func (e *Exporter) PollPanicked(backupType atlas.BackupType) {
	e.panics.WithLabelValues(string(backupType)).Inc()
}

// Request implements atlas.Observer.
func (e *Exporter) Request(operation string, status int, took time.Duration) {
	e.requests.WithLabelValues(operation, codeLabel(status)).Inc()
	e.requestDuration.WithLabelValues(operation).Observe(took.Seconds())
}

// Token implements atlas.Observer.
func (e *Exporter) Token(credential string, status int) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.eventsOf(credential).tokens[codeLabel(status)]++
}

// Credential implements atlas.Observer.
func (e *Exporter) Credential(credential string, accepted bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	events := e.eventsOf(credential)
	events.used, events.rejected = true, !accepted
}

// eventsOf returns the events of a credential. The caller must hold e.mu.
func (e *Exporter) eventsOf(credential string) *credentialEvents {
	events := e.credentials[credential]
	if events == nil {
		events = &credentialEvents{tokens: map[string]uint64{"200": 0}}
		e.credentials[credential] = events
	}
	return events
}

// RateLimit implements atlas.Observer.
func (e *Exporter) RateLimit(projectID, operation string, remaining int) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.rateLimits[projectID] == nil {
		e.rateLimits[projectID] = map[string]int{}
	}
	e.rateLimits[projectID][operation] = remaining
}

// UnknownValue implements atlas.Observer.
func (e *Exporter) UnknownValue(field string) { e.unknownValues.WithLabelValues(field).Inc() }

// MalformedField implements atlas.Observer.
func (e *Exporter) MalformedField(field string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.malformedFields[field]++
}

// MalformedJobs implements atlas.Observer.
func (e *Exporter) MalformedJobs(backupType atlas.BackupType, n int) {
	e.malformedJobs.WithLabelValues(string(backupType)).Add(float64(n))
}

// codeLabel returns the label of an HTTP status code. It is "error" for 0, which means that there was no response, and
// for invalid codes, so that a server can't create an unlimited number of series.
func codeLabel(status int) string {
	const first, last = 100, 599
	if status < first || status > last {
		return "error"
	}
	return strconv.Itoa(status)
}
