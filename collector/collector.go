package collector

import (
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"atlas-restore-exporter/collector/poll"
)

// Collector is a prometheus.Collector of the restore jobs of all targets. It reads the snapshots that the pollers have
// published, so collecting sends no requests and waits for no poll.
type Collector struct {
	source Source
	descs  map[*Family]*prometheus.Desc
}

var _ prometheus.Collector = (*Collector)(nil)

// Source is the part of a poll.Manager that Collector and Exposition read.
type Source interface {
	// Snapshots returns the current snapshot of each target, in a stable order.
	Snapshots() []*poll.Snapshot
	// ProjectName returns the name of a project, or "" if it is unknown.
	ProjectName(projectID string) string
}

// NewCollector returns a collector of the targets of source.
func NewCollector(source Source) *Collector {
	return &Collector{source: source, descs: descsOf(byCollector)}
}

// Describe implements prometheus.Collector.
func (c *Collector) Describe(descs chan<- *prometheus.Desc) {
	for _, desc := range c.descs {
		descs <- desc
	}
}

// Collect implements prometheus.Collector.
func (c *Collector) Collect(metrics chan<- prometheus.Metric) {
	now := time.Now()
	send := func(family *Family, value float64, common, others []string) {
		labels := slices.Concat(common, others)
		metrics <- prometheus.MustNewConstMetric(c.descs[family], family.valueType(), value, labels...)
	}
	for _, snapshot := range c.source.Snapshots() {
		t := newTargetEmitter(snapshot, send)
		t.emitTimes(snapshot)
		t.emitState(snapshot, c.source.ProjectName(snapshot.Target.ProjectID), snapshot.Stale(now))
	}
}
