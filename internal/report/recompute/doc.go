// Package recompute contains only tests. An independent implementation of the rules of the restore report computes the
// rows of the report from raw responses of Atlas, and the tests compare them with the reports of random histories.
package recompute
