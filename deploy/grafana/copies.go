package main

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/grafana/grafana-foundation-sdk/go/cog"
	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
)

// Kinds of copies.
const (
	unexpectedTarget = iota
	otherProject
	openDownload // sorted by the time when its link expires
	wasOpen      // as well
	pastDownload // newest first
)

// copyKinds are the texts and colors of the kinds of copies.
var copyKinds = []struct{ text, color string }{
	{"Unexpected target", red}, {"Other project", yellow}, {"Open download", orange}, {"Was open", purple}, {"Past download", grey},
}

// copies are the series of copies that leave the project.
var copies = func() (c struct{ abroad, downloads, ended, created string }) {
	info := "max by (" + jobKey + ", target_project_id, target_cluster_name) (" + keptHour("job_info", `target_project_id!=""`) + ")"
	c.created = "max by (" + jobKey + ") (" + keptHour("job_created_timestamp_seconds") + ")"
	c.abroad = "((" + elsewhere(info) + ") *" + onJob + "group_left () " + c.created + ") > time() - 7 * 86400"
	// A ready download without an expiry has no link in readyLinks.
	c.downloads = "(" + c.created + " and" + onJob + "(" + keptHour("job_status", `status="ready"`) + " == 1 unless" + onJob +
		target("job_expiry_timestamp_seconds") + " or" + onJob + "(" + readyLinks + ")))"
	c.ended = keptHour("job_status", `status=~"expired|failed|cancelled"`) + " == 1"
	return c
}()

// noCopies is precise: a drill in the same project copies data as well, but is no row.
const noCopies = "No download, no restore into another project, and no unexpected target is known. Restores and drills within a project " +
	"are not listed."

const onJob = " on (" + jobKey + ") "

func keptHour(name string, more ...string) string { return kept(target(name, more...), "1h") }

// copyRanks returns the kind of each copy. That of a download has a fraction: the time left, or the age if it is past, in units of
// 116 days. Grafana sorts a table by one column only.
func copyRanks() string {
	rank := func(kind int, series string) string { return fmt.Sprintf("0 * (%s) + %d", series, kind) }
	open := func(kind int) string {
		return fmt.Sprintf("(%d + clamp(((%s) - time()) / 1e7, 0, 0.99) or%s(%s))", kind, readyLinks, onJob, rank(kind, copies.downloads))
	}
	recorded := selector(downloads, clusters) // remains if the exporter is down
	isStale := " on (" + targetKey + ") " + stale
	newestFirst := fmt.Sprintf("%d + clamp((time() - %s) / 1e7, 0, 0.99)", pastDownload, recorded)
	restores := "(" + withTarget(rank(unexpectedTarget, selector(unexpected, clusters))+" or"+onJob+
		"("+rank(otherProject, copies.abroad)+")") + ")"
	ranks := []string{fmt.Sprintf("(%s + %g and%s)", restores, past, isStale), restores}
	for _, download := range []string{
		"(" + open(openDownload) + " unless" + isStale + ")",
		"((" + open(wasOpen) + " or" + onJob + "(" + rank(wasOpen, recorded+" unless"+onJob+"("+copies.ended+")") + ")) and" + isStale + ")",
		newestFirst,
	} {
		ranks = append(ranks, `label_replace(`+download+`, "delivery_type", "download", "", "")`)
	}
	return strings.Join(ranks, " or"+onJob)
}

// copiesPanel is the table of copies that leave the project.
func copiesPanel(width, height uint32) cog.Builder[dashboard.Panel] {
	all := "(" + strings.Join([]string{
		selector(unexpected, clusters), "(" + copies.abroad + ")", selector(downloads, clusters), copies.downloads,
	}, " or"+onJob) + ")"
	var status []string
	for i, s := range jobStatuses() {
		status = append(status, fmt.Sprintf("%d * (%s == 1)", i+1, keptHour("job_status", fmt.Sprintf("status=%q", s.name))))
	}
	expiry := keptHour("job_expiry_timestamp_seconds") + " or " + selector(nextExpiry, clusters)
	isDownload := " and" + onJob + "(" + selector(downloads, clusters) + " or" + onJob + copies.downloads + ")"
	var mappings []dashboard.ValueMapping
	for i, kind := range copyKinds {
		if i < openDownload {
			mappings = append(mappings, mapping(map[string]dashboard.ValueMappingResult{
				strconv.Itoa(i): result(kind.text, kind.color), fmt.Sprint(float64(i) + past): result(wasPrefix+kind.text, purple),
			})...)
			continue
		}
		mappings = append(mappings, ranked(i, result(kind.text, kind.color)))
	}
	return joinedTable(frame{
		title: "Copies of data: downloads of 24 hours, other copies of 7 days", width: width, height: height, noValue: noCopies,
		description: "Downloads that are open or were created in the last 24 hours, and restores into other projects or unexpected " +
			"targets in the last 7 days. All users with the link of a download can read the data until the link expires. Atlas " +
			"reports neither the creator of a download nor whether it was fetched. Was open: not known to be past at " +
			"the last poll; now, the target can't be polled.",
		queries: []query{
			{identified(arrow(rows(withLabels(copyRanks())))), ""},
			{milliseconds(values(all)), ""},
			{milliseconds(values("(" + expiry + ")" + isDownload)), ""},
			{values("floor((" + readyLinks + ") - time() > 0)"), ""},
			{values("(" + strings.Join(status, " or ") + ") and" + onJob + all), ""},
		},
	}, joinByKey, joinOptions("key"), "Copy", false, slices.Concat([]column{
		{valueOf(0), "Copy", 88, []property{unit(count), mapped(mappings), background(), alignLeft()}},
	}, clusterColumns(), []column{
		{valueOf(2), "Link expires", 88, []property{unit(date)}},
		{valueOf(3), "Time left", 0, []property{fixed(90), unit(daysTime)}},
		{valueOf(4), "Status", 0, []property{fixed(88), unit(count), mapped(statusMappings()), colorText(), alignLeft()}},
		{valueOf(1), "Created", 0, []property{fixed(160), wrapped(), unit(date)}},
		{"into_project", "Target project", 0, []property{fixed(200)}},
	}, linkColumns(), []column{jobColumn()})...)
}
