package oracle

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"
)

// backupTypes are the kinds of lists. Random uses them in turn.
var backupTypes = []string{"dedicated", "collection", "flex", "serverless", "legacy"}

const (
	sourceProject = "aaaaaaaaaaaaaaaaaaaaaaaa"
	drillProject  = "bbbbbbbbbbbbbbbbbbbbbbbb"
	otherProject  = "cccccccccccccccccccccccc"
	sourceCluster = "orders"
	drillCluster  = "drill-1"
)

// simJob is a simulated job: its life, and how Atlas reports it. Rendering it gives its JSON as of a point in time.
type simJob struct {
	id         string
	created    time.Time // creation time that Atlas reports; the job is listed from then on
	started    time.Time
	finished   time.Time // the outcome is visible from then on
	expires    time.Time // zero: not reported
	snapshot   time.Time
	point      time.Time // zero: no point in time
	snapshotID string

	delivery string // deliveryType or methodName
	outcome  string // success, failed, cancelled, expired, or unknown
	project  string
	cluster  string
	batch    string
	style    int // selects one of the forms that Atlas may use, such as a link in components

	absent map[int]bool // polls whose list does not contain the job
	flaws  []flaw
}

// generator creates one random history.
type generator struct {
	*rand.Rand
	s        Settings
	nows     []time.Time
	dates    []time.Time
	jobs     []*simJob
	unstable bool // fields may be missing in one poll and present in the next one
	hostile  bool // most jobs have flawed fields
}

// Random returns the settings of a target and 1 to 6 polls of it. The same seed returns the same history.
func Random(seed uint64) (Settings, []Poll) {
	g := &generator{Rand: rand.New(rand.NewPCG(seed, 1))}
	g.s = g.settings(backupTypes[seed%uint64(len(backupTypes))])
	g.clock()
	g.unstable, g.hostile = g.chance(22), g.chance(45)
	n := 1 + g.IntN(30)
	if seed%334 == 0 { // more unfinished jobs than per-job series, but seldom: comparing them takes long
		n = maxUnfinishedJobSeries + 5 + g.IntN(30)
		g.nows, g.dates = g.nows[:1], g.dates[:1]
	}
	for len(g.jobs) < n {
		g.addJobs(n > 100)
	}
	var polls []Poll
	for i := range g.nows {
		polls = append(polls, g.poll(i))
	}
	return g.s, polls
}

func (g *generator) chance(percent int) bool { return g.IntN(100) < percent }

func pick[T any](g *generator, values ...T) T { return values[g.IntN(len(values))] }

// between returns a random duration in whole seconds.
func (g *generator) between(low, high time.Duration) time.Duration {
	seconds := int64((high - low) / time.Second)
	return low + time.Duration(g.Int64N(seconds+1))*time.Second
}

func (g *generator) settings(backupType string) Settings {
	s := Settings{
		ProjectID: sourceProject, ClusterName: sourceCluster, BackupType: backupType,
		HistoryMaxAge:         pick(g, 2*day, 20*day, 365*day, 365*day),
		HistoryMaxJobs:        pick(g, 1, 4, 9, 500, 500, 2000),
		JobSeriesMaxAge:       pick(g, day, 7*day, 365*day),
		JobSeriesMaxPerTarget: pick(g, 0, 1, 3, 100),
	}
	if g.chance(70) {
		s.DrillTargets = g.rules()
	}
	if g.chance(70) {
		s.AllowedTargets = g.rules()
	}
	s.Objectives = map[string]time.Duration{}
	for _, name := range []string{"duration", "drill_age", "recovery_point_age", "expiry_notice"} {
		if g.chance(50) {
			s.Objectives[name] = pick(g, 0, time.Minute, 90*time.Minute, 30*day)
		}
	}
	return s
}

func (g *generator) rules() []TargetRule {
	rules := []TargetRule{}
	all := []TargetRule{
		{ProjectID: drillProject},
		{ProjectID: drillProject, ClusterNames: []string{drillCluster}},
		{ProjectID: sourceProject, ClusterNames: []string{drillCluster, "drill-2"}},
		{ProjectID: sourceProject, ClusterNames: []string{sourceCluster}},
		{ProjectID: otherProject, ClusterNames: []string{"reports"}},
	}
	for _, rule := range all {
		if g.chance(40) {
			rules = append(rules, rule)
		}
	}
	return rules
}

// clock chooses the times of the polls and their Date headers.
func (g *generator) clock() {
	now := time.Date(2026, 8, 1, 0, 0, 0, 0, time.UTC).Add(g.between(0, 60*day))
	gap := pick(g, time.Minute, time.Hour, 10*time.Hour, 3*day)
	skew := time.Duration(0)
	switch {
	case g.chance(10):
		skew = pick(g, -3*day, -2*time.Hour, 2*time.Hour, 2*day)
	case g.chance(50):
		skew = g.between(-3*time.Second, 3*time.Second)
	}
	withDate := !g.chance(10)
	for range 1 + g.IntN(6) {
		g.nows = append(g.nows, now)
		date := time.Time{}
		if withDate {
			date = now.Add(skew)
			if len(g.nows)%3 == 1 && skew == 0 { // of this response only
				date = now.Add(-gap * 300)
			}
		}
		g.dates = append(g.dates, date)
		now = now.Add(g.between(gap/2, gap*2))
	}
}

// addJobs adds a job or a batch of jobs.
func (g *generator) addJobs(unfinished bool) {
	j := g.job()
	if unfinished {
		j.finished = g.last().Add(10 * day)
		j.flaws = nil
	}
	g.jobs = append(g.jobs, j)
	if g.s.BackupType != "legacy" || unfinished || !g.chance(35) {
		return
	}
	// The jobs of a batch are created together; their outcomes vary. Their deliveries vary only if the whole batch
	// remains known: a batch of which other parts are known at each poll could have a success for each delivery type.
	j.batch = g.hex(j.created)
	uniform := g.chance(50)
	mixed := !uniform && g.s.HistoryMaxJobs >= 500 && g.s.HistoryMaxAge == 365*day
	for range 1 + g.IntN(3) {
		k := g.job()
		k.batch, k.created = j.batch, j.created.Add(g.between(0, 2*time.Second))
		k.started, k.finished = j.started, k.created.Add(max(j.finished.Sub(j.created), time.Second))
		k.id = g.hex(k.created)
		if uniform {
			k.outcome = j.outcome
		}
		if !mixed {
			k.delivery, k.project, k.cluster, k.style = j.delivery, j.project, j.cluster, j.style
		}
		k.expires = expiryOf(g, k)
		if mixed || g.chance(90) {
			k.absent = j.absent
		}
		g.jobs = append(g.jobs, k)
	}
}

func (g *generator) last() time.Time { return g.nows[len(g.nows)-1] }

// hex returns an unused ID of 24 hex digits that encodes the time.
func (g *generator) hex(t time.Time) string {
	for {
		id := fmt.Sprintf("%08x%08x%08x", t.Unix(), g.Uint32(), g.Uint32())
		if !slices.ContainsFunc(g.jobs, func(j *simJob) bool { return j.id == id }) {
			return id
		}
	}
}

// job creates a random job.
func (g *generator) job() *simJob {
	j := &simJob{style: g.IntN(1 << 20)}
	first := g.nows[0]
	switch g.IntN(4) {
	case 0:
		j.created = first.Add(-g.between(0, 60*day))
	case 1:
		j.created = first.Add(-g.between(0, 12*day))
	case 2:
		j.created = first.Add(-g.between(0, day))
	default:
		j.created = first.Add(g.between(-time.Minute, g.last().Sub(first)))
	}
	j.finished = j.created.Add(pick(g, 0, g.between(time.Second, time.Hour), g.between(time.Hour, 3*day)))
	switch {
	case g.chance(55): // progress becomes visible at one of the polls
		j.finished = pick(g, g.nows...).Add(-g.between(0, 50*time.Second))
	case g.chance(35):
		j.finished = g.last().Add(day) // never finishes
	}
	if len(g.jobs) > 0 && g.chance(25) { // ties in times
		k := pick(g, g.jobs...)
		j.created, j.finished = k.created, k.finished
	}
	if j.finished.Before(j.created) && !g.chance(20) { // else a negative duration
		j.finished = j.created.Add(time.Second)
	}
	if len(g.jobs) > 0 && g.chance(10) { // ties in ends only
		if k := pick(g, g.jobs...); k.finished.After(j.created) {
			j.finished = k.finished
		}
	}
	j.started = j.created.Add(j.finished.Sub(j.created) / 3)
	j.id = g.hex(j.created)
	g.describe(j)
	j.expires = expiryOf(g, j)
	if len(g.jobs) > 0 && g.chance(20) { // competes with another job for the same series
		k := pick(g, g.jobs...)
		j.delivery, j.outcome, j.project, j.cluster, j.point = k.delivery, k.outcome, k.project, k.cluster, k.point
		if g.chance(50) {
			j.created, j.started, j.finished, j.expires = k.created, k.started, k.finished, k.expires
			j.id = g.hex(j.created)
		} else if k.finished.After(j.created) {
			j.finished = k.finished
		}
	}
	g.absences(j)
	g.addFlaws(j)
	return j
}

// describe chooses the delivery, the outcome, the target, and the snapshot of a job.
func (g *generator) describe(j *simJob) {
	deliveries := map[string][]string{
		"dedicated":  {"automated", "automated", "pointInTime", "download", "download", "download", "STREAM"},
		"serverless": {"automated", "pointInTime", "download", "download", "download", "STREAM"},
		"flex":       {"RESTORE", "RESTORE", "DOWNLOAD", "DOWNLOAD", "STREAM"},
		"collection": {""},
		"legacy": {"AUTOMATED_RESTORE", "AUTOMATED_RESTORE", "HTTP", "HTTP", "HTTP", "CLIENT_PIT_HTTP", "QUERY", "SCP",
			"CLIENT_PIT_SCP", "THIRD_PARTY_COPY", "STREAM"},
	}
	j.delivery = pick(g, deliveries[g.s.BackupType]...)
	j.outcome = pick(g, "success", "success", "success", "success", "success", "failed", "failed", "failed",
		"cancelled", "expired", "unknown")
	if j.delivery == "AUTOMATED_RESTORE" && g.chance(60) {
		j.outcome = "failed"
	}
	targets := [][2]string{
		{sourceProject, sourceCluster}, {sourceProject, "reports"}, {sourceProject, drillCluster},
		{drillProject, drillCluster}, {drillProject, "reports"}, {otherProject, "reports"},
		{"", ""}, {drillProject, ""},
	}
	target := targets[g.IntN(len(targets))]
	j.project, j.cluster = target[0], target[1]
	j.snapshot = j.created.Add(-g.between(time.Minute, 10*day))
	j.snapshotID = g.hex(j.snapshot.Add(-90 * time.Second))
	if g.chance(35) || j.delivery == "pointInTime" {
		j.point = j.snapshot.Add(-g.between(0, 2*time.Hour))
	}
}

// expiryOf chooses the expiry time of a job. Some polls are just before, at, or just after an expiry.
func expiryOf(g *generator, j *simJob) time.Time {
	switch {
	case g.s.BackupType == "flex" && j.delivery != "DOWNLOAD":
		return j.created.Add(6 * time.Hour)
	case g.chance(15):
		return time.Time{}
	case g.chance(45):
		return pick(g, g.nows...).Add(pick(g, -time.Second, 0, time.Second))
	case g.chance(15) && len(g.jobs) > 0:
		return pick(g, g.jobs...).expires // a tie
	}
	return j.finished.Add(pick(g, time.Hour, 4*time.Hour, 3*day, 48*time.Hour))
}

// absences chooses the lists that do not contain the job.
func (g *generator) absences(j *simJob) {
	j.absent = map[int]bool{}
	if len(g.nows) < 2 || !g.chance(30) {
		return
	}
	from := 1 + g.IntN(len(g.nows)-1)
	length := pick(g, 1, 2, 3, 6)
	for i := from; i < from+length; i++ {
		j.absent[i] = true
	}
}

// poll renders all jobs that the list of a poll contains, newest first, and a few items that are not jobs.
func (g *generator) poll(i int) Poll {
	now := g.nows[i]
	listed := slices.Clone(g.jobs)
	g.Shuffle(len(listed), func(a, b int) { listed[a], listed[b] = listed[b], listed[a] })
	slices.SortStableFunc(listed, func(a, b *simJob) int { return b.created.Compare(a.created) })
	poll := Poll{Now: now, Date: g.dates[i], Jobs: []json.RawMessage{}}
	for _, j := range listed {
		if j.created.After(now) || j.absent[i] {
			continue
		}
		fields := render(g.s.BackupType, j, now)
		for _, d := range j.flaws {
			d.apply(fields)
		}
		if g.unstable && g.chance(10) {
			delete(fields, pick(g, "finishedAt", "restoreFinishedDate", "expiresAt"))
		}
		poll.Jobs = append(poll.Jobs, encode(fields))
		if g.chance(1) {
			item := pick(g, `null`, `"job"`, `{}`, `{"id":null}`, `{"id":7}`, `[]`)
			poll.Jobs = append(poll.Jobs, json.RawMessage(item))
		}
	}
	return poll
}

func encode(v any) json.RawMessage {
	raw, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return raw
}
