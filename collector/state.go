package collector

import (
	"maps"
	"slices"
	"strconv"
	"sync"
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
	// Inventories returns the status of the lists of clusters that are read only for facts about clusters.
	Inventories() []poll.DiscoveryStatus
	// Ready reports whether /-/ready returns status 200.
	Ready() bool
}

// StateCollector is a prometheus.Collector of the families of the exporter that are functions of the manager's state.
// It computes them at each scrape, so they can't be outdated or absent while the configuration or the targets change.
//
// It also exports the events of credentials and projects, which Exporter records: only those in use have series.
type StateCollector struct {
	source   StateSource
	exporter *Exporter
	process  Process
	descs    map[*Family]*prometheus.Desc
}

var _ prometheus.Collector = (*StateCollector)(nil)

// Settings are the exported settings of the exporter.
type Settings struct {
	Name             string // shared by replicas and shards
	ExternalURL      string // empty if not set
	AtlasURL         string
	CredentialExpiry map[string]time.Time // by name of the credential
}

// Process provides the exported settings and counters that other packages own. They are read at each scrape. A nil
// function provides zero values.
type Process struct {
	Settings            func() Settings
	RejectedConnections func() uint64 // to the endpoint, because of the connection limit
	DroppedLogMessages  func() uint64 // because nothing read the log output
}

// NewStateCollector returns a collector of the state of source. The exporter must observe the clients of source.
func NewStateCollector(source StateSource, exporter *Exporter, process Process) *StateCollector {
	return &StateCollector{source: source, exporter: exporter, process: process, descs: descsOf(byStateCollector)}
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
	c.emitSettings(emit)
	emit(familyReady, boolValue(c.source.Ready()))
	for _, inventory := range c.source.Inventories() {
		projects[inventory.ProjectID] = true
		emit(familyInventorySuccess, boolValue(inventory.Err == nil), inventory.Credential, inventory.ProjectID)
	}
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
	emit(familyConnectionsRejected, read(c.process.RejectedConnections))
	emit(familyLogDropped, read(c.process.DroppedLogMessages))
	c.exporter.emitEvents(emit, c.source.Credentials(), projects)
	c.exporter.emitMalformedFields(emit, targets)
}

// malformedFields are the fields of jobs that can be omitted, by backup type. They are computed once, by reflection.
var malformedFields = sync.OnceValue(func() map[atlas.BackupType][]string {
	fields := map[atlas.BackupType][]string{}
	for _, backupType := range atlas.BackupTypes() {
		fields[backupType] = atlas.MalformedFields(backupType)
	}
	return fields
})

// emitMalformedFields emits the counters of omitted fields: those of backup types with targets, and others that are not
// 0.
func (e *Exporter) emitMalformedFields(emit func(*Family, float64, ...string), targets map[atlas.BackupType]int) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for backupType, fields := range malformedFields() {
		for _, field := range fields {
			if n := e.malformedFields[field]; n > 0 || targets[backupType] > 0 {
				emit(familyMalformedFields, float64(n), field)
			}
		}
	}
}

// emitSettings emits the exported settings. A credential that is not in use has no expiry.
func (c *StateCollector) emitSettings(emit func(*Family, float64, ...string)) {
	var settings Settings
	if c.process.Settings != nil {
		settings = c.process.Settings()
	}
	shard := c.source.Shard()
	index := strconv.Itoa(shard.Index)
	emit(familyShards, float64(max(shard.Count, 1)), index)
	emit(familyExporterInfo, 1, settings.Name, index)
	emit(familyWebInfo, 1, settings.ExternalURL, settings.AtlasURL)
	for _, credential := range c.source.Credentials() {
		if expiry, ok := settings.CredentialExpiry[credential]; ok {
			emit(familyCredentialExpiry, seconds(expiry), credential)
		}
	}
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
		if events.used {
			emit(familyCredentialSuccess, boolValue(!events.rejected), name)
		}
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
