// Package poll keeps the restore jobs of many targets up to date. A target is a list of restore jobs, for one cluster
// and one backup type, with the settings that it is polled with.
//
// # Manager, pollers, and snapshots
//
// A [Manager] has an active [Config] and one poller per target. Each poller has a goroutine, the target's history
// (package history), and an immutable [Snapshot]. A poll reads pages of the list and jobs by ID until the history
// needs no more, merges them into the history, and replaces the snapshot by one atomic swap. A failed poll replaces it
// by a copy with the error, its [Reason], and the same jobs. Pages that are the same as in the previous poll are not
// decoded (see package history). The manager's configuration and its pollers are replaced
// by one atomic swap, too. So readers, such as scrapes, never see a partial poll or a partial update, and never wait.
//
// # Schedule
//
// Each target is polled when Run starts, and then at ticks of its interval. Ticks of different targets are spread
// evenly over the interval, so that requests don't come in bursts. The interval is shorter while a restore is in
// progress, and longer while polls fail. A limiter bounds the number of concurrent polls; a poll waits for a slot.
// Unless the number is configured, each update of the targets sets it to the number of polls that are due within 10
// seconds.
// [Manager.OldestWaiting] returns since when the oldest due poll has been waiting, and [Manager.OverduePolls] how many
// polls have been waiting for longer than their interval. When a poll starts late by whole intervals, its target's
// snapshot counts them as missed. Between polls, a poller publishes the changes of the summary that time alone makes,
// such as an expiry.
//
// If the rate limit of a project allows fewer requests than its polls need, they take turns: each waits, without a
// slot, for those that came before it (turn.go).
//
// # Discovery, rules, and targets
//
// A [Rule] turns clusters into targets, for one project or for all projects that a credential can see. Each
// configuration with rules has one goroutine that runs discovery. Once per interval, it reads these lists from Atlas,
// several concurrently:
//
//  1. the projects of each credential that has a rule for all projects,
//  2. the clusters of each project to which a rule applies, by kind (dedicated, Flex).
//
// It records the result of each list in the inventory. If a list can't be read, the inventory keeps its previous
// content, and only the failed lists are read again after 15 s, 30 s, 60 s, and so on until the next interval.
// [Manager.Discoveries] returns the status of each list.
//
// One wrong response must not remove targets. Therefore the inventory keeps a project or cluster until two consecutive
// successful reads of its list don't contain it. Likewise, a cluster with changed tags, or a project with a new name,
// also keeps the old tags or name until then, so a rule that selects by them still applies. Additions count at once.
// If the counts of a list contradict each other, its items are added, and nothing is removed.
//
// The inventory has a version that changes only if different projects or clusters are found. Each second during
// discovery and at its end, the goroutine compares the version with that of the last update, and updates the pollers
// if it differs. So clusters are polled soon, even if the list of another project is slow.
//
// An update computes the targets by a pure function of the configuration and the inventory (targets in rules.go):
// first the targets listed in the configuration, then those of rules for one project, then those of rules for all
// projects. A rule for all projects doesn't apply to projects with a rule of their own. A rule selects by project
// name, cluster name, and tags. A Flex cluster in the list of dedicated clusters is only a Flex target. If several
// rules find the same list, the first one determines its settings. Lists of other shards are left out, and the number
// of targets found is bounded. The update keeps the pollers of unchanged targets, stops those of removed ones, and
// launches pollers for new ones. Lists that no rule needs any longer are dropped from the inventory.
//
// # Facts about clusters
//
// [Manager.States] returns the facts about the cluster of each target: whether it exists, its settings of backups, and
// the names of its project, team, and environment. Most facts come from the lists that discovery reads. If discovery
// doesn't read a list that contains a target's cluster, another goroutine reads that list, and the project, at the same
// interval: at most three requests per project. After a temporary failure, these reads are retried with backoff; after
// any other failure, at the next interval. They start when discovery has attempted every list of projects. They affect
// neither polls nor readiness, and [Manager.Inventories] returns their status.
//
// An update derives the facts about all clusters from the lists (clusterFacts in clusters.go). If a list can't be read,
// the last known facts stay. While no fact about a cluster changes, its pointer stays, so that scrapes can compare
// pointers.
//
// The creation time of a cluster is the NotBefore of the policy of its targets, so that the jobs of an earlier cluster
// of the same name are ignored. If neither of two consecutive reads contains a cluster with the known ID and creation
// time, but they contain another one of the same name, the cluster was recreated, and the policy is Recreated. This
// survives changes of the configuration, and the removal of the cluster from the list while its project is read.
// Creation times in the future are ignored: a wrong one would hide current restores.
//
// A label is not taken from the tags of the project before the tags of the cluster are known, which take precedence.
//
// # Applying a configuration
//
// Apply checks the new configuration and updates the pollers from it and the current inventory. Targets that no rule
// selects any longer are removed at once, except those that a rule may yet find: they are polled with the settings of
// that rule until discovery has read the lists that decide (undecidedTargets in rules.go). If discovery has to send
// other requests than before, Apply cancels it and starts a new one; otherwise it continues, so that frequent reloads
// don't keep it from finishing. Discovery that was cancelled can't change anything afterwards. The inventory, the facts
// about clusters, and the history and failure counts of each remaining target survive.
//
// Each remaining target keeps its poller, which adopts changed settings and publishes the known jobs as summarized
// under the new policy. Its polls take place as usual: a running poll continues, and the next one is never postponed.
// A poll is due at once only if the client has changed, or if jobs may be missing under the new policy. A failure of a
// running poll doesn't count if the client was replaced meanwhile. If the number of concurrent polls is lowered, no
// poll starts until fewer than the new number are running.
//
// # Readiness
//
// A manager is ready once [Manager.Ready] was called when every list of discovery has been read, or has failed for a
// reason that is not temporary, and every target found by then has been polled, successfully or not. Timeouts, network
// errors, rate limits, and server errors are temporary. Afterwards it stays ready, unless a configuration adds
// credentials or projects: then it is ready once the same holds again.
//
// # Panics
//
// A panic during a poll or discovery is recovered and logged without its text, which may contain data from Atlas. It
// counts as a failure with [ErrInternal], and the next poll of the target is a full poll.
package poll
