package main

// readyLinks are the links of downloads that are ready, with the time when they expire. They are read per job and not
// from the recorded series, which is late and contains one link per target. A target that can't be polled has its
// last known links, including those that have expired since then.
var readyLinks = func() string {
	onReplica, onJob := " on (job, instance, "+jobKey+") ", " on ("+jobKey+") "
	links := func(expiry, status string) string {
		return "max by (" + jobKey + ") (" + expiry + " and" + onReplica + status + " == 1"
	}
	expiry, status := target("job_expiry_timestamp_seconds"), target("job_status", `status="ready"`)
	failed := " unless on (job, instance, " + targetKey + ") " + target("poll_success") + " == 0) > time()"
	last := func(series string) string { return "last_over_time(" + series + "[1h])" }
	return links(expiry, status) + failed + " or" + onJob +
		"(min by (" + jobKey + ") (" + target("next_expiry_timestamp_seconds") + failed + ") or" + onJob +
		"((" + links(last(expiry), last(status)) + ") or" + onJob + selector(nextExpiry, clusters) + ") > time() - 7 * 86400" +
		" and on (" + targetKey + ") " + stale + ")"
}()

// expiringLinks returns the links that expire soon. A link that has expired no longer has a deadline, although nothing was polled since
// then.
func expiringLinks() string {
	const condition = "AtlasRestoreDownloadExpiresSoon"
	return withLabels(`label_replace(label_replace((` + readyLinks + ") > time() < on (" + targetKey + ") group_left () (time() + " +
		objective("expiry_notice") + `), "delivery_type", "download", "", ""), "condition", "` + condition + `", "", "")`)
}

// sinceNotice is the time when a link started to expire soon, or the time when its download was created, if that is later.
var sinceNotice = func() string {
	created := "0 * " + value + " + on (" + jobKey + ") group_left () max by (" + jobKey + ") " +
		kept(target("job_created_timestamp_seconds"), "1h")
	return "(" + other(created) + " or " + sameTarget(value, "-", objective("expiry_notice")) + ")"
}()
