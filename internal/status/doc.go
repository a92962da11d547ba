// Package status reports the state of targets to people: on the status page, which Page serves, and as the output of
// the check command, which Check and WriteCheck produce.
//
// Both show the error of a failed poll or discovery together with a remedy, which describes the cause and the required
// action in one or two sentences. Remedies depend on the reason of the failure and on the details of the error.
package status
