// Package history keeps the state of one target: the restore jobs of one cluster and backup type. It decides which
// pages and jobs a poll reads, which jobs are kept, and which values are exported. The package sends no requests and
// reads no clock, so its results depend on its inputs only.
//
// # A poll
//
// [History.Read] starts a poll and returns a [Reading]. The poller passes each page of the list to [Reading.Add] until
// Add reports that no more pages are needed. [Reading.Pending] then returns the IDs of the jobs that must be requested
// separately, and [Reading.Put] takes the result of each request. [History.Merge] updates the history, and
// [History.Summarize] returns a [Summary] for export. If the list can't be read, the poller discards the reading. The
// history doesn't change before Merge.
//
// A job is unfinished if it is pending, in progress, a download that is ready and has not expired, or of unknown
// status and created in the last seven days. All other jobs are finished.
//
// A collection-level restore can be completed before its indexes are built. Until its indexes are done, but at most
// seven days after its creation, polls treat it as if it were unfinished: they read it again, and it is never evicted.
// It is exported as a finished job. The sections on polls and limits call such jobs unfinished, too.
//
// A list may contain a job more than once, because new jobs shift the pages while they are read. Each job counts once.
// If its states differ, a failure has precedence over any other state, and a finished job over an unfinished one.
// Otherwise, the state that was read last counts.
//
// # Full and incremental polls
//
// A full poll reads the whole list, up to [MaxPages] pages. A longer list is truncated: unfinished known jobs beyond
// the last page are then requested by ID (see below).
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
//     further down the list,
//   - more jobs would be requested by ID than the list has pages, or
//   - a request for a job failed, even if Atlas didn't find the job. Only the list shows whether a job still exists.
//
// The last three conditions don't apply if the incremental poll happened to read a conclusive list (see below). Only
// the difference to the totalCount of the last poll matters. Therefore a totalCount that is always off by the same
// number causes no full polls.
//
// # Contradictory and conclusive lists
//
// A list ends at a page without a next link or without items. A list that was read to its end contradicts itself if
// the number of its items, malformed and repeated ones included, is neither the first nor the last totalCount. After a
// full reading, Pending then returns ErrFullPollNeeded, and the list is read again ([Reading.Again]). If the second
// reading contradicts itself, too, the poll continues with the jobs of both, and [Reading.Inconsistent] reports it.
//
// A list is conclusive if it was read to its end, doesn't contradict itself, contains no job twice and no malformed
// item, and totalCount didn't change meanwhile. It must not end at an empty page with a next link either. Only a
// conclusive list shows that a job is absent. For example, a malformed item can be any job.
//
// # Requests for jobs in full polls
//
// If the list of a full poll, or a conclusive list, lacks unfinished known jobs, these are requested by ID: their
// absence could hide a failure. Each such poll requests at most 20 of them (maxRequests), so that the requests are done
// before the poll times out. It continues after the ID that was requested last, so consecutive polls request all of
// them in turn.
//
// If such a request fails, the poll doesn't fail: the job keeps its last known state, and no more jobs are requested.
// Otherwise, a single job could hide all changes that the list shows.
//
// # Known jobs and limits
//
// Known jobs are stored by ID. Each job that was read is added, or replaces its last known state. After each poll,
// finished jobs beyond the [Limits] are evicted: those created more than MaxAge ago, and of the others those that are
// not among the MaxJobs newest jobs. Unfinished jobs count as well, but are never evicted. So there can be old known
// jobs, and more than MaxJobs of them.
//
// Atlas was never seen to remove evicted jobs from a list. To recognize them, the history stores which job was the
// newest to be evicted because of MaxJobs (dropped). A job that is not known is beyond the limits if it is too old, or
// not newer than that job. If such a job is finished, only its event is retained. If it is unfinished, it becomes
// known. Jobs without a creation time count as the oldest for MaxJobs, and are never too old for MaxAge.
//
// Each full poll determines dropped again, because newer jobs may have been removed. An eviction because of MaxAge
// doesn't change dropped, because the clock may be wrong. After a clock that was set ahead is corrected, the next full
// poll adds the evicted jobs again. If the limits change, dropped is reset, and the next poll is a full poll.
//
// # Recreated clusters
//
// If a cluster is deleted and another one of the same name is created, Atlas may list the jobs of both. Jobs that were
// created before the cluster ([Policy.NotBefore]) are ignored: they are never known, requested, counted as new, or
// retained. If NotBefore becomes known or later, such jobs and their events are dropped. If it becomes earlier, the
// whole history is discarded, and the next poll is a full poll. Jobs without a creation time are not ignored.
//
// Unless the exporter saw that the cluster was replaced ([Policy.Recreated]), a job that isn't finished when a poll
// first reads it is not ignored, and remains known after it has finished. So a current restore is never hidden.
//
// # Events and purposes
//
// An [Event] is the end of a successful or failed restore, with the job that it belongs to. For each delivery type and
// [Purpose], [Latest] contains the latest success and the latest failure. A download succeeds when its archive is
// ready, and remains a success after it has expired.
//
// A job ends at its finish time or, if that is absent, at its creation. An expired download ends at its expiry, if that
// is later. A failed job with neither time ends at its recovery point. If that is absent, too, it ends at the first
// poll that saw it failed after an earlier poll saw it unfinished (failedSince). Otherwise its end is unknown. Such a
// job is included in the counts by status, and has neither events nor series.
//
// Of several events, the one with the latest end is exported. Of equal ends, the latest creation wins, and then the
// greatest job ID. The oldest active job and the next expiry follow the same rule if their times are equal. So the
// order of the list never matters.
//
// The purpose of a job depends on its target: the cluster itself (in place), a configured drill target, or any other
// target. A restore that writes copies of collections is not in place, even if its target is its source.
//
// # Retained events
//
// Events must not disappear when a job is evicted or removed. Therefore the history retains the latest events of all
// jobs that it has dropped, and a summary combines them with those of the known jobs.
//
// After a restart, finished jobs beyond the limits were never known. Full polls and conclusive lists retain their
// events as well, but not the creation time of the newest job, which is that of a known job. The events of a batch (see
// below) are retained only if the whole list was read, because other readings may end within a batch.
//
// The current state of a job always replaces its retained events: when a job is stored or retained again, the events
// that name it are dropped first. Otherwise, a success would remain after Atlas has changed the job to a failure. There
// are two exceptions, because the job alone doesn't show when its restore ended: a batch, and a failure that an earlier
// poll dated. Their events are kept unless the job contradicts them.
//
// Only the latest events are retained. If Atlas changes the job of such an event, the event before is found again only
// if Atlas still lists its job.
//
// The latest events are retained for each delivery type and target, because a job's target determines its purpose. So
// they remain complete if the drill targets change. If there are more than 100 combinations (maxDestinations), those
// whose events are the oldest are dropped, but none that is currently exported.
//
// # Batches
//
// In legacy backup, a restore of a sharded cluster is a batch of jobs, which counts as one restore. The batch succeeds
// when all its jobs have succeeded, and fails if any job has failed. It ends when its last job ends. It is named by the
// failed job that comes last in the order of events; if none has failed, by the job that comes last. All values of its
// event other than the end are those of this job.
//
// The jobs of a batch can be dropped at different times. When one of them is dropped, the retained events are computed
// for the whole batch as far as it is known. If a job that is no longer known, or never was, finished without success,
// the history keeps its result (incompleteBatches). The remaining jobs then never count as a success.
//
// # Removed jobs
//
// Jobs can be missing from a list that changed while it was read, and Atlas may fail to find a job. Therefore a job is
// removed only if
//
//   - two consecutive conclusive lists don't contain it, or
//   - requests for its ID in two polls in a row return a job-not-found error code. Full polls whose list is not
//     conclusive don't matter in between if they neither list nor request the job.
//
// A poll without a conclusive list doesn't affect the count of lists without the job, unless the poll reads the job. A
// conclusive list without an unfinished job counts only if the request for the job returned status 404, with any error
// code. The job is kept for as long as it is found, or the request fails otherwise.
//
// # Repeated polls
//
// Most polls read the same pages as the poll before. If every page of a poll is byte for byte the same, its pages are
// not decoded, and Merge changes nothing ([Reading.Repeated]). This has the same result as merging them, because the
// pages of a poll are remembered only if the poll
//
//   - was a full poll of a conclusive list, or an incremental poll,
//   - requested no job by ID, and left no known job absent from the list,
//   - changed nothing, and
//   - read nothing that must be reported each time, such as malformed jobs and unknown values (see [atlas.Page]).
//
// Only polls of the same kind, full or incremental, are compared with them. They are forgotten when another poll is
// merged or the policy changes. They are not used if the clock is set back, or after the earliest time at which any
// job expires, becomes finished because of its age, or becomes too old. If only the first pages are unchanged, a full
// poll that decodes all pages follows at once.
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
