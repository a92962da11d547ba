package oracle

import "time"

const (
	pending    = "pending"
	inProgress = "in_progress"
	ready      = "ready"
	completed  = "completed"
	failed     = "failed"
	expired    = "expired"
	cancelled  = "cancelled"
	unknown    = "unknown"

	automated   = "automated"
	pointInTime = "point_in_time"
	download    = "download"
	other       = "other"
)

// status derives the status of a job ("first match wins"). The second result names the rule, for coverage.
func status(j job, now time.Time) (string, string) {
	switch j.backupType {
	case "dedicated", "serverless":
		if j.deliveryType == download {
			return snapshotDownloadStatus(j, now)
		}
		return snapshotRestoreStatus(j)
	case "flex":
		return flexStatus(j, now)
	case "collection":
		return collectionStatus(j)
	}
	return legacyStatus(j, now)
}

// "dedicated, serverless: download: failed → failed; expired, or expiresAt has passed → expired, with or without a
// link; cancelled → cancelled; any link → ready; finishedAt → completed; else in_progress".
func snapshotDownloadStatus(j job, now time.Time) (string, string) {
	switch {
	case isSet(j.failed):
		return failed, "download: failed"
	case j.unreadable["failed"]: // the job may have failed
		return unknown, "download: unreadable flag"
	case isSet(j.expired):
		return expired, "download: expired"
	case hasPassed(j.expiry, now) && j.links > 0:
		return expired, "download: expiresAt has passed, with a link"
	case hasPassed(j.expiry, now):
		return expired, "download: expiresAt has passed, without a link"
	case j.unreadable["cancelled"], j.unreadable["expired"]:
		return unknown, "download: unreadable flag"
	case isSet(j.cancelled):
		return cancelled, "download: cancelled"
	case j.links > 0:
		return ready, "download: any link"
	case j.finished != nil:
		return completed, "download: finishedAt"
	case j.unreadable["finishedAt"], j.unreadable["links"]: // the job may have finished
		return unknown, "download: unreadable finishedAt or link"
	}
	return inProgress, "download: else"
}

// "dedicated, serverless: any other delivery: failed → failed; cancelled → cancelled; finishedAt → completed (expiry
// has no effect, because the data has been restored); expired → expired; else in_progress".
func snapshotRestoreStatus(j job) (string, string) {
	switch {
	case isSet(j.failed):
		return failed, "restore: failed"
	case j.unreadable["failed"], j.unreadable["cancelled"]: // the job may have failed
		return unknown, "restore: unreadable flag"
	case isSet(j.cancelled):
		return cancelled, "restore: cancelled"
	case j.finished != nil && isSet(j.expired):
		return completed, "restore: finishedAt and expired"
	case j.finished != nil:
		return completed, "restore: finishedAt"
	case j.unreadable["finishedAt"]: // the job may have finished
		return unknown, "restore: unreadable finishedAt"
	case isSet(j.expired):
		return expired, "restore: expired"
	case j.unreadable["expired"]:
		return unknown, "restore: unreadable flag"
	case j.unreadable["deliveryType"]: // the job may be a download
		return unknown, "restore: unreadable delivery type"
	}
	return inProgress, "restore: else"
}

// "FAILED → failed; COMPLETED → completed, but a DOWNLOAD → expired once expirationDate has passed, with or without a
// link, else ready if it has a link; RUNNING → in_progress; PENDING, QUEUED → pending".
func flexStatus(j job, now time.Time) (string, string) {
	switch j.state {
	case "FAILED":
		return failed, "FAILED"
	case "COMPLETED":
		switch {
		case j.deliveryType != download:
			return completed, "COMPLETED"
		case hasPassed(j.expiry, now) && j.links > 0:
			return expired, "COMPLETED DOWNLOAD: expirationDate has passed, with a link"
		case hasPassed(j.expiry, now):
			return expired, "COMPLETED DOWNLOAD: expirationDate has passed, without a link"
		case j.links > 0:
			return ready, "COMPLETED DOWNLOAD: link"
		}
		return completed, "COMPLETED DOWNLOAD: no link"
	case "RUNNING":
		return inProgress, "RUNNING"
	case "PENDING", "QUEUED":
		return pending, j.state
	}
	return unknown, undocumented(j.state)
}

// "FAILED → failed; CANCELED → cancelled; SUCCESSFUL → completed; IN_PROGRESS, FINALIZING → in_progress;
// INITIALIZING → pending".
func collectionStatus(j job) (string, string) {
	switch j.state {
	case "FAILED":
		return failed, j.state
	case "CANCELED":
		return cancelled, j.state
	case "SUCCESSFUL":
		return completed, j.state
	case "IN_PROGRESS", "FINALIZING":
		return inProgress, j.state
	case "INITIALIZING":
		return pending, j.state
	}
	return unknown, undocumented(j.state)
}

// "BROKEN → failed; KILLED → cancelled; IN_PROGRESS → in_progress; FINISHED with automated delivery: delivery status
// FAILED, INTERRUPTED → failed, else completed; FINISHED with any other delivery: delivery status FAILED, INTERRUPTED
// → failed; EXPIRED → expired; MAX_DOWNLOADS_EXCEEDED → completed [...]; READY → ready, or expired once
// delivery.expires has passed; NOT_STARTED, PENDING, IN_PROGRESS → in_progress".
func legacyStatus(j job, now time.Time) (string, string) {
	switch j.state {
	case "BROKEN":
		return failed, j.state
	case "KILLED":
		return cancelled, j.state
	case "IN_PROGRESS":
		return inProgress, j.state
	case "FINISHED":
	default:
		return unknown, undocumented(j.state)
	}
	if j.unreadable["delivery"] { // the delivery may have failed
		return unknown, "FINISHED: unreadable status"
	}
	if j.deliveryType == automated {
		switch j.delivery {
		case "FAILED", "INTERRUPTED":
			return failed, "FINISHED automated: " + j.delivery
		}
		return completed, "FINISHED automated: else"
	}
	switch j.delivery {
	case "FAILED", "INTERRUPTED":
		return failed, "FINISHED: " + j.delivery
	case "EXPIRED":
		return expired, "FINISHED: EXPIRED"
	case "MAX_DOWNLOADS_EXCEEDED":
		return completed, "FINISHED: MAX_DOWNLOADS_EXCEEDED"
	case "READY":
		if hasPassed(j.expiry, now) {
			return expired, "FINISHED: READY, delivery.expires has passed"
		}
		return ready, "FINISHED: READY"
	case "NOT_STARTED", "PENDING", "IN_PROGRESS":
		return inProgress, "FINISHED: " + j.delivery
	}
	return unknown, "FINISHED: " + undocumented(j.delivery)
}

// undocumented names the rule for an unknown status. An absent status is unknown too.
func undocumented(value string) string {
	if value == "" {
		return "missing status"
	}
	return "undocumented status"
}

func isSet(flag *bool) bool { return flag != nil && *flag }

// isActive: "Active means pending or in progress".
func isActive(j job, now time.Time) bool {
	st, _ := status(j, now)
	return st == pending || st == inProgress
}

// isSuccessful: a completed job; "for downloads, [...] all completed, ready, or expired jobs". The exporter deviates: a
// cancelled download may never have had an archive, so that its expiry is not a success.
func isSuccessful(j job, now time.Time) bool {
	st, _ := status(j, now)
	if j.deliveryType == download {
		cancelled := j.cancelled != nil && *j.cancelled
		return st == completed || st == ready || (st == expired && !cancelled)
	}
	return st == completed
}

// end returns the end of a job: "finished, else created. The end of an expired download is its expiry", if that is
// later and has passed. It is nil if there is none.
func end(r record) *time.Time {
	j := r.job
	st, _ := status(j, r.at)
	t := j.finished
	if t == nil {
		t = j.created
	}
	if j.deliveryType == download && st == expired && hasPassed(j.expiry, r.at) && compareTimes(j.expiry, t) > 0 {
		return j.expiry
	}
	if t == nil && st == failed {
		// "its end is [...] its recovery point, else the first poll that saw it failed after an earlier poll saw it
		// unfinished"
		t = j.recovery
		if t == nil && !r.firstFailed.IsZero() {
			t = &r.firstFailed
		}
	}
	return t
}
