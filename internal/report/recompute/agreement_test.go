package recompute

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"slices"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"atlas-restore-exporter/atlas"
	"atlas-restore-exporter/atlas/atlastest"
	"atlas-restore-exporter/internal/config"
	"atlas-restore-exporter/internal/report"
)

// TestReportAgreesWithRecomputation compares each row of the reports of random histories with the recomputed row.
// The environment variable REPORT_SEED selects a single seed.
func TestReportAgreesWithRecomputation(t *testing.T) {
	if seed, err := strconv.ParseUint(os.Getenv("REPORT_SEED"), 10, 64); err == nil {
		compareReport(t, seed, situations{})
		return
	}
	hits := situations{}
	for seed := range uint64(histories) {
		compareReport(t, seed, hits)
		if t.Failed() {
			t.Fatalf("run this seed again with REPORT_SEED=%d", seed)
		}
	}
	hits.check(t)
}

const histories = 1000

func compareReport(t *testing.T, seed uint64, hits situations) {
	h := generate(seed)
	got := generateReport(t, h)
	want := recompute(&h.input)
	hits.observe(h, want)

	header, data := got["header"].(fields), got["data"].(fields)
	d := &differences{T: t, seed: seed}
	period := data["period"].(fields)
	d.compare("header", row{"complete": want.complete, "generated": date(h.Now)}, header)
	d.compare("period", row{"from": date(h.From), "to": date(h.To), "from_given": h.fromGiven, "to_given": h.toGiven},
		period)
	d.compare("summary", want.summary, data["summary"])
	d.compare("sign_offs", want.signOffs, data["sign_offs"])
	d.compareAll("team", want.teams, byKey(data["teams"], "team"))
	d.compareAll("target", want.targets, byKey(data["targets"], "cluster_name", "backup_type"))
	clusters := byKey(data["clusters"], "cluster_name")
	d.compareAll("cluster", want.clusters, clusters)
	for name := range clusters {
		for _, list := range listNames {
			d.compareAll(name+" "+list, want.restores[name+" "+list], byKey(clusters[name][list], "job_id"))
		}
	}
}

// generateReport serves a history at the time of generation, and decodes the report in JSON.
func generateReport(t *testing.T, h *history) fields {
	var buffer bytes.Buffer
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(time.Until(h.Now))
		sim := newServer(h)
		pipe := atlastest.NewPipe(sim)
		defer pipe.Close()
		source, err := json.Marshal(h.config)
		if err != nil {
			t.Fatal(err)
		}
		cfg, err := config.Parse("config.yaml", source)
		if err != nil {
			t.Fatalf("seed %d: %v\n%s", h.seed, err, source)
		}
		period, err := report.ParsePeriod(h.fromGiven, h.toGiven, time.Now())
		if err != nil {
			t.Fatalf("seed %d: %v", h.seed, err)
		}
		options := report.Options{
			Period: period, SignOffFile: "signoff.yaml", Version: "1.2.3", DialContext: pipe.DialContext,
		}
		for _, s := range h.SignOffs {
			options.SignOffs = append(options.SignOffs, config.SignOff{JobID: s.JobID, Reviewer: s.Reviewer, Date: s.Date,
				Pass: s.Pass, Notes: s.Notes})
		}
		r, err := report.Generate(t.Context(), cfg, options)
		if err != nil {
			t.Fatalf("seed %d: %v", h.seed, err)
		}
		if err := report.Write(&buffer, r, "json"); err != nil {
			t.Fatal(err)
		}
	})
	return decode(buffer.Bytes())
}

func newServer(h *history) *atlastest.Server {
	sim := atlastest.New()
	sim.Capacity, sim.ServerlessServed = -1, true
	sim.AddServiceAccount("id", "secret")
	sim.AddProject(project, "Payments")
	for _, c := range h.Clusters {
		sim.AddCluster(project, c.Name, h.kinds[c.Name])
		sim.ChangeCluster(project, c.Name, func(s *atlastest.ClusterState) {
			s.Created, s.BackupEnabled, s.PointInTimeEnabled = c.Created, c.Backup, c.PointInTime
		})
		for backup, l := range c.Lists {
			if l.Denied {
				path := map[string]string{"flex": "flexClusters/%s/backup/restoreJobs", "legacy": "/%s/restoreJobs",
					"collection": "/%s/collectionRestoreJobs"}[backup]
				path = fmt.Sprintf(cmp.Or(path, "/%s/backup/restoreJobs"), c.Name)
				sim.Script(atlastest.PathHas(path), 0, atlastest.APIError(403, "ACCESS_FORBIDDEN", "denied"))
			}
			for i, item := range l.Items {
				sim.AddJobs(atlas.List{ProjectID: project, ClusterName: c.Name, BackupType: atlas.BackupType(backup)},
					atlastest.Job{ID: fmt.Sprintf("%024x", i), Created: h.Now.Add(-time.Duration(i) * time.Second), Raw: item})
			}
		}
	}
	return sim
}

// byKey returns the objects of a list by the values of fields.
func byKey(list any, names ...string) map[string]row {
	out := map[string]row{}
	for _, entry := range list.([]any) {
		key := ""
		for i, name := range names {
			if i > 0 {
				key += " "
			}
			key += entry.(fields)[name].(string)
		}
		out[key] = entry.(fields)
	}
	return out
}

// differences reports the rows that differ.
type differences struct {
	*testing.T
	seed uint64
}

func (d *differences) compareAll(name string, want, got map[string]row) {
	d.Helper()
	for key := range got {
		if want[key] == nil {
			d.Errorf("seed %d: %s %s is in the report, but was not recomputed:\n%s", d.seed, name, key, text(got[key]))
		}
	}
	for _, key := range slices.Sorted(maps.Keys(want)) {
		if got[key] == nil {
			d.Errorf("seed %d: %s %s is missing in the report:\n%s", d.seed, name, key, text(want[key]))
			continue
		}
		d.compare(name+" "+key, want[key], got[key])
	}
}

// compare compares the recomputed fields of a row. Reasons are texts: only their presence is compared.
func (d *differences) compare(name string, want row, got any) {
	d.Helper()
	g, _ := got.(fields)
	if g == nil {
		g, _ = got.(row)
	}
	for _, field := range slices.Sorted(maps.Keys(want)) {
		if w, ok := want[field].(row); ok {
			if _, ok := g[field].(fields); ok {
				d.compare(name+": "+field, w, g[field])
				continue
			}
		}
		value := g[field]
		if reason, ok := value.(string); ok && field == "reason" {
			value = reason != ""
		}
		if text(want[field]) != text(value) {
			d.Errorf("seed %d: %s: %s is %s in the report, but %s is expected\nreport:     %s\nrecomputed: %s", d.seed, name,
				field, text(value), text(want[field]), text(got), text(want))
		}
	}
}

func text(v any) string {
	encoded, err := json.Marshal(v)
	if err != nil {
		return err.Error()
	}
	return string(encoded)
}
