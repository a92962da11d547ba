package collector

import (
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"atlas-restore-exporter/atlas"
)

// Metrics are those of the exporter itself. As an atlas.Observer they are told what the clients do.
type Metrics struct {
	buildInfo       prometheus.Gauge
	targets         *prometheus.GaugeVec
	shards          *prometheus.GaugeVec
	requests        *prometheus.CounterVec
	requestDuration *prometheus.HistogramVec
	rateLimit       *prometheus.GaugeVec
	failures        *prometheus.CounterVec
	panics          *prometheus.CounterVec
	unknownValues   *prometheus.CounterVec
	malformedJobs   *prometheus.CounterVec
	credential      *prometheus.GaugeVec
	tokenRequests   *prometheus.CounterVec
	searchOK        *prometheus.GaugeVec
	searchTime      *prometheus.GaugeVec
	reloadOK        prometheus.Gauge
	reloadTime      prometheus.Gauge

	mu          sync.Mutex
	credentials []string
}

var (
	_ atlas.Observer       = (*Metrics)(nil)
	_ prometheus.Collector = (*Metrics)(nil)
)

// BuildInfo says what the running program was built from.
type BuildInfo struct{ Version, Revision, GoVersion string }

// NewMetrics returns the metrics with every series that is known from the start.
func NewMetrics(build BuildInfo) *Metrics {
	counter := func(f Family) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Name: f.Name, Help: f.Help}, f.Labels)
	}
	gauge := func(f Family) *prometheus.GaugeVec {
		return prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: f.Name, Help: f.Help}, f.Labels)
	}
	m := &Metrics{
		targets:  gauge(familyTargets),
		shards:   gauge(familyShards),
		requests: counter(familyRequests),
		requestDuration: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: familyRequestDuration.Name, Help: familyRequestDuration.Help,
			Buckets:                     []float64{0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30},
			NativeHistogramBucketFactor: 1.1, NativeHistogramMaxBucketNumber: 100,
			NativeHistogramMinResetDuration: time.Hour,
		}, familyRequestDuration.Labels),
		rateLimit:     gauge(familyRateLimit),
		failures:      counter(familyFailures),
		panics:        counter(familyPanics),
		unknownValues: counter(familyUnknownValues),
		malformedJobs: counter(familyMalformedJobs),
		credential:    gauge(familyCredential),
		tokenRequests: counter(familyTokenRequests),
		searchOK:      gauge(familySearchOK),
		searchTime:    gauge(familySearchTime),
		reloadOK:      gauge(familyReloadOK).WithLabelValues(),
		reloadTime:    gauge(familyReloadTime).WithLabelValues(),
		buildInfo:     gauge(familyBuildInfo).WithLabelValues(build.Version, build.Revision, build.GoVersion),
	}
	m.buildInfo.Set(1)
	m.start()
	m.Reloaded(true)
	return m
}

// Reloaded reports whether the configuration that was read last is in use.
func (m *Metrics) Reloaded(ok bool) {
	m.reloadOK.Set(boolValue(ok))
	if ok {
		m.reloadTime.SetToCurrentTime()
	}
}

// SetCredentials says which credentials there are. Others that there were are forgotten.
func (m *Metrics) SetCredentials(credentials []string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, gone := range m.credentials {
		if !slices.Contains(credentials, gone) {
			m.credential.DeleteLabelValues(gone)
			m.tokenRequests.DeletePartialMatch(prometheus.Labels{"credential": gone})
		}
	}
	for _, credential := range credentials {
		if !slices.Contains(m.credentials, credential) {
			m.credential.WithLabelValues(credential).Set(1)
			m.tokenRequests.WithLabelValues(credential, "200")
		}
	}
	m.credentials = slices.Clone(credentials)
}

// setTargets says how many targets of each backup type there are.
func (m *Metrics) setTargets(targets []Target) {
	counts := map[atlas.BackupType]int{}
	for i := range targets {
		counts[targets[i].BackupType]++
	}
	for _, backupType := range atlas.BackupTypes() {
		m.targets.WithLabelValues(string(backupType)).Set(float64(counts[backupType]))
	}
}

// setShard says which part of the clusters is polled.
func (m *Metrics) setShard(shard Shard) {
	m.shards.Reset()
	m.shards.WithLabelValues(strconv.Itoa(shard.Index)).Set(float64(max(shard.Count, 1)))
}

// searched says what came of a search.
func (m *Metrics) searched(at place, search *Search) {
	m.searchOK.WithLabelValues(at.credential, at.projectID).Set(boolValue(search.Err == nil))
	if search.Err == nil {
		m.searchTime.WithLabelValues(at.credential, at.projectID).Set(seconds(search.LastSuccess))
	}
}

// forgetSearch drops the series of a place that is not searched any longer.
func (m *Metrics) forgetSearch(at place) {
	m.searchOK.DeleteLabelValues(at.credential, at.projectID)
	m.searchTime.DeleteLabelValues(at.credential, at.projectID)
	m.forgetProject(at.projectID) // if it is still polled, the next answer tells anew
}

// forgetProject drops the series of a project of which nothing is polled any longer.
func (m *Metrics) forgetProject(projectID string) {
	m.rateLimit.DeletePartialMatch(prometheus.Labels{"project_id": projectID})
}

// start makes the series that would otherwise appear with their first event: the increase to 1 would go unseen.
func (m *Metrics) start() {
	for _, backupType := range atlas.BackupTypes() {
		for _, reason := range Reasons() {
			m.failures.WithLabelValues(string(backupType), string(reason))
		}
		m.panics.WithLabelValues(string(backupType))
		m.malformedJobs.WithLabelValues(string(backupType))
	}
	for _, endpoint := range atlas.Endpoints() {
		m.requests.WithLabelValues(endpoint, "200")
		m.requestDuration.WithLabelValues(endpoint)
	}
	for _, field := range atlas.UnknownValueFields() {
		m.unknownValues.WithLabelValues(field)
	}
}

func (m *Metrics) collectors() []prometheus.Collector {
	return []prometheus.Collector{
		m.buildInfo, m.targets, m.shards, m.requests, m.requestDuration, m.rateLimit, m.failures, m.panics, m.unknownValues, m.malformedJobs,
		m.credential, m.tokenRequests, m.searchOK, m.searchTime, m.reloadOK, m.reloadTime,
	}
}

// Describe implements prometheus.Collector.
func (m *Metrics) Describe(descs chan<- *prometheus.Desc) {
	for _, c := range m.collectors() {
		c.Describe(descs)
	}
}

// Collect implements prometheus.Collector.
func (m *Metrics) Collect(metrics chan<- prometheus.Metric) {
	for _, c := range m.collectors() {
		c.Collect(metrics)
	}
}

func (m *Metrics) pollFailed(backupType atlas.BackupType, reason Reason) {
	m.failures.WithLabelValues(string(backupType), string(reason)).Inc()
}

func (m *Metrics) pollPanicked(backupType atlas.BackupType) {
	m.panics.WithLabelValues(string(backupType)).Inc()
}

// Request implements atlas.Observer.
func (m *Metrics) Request(endpoint string, status int, took time.Duration) {
	m.requests.WithLabelValues(endpoint, code(status)).Inc()
	m.requestDuration.WithLabelValues(endpoint).Observe(took.Seconds())
}

// Token implements atlas.Observer.
func (m *Metrics) Token(credential string, status int) {
	m.ofCredential(credential, func() { m.tokenRequests.WithLabelValues(credential, code(status)).Inc() })
}

// ofCredential does what is to be done for a credential that there is: one that is gone may still have requests under
// way, which must not bring its series back.
func (m *Metrics) ofCredential(credential string, do func()) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if slices.Contains(m.credentials, credential) {
		do()
	}
}

// Credential implements atlas.Observer.
func (m *Metrics) Credential(credential string, accepted bool) {
	m.ofCredential(credential, func() { m.credential.WithLabelValues(credential).Set(boolValue(accepted)) })
}

// RateLimit implements atlas.Observer.
func (m *Metrics) RateLimit(projectID, endpoint string, remaining int) {
	m.rateLimit.WithLabelValues(projectID, endpoint).Set(float64(remaining))
}

// UnknownValue implements atlas.Observer.
func (m *Metrics) UnknownValue(field string) { m.unknownValues.WithLabelValues(field).Inc() }

// MalformedJobs implements atlas.Observer.
func (m *Metrics) MalformedJobs(backupType atlas.BackupType, n int) {
	m.malformedJobs.WithLabelValues(string(backupType)).Add(float64(n))
}

// code returns an HTTP status as a label. Whoever answers could make up any number: those that are none are one.
func code(status int) string {
	const first, last = 100, 599
	if status < first || status > last {
		return "error"
	}
	return strconv.Itoa(status)
}

func boolValue(b bool) float64 {
	if b {
		return 1
	}
	return 0
}
