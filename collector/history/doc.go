// Package history keeps the state of one target: the restore jobs of one cluster and backup type. It decides which
// pages and jobs a poll reads, which jobs are kept, and which values are exported. The package sends no requests and
// reads no clock, so its results depend on its inputs only.
//
// # A poll
//
// [History.Read] starts a poll and returns a [Reading]. The poller passes each page of the list to [Reading.Add] until
// Add reports that no more pages are needed. [Reading.Pending] then returns the IDs of the jobs that must be requested
// separately, and [Reading.Put] takes the result of each request. [History.Merge] updates the history, and
// [History.Summarize] returns a [Summary] for export. If a request fails, the poller discards the reading, unless Put
// accepts the failure: a job that Atlas doesn't find, or can't be decoded. The history doesn't change before Merge.
//
// A job is unfinished if it is pending, in progress, a download that is ready and has not expired, or of unknown
// status and created in the last seven days. All other jobs are finished.
//
// A list may contain a job more than once, because new jobs shift the pages while they are read. Each job counts once,
// with the content that was read last.
//
// # Full and incremental polls
//
// A full poll reads the whole list, up to [MaxPages] pages. A longer list is truncated: up to MaxPages of the
// unfinished known jobs beyond the last page are then requested by ID.
//
// An incremental poll reads the newest pages. It stops at the first page that contains only jobs that are finished and
// either known as finished or beyond the limits (see below). It also stops at the end of the list and after MaxPages
// pages. All unfinished known jobs that were not on these pages are then requested by ID. Other known jobs on older
// pages are not read. The next full poll finds their changes.
//
// A poll is incremental if
//
//   - no full poll is due,
//   - the list had more than two pages when it was last read as a whole, and
//   - the list was sorted newest first in every poll since the start. Jobs created within two seconds may be in any
//     order.
//
// An incremental poll is not enough, and a full poll must follow at once ([ErrFullPollNeeded]), if
//
//   - the pages were not sorted newest first,
//   - totalCount has increased by a different number than there are new jobs on the pages, so that a new job may be
//     further down the list, or
//   - more jobs would be requested by ID than the list has pages.
//
// The last two conditions don't apply if the incremental poll happened to read a conclusive list (see below). Only the
// difference to the totalCount of the last poll matters. Therefore a totalCount that is always off by the same number
// causes no full polls.
//
// # Contradictory and conclusive lists
//
// A list ends at a page without a next link or without items. A list that was read to its end contradicts itself if
// the number of its items, malformed and repeated ones included, is neither the first nor the last totalCount. After a
// full reading, Pending then returns ErrFullPollNeeded, and the list is read again ([Reading.Again]). If the second
// reading contradicts itself, too, the poll continues with the jobs of both, and [Reading.Inconsistent] reports it.
//
// A list is conclusive if it was read to its end, doesn't contradict itself, contains no job twice, and totalCount
// didn't change meanwhile. Only a conclusive list shows that a job is absent. If a list is not conclusive, or has
// malformed items without an ID, the unfinished known jobs that it lacks are requested by ID, up to MaxPages of them.
//
// # Known jobs and limits
//
// Known jobs are stored by ID. Each job that was read is added, or replaces its last known state. After each poll,
// finished jobs beyond the [Limits] are evicted: those created more than MaxAge ago, and those that are not among the
// MaxJobs newest known jobs. There are two exceptions:
//
//   - Unfinished jobs are never evicted, so there can be old known jobs, and more than MaxJobs of them.
//   - If MaxJobs would split a batch (see below) of known jobs, the whole batch is kept.
//
// Atlas was never seen to remove evicted jobs from a list. To recognize them, the history stores the creation time of
// the newest job that was evicted because of MaxJobs (droppedUpTo). A job that is not known is beyond the limits if it
// is too old, or was not created after droppedUpTo. If such a job is finished, it is ignored. If it is unfinished, it
// becomes known. Jobs without a creation time count as the oldest for MaxJobs, and are never too old for MaxAge.
//
// An eviction because of MaxAge doesn't change droppedUpTo, because the clock may be wrong. After a clock that was set
// ahead is corrected, the next full poll adds the evicted jobs again. If the limits change, droppedUpTo is reset, and
// the next poll is a full poll.
//
// # Retained timestamps
//
// [Latest] contains timestamps such as the time of the last success. They must not change when a job is evicted or
// removed. Therefore the history retains the latest timestamps of all jobs that it has dropped, and Latest combines
// them with those of the known jobs.
//
// After a restart, finished jobs beyond the limits were never known. Full polls and conclusive lists retain their
// timestamps as well. The timestamps of a batch (see below) are retained only if the list is conclusive, because other
// readings may end within a batch.
//
// # Ends
//
// A job ends at its finish time or, if that is absent, at its creation. An expired download ends at its expiry. A
// failed job with neither time ends at its recovery point, that is, its point in time or snapshot time. If that is
// absent, too, it ends at the first poll that saw it failed, provided that an earlier poll saw it unfinished
// (failedSince). Otherwise its end is unknown. Such a job is included in the counts by status, and has neither
// timestamps nor series.
//
// # Batches
//
// In legacy backup, a restore of a sharded cluster is a batch of jobs, which counts as one restore in Latest. The
// batch succeeds when all its jobs have succeeded, and fails if any job has failed. It lasts from the creation of its
// first job to the finish time of its last job.
//
// The jobs of a batch can be dropped at different times. When one of them is dropped, the retained timestamps are
// computed for the whole batch as far as it is known. If a job that was dropped or ignored had finished without
// success, the history records its batch as incomplete, and whether a job had failed (incompleteBatches). The
// remaining jobs then never count as a success.
//
// # Removed jobs
//
// Jobs can be missing from a list that changed while it was read, and Atlas may fail to find a job. Therefore a job is
// removed only if two consecutive conclusive lists don't contain it, or if requests for its ID in two polls in a row
// return a job-not-found error code. A poll without a conclusive list doesn't affect the count of lists without the
// job, unless the poll reads the job. A listed job that can't be decoded but has a readable ID is present and keeps
// its last known state.
//
// # Validity of a summary
//
// Summarize returns the same pointer while it is valid, so callers can compare pointers to detect changes. A summary
// becomes invalid when a poll changes the history or when the policy is replaced. Time alone invalidates it, too,
// because
//
//   - the expiry time of a download passes,
//   - a job of unknown status becomes finished,
//   - a finished job becomes too old for per-job series, or
//   - a finished job whose target is not allowed was created more than 24 hours ago.
//
// validUntil is the earliest of these times. validFrom is the time for which the summary was computed: if the clock is
// set back to an earlier time, the summary is invalid as well.
package history
