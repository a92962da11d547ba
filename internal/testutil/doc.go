// Package testutil contains test helpers that several packages share: golden files, temporary files and certificates,
// external programs, free addresses, and waiting for a condition.
//
// A golden file contains the expected output of a test. Set UPDATE_GOLDEN=1 to write the golden files of the tests that
// run, and review the difference before you commit it.
package testutil
