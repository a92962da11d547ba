package recompute

import (
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strconv"
	"time"

	"atlas-restore-exporter/atlas/atlastest"
)

const project, drillProject = "5f3a1b2c4d5e6f7a8b9c0d1e", "6b2c3d4e5f60718293a4b5c6"

// fields are the fields of a JSON object.
type fields = map[string]any

// history is a random history of restore jobs, with the inputs of a report.
type history struct {
	*rand.Rand
	input
	seed               uint64
	fromGiven, toGiven string
	config             fields
	kinds              map[string]atlastest.ClusterKind // by cluster
	batches            int
}

func generate(seed uint64) *history {
	h := &history{Rand: rand.New(rand.NewPCG(seed, 16)), seed: seed, kinds: map[string]atlastest.ClusterKind{}}
	h.choosePeriod()
	drills, allowed := h.targets(), h.targets()
	objectives := fields{}
	h.addObjectives(objectives)
	h.config = fields{
		"atlas":       fields{"base_url": "http://atlas.test"},
		"credentials": fields{"default": fields{"service_account": fields{"client_id": "id", "client_secret": "secret"}}},
		"objectives":  objectives,
	}
	setTargets(h.config, drills, allowed)
	clusters := []fields{}
	for i := range 1 + h.IntN(3) {
		settings := fields{"name": "cluster-" + strconv.Itoa(i)}
		c := &clusterInput{Project: project, Name: "cluster-" + strconv.Itoa(i), Drills: drills, Allowed: allowed,
			Team: pick(h, "", "payments", "data"), Lists: map[string]*list{}}
		settings["labels"] = fields{"team": c.Team}
		own := fields{}
		if h.chance(25) {
			h.addObjectives(own)
			settings["objectives"] = own
		}
		if h.chance(15) {
			ownDrills := h.targets()
			setTargets(settings, ownDrills, nil)
			if ownDrills != nil {
				c.Drills = ownDrills
			}
		}
		c.Objectives = effective(objectives, own)
		h.addLists(c)
		settings["backup_types"] = slices.Sorted(maps.Keys(c.Lists))
		clusters = append(clusters, settings)
		h.Clusters = append(h.Clusters, c)
	}
	h.config["projects"] = []fields{{"id": project, "clusters": clusters}}
	h.addSignOffs()
	return h
}

// choosePeriod chooses the period and the time of generation. The borders are often on, or next to, leap days.
func (h *history) choosePeriod() {
	leap := time.Date(pick(h, 2024, 2028), 2, 29, 0, 0, 0, 0, time.UTC)
	h.To = leap.Add(h.upTo(3 * 365 * day)).Truncate(day)
	if h.chance(40) {
		h.To = leap.Add(pick(h, -day, 0, day))
	}
	h.From = h.To.AddDate(0, 0, -pick(h, 1, 28, 31, 90, 92, 365, 366, 1+h.IntN(500)))
	if h.chance(20) {
		h.From = time.Date(leap.Year(), 2, 28+h.IntN(2), 0, 0, 0, 0, time.UTC)
		h.To = h.From.AddDate(0, pick(h, 1, 3, 12), h.IntN(2))
	}
	h.fromGiven, h.toGiven = h.From.Format(time.DateOnly), h.To.Format(time.DateOnly)
	if h.chance(40) { // with a zone
		h.From, h.To = h.From.Add(h.upTo(day)), h.To.Add(h.upTo(day))
		h.fromGiven, h.toGiven = h.inZone(h.From).Format(time.RFC3339), h.inZone(h.To).Format(time.RFC3339)
	}
	h.Now = h.To.Add(1 + h.upTo(90*day))
	if h.chance(20) { // the end of the period is the time of generation
		h.Now = h.To.Add(-h.upTo(h.To.Sub(h.From) / 2)).Truncate(time.Second)
		h.To = h.Now
	}
	h.Now = h.Now.Truncate(time.Second)
	if h.Now.Before(h.To) {
		h.Now = h.To
	}
}

func (h *history) addObjectives(objectives fields) {
	durations := map[string][]string{
		"duration":           {"30m", "1h", "4h", "0s"},
		"drill_age":          {"7d", "30d", "90d", "365d", "0s"},
		"recovery_point_age": {"6h", "1d", "2d", "0s"},
	}
	for _, name := range slices.Sorted(maps.Keys(durations)) {
		if h.chance(75) {
			objectives[name] = pick(h, durations[name]...)
		}
	}
}

// effective: "The most specific setting takes precedence; 0s disables an inherited objective."
func effective(levels ...fields) map[string]int64 {
	seconds := map[byte]int64{'s': 1, 'm': 60, 'h': 3600, 'd': 86400}
	out := map[string]int64{}
	for _, level := range levels {
		for name, setting := range level {
			text := setting.(string)
			n, err := strconv.ParseInt(text[:len(text)-1], 10, 64)
			if err != nil {
				panic(err)
			}
			out[name] = n * seconds[text[len(text)-1]]
			if n == 0 {
				delete(out, name)
			}
		}
	}
	return out
}

// targets returns a setting of allowed_targets or drill_targets, or nil if it is not set.
func (h *history) targets() *[]target {
	switch h.IntN(5) {
	case 0:
		return nil
	case 1:
		return &[]target{{drillProject, nil}}
	case 2:
		return &[]target{{drillProject, []string{"drill"}}, {project, []string{"cluster-0", "cluster-1"}}}
	case 3:
		return &[]target{{drillProject, []string{"drill"}}}
	}
	if h.chance(10) {
		return &[]target{}
	}
	return &[]target{{project, nil}, {drillProject, nil}}
}

func setTargets(settings fields, drills, allowed *[]target) {
	if drills != nil {
		settings["drill_targets"] = *drills
	}
	if allowed != nil {
		settings["allowed_targets"] = *allowed
	}
}

// addLists adds the lists of a cluster, and its creation time.
func (h *history) addLists(c *clusterInput) {
	c.Created = h.From.Add(-h.upTo(800 * day)).Truncate(time.Second)
	if h.chance(30) { // in the period, so that older jobs are those of a cluster that was replaced
		c.Created = h.From.Add(h.upTo(h.To.Sub(h.From) * 3 / 4)).Truncate(time.Second)
	}
	if h.chance(5) && h.Now.After(h.To) { // after the period
		c.Created = h.To.Add(h.upTo(h.Now.Sub(h.To))).Truncate(time.Second)
	}
	c.Backup = h.chance(80)
	c.PointInTime = c.Backup && h.chance(50)
	switch h.IntN(8) {
	case 0, 1:
		h.kinds[c.Name] = atlastest.FlexCluster
		h.addList(c, "flex")
	case 2:
		h.kinds[c.Name] = atlastest.ServerlessInstance
		h.addList(c, "serverless")
		c.Created = time.Time{} // not in the list of clusters
	case 3, 4:
		h.kinds[c.Name] = atlastest.LegacyCluster
		h.addList(c, "legacy")
	default:
		h.kinds[c.Name] = atlastest.DedicatedCluster
		whole := h.chance(85)
		if whole {
			h.addList(c, "dedicated")
		}
		if !whole || h.chance(50) {
			h.addList(c, "collection")
		}
	}
}

func (h *history) addList(c *clusterInput, backup string) {
	l := &list{Denied: h.chance(4)}
	c.Lists[backup] = l
	for range h.IntN(13) {
		h.addJobs(c, l, backup)
	}
	if len(l.Items) > 0 && h.chance(3) { // a list without any job is malformed as a whole
		l.Items = append(l.Items, json.RawMessage(pick(h, `{"deliveryType":"automated"}`, `{"id":7}`, `{}`)))
	}
	h.Shuffle(len(l.Items), func(i, j int) { l.Items[i], l.Items[j] = l.Items[j], l.Items[i] })
}

// addSignOffs signs off at most one job of each restore.
func (h *history) addSignOffs() {
	if h.chance(30) {
		return
	}
	denied := false
	for _, c := range h.Clusters {
		for _, backup := range slices.Sorted(maps.Keys(c.Lists)) {
			l := c.Lists[backup]
			denied = denied || l.Denied
			batches := map[string]bool{}
			for _, item := range l.Items {
				o := decode(item)
				id, batch := o.text("id"), o.text("batchId")
				if id == "" || l.Denied || batches[batch] || !h.chance(30) {
					continue
				}
				batches[batch] = batch != ""
				h.SignOffs = append(h.SignOffs, signOff{JobID: id, Reviewer: pick(h, "A. Reviewer", "B. Reviewer"),
					Date: h.Now.Format(time.DateOnly), Pass: h.chance(70), Notes: pick(h, "", "row counts compared")})
			}
		}
	}
	if denied && h.chance(50) {
		h.SignOffs = append(h.SignOffs, signOff{JobID: h.id(h.From), Reviewer: "C. Reviewer", Date: "2024-02-29", Pass: true})
	}
}

// format formats a time in a random zone, and sometimes with a fraction of a second.
func (h *history) format(t time.Time) string {
	if h.chance(5) {
		t = t.Add(time.Duration(h.IntN(1000)) * time.Millisecond)
	}
	return h.inZone(t).Format(time.RFC3339Nano)
}

func (h *history) inZone(t time.Time) time.Time {
	zone := pick(h, 0, 0, 2*3600, -7*3600, 5*3600+45*60, 14*3600, -12*3600)
	return t.In(time.FixedZone("", zone))
}

func (h *history) id(t time.Time) string {
	return fmt.Sprintf("%08x%016x", uint32(t.Unix()), h.Uint64())
}

func (h *history) chance(percent int) bool { return h.IntN(100) < percent }

// upTo returns whole seconds, 0 <= d <= limit.
func (h *history) upTo(limit time.Duration) time.Duration {
	return time.Duration(h.Int64N(int64(limit/time.Second)+1)) * time.Second
}

func pick[T any](h *history, values ...T) T { return values[h.IntN(len(values))] }
