package report_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"atlas-restore-exporter/atlas/atlastest"
	"atlas-restore-exporter/internal/config"
)

// generator generates a random history of one cluster.
type generator struct {
	*rand.Rand
	o                oracle
	kind             atlastest.ClusterKind
	fromText, toText string
	serial           int
}

const dayLength = 24 * 60 * 60

func newGenerator(seed uint64) *generator {
	g := &generator{Rand: rand.New(rand.NewPCG(seed, 16))}
	leapDay := time.Date(2024+4*g.IntN(2), 2, 29, 12, 0, 0, 0, time.UTC).Unix()
	now := leapDay + g.Int64N(200*dayLength)
	g.o = oracle{now: now, project: project, name: "prod", objectives: map[string]int64{}, signOffs: map[string]string{},
		lists: map[string][]object{}}
	g.period()
	g.o.created = now - 500*dayLength
	if g.IntN(4) == 0 {
		g.o.created = now - g.Int64N(150*dayLength)
	}
	if g.IntN(2) == 0 {
		g.o.drillTargets = [][]string{{}, {"drill"}, {"drill", "spare"}}[g.IntN(3)]
	}
	if g.IntN(2) == 0 {
		g.o.allowed = [][]string{{}, {"drill"}, {"drill", "prod"}}[g.IntN(3)]
	}
	for _, objective := range []string{"duration", "drill_age", "recovery_point_age"} {
		if g.IntN(5) > 0 {
			unit := map[string]int64{"duration": 3600, "drill_age": dayLength, "recovery_point_age": 3600}[objective]
			g.o.objectives[objective] = unit * (1 + g.Int64N(30))
		}
	}
	types := [][]string{
		{"dedicated"}, {"dedicated", "collection"}, {"flex"}, {"serverless"}, {"legacy"}, {"collection"},
		{"legacy", "dedicated", "collection"},
	}[g.IntN(7)]
	g.kind = atlastest.LegacyCluster // serves dedicated backup and collections, too
	switch types[0] {
	case "flex":
		g.kind = atlastest.FlexCluster
	case "serverless":
		g.kind = atlastest.ServerlessInstance
	}
	for _, backupType := range types {
		g.o.lists[backupType] = g.jobs(backupType)
	}
	return g
}

// period chooses a period, whose end may be in the future, and writes its times with and without zones.
func (g *generator) period() {
	zones := []*time.Location{
		time.UTC, time.FixedZone("", 5*3600+45*60), time.FixedZone("", -9*3600-1800), time.FixedZone("", 13*3600),
	}
	write := func(seconds int64) string {
		zone := zones[g.IntN(len(zones))]
		if zone == time.UTC && g.IntN(2) == 0 {
			return time.Unix(seconds, 0).UTC().Format("2006-01-02T15:04:05")
		}
		return time.Unix(seconds, 0).In(zone).Format(time.RFC3339)
	}
	g.o.to = g.o.now - g.Int64N(60*dayLength) + 10*dayLength
	g.o.from = min(g.o.to, g.o.now) - 1 - g.Int64N(100*dayLength)
	if g.IntN(3) == 0 { // whole days, around the leap day
		g.o.from -= g.o.from % dayLength
	}
	g.fromText, g.toText = write(g.o.from), write(g.o.to)
	g.o.to = min(g.o.to, g.o.now)
}

// settings returns the settings of the configuration that the oracle has.
func (g *generator) settings() string {
	targets := func(key string, clusters []string) string {
		switch {
		case clusters == nil:
			return ""
		case len(clusters) == 0:
			return key + ": []\n"
		}
		return key + ": [{project_id: " + project + ", cluster_names: [" + strings.Join(clusters, ", ") + "]}]\n"
	}
	var objectives []string
	for objective, limit := range g.o.objectives {
		objectives = append(objectives, fmt.Sprintf("%s: %ds", objective, limit))
	}
	return targets("drill_targets", g.o.drillTargets) + targets("allowed_targets", g.o.allowed) +
		"objectives: {" + strings.Join(objectives, ", ") + "}\n"
}

func (g *generator) signOffs() []config.SignOff {
	var signOffs []config.SignOff
	for id, result := range g.o.signOffs {
		signOffs = append(signOffs, config.SignOff{JobID: id, Reviewer: "Ada", Date: "2026-08-01", Pass: result == "pass"})
	}
	return signOffs
}

// moment returns a time in or around the period, often exactly at one of its borders.
func (g *generator) moment() int64 {
	switch g.IntN(8) {
	case 0:
		return g.o.from + g.Int64N(3) - 1
	case 1:
		return g.o.to + g.Int64N(3) - 1
	}
	return min(g.o.now, g.o.from-20*dayLength+g.Int64N(g.o.to-g.o.from+30*dayLength))
}

func pick(g *generator, values ...string) string { return values[g.IntN(len(values))] }

// jobs returns random jobs. Some fields are missing or implausible.
func (g *generator) jobs(backupType string) []object {
	var jobs []object
	for range g.IntN(25) {
		end := g.moment()
		takes := g.Int64N(10 * 3600)
		if limit, set := g.o.objectives["duration"]; set && g.IntN(4) == 0 {
			takes = limit // just met
		}
		job := map[string]func(int64, int64) object{
			"dedicated": g.dedicated, "serverless": g.dedicated, "flex": g.flex, "collection": g.collection, "legacy": g.legacy,
		}[backupType](end-takes, end)
		if g.IntN(6) == 0 {
			delete(job, pick(g, "finishedAt", "restoreFinishedDate", "timestamp", "snapshotFinishedDate", "restoreScheduledDate",
				"createdAt", "created", "snapshotId"))
		}
		if g.IntN(12) == 0 {
			job[pick(g, "finishedAt", "timestamp", "restoreFinishedDate")] = utc(g.o.now + 3*dayLength) // implausible
		}
		if g.IntN(5) == 0 {
			g.o.signOffs[text(job, "id")] = pick(g, "pass", "fail")
		}
		jobs = append(jobs, job)
	}
	return jobs
}

// newID returns the ID of a job. Sometimes, it doesn't contain the creation time.
func (g *generator) newID(created int64) string {
	g.serial++
	if g.IntN(15) == 0 {
		return fmt.Sprintf("job-%d", g.serial)
	}
	return fmt.Sprintf("%08x%016x", created, g.serial)
}

func (g *generator) target() (string, string) {
	return pick(g, project, project, project, elseware), pick(g, "prod", "drill", "drill", "spare")
}

func (g *generator) dedicated(created, end int64) object {
	job := object{
		"id": g.newID(created), "deliveryType": pick(g, "automated", "automated", "pointInTime", "download", "mystery"),
		"failed": false, "cancelled": false, "expired": false, "deliveryUrl": []any{},
		"timestamp": utc(created - g.Int64N(30*3600)), "desiredTimestamp": object{"date": nil, "increment": nil},
	}
	if g.IntN(4) == 0 {
		job["pointInTimeUTCSeconds"] = created - g.Int64N(30*3600)
	}
	if g.IntN(8) == 0 {
		job["desiredTimestamp"] = object{"date": utc(created - g.Int64N(40*3600))}
	}
	if job["deliveryType"] != "download" || g.IntN(5) == 0 {
		job["targetGroupId"], job["targetClusterName"] = g.target()
	}
	switch g.IntN(8) {
	case 0: // in progress
	case 1, 2:
		job["failed"], job["cancelled"], job["finishedAt"] = true, g.IntN(2) == 0, utc(end)
	case 3:
		job["cancelled"], job["finishedAt"] = true, utc(end)
	default:
		if job["deliveryType"] == "download" {
			job["expiresAt"], job["deliveryUrl"] = utc(end), []any{"https://example.net/archive"}
			if end <= g.o.now && g.IntN(2) == 0 {
				job["expired"], job["deliveryUrl"] = true, []any{}
			}
		} else {
			job["finishedAt"] = utc(end)
		}
	}
	return job
}

func (g *generator) flex(created, end int64) object {
	job := object{
		"id": g.newID(created), "deliveryType": pick(g, "RESTORE", "RESTORE", "RESTORE", "DOWNLOAD", "NEW"),
		"restoreScheduledDate": utc(created + g.Int64N(2)), "snapshotFinishedDate": utc(created - g.Int64N(30*3600)),
		"expirationDate": utc(created + 6*3600),
		"status":         pick(g, "COMPLETED", "COMPLETED", "COMPLETED", "FAILED", "RUNNING", "PENDING", "STRANGE"),
	}
	if job["deliveryType"] != "DOWNLOAD" {
		job["targetProjectId"], job["targetDeploymentItemName"] = g.target()
	}
	if job["status"] == "COMPLETED" || job["status"] == "FAILED" {
		job["restoreFinishedDate"] = utc(end)
		if job["deliveryType"] == "DOWNLOAD" && job["status"] == "COMPLETED" {
			job["expirationDate"], job["snapshotUrl"] = utc(end+g.Int64N(3*dayLength)), "https://example.net/archive"
		}
	}
	return job
}

func (g *generator) collection(created, end int64) object {
	job := object{
		"id": g.newID(created), "createdAt": utc(created),
		"snapshotId":    fmt.Sprintf("%08x%016x", created-g.Int64N(30*3600), 7),
		"state":         pick(g, "SUCCESSFUL", "SUCCESSFUL", "FAILED", "CANCELED", "IN_PROGRESS", "INITIALIZING", "ODD"),
		"writeStrategy": pick(g, "CREATE_NEW", "OVERWRITE_EXISTING"),
		"indexStatus":   object{"state": pick(g, "SUCCESSFUL", "FAILED", "NOT_RESTORED")},
	}
	job["targetGroupId"], job["targetClusterName"] = g.target()
	if g.IntN(4) == 0 {
		job["pointInTimeUtcSeconds"] = created - g.Int64N(30*3600)
	}
	if slices.Contains([]string{"SUCCESSFUL", "FAILED", "CANCELED"}, text(job, "state")) {
		job["finishedAt"] = utc(end)
	}
	return job
}

func (g *generator) legacy(created, end int64) object {
	delivery := object{
		"methodName": pick(g, "HTTP", "HTTP", "AUTOMATED_RESTORE", "QUERY", "SCP"),
		"statusName": pick(g, "READY", "READY", "FAILED", "EXPIRED", "IN_PROGRESS", "MAX_DOWNLOADS_EXCEEDED"),
	}
	if delivery["methodName"] == "AUTOMATED_RESTORE" || g.IntN(2) == 0 {
		delivery["targetGroupId"], delivery["targetClusterName"] = g.target()
	}
	if g.IntN(3) > 0 && (delivery["statusName"] == "READY" || (delivery["statusName"] == "EXPIRED" && end <= g.o.now)) {
		delivery["expires"] = utc(end)
	}
	job := object{
		"id": g.newID(created), "created": utc(created), "timestamp": object{"date": utc(created - g.Int64N(30*3600))},
		"statusName": pick(g, "FINISHED", "FINISHED", "FINISHED", "BROKEN", "KILLED", "IN_PROGRESS"), "delivery": delivery,
	}
	if g.IntN(2) == 0 {
		job["batchId"] = fmt.Sprintf("b%d", g.IntN(4))
	}
	return job
}
