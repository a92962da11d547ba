package report_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"atlas-restore-exporter/atlas"
	"atlas-restore-exporter/atlas/atlastest"
	"atlas-restore-exporter/internal/config"
	"atlas-restore-exporter/internal/report"
)

const (
	project  = "5f3a1b2c4d5e6f7a8b9c0d1e"
	elseware = "6a1b2c3d4e5f60718293a4b5"
)

// TestReport_AgreesWithTheOracle compares reports about 1,000 random histories with the oracle.
func TestReport_AgreesWithTheOracle(t *testing.T) {
	covered := map[string]int{}
	for seed := range uint64(1000) {
		compareHistory(t, seed, covered)
		if t.Failed() {
			return
		}
	}
	for _, list := range []string{
		"list=drills", "list=failed_restores", "list=downloads", "list=other_restores", "list=collection_restores",
		"list=unfinished_restores", "batch_id=b", "validation=pass", "validation=fail", "unexpected_target=true",
		"indexes_failed=true", "status=unknown", "status=expired", "status=cancelled", "kind=point_in_time", "kind=other",
		"finished=null", "recovery_point=null", "requested=null", "drill_age: met", "drill_age: missed",
		"drill_age: not_measurable", "duration: met", "duration: missed", "duration: not_measurable",
		"recovery_point_age: met", "recovery_point_age: missed", "recovery_point_age: not_measurable", "not_counted",
		"followed_up_by=20",
	} {
		if covered[list] < 5 {
			t.Errorf("%q occurs only %d times", list, covered[list])
		}
	}
}

// compareHistory generates the report about one random history, and compares each of its rows.
func compareHistory(t *testing.T, seed uint64, covered map[string]int) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		g := newGenerator(seed)
		time.Sleep(time.Until(time.Unix(g.o.now, 0)))
		sim := atlastest.New()
		sim.Capacity, sim.ServerlessServed = -1, true
		sim.AddServiceAccount("id", "secret")
		sim.AddProject(project, "Payments")
		sim.AddCluster(project, "prod", g.kind)
		sim.ChangeCluster(project, "prod", func(c *atlastest.ClusterState) { c.Created = time.Unix(g.o.created, 0) })
		if g.kind == atlastest.ServerlessInstance {
			g.o.created = 0 // Atlas doesn't list serverless instances
		}
		var types []string
		for backupType, jobs := range g.o.lists {
			types = append(types, backupType)
			for _, job := range jobs {
				raw, err := json.Marshal(job)
				if err != nil {
					t.Fatal(err)
				}
				sim.AddJobs(atlas.List{ProjectID: project, ClusterName: "prod", BackupType: atlas.BackupType(backupType)},
					atlastest.Job{ID: text(job, "id"), Created: time.Unix(1, 0), Raw: raw})
			}
		}
		pipe := atlastest.NewPipe(sim)
		defer pipe.Close()
		cfg, err := config.Parse("config.yaml", []byte("atlas: {base_url: http://atlas.test}\n"+
			"credentials: {default: {service_account: {client_id: id, client_secret: secret}}}\n"+g.settings()+
			"projects: [{id: "+project+", clusters: [{name: prod, backup_types: ["+strings.Join(types, ", ")+"]}]}]"))
		if err != nil {
			t.Fatal(err)
		}
		period, err := report.ParsePeriod(g.fromText, g.toText, time.Now())
		if err != nil {
			t.Fatal(err)
		}
		generated, err := report.Generate(t.Context(), cfg, report.Options{
			Period: period, SignOffs: g.signOffs(), DialContext: pipe.DialContext,
		})
		if err != nil {
			t.Fatal(err)
		}
		got, want := rowsOf(t, generated), g.o.rows()
		for _, row := range want {
			for part := range strings.SplitSeq(row, " ") {
				covered[part]++
				for _, prefix := range []string{"batch_id=b", "followed_up_by=20"} {
					if strings.HasPrefix(part, prefix) {
						covered[prefix]++
					}
				}
				if strings.HasSuffix(part, "=not_counted") {
					covered["not_counted"]++
				}
			}
			if strings.Contains(row, ": ") {
				covered[strings.Join(strings.SplitN(row, " ", 3)[:2], " ")]++
			}
		}
		if !slices.Equal(got, want) {
			t.Errorf("seed %d, now %s, period %s to %s, created %s\nonly reported:\n%s\nonly expected:\n%s", seed, utc(g.o.now),
				g.fromText, g.toText, utc(g.o.created), without(got, want), without(want, got))
		}
	})
}

func without(rows, others []string) string {
	own := slices.DeleteFunc(slices.Clone(rows), func(row string) bool { return slices.Contains(others, row) })
	return strings.Join(own, "\n")
}

// rowsOf returns the rows of a report in the form of the oracle.
func rowsOf(t *testing.T, generated *report.Report) []string {
	t.Helper()
	var buffer bytes.Buffer
	if err := report.Write(&buffer, generated, "json"); err != nil {
		t.Fatal(err)
	}
	decoder := json.NewDecoder(&buffer)
	decoder.UseNumber()
	var document object
	if err := decoder.Decode(&document); err != nil {
		t.Fatal(err)
	}
	cluster := document["data"].(object)["clusters"].([]any)[0].(object)
	judgment := func(value any) string {
		j := value.(object)
		if j["value_seconds"] == nil {
			return text(j, "verdict")
		}
		return fmt.Sprint(j["verdict"], " ", j["value_seconds"])
	}
	var rows []string
	for _, list := range []string{
		"drills", "failed_restores", "downloads", "other_restores", "collection_restores", "unfinished_restores",
	} {
		for _, item := range cluster[list].([]any) {
			r := item.(object)
			row := object{"list": list, "followed_up_by": "null"}
			for _, key := range []string{
				"job_id", "batch_id", "backup_type", "kind", "purpose", "status", "target_project_id", "target_cluster_name",
				"in_place", "unexpected_target", "indexes_failed", "validation", "requested", "finished", "ended", "recovery_point",
			} {
				row[key] = r[key]
				if r[key] == nil {
					row[key] = "null"
				}
			}
			if r["batch_job_ids"] != nil {
				delete(row, "status")
			}
			if followUp, _ := r["followed_up_by"].(object); followUp != nil {
				row["followed_up_by"] = followUp["ended"]
			}
			row["duration"], row["recovery_point_age"] = judgment(r["duration"]), judgment(r["recovery_point_age"])
			rows = append(rows, line(row))
		}
	}
	for _, objective := range []string{"duration", "recovery_point_age"} {
		rows = append(rows, objective+": "+text(cluster, objective+".verdict"))
	}
	drillAge := judgment(cluster["drill_age"])
	if verdict := text(cluster, "drill_age.verdict"); verdict != "met" && verdict != "missed" {
		drillAge = verdict
	}
	rows = append(rows, "drill_age: "+drillAge)
	slices.Sort(rows)
	return rows
}
