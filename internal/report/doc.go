// Package report writes evidence about the restores of a period: which clusters are in scope, which drills were done,
// and whether they meet the objectives.
//
// [Generate] reads Atlas once and returns a [Report]. It needs no exporter, and stores nothing:
//
//  1. A poll.Manager without history limits and without shards discovers and polls the targets of a configuration. All
//     clients keep the lists of projects and clusters that they read.
//  2. The remaining lists of clusters of all projects that the credentials can access are read, so that the scope also
//     contains the clusters that are not targets, with the setting that excludes them.
//  3. The restores of each target are sorted into the lists of their clusters, and judged. The rules for the status,
//     purpose, end, and recovery point of a restore are those of package history.
//
// A report consists of a [Header] and of [Data]. The header contains the SHA-256 digest of the data. [Write] writes a
// report as HTML, CSV, JSON, or Markdown; docs/report.schema.json describes the JSON format.
//
// # Restores in the period
//
// A restore belongs to the period [from, to) if it ended in it. It is listed as unfinished if it was created before to
// and is unfinished, or ended later. A restore whose end is unknown belongs to no period, and is only counted.
//
// # Verdicts
//
// A drill counts unless it was signed off as fail, or its job was created before the cluster, which then replaced
// another cluster of the same name. The age of the last drill is measured from the end of the last counted drill or, if
// there was none since, from the creation of the cluster.
//
// If the lists of a cluster are not complete, a verdict is only given if unknown restores can't change it: further
// drills can't cause a miss of drill_age, and can't make up for a miss of the other objectives.
package report
