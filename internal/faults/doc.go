// Package faults contains only tests, the fault matrix. Each fault of Atlas or of the network happens to an exporter
// that polls a simulated Atlas API, and the tests check the documented reaction. The table of faults in the
// documentation is generated from the matrix.
package faults
