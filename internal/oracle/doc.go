// Package oracle contains only tests. An independent implementation of the metric contract computes the expected series
// of random histories of restore jobs, and the tests compare them with the metrics of the exporter.
package oracle
