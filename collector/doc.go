// Package collector exports restore jobs and the state of the exporter as Prometheus metrics.
//
// There are three collectors, each with a source of its own:
//
//   - Collector exports the targets and their restore jobs, from the snapshots that package poll publishes.
//   - StateCollector exports gauges of the exporter that are functions of the manager's state.
//   - Exporter counts events: requests, failed polls, reloads. It is the observer of the clients and the manager.
//
// Families returns the metric families of all of them, each declared once in families.go. To add a metric, declare its
// family there and emit its samples in emit.go, state.go, or exporter.go.
//
// Exposition serves the series of Collector much faster, from a cache of compressed text.
package collector
