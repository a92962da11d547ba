package collector

import (
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"atlas-restore-exporter/atlas"
	"atlas-restore-exporter/collector/poll"
)

// StateSource is the part of a poll.Manager that StateCollector reads.
type StateSource interface {
	Snapshots() []*poll.Snapshot
	Discoveries() []poll.DiscoveryStatus
	Shard() poll.Shard
	// Credentials returns the names of the configured credentials, sorted.
	Credentials() []string
	Slots() (total, inUse int)
	OldestWaiting() (since time.Time, waiting bool)
}

// StateCollector is a prometheus.Collector of the families of the exporter that are functions of the manager's state.
// It computes them at each scrape, so they can't be outdated or absent while the configuration or the targets change.
//
// It also exports the events of credentials and projects, which Exporter records: only those in use have series.
type StateCollector struct {
	source   StateSource
	exporter *Exporter
	counters Counters
	descs    map[*Family]*prometheus.Desc
}

var _ prometheus.Collector = (*StateCollector)(nil)

// Counters are read at each scrape. A nil counter is 0.
type Counters struct {
	RejectedConnections func() uint64 // to the endpoint, because of the connection limit
	DroppedLogMessages  func() uint64 // because nothing read the log output
}

// NewStateCollector returns a collector of the state of source. The exporter must observe the clients of source.
func NewStateCollector(source StateSource, exporter *Exporter, counters Counters) *StateCollector {
	return &StateCollector{source: source, exporter: exporter, counters: counters, descs: descsOf(byStateCollector)}
}

// Describe implements prometheus.Collector.
func (c *StateCollector) Describe(descs chan<- *prometheus.Desc) {
	for _, desc := range c.descs {
		descs <- desc
	}
}

// Collect implements prometheus.Collector.
func (c *StateCollector) Collect(metrics chan<- prometheus.Metric) {
	emit := func(family *Family, value float64, labels ...string) {
		metrics <- prometheus.MustNewConstMetric(c.descs[family], family.valueType(), value, labels...)
	}
	targets, projects := map[atlas.BackupType]int{}, map[string]bool{"": true} // "" is the list of projects
	for _, snapshot := range c.source.Snapshots() {
		targets[snapshot.Target.BackupType]++
		projects[snapshot.Target.ProjectID] = true
	}
	for _, backupType := range atlas.BackupTypes() {
		emit(familyTargets, float64(targets[backupType]), string(backupType))
	}
	shard := c.source.Shard()
	emit(familyShards, float64(max(shard.Count, 1)), strconv.Itoa(shard.Index))
	for _, discovery := range c.source.Discoveries() {
		projects[discovery.ProjectID] = true
		emit(familyDiscoverySuccess, boolValue(discovery.Err == nil), discovery.Credential, discovery.ProjectID)
		if !discovery.LastSuccess.IsZero() {
			emit(familyDiscoveryTime, seconds(discovery.LastSuccess), discovery.Credential, discovery.ProjectID)
		}
	}
	total, inUse := c.source.Slots()
	emit(familyPollSlots, float64(total))
	emit(familyPollSlotsInUse, float64(inUse))
	if since, waiting := c.source.OldestWaiting(); waiting {
		emit(familyOldestWaiting, seconds(since))
	}
	emit(familyConnectionsRejected, read(c.counters.RejectedConnections))
	emit(familyLogDropped, read(c.counters.DroppedLogMessages))
	c.exporter.emitEvents(emit, c.source.Credentials(), projects)
}

func read(counter func() uint64) float64 {
	if counter == nil {
		return 0
	}
	return float64(counter())
}

// emitEvents emits the events of the given credentials and projects, and forgets all others.
func (e *Exporter) emitEvents(
	emit func(*Family, float64, ...string), credentials []string, projects map[string]bool,
) {
	e.mu.Lock()
	defer e.mu.Unlock()
	maps.DeleteFunc(e.credentials, func(name string, _ *credentialEvents) bool {
		return !slices.Contains(credentials, name)
	})
	maps.DeleteFunc(e.rateLimits, func(projectID string, _ map[string]int) bool { return !projects[projectID] })
	for _, name := range credentials {
		events := e.eventsOf(name)
		emit(familyCredentialSuccess, boolValue(!events.rejected), name)
		for code, n := range events.tokens {
			emit(familyTokenRequests, float64(n), name, code)
		}
	}
	for projectID, operations := range e.rateLimits {
		for operation, remaining := range operations {
			emit(familyRateLimit, float64(remaining), projectID, operation)
		}
	}
}
