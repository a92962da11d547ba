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
	// States returns the current state of each target, in a stable order.
	States() []poll.State
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
	for _, state := range c.source.States() {
		t := newTargetEmitter(&state, send)
		t.emitTimes(&state)
		t.emitState(&state, state.Stale(now))
	}
}
